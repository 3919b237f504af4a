using System.Diagnostics;

namespace Smmu.Fast.Qemu;

/// <summary>A case that differs.</summary>
/// <param name="Index">Of the case.</param>
/// <param name="Differences">How it differs.</param>
/// <param name="Script">The smallest case found that differs too, to read.</param>
public sealed record FailedCase(long Index, IReadOnlyList<CaseDifference> Differences, string Script);

/// <summary>What a run found.</summary>
public sealed record DifferentialReport
{
    /// <summary>The first line of QEMU's version.</summary>
    public required string Version { get; init; }

    /// <summary>Of the run.</summary>
    public required int Seed { get; init; }

    /// <summary>Cases that ran.</summary>
    public required long Cases { get; init; }

    /// <summary>How long they took.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>Cases that differ for no known reason.</summary>
    public required long Failures { get; init; }

    /// <summary>The first of them.</summary>
    public required IReadOnlyList<FailedCase> Details { get; init; }

    /// <summary>How often each departure of QEMU explained a difference.</summary>
    public required IReadOnlyDictionary<Departure, long> Departures { get; init; }

    /// <summary>What the cases reached.</summary>
    public required Coverage Coverage { get; init; }
}

/// <summary>What to run.</summary>
public sealed record DifferentialOptions
{
    /// <summary>How many cases.</summary>
    public required long Cases { get; init; }

    /// <summary>What they are made of; the same seed makes the same cases.</summary>
    public required int Seed { get; init; }

    /// <summary>The index of the first case.</summary>
    public long First { get; init; }

    /// <summary>QEMU's path, or null to look through PATH.</summary>
    public string? Qemu { get; init; }

    /// <summary>How many QEMUs run at a time.</summary>
    public int Workers { get; init; } = 1;

    /// <summary>How many failed cases are shrunk and shown.</summary>
    public int MaximumDetails { get; init; } = 5;

    /// <summary>Hears how many cases have run; called from any thread.</summary>
    public Action<long>? Progress { get; init; }
}

/// <summary>Random cases on QEMU and on our SMMU, everything compared.</summary>
public static class DifferentialRun
{
    /// <summary>Runs cases.</summary>
    /// <param name="options">What to run.</param>
    /// <param name="cancellation">Ends the run.</param>
    /// <exception cref="QemuException">QEMU is missing, unknown, or does not answer.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static DifferentialReport Run(DifferentialOptions options, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(options);
        var (path, version) = QemuProcess.Identify(options.Qemu);
        return Run(options, version, () => QemuMachine.Start(path), cancellation);
    }

    /// <summary>Runs cases against any peer that speaks as QEMU does.</summary>
    internal static DifferentialReport Run(
        DifferentialOptions options, string version, Func<QemuMachine> start, CancellationToken cancellation)
    {
        var watch = Stopwatch.StartNew();
        int workers = (int)Math.Clamp(options.Workers, 1, Math.Max(options.Cases, 1));
        var tallies = new Worker[workers];
        long done = 0;
        try
        {
            Parallel.For(0, workers, new ParallelOptions { MaxDegreeOfParallelism = workers }, number =>
            {
                using var worker = new Worker(options, start);
                tallies[number] = worker;
                for (long i = number; i < options.Cases; i += workers)
                {
                    cancellation.ThrowIfCancellationRequested();
                    worker.Run(options.First + i);
                    long now = Interlocked.Increment(ref done);
                    options.Progress?.Invoke(now);
                }

                worker.Sweep();
            });
        }
        catch (AggregateException exception)
        {
            // Who ends the run from a terminal ends QEMU, too: its silence is no error then.
            cancellation.ThrowIfCancellationRequested();

            // The first reason is the one to show: the others are of its kind.
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Capture(exception.Flatten().InnerExceptions[0]).Throw();
        }

        var coverage = new Coverage();
        var departures = new SortedDictionary<Departure, long>();
        foreach (var tally in tallies)
        {
            coverage.Add(tally.Coverage);
            foreach (var (departure, count) in tally.Departures)
                departures[departure] = departures.GetValueOrDefault(departure) + count;
        }

        return new DifferentialReport
        {
            Version = version,
            Seed = options.Seed,
            Cases = done,
            Elapsed = watch.Elapsed,
            Failures = tallies.Sum(tally => tally.Failures),
            Details =
            [
                .. tallies.SelectMany(tally => tally.Details).OrderBy(failed => failed.Index).Take(options.MaximumDetails),
            ],
            Departures = departures,
            Coverage = coverage,
        };
    }

    /// <summary>One QEMU for linear and one for two-level Stream tables, and an engine beside them.</summary>
    private sealed class Worker(DifferentialOptions options, Func<QemuMachine> start) : IDisposable
    {
        private const int CasesBetweenSweeps = 256;

        private readonly EngineMachine engine = new();
        private readonly QemuMachine?[] machines = new QemuMachine?[2];
        private readonly List<long> unswept = [];
        private CaseRunner? runner;
        private byte[]? pristine;

        public Coverage Coverage { get; } = new();

        public Dictionary<Departure, long> Departures { get; } = [];

        public List<FailedCase> Details { get; } = [];

        public long Failures { get; private set; }

        public void Run(long index)
        {
            var test = CaseGenerator.Create(options.Seed, index);
            var result = Execute(test);
            Coverage.Add(result.Coverage);
            foreach (var (departure, count) in result.Departures)
                Departures[departure] = Departures.GetValueOrDefault(departure) + count;
            if (result.Differences.Count > 0)
            {
                Fail(test, result.Differences, smaller => Execute(smaller).Differences);
                Recover();
                return;
            }

            unswept.Add(index);
            if (unswept.Count == CasesBetweenSweeps) Sweep();
        }

        /// <summary>Compares all of RAM. After a stray write the cases since the last time run again one by one.</summary>
        public void Sweep()
        {
            if (unswept.Count > 0 && Leftovers() is not null)
            {
                Recover();
                foreach (long index in unswept)
                {
                    var test = CaseGenerator.Create(options.Seed, index);
                    var stray = ExecuteAndSweep(test);
                    if (stray.Count > 0) Fail(test, stray, ExecuteAndSweep);
                }
            }

            unswept.Clear();
        }

        public void Dispose()
        {
            foreach (var machine in machines) machine?.Dispose();
            engine.Dispose();
        }

        private CaseResult Execute(QemuCase test)
        {
            runner ??= new CaseRunner(engine);
            ref var machine = ref machines[test.IsTwoLevel ? 1 : 0];
            machine ??= start();
            return runner.Run(test, machine);
        }

        private List<CaseDifference> ExecuteAndSweep(QemuCase test)
        {
            var differences = Execute(test).Differences;
            if (Leftovers() is { } stray) differences.Add(stray);
            Recover();
            return differences;
        }

        private void Fail(QemuCase test, List<CaseDifference> differences, Func<QemuCase, List<CaseDifference>> run)
        {
            Failures++;
            if (Details.Count >= options.MaximumDetails) return;
            string kind = differences[0].Kind;
            var smallest = Shrinker.Shrink(test, smaller => run(smaller) is [var first, ..] && first.Kind == kind);
            var remaining = run(smallest);
            Details.Add(new FailedCase(test.Index, remaining.Count > 0 ? remaining : differences, smallest.ToString()));
        }

        private CaseDifference? Leftovers()
        {
            pristine ??= MakePristine();
            foreach (var machine in machines)
            {
                if (machine is not null && CaseRunner.FindLeftovers(engine.Ram, machine.Ram, pristine) is { } stray) return stray;
            }

            return null;
        }

        // A case that went wrong may have left anything behind.
        private void Recover()
        {
            pristine ??= MakePristine();
            pristine.CopyTo(engine.Ram);
            foreach (var machine in machines)
            {
                if (machine is not null) pristine.CopyTo(machine.Ram);
            }
        }

        private static byte[] MakePristine()
        {
            byte[] ram = new byte[MachineMap.RamBytes];
            MachineMap.FillPristine(ram);
            return ram;
        }
    }
}
