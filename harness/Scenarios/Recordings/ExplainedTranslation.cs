namespace Smmu.Fast.Scenarios.Recordings;

/// <summary>One decoded field.</summary>
/// <param name="Name">The architecture's name.</param>
/// <param name="Value">The value, as text.</param>
/// <param name="Meaning">What the value says; may be empty.</param>
public sealed record ExplainedField(string Name, string Value, string Meaning);

/// <summary>One structure or descriptor that was read on the way.</summary>
/// <param name="Kind">What it is: STE, CD, descriptor.</param>
/// <param name="Address">Where it lies; null for a step that reads no memory.</param>
/// <param name="Value">What was read, when it is a single word; else null.</param>
/// <param name="Title">One line about it.</param>
/// <param name="Fields">Its decoded fields.</param>
/// <param name="Children">The steps it needed, such as the stage 2 walk of its own address.</param>
public sealed record ExplainedStep(
    string Kind,
    ulong? Address,
    ulong? Value,
    string Title,
    IReadOnlyList<ExplainedField> Fields,
    IReadOnlyList<ExplainedStep> Children);

/// <summary>A translation with all its steps.</summary>
/// <param name="Outcome">How it ends.</param>
/// <param name="OutputAddress">Where it ends; null unless the access may go on.</param>
/// <param name="LeafSize">Bytes around the address for which the answer holds; 0 where there is no leaf.</param>
/// <param name="Permissions">What the leaf permits.</param>
/// <param name="Steps">What was read, in order.</param>
/// <param name="Event">The event record a fault stands for, as fields; empty when there is none.</param>
public sealed record ExplainedTranslation(
    string Outcome,
    ulong? OutputAddress,
    ulong LeafSize,
    string Permissions,
    IReadOnlyList<ExplainedStep> Steps,
    IReadOnlyList<ExplainedField> Event);
