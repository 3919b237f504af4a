namespace Smmu.Fast.Perf.Running;

/// <summary>Marks benchmarks whose work other threads do: the processor time of the measuring thread says nothing of them.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class ManyThreadsAttribute : Attribute;
