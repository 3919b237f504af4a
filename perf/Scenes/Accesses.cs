using System.Runtime.CompilerServices;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Perf.Scenes;

/// <summary>Loops over accesses that several benchmarks share. Each returns the sum of the answers.</summary>
internal static class Accesses
{
    /// <summary>Accesses of one scope.</summary>
    public const int InScope = 64;

    /// <summary>A call for each access.</summary>
    public static ulong OneByOne(DmaPort port, ReadOnlySpan<ulong> addresses, AccessKind access = AccessKind.Read)
    {
        ulong sum = 0;
        foreach (ulong address in addresses) sum += port.Translate(address, access).Address.Value;
        return sum;
    }

    /// <summary>A scope for every 64 accesses.</summary>
    public static ulong InScopes(DmaPort port, ReadOnlySpan<ulong> addresses, AccessKind access = AccessKind.Read)
    {
        ulong sum = 0;
        for (int i = 0; i + InScope <= addresses.Length; i += InScope) sum += OneScope(port, addresses.Slice(i, InScope), access);
        return sum;
    }

    // A method of its own, as a handler of a transfer is: beside an outer loop, the counters of the inner one would lie in memory,
    // and their loads and stores would be what is measured.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong OneScope(DmaPort port, ReadOnlySpan<ulong> addresses, AccessKind access)
    {
        ulong sum = 0;
        using var scope = port.Enter();
        foreach (ulong address in addresses) sum += scope.Translate(address, access).Address.Value;
        return sum;
    }

    /// <summary>A batch for every so many accesses; address and outcome of each answer are looked at.</summary>
    public static ulong InBatches(DmaPort port, ReadOnlySpan<ulong> addresses, Span<TranslationResult> results)
    {
        ulong sum = 0;
        for (int i = 0; i + results.Length <= addresses.Length; i += results.Length)
        {
            port.TranslateBatch(addresses.Slice(i, results.Length), results, AccessKind.Read);
            foreach (ref readonly var result in results)
            {
                if (result.IsSuccess) sum += result.Address.Value;
            }
        }

        return sum;
    }
}
