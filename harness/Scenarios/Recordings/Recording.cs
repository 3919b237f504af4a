namespace Smmu.Fast.Scenarios.Recordings;

/// <summary>A recording that was verified as a whole: its checksum, its framing and every record.</summary>
public sealed class Recording
{
    private readonly VerifiedFile file;

    private Recording(VerifiedFile file)
    {
        this.file = file;
        Index = RecordingIndex.Build(file.Content, file.Name);
    }

    /// <summary>The file's name.</summary>
    public string Name => file.Name;

    /// <summary>Bytes on disk.</summary>
    public long FileBytes => file.FileBytes;

    /// <summary>Bytes when decompressed; they stay in memory as long as the recording.</summary>
    public long ContentBytes => file.Content.Count;

    /// <summary>What the first pass found.</summary>
    public RecordingIndex Index { get; }

    /// <summary>Opens and verifies a recording.</summary>
    /// <param name="path">A .smr.zst or .smr file.</param>
    /// <exception cref="RecordingException">The file cannot be used; nothing of it was.</exception>
    public static Recording Open(string path) => new(VerifiedFile.Open(path));

    /// <summary>Verifies a recording whose bytes were read already.</summary>
    /// <param name="file">The verified bytes.</param>
    /// <exception cref="RecordingException">The file cannot be used.</exception>
    public static Recording From(VerifiedFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        return new Recording(file);
    }

    /// <summary>A reader at the first record.</summary>
    public RecordingReader Read() => new(file.Content, file.Name);
}
