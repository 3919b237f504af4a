using System.Text.RegularExpressions;

namespace Smmu.Fast.Tests.Repository;

/// <summary>The checkout that these tests were built from, without what .gitignore leaves out.</summary>
internal static class RepositoryFiles
{
    /// <summary>Full path of the folder that holds Smmu.Fast.sln.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>Configuration these tests were built in, as build output folders spell it.</summary>
    public static string Configuration { get; } =
        new DirectoryInfo(AppContext.BaseDirectory).Parent?.Name ?? throw new DirectoryNotFoundException(AppContext.BaseDirectory);

    /// <summary>Names of the files and folders of a folder, given relative to the root, in ordinal order.</summary>
    public static IReadOnlyList<string> NamesIn(string folder)
    {
        var ignored = IgnoredNames();
        return
        [
            .. new DirectoryInfo(Path.Combine(Root, folder)).EnumerateFileSystemInfos()
                .Select(entry => entry.Name)
                .Where(name => name != ".git" && !ignored.IsMatch(name))
                .Order(StringComparer.Ordinal),
        ];
    }

    /// <summary>Every file at any depth whose name ends so, relative to the root with '/' between names, in ordinal order.</summary>
    public static IReadOnlyList<string> EndingWith(string ending) => EndingWith(ending, "");

    /// <summary>The same, below a folder given relative to the root.</summary>
    public static IReadOnlyList<string> EndingWith(string ending, string folder)
    {
        var found = new List<string>();
        Collect(folder, ending, found);
        return found;
    }

    /// <summary>The text of a file given relative to the root.</summary>
    public static string Read(string file) => File.ReadAllText(Path.Combine(Root, file));

    /// <summary>True when a file or folder is there, given relative to the root.</summary>
    public static bool Exists(string path) => Path.Exists(Path.Combine(Root, path));

    private static void Collect(string folder, string ending, List<string> found)
    {
        foreach (string name in NamesIn(folder))
        {
            string path = folder.Length == 0 ? name : folder + "/" + name;
            if (Directory.Exists(Path.Combine(Root, path))) Collect(path, ending, found);
            else if (path.EndsWith(ending, StringComparison.Ordinal)) found.Add(path);
        }
    }

    // .gitignore here holds plain names and names with one star: enough to tell build output from the checkout.
    private static Regex IgnoredNames()
    {
        var patterns = File.ReadLines(Path.Combine(Root, ".gitignore"))
            .Select(line => line.Trim().TrimEnd('/'))
            .Where(line => line.Length != 0 && line[0] != '#')
            .Select(line => Regex.Escape(line).Replace(@"\*", ".*", StringComparison.Ordinal));
        return new Regex($"^({string.Join('|', patterns)})$", RegexOptions.CultureInvariant);
    }

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Smmu.Fast.sln"))) return folder.FullName;
        }

        throw new DirectoryNotFoundException(
            $"No folder above {AppContext.BaseDirectory} holds Smmu.Fast.sln: run the tests from the build output of a checkout.");
    }
}
