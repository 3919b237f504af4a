using Smmu.Fast.Perf.Running;

namespace Smmu.Fast.Perf.Aims;

/// <summary>What Explanations.md says of aims that are not met, and of what was tried and dropped.</summary>
/// <remarks>A line of the list begins with the name of the aim in bold letters and a colon; it may go on in lines that are indented.</remarks>
internal sealed class Explanations
{
    private const string FileName = "Explanations.md";
    private const string DroppedHeading = "## Tried and dropped";
    private const string Item = "* **";
    private const string EndOfName = ":** ";

    private readonly Dictionary<string, string> notes = [];

    private Explanations(string text)
    {
        int dropped = text.IndexOf(DroppedHeading, StringComparison.Ordinal);
        if (dropped >= 0) Dropped = text[(dropped + DroppedHeading.Length)..].Trim();
        string? name = null;
        foreach (string line in (dropped >= 0 ? text[..dropped] : text).Split('\n'))
        {
            int end = line.IndexOf(EndOfName, StringComparison.Ordinal);
            if (line.StartsWith(Item, StringComparison.Ordinal) && end > 0)
            {
                name = line[Item.Length..end];
                notes[name] = line[(end + EndOfName.Length)..].Trim();
            }
            else if (name is not null && line.StartsWith("  ", StringComparison.Ordinal))
            {
                notes[name] += " " + line.Trim();
            }
            else
            {
                name = null;
            }
        }
    }

    /// <summary>What was tried and dropped, as Markdown.</summary>
    public string Dropped { get; } = "";

    /// <summary>Reads the file beside the sources.</summary>
    public static Explanations Load() => new(File.ReadAllText(Path.Combine(Folders.Sources, FileName)));

    /// <summary>The explanation of an aim; null when there is none.</summary>
    public string? Of(Aim aim) => notes.GetValueOrDefault(aim.Name);

    /// <summary>Names that no aim has.</summary>
    public IEnumerable<string> Strangers(IEnumerable<Aim> aims) => notes.Keys.Except(aims.Select(aim => aim.Name));
}
