namespace Smmu.Fast.Tests.Mutation.Weaving;

/// <summary>One deliberate breakage of the engine.</summary>
/// <param name="Id">Its name, such as WALK-03.</param>
/// <param name="Room">The room it is in: the name of its list.</param>
/// <param name="Summary">What is broken, in words.</param>
/// <param name="Rules">Conformance rules it breaks, whose tests run first; may be empty.</param>
/// <param name="File">The source, relative to the folder of the engine.</param>
/// <param name="Context">A passage of the source that holds the original once, or empty when the source itself does.</param>
/// <param name="Original">The expression or the statement that is replaced; statements end with a semicolon.</param>
/// <param name="Broken">What replaces it; empty removes a statement.</param>
internal sealed record Mutant(
    string Id,
    string Room,
    string Summary,
    IReadOnlyList<string> Rules,
    string File,
    string Context,
    string Original,
    string Broken)
{
    /// <summary>True when statements are exchanged, false when expressions are.</summary>
    public bool IsStatement => Original[^1] == ';';
}
