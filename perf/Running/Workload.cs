using System.Reflection;
using BenchmarkDotNet.Running;

namespace Smmu.Fast.Perf.Running;

/// <summary>A benchmark that is called by ourselves: to see that it runs, or to warm up what it calls.</summary>
internal sealed class Workload
{
    private readonly Action work;
    private readonly Action? before;

    /// <summary>Binds a benchmark to an instance that is set up.</summary>
    public Workload(BenchmarkCase benchmark, object instance)
    {
        before = benchmark.Descriptor.IterationSetupMethod?.CreateDelegate<Action>(instance);
        var method = benchmark.Descriptor.WorkloadMethod;
        work = method.ReturnType == typeof(void)
            ? method.CreateDelegate<Action>(instance)
            : typeof(Workload).GetMethod(nameof(Discard), BindingFlags.NonPublic | BindingFlags.Static)!
                .MakeGenericMethod(method.ReturnType).CreateDelegate<Func<MethodInfo, object, Action>>()(method, instance);
    }

    /// <summary>Benchmarks that may share an instance: same class, parameters and setup.</summary>
    public static IEnumerable<IEnumerable<BenchmarkCase>> Groups(IEnumerable<BenchmarkCase> cases) => cases.GroupBy(benchmark => (
        benchmark.Descriptor.Type, benchmark.Parameters.DisplayInfo, benchmark.Descriptor.GlobalSetupMethod?.Name));

    /// <summary>Makes an instance with the parameters of a benchmark, and sets it up.</summary>
    public static object SetUp(BenchmarkCase benchmark)
    {
        object instance = Activator.CreateInstance(benchmark.Descriptor.Type)!;
        foreach (var parameter in benchmark.Parameters.Items)
        {
            benchmark.Descriptor.Type.GetProperty(parameter.Name)!.SetValue(instance, parameter.Value);
        }

        benchmark.Descriptor.GlobalSetupMethod?.Invoke(instance, null);
        return instance;
    }

    /// <summary>Ends what <see cref="SetUp"/> began.</summary>
    public static void CleanUp(BenchmarkCase benchmark, object instance) =>
        benchmark.Descriptor.GlobalCleanupMethod?.Invoke(instance, null);

    /// <summary>What comes before each call.</summary>
    public void Prepare() => before?.Invoke();

    /// <summary>Calls it.</summary>
    public void Run() => work();

    private static Action Discard<T>(MethodInfo method, object instance)
    {
        var work = method.CreateDelegate<Func<T>>(instance);
        return () => work();
    }
}
