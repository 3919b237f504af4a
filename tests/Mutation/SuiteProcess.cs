using System.Reflection;
using System.Runtime.Loader;
using Xunit.Abstractions;
using Xunit.Sdk;

namespace Smmu.Fast.Tests.Mutation;

/// <summary>Runs the fast tests in this process, one after the other, and ends it at the first failure.</summary>
/// <remarks>Writes a line as each test begins, and one as the first fails, so that whoever reads along knows where it stands.</remarks>
internal static class SuiteProcess
{
    /// <summary>The first word of such a command line.</summary>
    public const string Command = "suite";

    /// <summary>Begins the line that names the test that begins.</summary>
    public const string Begins = "begins ";

    /// <summary>Begins the line that names the test that failed.</summary>
    public const string Fails = "fails ";

    /// <summary>Begins the last line of a run that no test failed; the count of tests follows.</summary>
    public const string Passes = "passes ";

    /// <summary>Begins a line that names a test that takes long.</summary>
    public const string Slow = "slow ";

    /// <summary>Name of the file, beside the test assemblies, that lists the tests to leave to the end.</summary>
    public const string SlowFile = "slow.txt";

    private const decimal SlowSeconds = 0.1m;
    private const int SlowTurns = 10;          // Slow tests come after all others, in the same order,
    private const int First = -SlowTurns;      // except for the one to begin with.

    private static readonly string[] Assemblies = ["Smmu.Fast.Tests", "Smmu.Fast.Props"];

    // Slow, or not about the engine in this process: child programs have an engine of their own.
    private static readonly string[] LeftOut =
    [
        "Smmu.Fast.Tests.Harness.", "Smmu.Fast.Tests.Repository.", "Smmu.Fast.Tests.Oracle.",
        "Smmu.Fast.Tests.Device.HostileGuestTests", "Smmu.Fast.Tests.Device.LitmusTests",
    ];

    /// <summary>Runs the tests.</summary>
    /// <param name="folder">Holds the test assemblies and the engine.</param>
    /// <param name="prefix">Only classes whose full name begins so are run; empty for all.</param>
    /// <param name="known">The test to begin with, as a report names it; may be empty.</param>
    /// <param name="room">The room whose tests come early; may be empty.</param>
    /// <param name="rules">The rules whose tests come first.</param>
    /// <returns>0 when all passed; the process ends with 1 when one failed.</returns>
    public static int Run(string folder, string prefix, string known, string room, IReadOnlySet<string> rules)
    {
        AssemblyLoadContext.Default.Resolving += (context, name) =>
        {
            string path = Path.Combine(folder, $"{name.Name}.dll");
            return File.Exists(path) ? context.LoadFromAssemblyPath(path) : null;
        };

        string slowFile = Path.Combine(folder, SlowFile);
        var slow = File.Exists(slowFile) ? File.ReadLines(slowFile).ToHashSet() : [];
        var groups = new List<(int Turn, ITestFrameworkExecutor Executor, List<ITestCase> Cases)>();
        for (int i = 0; i < Assemblies.Length; i++)
        {
            var assembly = AssemblyLoadContext.Default.LoadFromAssemblyPath(Path.Combine(folder, $"{Assemblies[i]}.dll"));
            var framework = new XunitTestFramework(new NullMessageSink());
            var executor = framework.GetExecutor(assembly.GetName());
            int last = 3 + i;
            var turns = CasesOf(framework, assembly, prefix)
                .GroupBy(test => TurnOf(test, known, room, rules, last) + (slow.Contains(NameOf(test.TestMethod)) ? SlowTurns : 0));
            foreach (var turn in turns)
            {
                groups.Add((turn.Key, executor, [.. turn]));
            }
        }

        var sink = new FirstFailure();
        foreach (var (_, executor, cases) in groups.OrderBy(group => group.Turn))
        {
            sink.Ended.Reset();
            executor.RunTests(cases, sink, new Options());
            sink.Ended.Wait();
        }

        Console.WriteLine(Passes + sink.Passed);
        return 0;
    }

    private static IEnumerable<ITestCase> CasesOf(XunitTestFramework framework, Assembly assembly, string prefix)
    {
        using var discoverer = framework.GetDiscoverer(Reflector.Wrap(assembly));
        using var sink = new Discovery();
        discoverer.Find(includeSourceInformation: false, sink, new Options());
        sink.Ended.Wait();
        return sink.Cases.Where(test =>
        {
            string name = test.TestMethod.TestClass.Class.Name;
            return name.StartsWith(prefix, StringComparison.Ordinal)
                && !LeftOut.Any(part => name.StartsWith(part, StringComparison.Ordinal));
        });
    }

    private static int TurnOf(ITestCase test, string known, string room, IReadOnlySet<string> rules, int last) =>
        NameOf(test.TestMethod) == known ? First
        : test.Traits.TryGetValue("Rule", out var shown) && shown.Any(rules.Contains) ? 1
        : test.TestMethod.TestClass.Class.Name.StartsWith($"Smmu.Fast.Tests.{room}.", StringComparison.Ordinal) ? 2
        : last;

    // Without what all names begin with.
    private static string NameOf(ITestMethod method) => $"{method.TestClass.Class.Name}.{method.Method.Name}"["Smmu.Fast.".Length..];

    private sealed class Discovery : IMessageSink, IDisposable
    {
        public List<ITestCase> Cases { get; } = [];

        public ManualResetEventSlim Ended { get; } = new();

        public bool OnMessage(IMessageSinkMessage message)
        {
            if (message is ITestCaseDiscoveryMessage found) Cases.Add(found.TestCase);
            if (message is IDiscoveryCompleteMessage) Ended.Set();
            return true;
        }

        public void Dispose() => Ended.Dispose();
    }

    private sealed class FirstFailure : IMessageSink
    {
        public ManualResetEventSlim Ended { get; } = new();

        public int Passed { get; private set; }

        public bool OnMessage(IMessageSinkMessage message)
        {
            switch (message)
            {
                case ITestStarting starting:
                    Console.WriteLine(Begins + NameOf(starting.TestMethod));
                    break;
                case ITestPassed passed:
                    Passed++;
                    if (passed.ExecutionTime > SlowSeconds) Console.WriteLine(Slow + NameOf(passed.TestMethod));
                    break;
                case ITestFailed failed:
                    End(NameOf(failed.TestMethod), failed);
                    break;
                case IErrorMessage or ITestAssemblyCleanupFailure or ITestCollectionCleanupFailure or ITestClassCleanupFailure:
                    End("a fixture", (IFailureInformation)message);
                    break;
                case ITestAssemblyFinished:
                    Ended.Set();
                    break;
                default:
                    break;
            }

            return true;
        }

        // Not by way of cancellation: a broken engine may keep other threads of the test busy for ever.
        private static void End(string name, IFailureInformation failure)
        {
            Console.WriteLine(Fails + name);
            Console.WriteLine(failure.Messages.FirstOrDefault());
            Environment.Exit(1);
        }
    }

    // One test at a time, so that the first failure is the same each time.
    private sealed class Options : ITestFrameworkDiscoveryOptions, ITestFrameworkExecutionOptions
    {
        private readonly Dictionary<string, object?> values = new(StringComparer.Ordinal)
        {
            ["xunit.execution.DisableParallelization"] = true,
            ["xunit.execution.SynchronousMessageReporting"] = true,
            ["xunit.discovery.PreEnumerateTheories"] = false,
        };

        public TValue? GetValue<TValue>(string name) => values.TryGetValue(name, out object? value) ? (TValue?)value : default;

        public void SetValue<TValue>(string name, TValue value) => values[name] = value;
    }
}
