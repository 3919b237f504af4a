using Smmu.Fast.Oracle;

namespace Smmu.Fast.Tests.Oracle;

/// <summary>Stage 1 walks: hand-computed cases of 3.4, 5.4 and D8.2 to D8.4.</summary>
public class OracleStageOneTests
{
    private const ulong Page = 0x40_0000_0403;   // A page at 256GB: AF, AP 00, SH 00, AttrIndx 0.
    private readonly OracleScene scene = new();

    [Fact]
    public void APageMapsItsOffset()
    {
        scene.LinkStage1();
        scene.Memory[OracleScene.Stage1Level3 + 8 * 3] = Page;
        Store(OracleScene.Cd());

        var result = scene.Translate(0x3ABC, OracleScene.Write);

        Assert.Equal((0x40_0000_0ABCUL, 12), (result.OutputAddress, result.LeafSizeLog2));
        Assert.Equal(new OraclePermissions(true, true, true), result.Privileged);
        Assert.Equal(new OraclePermissions(false, false, true), result.Unprivileged);
    }

    [Theory]
    [InlineData(OracleScene.Stage1Level1, 0xC000_0401UL, 0x12345UL, 0xC001_2345UL, 30)]
    [InlineData(OracleScene.Stage1Level2, 0x60_0401UL, 0x12345UL, 0x61_2345UL, 21)]
    public void ABlockMapsAllBitsBelowIt(ulong slot, ulong descriptor, ulong address, ulong expected, int sizeLog2)
    {
        scene.LinkStage1();
        scene.Memory[slot] = descriptor;
        Store(OracleScene.Cd());

        var result = scene.Translate(address, OracleScene.Read);

        Assert.Equal((expected, sizeLog2), (result.OutputAddress, result.LeafSizeLog2));
    }

    [Theory]
    [InlineData(0x80_0000_0000UL)]          // Above 39 bits.
    [InlineData(0xFFFF_FFFF_FFFF_F000UL)]   // EPD1.
    [InlineData(0x0100_0000_0000_0000UL)]   // TBI0 is off.
    public void AnAddressOutOfRangeIsATranslationFault(ulong address)
    {
        Store(OracleScene.Cd());
        scene.Memory.AbortReadsOf(OracleScene.Stage1Level1);

        var expected = new OracleEvent(0x10, OracleScene.Word1(privileged: true, read: true), address, 0);
        Assert.Equal(expected, scene.EventOf(address, OracleScene.Read));
    }

    [Fact]
    public void TopByteIgnoreChangesTheCheckAndNotTheRecord()
    {
        Store(OracleScene.Cd().Set(38));
        scene.Memory[OracleScene.Stage1Level1] = 0x8000_0401;
        scene.Memory[OracleScene.Stage1Level1 + 8] = 0;

        Assert.Equal(0x8000_0123UL, scene.Translate(0xAB00_0000_0000_0123, OracleScene.Read).OutputAddress);
        Assert.Equal(0xAB00_0000_4000_0123, scene.EventOf(0xAB00_0000_4000_0123, OracleScene.Read).Word2);
    }

    [Fact]
    public void TheUpperHalfHasItsOwnGranuleAndTable()
    {
        // T1SZ 30 with 64KB: 34 bits, start level 2 with 2^5 entries; VA[33:29] = 31.
        Store(OracleScene.Cd().Clear(30).Set(21, 16, 30).Set(23, 22, 0b11).Set(183, 132, 0x10_4000 >> 4));
        scene.Memory[0x10_4000 + 8 * 31] = 0x30_0000_0401;   // 512MB block at 192GB.

        var result = scene.Translate(0xFFFF_FFFF_FFF0_1234, OracleScene.Read);

        Assert.Equal((0x30_1FF0_1234UL, 29), (result.OutputAddress, result.LeafSizeLog2));
    }

    [Fact]
    public void SixteenKilobyteTablesResolveElevenBits()
    {
        // T0SZ 28: 36 bits, start level 2 (VA[35:25]), level 3 (VA[24:14]).
        Store(OracleScene.Cd().Set(5, 0, 28).Set(7, 6, 0b10).Set(119, 68, 0x10_4000 >> 4));
        scene.Memory[0x10_4000 + 8 * 0x15] = 0x10_8003;
        scene.Memory[0x10_8000 + 8 * 0x7FF] = 0x77_C403;

        Assert.Equal(0x77_EABCUL, scene.Translate(0x2BFF_EABC, OracleScene.Read).OutputAddress);
    }

    [Theory]
    [InlineData(OracleScene.Stage1Level1, 0x0UL, OracleEventKind.Translation)]
    [InlineData(OracleScene.Stage1Level3, 0x1001UL, OracleEventKind.Translation)]        // Reserved at level 3.
    [InlineData(OracleScene.Stage1Level3, 0x100_0000_1403UL, OracleEventKind.AddressSize)]   // Bit 40 with IPS 40 bits.
    [InlineData(OracleScene.Stage1Level2, 0x100_0000_1003UL, OracleEventKind.AddressSize)]   // The same in a table.
    [InlineData(OracleScene.Stage1Level3, 0x1003UL, OracleEventKind.AccessFlag)]
    public void EachDescriptorFaultHasItsKind(ulong slot, ulong descriptor, OracleEventKind expected)
    {
        scene.LinkStage1();
        scene.Memory[OracleScene.Stage1Level3] = Page;
        scene.Memory[slot] = descriptor;
        Store(OracleScene.Cd());

        Assert.Equal(new OracleEvent((ulong)expected, OracleScene.Word1(), 0x18, 0), scene.EventOf(0x18, OracleScene.UserWrite));
    }

    [Fact]
    public void ALevel0BlockOfA4KilobyteTableIsATranslationFault()
    {
        Store(OracleScene.Cd().Set(5, 0, 16));
        scene.Memory[OracleScene.Stage1Level1] = 0x401;

        Assert.Equal(OracleEventKind.Translation, scene.EventOf(0, OracleScene.Read).Kind);
    }

    [Fact]
    public void AnAbortedDescriptorReadIsOfClassTt()
    {
        scene.LinkStage1();
        scene.Memory.AbortReadsOf(OracleScene.Stage1Level2);
        Store(OracleScene.Cd().Clear(45).Clear(46));   // A and R count for nothing.

        ulong word1 = OracleScene.Word1(read: true, faultClass: OracleFaultClass.TableWalk);
        Assert.Equal(new OracleEvent(0x0B, word1, 0x44, OracleScene.Stage1Level2), scene.EventOf(0x44, OracleScene.UserRead));
    }

    [Fact]
    public void BigEndianTablesAreRead()
    {
        Store(OracleScene.Cd().Set(15));
        scene.Memory[OracleScene.Stage1Level1] = 0x0104_00C0_0000_0000;   // 0xC000_0401 with its bytes reversed.

        Assert.Equal(0xC000_0010UL, scene.Translate(0x10, OracleScene.Read).OutputAddress);
    }

    [Fact]
    public void SixtyFourKilobyteDescriptorsHold52BitAddressesWithAnOutputSizeOf52()
    {
        var wide = new OracleScene(idr5: 0b110 | 0b111 << 4);
        wide.Store(OracleScene.Stage1Ste());
        OracleScene.Cd().Set(5, 0, 22).Set(7, 6, 0b01).Set(34, 32, 0b110).StoreTo(wide.Memory, OracleScene.Context);
        wide.Memory[OracleScene.Stage1Level1] = 0x2000_A401;   // 512MB block, bits [15:12] are [51:48].

        Assert.Equal(0xA_0000_2000_0008UL, wide.Translate(8, OracleScene.Read).OutputAddress);
    }

    [Theory]
    [InlineData(false, OracleOutcome.Aborted)]
    [InlineData(true, OracleOutcome.Success)]
    public void AChoiceSaysWhetherABlockMayReachBeyondTheOutputSize(bool ignoresOffset, OracleOutcome expected)
    {
        // A 4TB block of a 64KB table and an IPS of 32 bits: the base fits, an offset of 4GB does not.
        var wide = new OracleScene(idr5: 0b110 | 0b111 << 4, choices: new OracleChoices { BlockAddressCheckIgnoresOffset = ignoresOffset });
        wide.Store(OracleScene.Stage1Ste());
        OracleScene.Cd().Set(5, 0, 21).Set(7, 6, 0b01).Set(34, 32, 0).StoreTo(wide.Memory, OracleScene.Context);
        wide.Memory[OracleScene.Stage1Level1] = 0x401;

        Assert.Equal(OracleOutcome.Success, wide.Translate(0xFFFF_FFFF, OracleScene.Read).Outcome);
        Assert.Equal(expected, wide.Translate(0x1_0000_0000, OracleScene.Read).Outcome);
    }

    [Fact]
    public void E0PdKeepsTheUnprivilegedOutOfARange()
    {
        var guarded = new OracleScene(idr3: OracleScene.Idr3 | 1 << 13);
        guarded.Store(OracleScene.Stage1Ste());
        OracleScene.Cd().Set(66).StoreTo(guarded.Memory, OracleScene.Context);
        guarded.Memory[OracleScene.Stage1Level1] = 0x441;

        Assert.Equal(OracleOutcome.Success, guarded.Translate(0, OracleScene.Read).Outcome);
        Assert.Equal(OracleEventKind.Translation, guarded.EventOf(0, OracleScene.UserRead).Kind);
    }

    [Theory]
    [InlineData(true, true, OracleOutcome.Aborted, true)]
    [InlineData(true, false, OracleOutcome.Aborted, false)]
    [InlineData(false, true, OracleOutcome.ReadZeroWriteIgnored, true)]
    [InlineData(false, false, OracleOutcome.ReadZeroWriteIgnored, false)]
    public void AAndRDecideHowAFaultEnds(bool a, bool r, OracleOutcome expected, bool isRecorded)
    {
        Store(OracleScene.Cd().Set(46, 46, a ? 1UL : 0).Set(45, 45, r ? 1UL : 0));

        var result = scene.Translate(0, OracleScene.Read);

        Assert.Equal((expected, isRecorded), (result.Outcome, result.Event is not null));
    }

    [Fact]
    public void AStallIsRecordedWithItsTagWhateverRSays()
    {
        Store(OracleScene.Cd().Set(44).Clear(45));

        var stalled = scene.Translate(0, OracleScene.Read with { StallTag = 0xBEEF });
        var terminated = scene.Translate(0, OracleScene.Read with { StallTag = 0xBEEF, CannotStall = true });

        Assert.Equal(OracleOutcome.Stalled, stalled.Outcome);
        Assert.Equal(OracleScene.Word1(privileged: true, read: true) | 1UL << 31 | 0xBEEF, Assert.NotNull(stalled.Event).Word1);
        Assert.Equal(OracleOutcome.Aborted, terminated.Outcome);
        Assert.False(Assert.NotNull(terminated.Event).IsStall);
    }

    private void Store(RawStructure cd)
    {
        scene.Store(OracleScene.Stage1Ste());
        cd.StoreTo(scene.Memory, OracleScene.Context);
    }
}
