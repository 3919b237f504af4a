using Smmu.Fast.Oracle;

namespace Smmu.Fast.Tests.Oracle;

/// <summary>Whatever lies in memory, the oracle answers, and never with an address that the system does not have.</summary>
public class OracleFuzzTests
{
    private const int Rounds = 400;
    private const int AccessesPerRound = 40;

    [Fact]
    public void AnythingInMemoryGetsAnAnswer()
    {
        var random = new Random(20240611);
        var outcomes = new HashSet<OracleOutcome>();
        var kinds = new HashSet<OracleEventKind>();
        for (int round = 0; round < Rounds; round++)
        {
            var scene = Build(random);
            for (int i = 0; i < AccessesPerRound; i++)
            {
                var direction = (OracleDirection)random.Next(3);
                var access = new OracleAccess(direction, random.Next(2) == 0, random.Next(2) == 0) { StallTag = (ushort)i };
                ulong address = Address(random);
                var result = scene.Translate(address, access, streamId: (uint)random.Next(3), substreamId: random.Next(4) == 0 ? 1U : null);

                outcomes.Add(result.Outcome);
                if (result.Event is OracleEvent record) kinds.Add(record.Kind);
                if (result.Outcome != OracleOutcome.Success) continue;
                Assert.True(result.OutputAddress < 1UL << 48);
                Assert.Equal(address & Below(result.LeafSizeLog2), result.OutputAddress & Below(result.LeafSizeLog2));
                Assert.True(result.LeafSizeLog2 is >= 12 and <= OracleResult.NoLeaf);
            }
        }

        Assert.Equal(4, outcomes.Count);
        Assert.True(kinds.Count >= 9, $"Only {string.Join(", ", kinds)} came up.");
    }

    // Two streams with structures that are right but for a few bits, and tables that lead to one another.
    private static OracleScene Build(Random random)
    {
        var scene = new OracleScene();
        scene.MapStage2OneToOne();
        ulong flags = random.Next(2) == 0 ? 0UL : 1;
        scene.Store(OracleScene.Stage1Ste().Set(66, 66, flags));
        scene.Store(OracleScene.NestedSte().Set(184, 184, flags).Set(183, 183, flags).Set(185, 185, flags), streamId: 1);
        OracleScene.Cd().Set(43, 43, flags).Set(42, 42, flags).Set(44, 44, Pick(random, 2)).Set(46, 46, Pick(random, 2))
            .StoreTo(scene.Memory, OracleScene.Context);
        for (int n = 0; n < 6; n++)
        {
            ulong table = OracleScene.Stage1Level1 + 0x1000UL * Pick(random, 3);
            ulong low = Pick(random, 1 << 12) | (random.Next(4) != 0 ? 0x401UL : 0);
            ulong high = Pick(random, 1 << 13) << 51;
            ulong target = random.Next(2) == 0 ? OracleScene.Stage1Level1 + 0x1000UL * Pick(random, 3) : Pick(random, 1L << 41);
            scene.Memory[table + 8UL * Pick(random, 4)] = (target & ~0xFFFUL) | low | high;
        }

        int noise = random.Next(3);
        for (int n = 0; n < noise; n++)
        {
            ulong start = random.Next(3) switch { 0 => OracleScene.StreamTable, 1 => OracleScene.Context, _ => OracleScene.Stage2Level2 };
            scene.Memory[start + 8UL * Pick(random, 16)] ^= 1UL << random.Next(64);
        }

        if (random.Next(4) == 0) scene.Memory.AbortReadsOf(OracleScene.Stage1Level1 + 8UL * Pick(random, 4));
        return scene;
    }

    private static ulong Address(Random random) =>
        Pick(random, 4) << 30 | Pick(random, 4) << 21 | Pick(random, 4) << 12 | Pick(random, 1 << 12);

    private static ulong Pick(Random random, long count) => (ulong)random.NextInt64(count);

    private static ulong Below(int count) => count >= 64 ? ulong.MaxValue : (1UL << count) - 1;
}
