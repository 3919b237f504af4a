using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Translate;

/// <summary>Which leaves, whose, and where in them accesses fall.</summary>
/// <param name="Stages">Who translates.</param>
/// <param name="Leaf">The leaves, of both stages.</param>
/// <param name="Anywhere">At random in the whole leaf; otherwise in one 4 KiB of it, another for each leaf.</param>
public sealed record LeafLoad(Stages Stages, LeafKind Leaf, bool Anywhere)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Stages} {Leaf}{(Anywhere ? ", anywhere in the leaf" : "")}";
}

/// <summary>
/// Accesses at random to 64 leaves of any kind in any stage, all touched before. A port keeps pages of 4 KiB: accesses anywhere
/// in large leaves are answered by the shared TLB, which keeps leaves whole.
/// </summary>
[MemoryDiagnoser]
public class LeafBenchmarks
{
    private const int Leaves = 64;
    private const int OfRound = 16_384;
    private const int Seed = 7;

    private readonly ulong[] addresses = new ulong[OfRound];
    private LeafScene? scene;

    /// <summary>The leaves.</summary>
    [ParamsSource(nameof(Loads))]
    public LeafLoad Load { get; set; } = new(Stages.Stage1, LeafKind.Page4K, false);

    public static IEnumerable<LeafLoad> Loads =>
        from stages in Enum.GetValues<Stages>()
        from leaf in Enum.GetValues<LeafKind>()
        from anywhere in new[] { false, true }
        where leaf != LeafKind.Page4K || !anywhere
        select new LeafLoad(stages, leaf, anywhere);

    [GlobalSetup]
    public void SetUp()
    {
        scene = new LeafScene(Load.Stages, Load.Leaf, Leaves);
        var random = new Random(Seed);
        ulong expected = 0;
        for (int i = 0; i < OfRound; i++)
        {
            int leaf = random.Next(Leaves);
            ulong inLeaf = Load.Anywhere
                ? (ulong)random.NextInt64(1L << scene.LeafLog2)
                : (PageOf(leaf) << 12) + (ulong)random.Next(4_096);
            addresses[i] = LeafScene.First + ((ulong)leaf << scene.LeafLog2) + (inLeaf & ~7UL);
            expected += LeafScene.OutputOf(addresses[i]);
        }

        TranslationScene.Require(Read() == expected && Write() == expected, "the answers are wrong");
        var before = scene.Machine.Smmu.GetStatistics();
        Read();
        var after = scene.Machine.Smmu.GetStatistics();
        TranslationScene.Require(after.Walks - before.Walks <= OfRound * 0.01, "accesses walk");
        ulong lookups = after.TlbLookups - before.TlbLookups;
        TranslationScene.Require(Load.Anywhere || lookups == 0, "the port's own table does not answer");
        TranslationScene.Require(!Load.Anywhere || lookups >= OfRound * 0.4, "the shared TLB is not asked");
    }

    [GlobalCleanup]
    public void CleanUp() => scene!.Dispose();

    [Benchmark(OperationsPerInvoke = OfRound, Description = "hit by leaf: scope.Translate")]
    public ulong Read() => Accesses.InScopes(scene!.Port, addresses);

    [Benchmark(OperationsPerInvoke = OfRound, Description = "hit by leaf: scope.Translate, writes")]
    public ulong Write() => Accesses.InScopes(scene!.Port, addresses, AccessKind.Write);

    // A port's table has a place for a page by its number: one page in each leaf, of different places.
    private ulong PageOf(int leaf) => (ulong)(leaf ^ ((leaf >> 5) << 3)) & ((1UL << (scene!.LeafLog2 - 12)) - 1);
}
