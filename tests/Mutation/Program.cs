using System.Diagnostics;
using Smmu.Fast.Tests.Mutation;
using Smmu.Fast.Tests.Mutation.Weaving;

const int Caught = 0;
const int Survived = 1;
const int Unusable = 2;

if (args is [SuiteProcess.Command, var folder, var prefix, var known, var room, .. var rules])
{
    return SuiteProcess.Run(folder, prefix, known, room, rules.ToHashSet());
}

try
{
    return Try(Options.Parse(args));
}
catch (Exception exception) when (exception is FormatException or IOException or InvalidOperationException)
{
    Console.Error.WriteLine(exception.Message);
    return Unusable;
}

static int Try(Options options)
{
    string root = FindRoot();
    var mutants = MutantList.ReadFolder(options.Lists ?? Path.Combine(root, "tests", "Mutation", "Mutants"));
    if (options.IsList)
    {
        foreach (var mutant in mutants) Console.WriteLine($"{mutant.Id}  {mutant.Room}: {mutant.Summary}");
        return Caught;
    }

    if (options.Only.FirstOrDefault(id => mutants.All(mutant => mutant.Id != id)) is { } unknown) throw new FormatException(
        $"There is no mutant {unknown}: --list names them.");

    // As this program is built: this process may run inside a test of the same configuration.
    string configuration = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;
    string[] projects = [Path.Combine(root, "tests"), Path.Combine(root, "props")];
    if (!options.IsBuilt) Build(projects[0], configuration);   // Builds the properties, too.

    using var suite = new Suite(
        projects.Select(project => Path.Combine(project, "bin", configuration, "net10.0")), options.Tests);
    EngineBuild.Run(Path.Combine(root, "engine"), mutants, suite.Engine);

    var whole = suite.Run(0, null, "", TimeSpan.FromMinutes(5));
    if (whole.End != MutantEnd.Survived || whole.Passed == 0) throw new InvalidOperationException(
        $"With no mutant the tests must pass, and there must be some: {whole.End} {whole.Test}.");
    Console.WriteLine($"{whole.Passed} tests pass with no mutant.");

    string report = Path.Combine(root, "tests", "MUTATION.md");
    string previous = File.Exists(report) ? File.ReadAllText(report) : "";
    var verdicts = Judge(options, mutants, MutationReport.TestsOf(previous), suite);
    if (options.IsReported) File.WriteAllText(report, MutationReport.Of(mutants, verdicts, previous));
    var survivors = verdicts.Where(verdict => !verdict.IsCaught).ToList();
    Console.WriteLine($"{verdicts.Count - survivors.Count} of {verdicts.Count} mutants are caught.");
    return survivors.Count == 0 ? Caught : Survived;
}

static IReadOnlyList<MutantVerdict> Judge(
    Options options, IReadOnlyList<Mutant> mutants, IReadOnlyDictionary<string, string> known, Suite suite)
{
    var limit = TimeSpan.FromSeconds(60);
    var chosen = mutants
        .Select((mutant, index) => (Number: index + 1, Mutant: mutant))
        .Where(item => options.Only.Count == 0 || options.Only.Contains(item.Mutant.Id))
        .ToList();
    var verdicts = new MutantVerdict[chosen.Count];
    Parallel.For(0, chosen.Count, new ParallelOptions { MaxDegreeOfParallelism = options.Parallel }, i =>
    {
        var watch = Stopwatch.StartNew();
        var (number, mutant) = chosen[i];
        var (end, test, _) = suite.Run(number, mutant, known.GetValueOrDefault(mutant.Id, ""), limit);
        verdicts[i] = new MutantVerdict(mutant, end, test, watch.Elapsed.TotalSeconds);
        Console.WriteLine($"{mutant.Id}  {watch.Elapsed.TotalSeconds:F1} s  {verdicts[i].CaughtBy}");
    });
    return verdicts;
}

static void Build(string project, string configuration)
{
    using var build = Process.Start("dotnet", ["build", project, "-c", configuration, "-v", "quiet", "-nologo"]);
    build.WaitForExit();
    if (build.ExitCode != 0) throw new InvalidOperationException("The tests do not build.");
}

static string FindRoot()
{
    for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
    {
        if (File.Exists(Path.Combine(folder.FullName, "Smmu.Fast.sln"))) return folder.FullName;
    }

    throw new DirectoryNotFoundException("Run the program from the build output of a checkout.");
}
