using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Memory;
using Smmu.Fast.Perf.Scenes;
using Smmu.Fast.Tlbs;

namespace Smmu.Fast.Perf.Kernels;

/// <summary>
/// The look-ups that translations are made of, alone: keys that are there, at random, in tables that the first cache of the
/// processor holds. Run with <c>--tier</c>, they show what vectors are worth.
/// </summary>
[MemoryDiagnoser]
public unsafe class TagCompareBenchmarks
{
    private const int OfRound = 4_096;
    private const int SetCount = 128;          // 8 KiB.
    private const int Seed = 3;
    private const int PagesInShared = 192;
    private const uint ContextNumber = 7;

    private readonly ulong[] keys = new ulong[OfRound];
    private readonly ulong[] portAddresses = new ulong[OfRound];
    private readonly ulong[] sharedAddresses = new ulong[OfRound];
    private NativeBlock? setBlock;
    private NativeBlock? portBlock;
    private NativeBlock? stampBlock;
    private TlbSet* sets;
    private PortTlb port;
    private SharedTlb? shared;

    [GlobalSetup]
    public void SetUp()
    {
        var random = new Random(Seed);
        setBlock = NativeBlock.Of<TlbSet>(SetCount);
        sets = (TlbSet*)setBlock.Pointer;
        for (int i = 0; i < SetCount * TlbSet.Ways; i++)
        {
            sets[i % SetCount].Keys[i / SetCount] = KeyOf(i);
            sets[i % SetCount].Payloads[i / SetCount] = (ulong)i;
        }

        portBlock = new NativeBlock(PortTlb.SizeBytes);
        port = new PortTlb(portBlock);
        for (int i = 0; i < PortTlb.Length; i++) port.Fill((ulong)i << 12, PayloadOf(i), isFragment: false);

        stampBlock = new NativeBlock(InvalidationStamps.SizeBytes);
        var stamps = (InvalidationStamps*)stampBlock.Pointer;
        var dates = new InvalidationDates(stamps, stamps);
        shared = new SharedTlb(512);
        for (int i = 0; i < PagesInShared; i++) shared.Fill(ContextNumber, 12, (ulong)i << 12, PayloadOf(i), in dates);

        for (int i = 0; i < OfRound; i++)
        {
            keys[i] = KeyOf(random.Next(SetCount * TlbSet.Ways));
            portAddresses[i] = (ulong)random.Next(PortTlb.Length) << 12;
            sharedAddresses[i] = (ulong)random.Next(PagesInShared) << 12;
        }

        TranslationScene.Require(Set() == Floor(), "the ways differ");
        TranslationScene.Require(PortTable() == Sum(portAddresses), "the port's table does not find its pages");
        TranslationScene.Require(SharedTable() == Sum(sharedAddresses), "the shared TLB does not find its pages");
        TranslationScene.Require(SharedTableOfThreeSizes() == Sum(sharedAddresses), "it does not find them among other sizes");
    }

    [GlobalCleanup]
    public void CleanUp()
    {
        setBlock!.Dispose();
        portBlock!.Dispose();
        stampBlock!.Dispose();
        shared!.Dispose();
    }

    /// <summary>The definition: way after way.</summary>
    [Benchmark(OperationsPerInvoke = OfRound, Baseline = true)]
    public ulong Floor()
    {
        ulong sum = 0;
        foreach (ulong key in keys)
        {
            TlbSet* set = sets + (key & (SetCount - 1));
            for (int way = 0; way < TlbSet.Ways; way++)
            {
                if (set->Keys[way] != key) continue;
                sum += (ulong)way;
                break;
            }
        }

        return sum;
    }

    [Benchmark(OperationsPerInvoke = OfRound, Description = "tag compare: way of a set")]
    public ulong Set()
    {
        ulong sum = 0;
        foreach (ulong key in keys) sum += sets[key & (SetCount - 1)].TryFindWay(key, out int way) ? (ulong)way : 0;
        return sum;
    }

    [Benchmark(OperationsPerInvoke = OfRound, Description = "tag compare: versioned read of a set")]
    public ulong SetRead()
    {
        ulong sum = 0;
        foreach (ulong key in keys) sum += sets[key & (SetCount - 1)].TryRead(key, out ulong payload, out _) ? payload : 0;
        return sum;
    }

    [Benchmark(OperationsPerInvoke = OfRound, Description = "tag compare: table of a port")]
    public ulong PortTable()
    {
        ulong sum = 0;
        uint required = RequiredPermissions.BitsOf(AccessKind.Read);
        foreach (ulong address in portAddresses)
        {
            if (port.TryFind(address, required, out ulong payload)) sum += payload & TranslationResult.PageMask;
        }

        return sum;
    }

    [Benchmark(OperationsPerInvoke = OfRound, Description = "tag compare: shared TLB, one size")]
    public ulong SharedTable() => FindShared(1UL << 12);

    /// <summary>Blocks of 2 MiB and 1 GiB are known to be in use, and are asked for after the pages.</summary>
    [Benchmark(OperationsPerInvoke = OfRound, Description = "tag compare: shared TLB, three sizes")]
    public ulong SharedTableOfThreeSizes() => FindShared((1UL << 12) | (1UL << 21) | (1UL << 30));

    private ulong FindShared(ulong sizes)
    {
        ulong sum = 0;
        foreach (ulong address in sharedAddresses)
        {
            if (shared!.TryFind(ContextNumber, sizes, address, out ulong payload, out _)) sum += payload & TranslationResult.PageMask;
        }

        return sum;
    }

    // The low bits choose the set; 0 would be an empty way.
    private static ulong KeyOf(int index) => ((ulong)index % SetCount) | ((ulong)((index / SetCount) + 1) << 32);

    private static ulong PayloadOf(int page) =>
        ((ulong)page << 12) | (12 << 6) | (uint)AccessPermissions.All;

    private static ulong Sum(ulong[] addresses) => addresses.Aggregate(0UL, (sum, address) => sum + address);
}
