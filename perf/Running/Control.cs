using BenchmarkDotNet.Attributes;

namespace Smmu.Fast.Perf.Running;

/// <summary>
/// Benchmarks of which three fail, one at work, one in what its setup claims and one because it allocates: a run must
/// notice all three.
/// </summary>
public class Control
{
    private object? kept;

    [GlobalSetup(Target = nameof(FailsInSetup))]
    public void SetUp() => throw new InvalidOperationException("A claim that does not hold.");

    [Benchmark]
    public int FailsInSetup() => 1;

    [Benchmark]
    public int FailsAtWork() => throw new InvalidOperationException("Work that fails.");

    [Benchmark]
    public object Allocates() => kept = new object();   // Kept, so that the compiler has to make it.

    [Benchmark]
    public int Runs() => 1;
}
