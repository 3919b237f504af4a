using Smmu.Fast.Oracle;

namespace Smmu.Fast.Tests.Oracle;

/// <summary>From the StreamID to the CD: hand-computed cases of 3.3, 5.1 to 5.4 and 7.3.</summary>
public class OracleStreamTests
{
    private readonly OracleScene scene = new();

    [Fact]
    public void ADisabledSmmuPassesAddressesWithinTheOutputSizeAlone()
    {
        scene.Smmu.WriteRegister(0x20, 0);

        var passed = scene.Translate(0xFFFF_FFFF_FFFF, OracleScene.UserRead, substreamId: 5);
        var tooLarge = scene.Translate(0x1_0000_0000_0000, OracleScene.UserRead);

        Assert.Equal(OracleOutcome.Success, passed.Outcome);
        Assert.Equal((0xFFFF_FFFF_FFFFUL, OracleResult.NoLeaf), (passed.OutputAddress, passed.LeafSizeLog2));
        Assert.Equal((OracleOutcome.Aborted, (OracleEvent?)null), (tooLarge.Outcome, tooLarge.Event));
    }

    [Fact]
    public void GlobalBypassAbortsOnlyAfterAnUpdateOfGbpa()
    {
        scene.Smmu.WriteRegister(0x20, 0);
        scene.Smmu.WriteRegister(0x44, 1 << 20);
        Assert.Equal(OracleOutcome.Success, scene.Translate(0, OracleScene.Read).Outcome);

        scene.Smmu.WriteRegister(0x44, 1U << 31 | 1 << 20);

        Assert.Equal(OracleOutcome.Aborted, scene.Translate(0, OracleScene.Read).Outcome);
        Assert.Equal(1UL << 20, scene.Smmu.ReadRegister(0x44));
    }

    [Fact]
    public void AStreamBeyondTheTableIsRecordedWithItsSubstream()
    {
        var record = scene.EventOf(0x1234, OracleScene.Read, streamId: 64, substreamId: 3);

        Assert.Equal(new OracleEvent(64UL << 32 | 3 << 12 | 1 << 11 | 0x02, 0, 0, 0), record);
    }

    [Fact]
    public void AStreamBeyondTheTableIsSilentWithoutRecInvSid()
    {
        scene.Smmu.WriteRegister(0x20, 0);
        scene.Smmu.WriteRegister(0x2C, 0);
        scene.Smmu.WriteRegister(0x20, 1);

        Assert.Null(scene.Translate(0, OracleScene.Read, streamId: 64).Event);
    }

    [Fact]
    public void AnAbortedStreamTableReadGivesItsAddress()
    {
        scene.Memory.AbortReadsOf(OracleScene.StreamTable + 64 * 5);

        var expected = new OracleEvent(5UL << 32 | 0x03, 0, 0, OracleScene.StreamTable + 64 * 5);
        Assert.Equal(expected, scene.EventOf(0, OracleScene.Read, streamId: 5));
    }

    [Theory]
    [InlineData(7, 0x3FU, 0UL)]     // Span 7: 64 STEs.
    [InlineData(7, 0x7FU, 0x40UL)]  // The same in the second descriptor.
    public void TwoLevelsLeadToTheEntry(ulong span, uint streamId, ulong first)
    {
        SetUpTwoLevels();
        scene.Memory[OracleScene.StreamTable + first / 8] = 0x5_0000 | span;
        OracleScene.Ste(0b100).StoreTo(scene.Memory, 0x5_0000 + 64 * 0x3F);

        Assert.Equal(OracleOutcome.Success, scene.Translate(0x1000, OracleScene.Read, streamId).Outcome);
    }

    [Theory]
    [InlineData(0, 0U)]
    [InlineData(6, 32U)]   // 32 STEs, and the 33rd is asked for.
    [InlineData(8, 0U)]    // More than SPLIT + 1.
    [InlineData(12, 0U)]   // Reserved.
    public void ASpanThatDoesNotReachTheStreamIsABadStreamId(ulong span, uint streamId)
    {
        SetUpTwoLevels();
        scene.Memory[OracleScene.StreamTable] = 0x5_0000 | span;

        Assert.Equal(OracleEventKind.BadStreamId, scene.EventOf(0, OracleScene.Read, streamId).Kind);
    }

    [Fact]
    public void AnInvalidEntryIsRecordedAndADisabledOneIsSilent()
    {
        Assert.Equal(new OracleEvent(0x04, 0, 0, 0), scene.EventOf(0, OracleScene.Read));

        scene.Store(OracleScene.Ste(0b000).Set(3, 1, 0b011));
        var silent = scene.Translate(0, OracleScene.Read, substreamId: 1);

        Assert.Equal((OracleOutcome.Aborted, (OracleEvent?)null), (silent.Outcome, silent.Event));
    }

    [Theory]
    [InlineData(0b101, 95, 94, 0b01)]     // STRW x1.
    [InlineData(0b101, 63, 59, 11)]       // S1CDMax above SSIDSIZE.
    [InlineData(0b101, 55, 54, 0b11)]     // S1ContextPtr above the OAS.
    [InlineData(0b110, 175, 174, 0b11)]   // S2TG reserved.
    [InlineData(0b110, 165, 160, 20)]     // S2T0SZ that does not suit level 1.
    [InlineData(0b110, 165, 160, 15)]     // S2T0SZ below 16.
    [InlineData(0b110, 179, 179, 0)]      // VMSAv8-32.
    [InlineData(0b110, 236, 236, 1)]      // S2TTB bit 44 above the 40 bits of S2PS.
    public void AnIllegalEntryIsRecorded(ulong config, int high, int low, ulong value)
    {
        var legal = config == 0b101 ? OracleScene.Stage1Ste() : OracleScene.Stage2Ste();
        scene.Store(legal.Set(high, low, value));

        Assert.Equal(OracleEventKind.BadStreamTableEntry, scene.EventOf(0, OracleScene.Read).Kind);
    }

    [Fact]
    public void ABypassedStreamRefusesLargeAddressesAndSubstreams()
    {
        scene.Store(OracleScene.Ste(0b100));

        var tooLarge = new OracleEvent(0x11, OracleScene.Word1(read: true), 0x1_0000_0000_0000, 0);
        Assert.Equal(tooLarge, scene.EventOf(0x1_0000_0000_0000, OracleScene.UserRead));
        Assert.Equal(new OracleEvent(7 << 12 | 0x08, 0, 0, 0), scene.EventOf(0, OracleScene.Read, substreamId: 7));
        Assert.Equal(0x1234UL, scene.Translate(0x1234, OracleScene.Write).OutputAddress);
    }

    [Theory]
    [InlineData(0b00, null, OracleEventKind.StreamDisabled)]
    [InlineData(0b11, null, OracleEventKind.StreamDisabled)]
    [InlineData(0b10, 0U, OracleEventKind.StreamDisabled)]
    [InlineData(0b00, 16U, OracleEventKind.BadSubstreamId)]
    [InlineData(0b00, 0U, OracleEventKind.BadContextDescriptor)]
    [InlineData(0b10, null, OracleEventKind.BadContextDescriptor)]
    public void S1DssDecidesWhatASubstreamReaches(ulong s1dss, uint? substreamId, OracleEventKind expected)
    {
        scene.Store(OracleScene.Stage1Ste().Set(63, 59, 4).Set(65, 64, s1dss));

        Assert.Equal(expected, scene.EventOf(0, OracleScene.Read, substreamId: substreamId).Kind);
    }

    [Fact]
    public void S1DssBypassReadsNoContextDescriptor()
    {
        scene.Store(OracleScene.Stage1Ste().Set(63, 59, 4).Set(65, 64, 0b01));
        scene.Memory.AbortReadsOf(OracleScene.Context);

        Assert.Equal(0x5000UL, scene.Translate(0x5000, OracleScene.Read).OutputAddress);
    }

    [Fact]
    public void LinearContextTablesAreIndexedBySubstream()
    {
        scene.Store(OracleScene.Stage1Ste().Set(63, 59, 4));
        scene.Memory.AbortReadsOf(OracleScene.Context + 64 * 9);

        var expected = new OracleEvent(9 << 12 | 1 << 11 | 0x09, 0, 0, OracleScene.Context + 64 * 9);
        Assert.Equal(expected, scene.EventOf(0, OracleScene.Read, substreamId: 9));
    }

    [Theory]
    [InlineData(0b01, 0x2C5U, 11UL, 5UL)]   // 64 CDs a leaf.
    [InlineData(0b10, 0x2C5U, 0UL, 0x2C5UL)]   // 1024 CDs a leaf.
    public void TwoLevelContextTablesSplitTheSubstream(ulong format, uint substreamId, ulong descriptor, ulong entry)
    {
        scene.Store(OracleScene.Stage1Ste().Set(63, 59, 10).Set(5, 4, format));
        scene.Memory[OracleScene.Context + 8 * descriptor] = 0x6_0000 | 1;
        scene.Memory.AbortReadsOf(0x6_0000 + 64 * entry);

        Assert.Equal(0x6_0000 + 64 * entry, scene.EventOf(0, OracleScene.Read, substreamId: substreamId).Word3);
    }

    [Fact]
    public void AnInvalidLevel1ContextDescriptorNamesTheIndex()
    {
        scene.Store(OracleScene.Stage1Ste().Set(63, 59, 10).Set(5, 4, 0b01).Set(65, 64, 0b10));
        Assert.Equal(new OracleEvent(0x08, 0, 0, 0), scene.EventOf(0, OracleScene.Read));

        scene.Memory[OracleScene.Context] = 1UL << 50 | 1;   // L2Ptr above the OAS.

        Assert.Equal(new OracleEvent(0x08, 0, 0, 0), scene.EventOf(0, OracleScene.Read));
    }

    [Theory]
    [InlineData(31, 31, 0)]   // V.
    [InlineData(41, 41, 0)]   // VMSAv8-32.
    [InlineData(5, 0, 15)]    // T0SZ below 16 without VAX.
    [InlineData(7, 6, 0b11)]  // TG0 reserved.
    [InlineData(108, 108, 1)] // TTB0 bit 44 above the 40 bits of IPS.
    [InlineData(30, 30, 0)]   // TTB1 on: T1SZ 0 is out of range.
    public void AnIllegalContextDescriptorIsRecorded(int high, int low, ulong value)
    {
        scene.Store(OracleScene.Stage1Ste());
        OracleScene.Cd().Set(high, low, value).StoreTo(scene.Memory, OracleScene.Context);

        Assert.Equal(new OracleEvent(0x0A, 0, 0, 0), scene.EventOf(0, OracleScene.Read));
    }

    [Fact]
    public void FeaturesThatTheOracleLacksAreRefused()
    {
        Assert.Throws<ArgumentException>(() => new OracleScene(idr0: OracleScene.Idr0 | 1 << 2));
        Assert.Throws<ArgumentException>(() => new OracleScene(idr3: OracleScene.Idr3 | 1 << 18));
        Assert.Throws<ArgumentOutOfRangeException>(() => scene.Translate(0, OracleScene.Read, substreamId: 1 << 20));
    }

    // LOG2SIZE 8 and SPLIT 6: four descriptors of 64 StreamIDs each.
    private void SetUpTwoLevels()
    {
        scene.Smmu.WriteRegister(0x20, 0);
        scene.Smmu.WriteRegister(0x88, 1 << 16 | 6 << 6 | 8);
        scene.Smmu.WriteRegister(0x20, 1);
    }
}
