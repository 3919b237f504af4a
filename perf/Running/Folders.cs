namespace Smmu.Fast.Perf.Running;

/// <summary>Where the files of this project are.</summary>
internal static class Folders
{
    private const string Solution = "Smmu.Fast.sln";

    /// <summary>The folder of the sources.</summary>
    /// <exception cref="InvalidOperationException">The program was taken away from them.</exception>
    public static string Sources
    {
        get
        {
            for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            {
                if (File.Exists(Path.Combine(folder.FullName, Solution))) return Path.Combine(folder.FullName, "perf");
            }

            throw new InvalidOperationException($"The program is not inside of its repository, where {Solution} is: name a folder with --to.");
        }
    }
}
