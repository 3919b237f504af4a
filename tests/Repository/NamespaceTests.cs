using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Smmu.Fast.Tests.Repository;

/// <summary>A folder is a namespace: the project's root namespace and then the folders below the project.</summary>
public partial class NamespaceTests
{
    [Fact]
    public void EveryFolderIsANamespace()
    {
        int seen = 0;
        var projects = RepositoryFiles.EndingWith(".csproj");
        string[] folders = [.. projects.Select(project => project[..(project.LastIndexOf('/') + 1)])];
        foreach (string project in projects)
        {
            string folder = project[..project.LastIndexOf('/')];
            string root = XDocument.Parse(RepositoryFiles.Read(project)).Descendants("RootNamespace").Single().Value;
            foreach (string file in RepositoryFiles.EndingWith(".cs", folder))
            {
                // A project in a folder of another one has its files for itself.
                if (folders.Any(inner => inner.Length > folder.Length + 1 && file.StartsWith(inner, StringComparison.Ordinal))) continue;
                seen++;
                Assert.Null(Problem(file, NamespaceOf(root, file[(folder.Length + 1)..]), RepositoryFiles.Read(file)));
            }
        }

        Assert.Equal(RepositoryFiles.EndingWith(".cs").Count, seen);
    }

    [Theory]
    [InlineData("One.cs", "Smmu.Fast")]
    [InlineData("Formats/One.cs", "Smmu.Fast.Formats")]
    [InlineData("Formats/Registers/One.cs", "Smmu.Fast.Formats.Registers")]
    public void TheNamespaceFollowsTheFolder(string file, string expected) => Assert.Equal(expected, NamespaceOf("Smmu.Fast", file));

    [Theory]
    [InlineData("namespace Smmu.Fast.Walks;\n\npublic class One;\n")]
    [InlineData("namespace Smmu.Fast.Formats\n{\n    public class One;\n}\n")]
    [InlineData("public class One;\n")]
    [InlineData("// Without a namespace.\ninternal static partial class One\n{\n}\n")]
    public void AFileInTheWrongNamespaceIsSeen(string source) => Assert.NotNull(Problem("Formats/One.cs", "Smmu.Fast.Formats", source));

    [Theory]
    [InlineData("using System;\n\nnamespace Smmu.Fast.Formats;\n\npublic class One;\n")]
    [InlineData("[assembly: System.CLSCompliant(false)]\n")]
    [InlineData("return 0;\n")]
    public void AFileInItsNamespaceOrWithoutTypesIsFine(string source) =>
        Assert.Null(Problem("Formats/One.cs", "Smmu.Fast.Formats", source));

    private static string NamespaceOf(string root, string file) => string.Join('.', [root, .. file.Split('/')[..^1]]);

    private static string? Problem(string file, string expected, string source)
    {
        var declared = Declaration().Match(source);
        if (declared.Success) return declared.Groups["name"].Value == expected && declared.Groups["end"].Value == ";"
            ? null : $"{file}: the folder asks for 'namespace {expected};'.";
        return TypeDeclaration().IsMatch(source) ? $"{file}: types outside of a namespace; the folder asks for {expected}." : null;
    }

    [GeneratedRegex(@"^namespace\s+(?<name>[\w.]+)\s*(?<end>;|\{|$)", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex Declaration();

    [GeneratedRegex(@"^(\w+\s+)*(class|struct|record|interface|enum|delegate)\s+\w", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex TypeDeclaration();
}
