namespace Smmu.Fast.Scenarios.Recordings;

/// <summary>Finds the recordings and snapshots that come with the project.</summary>
public static class ShippedRecordings
{
    private const string RepositoryMark = "Smmu.Fast.sln";

    private static readonly string[] folders = ["Recordings", "Data"];

    /// <summary>The files, recordings before snapshots, each in alphabetical order.</summary>
    /// <exception cref="RecordingException">There are none beside the program and none in the repository around it.</exception>
    public static IReadOnlyList<string> Find()
    {
        foreach (string folder in Candidates())
        {
            if (!Directory.Exists(folder)) continue;
            string[] files =
            [
                .. Directory.GetFiles(folder, "*.smr.zst").Order(StringComparer.Ordinal),
                .. Directory.GetFiles(folder, "*.snap.zst").Order(StringComparer.Ordinal),
            ];
            if (files.Length > 0) return files;
        }

        throw new RecordingException("no recordings were shipped with this program; name a file");
    }

    private static IEnumerable<string> Candidates()
    {
        yield return Path.Combine([AppContext.BaseDirectory, .. folders]);
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (!File.Exists(Path.Combine(folder.FullName, RepositoryMark))) continue;
            yield return Path.Combine([folder.FullName, "harness", "Scenarios", .. folders]);
            yield break;
        }
    }
}
