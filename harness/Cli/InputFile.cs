using Smmu.Fast.Scenarios.Recordings;
using Smmu.Fast.Scenarios.Snapshots;

namespace Smmu.Fast.Cli;

/// <summary>A file the tool was given: a recording or a snapshot, told apart by what it starts with.</summary>
/// <param name="Recording">The recording, or null.</param>
/// <param name="Snapshot">The snapshot, or null.</param>
internal sealed record InputFile(Recording? Recording, Snapshot? Snapshot)
{
    public string Name => Recording?.Name ?? Snapshot!.Name;

    public IdentificationRegisters Identification => Recording?.Index.FirstReset ?? Snapshot!.Identification;

    public static InputFile Open(string path)
    {
        var file = VerifiedFile.Open(path);
        return file.Content.AsSpan().StartsWith(RecordingReader.Magic)
            ? new InputFile(Recording.From(file), null)
            : new InputFile(null, Snapshot.From(file));
    }
}
