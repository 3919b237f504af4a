using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;
using Smmu.Fast.Walks;
using static Smmu.Fast.Tests.Walks.WalkScene;

namespace Smmu.Fast.Tests.Walks;

/// <summary>Memory that changes under the walk, or never held tables: every walk ends, and ends with an answer.</summary>
public class HostileGuestTests
{
    private const ulong Address = 0x4000_0000;
    private const ulong Output = 0x10_0000;

    // Each case is what the descriptor has become between the read and the update, and the answer to that.
    [Theory]
    [InlineData("unmapped", EventType.Translation)]
    [InlineData("moved", EventType.None)]
    [InlineData("read-only", EventType.Permission)]
    [InlineData("accessed", EventType.None)]
    [InlineData("software bit", EventType.None)]
    [Rule("AFD-29")]
    [Rule("HTTU-04")]
    public void ADescriptorThatChangedBeforeItsUpdateIsJudgedAnew(string change, EventType expected)
    {
        var scene = Stage1();
        scene.Regime.Stage1.HardwareAccessFlag = true;
        scene.Regime.Stage1.HardwareDirtyState = true;
        ulong leaf = scene.Map1(Address, Output, flags: Unprivileged | ReadOnly | DirtyBitModifier);
        ulong changed = change switch
        {
            "unmapped" => 0,
            "moved" => scene.Memory[leaf] ^ 0x30_0000,
            "read-only" => scene.Memory[leaf] & ~DirtyBitModifier,
            "accessed" => (scene.Memory[leaf] | AccessFlag) & ~ReadOnly,
            _ => scene.Memory[leaf] | (1UL << 55),
        };
        var rival = new Rival { Memory = scene.Memory, Leaf = leaf, Rounds = 1, Change = _ => changed };

        var result = scene.Walk(Address, AccessKind.Write, ref rival);

        Assert.Equal(1, result.LostExchanges);
        Assert.Equal(expected, result.Event);
        if (expected == EventType.None)
        {
            Assert.Equal(change == "moved" ? Output ^ 0x30_0000 : Output, result.OutputAddress);
            Assert.Equal((changed | AccessFlag) & ~ReadOnly, scene.Memory[leaf]);
        }
        else
        {
            Assert.Equal(changed, scene.Memory[leaf]);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void AGuestThatNeverStopsChangingADescriptorGetsAnAbortAndNoAccess(bool isStage1)
    {
        var scene = isStage1 ? Stage1() : Stage2();
        scene.Regime.Stage1.HardwareAccessFlag = true;
        scene.Regime.Stage2.HardwareAccessFlag = true;
        ulong leaf = isStage1 ? scene.Map1(Address, Output, flags: Unprivileged) : scene.Map2(Address, Output, flags: Stage2Read);
        var rival = new Rival { Memory = scene.Memory, Leaf = leaf, Rounds = int.MaxValue, Change = word => word ^ (1UL << 55) };

        var result = scene.Walk(Address, AccessKind.Read, ref rival);

        Assert.Equal(Walker.MaximumLostExchanges, result.LostExchanges);
        Assert.Equal(EventType.WalkExternalAbort, result.Event);
        Assert.Equal(!isStage1, result.Stage2);
        Assert.Equal(leaf, result.FetchAddress);
        Assert.Equal(0ul, scene.Memory[leaf] & AccessFlag);
    }

    [Fact]
    public void TheBoundOnLostUpdatesHoldsForBothStagesTogether()
    {
        var scene = Nested();
        scene.Regime.Stage1.HardwareAccessFlag = true;
        scene.Regime.Stage2.HardwareAccessFlag = true;
        ulong leaf1 = scene.Map1(Address, 0x20_0000_0000, flags: Unprivileged);
        ulong leaf2 = scene.Map2(0x20_0000_0000, Output, flags: Stage2Read);
        var rival = new Rival
        {
            Memory = scene.Memory,
            Leaf = leaf1,
            Leaf2 = leaf2,
            Rounds = 40,
            Change = word => word ^ (1UL << 55),
        };

        var result = scene.Walk(Address, AccessKind.Read, ref rival);

        Assert.Equal(Walker.MaximumLostExchanges, result.LostExchanges);
        Assert.Equal(EventType.WalkExternalAbort, result.Event);
        Assert.True(result.Stage2);
        Assert.Equal(FaultClass.Input, result.FaultClass);
    }

    [Fact]
    public void RandomMemoryNeverMakesAWalkThrowOrRunOn()
    {
        var random = new Random(20240229);
        int translated = 0;
        int faulted = 0;
        Span<AccessKind> kinds =
            [AccessKind.Read, AccessKind.Write, AccessKind.Atomic, AccessKind.Read | AccessKind.Instruction | AccessKind.Privileged];
        for (int round = 0; round < 300; round++)
        {
            var scene = RandomScene(random);
            for (ulong offset = 0; offset < 0x1_0000; offset += 8)
            {
                // Addresses mostly inside of the 64KB, so that tables lead to tables and to themselves.
                ulong word = (ulong)random.NextInt64(long.MinValue, long.MaxValue);
                if (random.Next(8) != 0) word = (word & 0xfff0_0000_0000_0fff) | (WalkMemory.Start + ((word >> 12) & 0xf000)) | 1;
                scene.Memory[WalkMemory.Start + offset] = word;
            }

            for (int i = 0; i < 50; i++)
            {
                ulong address = (ulong)random.NextInt64(long.MinValue, long.MaxValue) >> random.Next(64);
                if (random.Next(2) == 0) address = ~address;
                var result = scene.Walk(address, kinds[random.Next(kinds.Length)]);

                // Five levels through five and the output; for each lost update the leaf, its update and the probe again.
                Assert.InRange(result.LostExchanges, 0, Walker.MaximumLostExchanges);
                Assert.InRange(result.DescriptorReads, 0, 35 + (16 * (1 + result.LostExchanges)));
                if (result.IsSuccess) translated++;
                else faulted++;
                if (result.IsSuccess) Assert.InRange(result.LeafSizeLog2, 12, 42);
            }
        }

        Assert.InRange(translated, 100, int.MaxValue);   // The tables made sense often enough for the test to mean something.
        Assert.InRange(faulted, 100, int.MaxValue);
    }

    private static WalkScene RandomScene(Random random)
    {
        int granule = random.Next(3) switch { 0 => 12, 1 => 14, _ => 16 };
        bool ds = granule != 16 && random.Next(2) == 0;
        int stages = random.Next(1, 4);
        var range = new Stage1Range
        {
            TableBase = WalkMemory.Start,
            GranuleLog2 = (byte)granule,
            SizeOffset = (byte)random.Next(ds || granule == 16 ? 12 : 16, granule == 16 ? 48 : 49),
            TopByteIgnored = random.Next(2) == 0,
        };
        var scene = new WalkScene();
        scene.Memory.Allocate(16);
        scene.Regime.OutputSizeBits = 52;
        scene.Regime.InputSizeBits = 52;
        scene.Regime.Stage1Enabled = (stages & 1) != 0;
        scene.Regime.Stage2Enabled = (stages & 2) != 0;
        scene.Regime.Stage1 = new Stage1Configuration
        {
            Range0 = range,
            Range1 = range,
            OutputSizeBits = 52,
            LargeAddresses = ds,
            HardwareAccessFlag = random.Next(2) == 0,
            HardwareDirtyState = random.Next(2) == 0,
        };
        scene.Regime.Stage2 = new Stage2Configuration
        {
            TableBase = WalkMemory.Start,
            GranuleLog2 = 12,
            SizeOffset = 24,
            StartLevel = 1,
            OutputSizeBits = 52,
            HardwareAccessFlag = random.Next(2) == 0,
            HardwareDirtyState = random.Next(2) == 0,
        };
        return scene;
    }

    /// <summary>Another agent that changes a leaf right after the walk has read it.</summary>
    private struct Rival : IWalkTrace
    {
        public static bool IsEnabled => true;

        public WalkMemory Memory;
        public ulong Leaf;
        public ulong Leaf2;
        public int Rounds;
        public Func<ulong, ulong> Change;

        public void OnDescriptor(
            TranslationStage stage, int level, ulong address, ulong descriptor, DescriptorMeaning meaning)
        {
            if (address == Leaf2 || (address == Leaf && Rounds-- > 0)) Memory[address] = Change(descriptor);
        }

        public readonly void OnStage2Begin(ulong ipa, FaultClass faultClass, AccessKind access)
        {
        }

        public readonly void OnStage2End(EventType fault, ulong physicalAddress)
        {
        }

        public readonly void OnFlagUpdate(
            TranslationStage stage, int level, ulong address, ulong before, ulong after, bool written)
        {
            if (written) Assert.Equal(after, Memory[address]);
        }
    }
}
