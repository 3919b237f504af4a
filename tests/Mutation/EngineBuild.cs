using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Smmu.Fast.Tests.Mutation.Weaving;

namespace Smmu.Fast.Tests.Mutation;

/// <summary>Compiles the engine with all mutants in it; a variable of the environment selects one when it runs.</summary>
internal static class EngineBuild
{
    /// <summary>Holds the number of the selected mutant; without it the engine is whole.</summary>
    public const string Variable = "SMMU_MUTANT";

    // What the project file of the engine makes: global usings and friends.
    private const string Additions = $$"""
        global using System;
        global using System.Collections.Generic;
        global using System.IO;
        global using System.Linq;
        global using System.Net.Http;
        global using System.Threading;
        global using System.Threading.Tasks;

        [assembly: System.Reflection.AssemblyVersion("1.0.0.0")]
        [assembly: System.Runtime.CompilerServices.InternalsVisibleTo("Smmu.Fast.Tests")]
        [assembly: System.Runtime.CompilerServices.InternalsVisibleTo("Smmu.Fast.Props")]
        [assembly: System.Runtime.CompilerServices.InternalsVisibleTo("Smmu.Fast.Perf")]

        namespace Smmu.Fast
        {
            internal static class SelectedMutant
            {
                private static readonly int Selected =
                    int.TryParse(Environment.GetEnvironmentVariable("{{Variable}}"), out int number) ? number : 0;

                public static bool Is(int number) => Selected == number;
            }
        }
        """;

    /// <summary>Compiles the engine.</summary>
    /// <param name="engine">Path of the engine's folder.</param>
    /// <param name="mutants">The mutants; the first has number 1.</param>
    /// <param name="output">Path of the assembly to write.</param>
    /// <exception cref="FormatException">A mutant does not fit the sources, or does not compile.</exception>
    public static void Run(string engine, IReadOnlyList<Mutant> mutants, string output)
    {
        var options = new CSharpParseOptions(LanguageVersion.Latest, DocumentationMode.None);
        var byFile = mutants.Select((mutant, index) => (Number: index + 1, Mutant: mutant)).ToLookup(item => item.Mutant.File);
        var trees = new List<SyntaxTree> { CSharpSyntaxTree.ParseText(Additions, options) };
        var files = Sources(engine).ToList();
        foreach (var group in byFile.Where(group => !files.Contains(group.Key))) throw new FormatException(
            $"{group.First().Mutant.Id}: there is no engine/{group.Key}.");
        foreach (string file in files)
        {
            string source = File.ReadAllText(Path.Combine(engine, file));
            trees.Add(CSharpSyntaxTree.ParseText(Weaver.Weave(source, byFile[file]), options, file));
        }

        var compilation = CSharpCompilation.Create(
            "Smmu.Fast",
            trees,
            References(),
            new CSharpCompilationOptions(
                OutputKind.DynamicallyLinkedLibrary,
                optimizationLevel: OptimizationLevel.Release,
                allowUnsafe: true,
                nullableContextOptions: NullableContextOptions.Enable));
        var result = compilation.Emit(output);
        var errors = result.Diagnostics.Where(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error).ToList();
        if (errors.Count != 0) throw new FormatException(
            "The engine does not compile with the mutants in it:\n" + string.Join('\n', errors.Select(Describe)));
    }

    private static IEnumerable<string> Sources(string engine) => Directory.EnumerateFiles(engine, "*.cs", SearchOption.AllDirectories)
        .Select(file => Path.GetRelativePath(engine, file).Replace('\\', '/'))
        .Where(file => !file.StartsWith("obj/", StringComparison.Ordinal) && !file.StartsWith("bin/", StringComparison.Ordinal))
        .Order(StringComparer.Ordinal);

    // Those of the runtime this program runs on, which also runs the tests.
    private static IEnumerable<MetadataReference> References()
    {
        string runtime = Path.GetDirectoryName(typeof(object).Assembly.Location)!;
        return ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(file => Path.GetDirectoryName(file) == runtime)
            .Select(file => MetadataReference.CreateFromFile(file));
    }

    // With the line as it was compiled: the mutant in it is the one to mend.
    private static string Describe(Diagnostic diagnostic)
    {
        int line = diagnostic.Location.GetLineSpan().StartLinePosition.Line;
        string text = diagnostic.Location.SourceTree?.GetText().Lines[line].ToString().Trim() ?? "";
        return $"{diagnostic}\n    {text}";
    }
}
