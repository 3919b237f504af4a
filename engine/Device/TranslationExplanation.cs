using Smmu.Fast.Formats;

namespace Smmu.Fast.Device;

/// <summary>What a step of a resolution did.</summary>
public enum ExplanationKind
{
    /// <summary>SMMUEN = 0: GBPA decided.</summary>
    GlobalBypass,

    /// <summary>A level 1 Stream table descriptor was read.</summary>
    Level1StreamTableDescriptor,

    /// <summary>A Stream Table Entry was read.</summary>
    StreamTableEntry,

    /// <summary>A level 1 Context Descriptor was read.</summary>
    Level1ContextDescriptor,

    /// <summary>A Context Descriptor was read.</summary>
    ContextDescriptor,

    /// <summary>A stage 1 descriptor was read.</summary>
    Stage1Descriptor,

    /// <summary>A stage 2 descriptor was read.</summary>
    Stage2Descriptor,

    /// <summary>An address went through stage 2; the children are its descriptors.</summary>
    Stage2Translation,

    /// <summary>How it ended.</summary>
    Outcome,
}

/// <summary>A decoded field.</summary>
/// <param name="Name">The architecture's name.</param>
/// <param name="Value">The value, an address in full.</param>
/// <param name="Meaning">What it stands for, or empty.</param>
public readonly record struct ExplanationField(string Name, ulong Value, string Meaning);

/// <summary>One step of a resolution.</summary>
/// <param name="Kind">What it did.</param>
/// <param name="Title">In a few words.</param>
/// <param name="Address">Physical address of what was read; 0 when nothing was.</param>
/// <param name="Words">What was read, the lowest address first.</param>
/// <param name="Fields">What it says.</param>
/// <param name="Children">Steps within.</param>
public sealed record ExplanationStep(
    ExplanationKind Kind,
    string Title,
    ulong Address,
    IReadOnlyList<ulong> Words,
    IReadOnlyList<ExplanationField> Fields,
    IReadOnlyList<ExplanationStep> Children);

/// <summary>How an access would be resolved now, from memory alone: no cache is asked and nothing is changed.</summary>
/// <param name="Steps">The steps in their order.</param>
/// <param name="Result">The answer.</param>
/// <param name="Event">The record that the access would leave, or null.</param>
public sealed record TranslationExplanation(
    IReadOnlyList<ExplanationStep> Steps, TranslationResult Result, EventRecord? Event);
