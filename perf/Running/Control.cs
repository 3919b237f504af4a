using BenchmarkDotNet.Attributes;

namespace Smmu.Fast.Perf.Running;

/// <summary>Benchmarks of which two fail, one at work and one in what its setup claims: a run must notice both.</summary>
public class Control
{
    [GlobalSetup(Target = nameof(FailsInSetup))]
    public void SetUp() => throw new InvalidOperationException("A claim that does not hold.");

    [Benchmark]
    public int FailsInSetup() => 1;

    [Benchmark]
    public int FailsAtWork() => throw new InvalidOperationException("Work that fails.");

    [Benchmark]
    public int Runs() => 1;
}
