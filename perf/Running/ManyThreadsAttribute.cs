namespace Smmu.Fast.Perf.Running;

/// <summary>Marks benchmarks whose work other threads do: the processor time of the measuring thread says nothing of them.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class ManyThreadsAttribute : Attribute;

/// <summary>Marks benchmarks that may allocate: they do work beside that of the engine.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class AllocatesAttribute : Attribute;
