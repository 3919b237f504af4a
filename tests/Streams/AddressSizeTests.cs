using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Tests.Streams.StreamScene;

namespace Smmu.Fast.Tests.Streams;

/// <summary>Addresses that no stage looks at still have to fit: into OAS, or into IAS on their way to stage 2.</summary>
public class AddressSizeTests
{
    public static TheoryData<uint, int> Sizes => new()
    {
        { 0, 32 }, { 1, 36 }, { 2, 40 }, { 3, 42 }, { 4, 44 }, { 5, 48 }, { 6, 52 }, { 7, 56 },
    };

    [Theory]
    [MemberData(nameof(Sizes))]
    [Rule("ASZ-01")]
    [Rule("ASZ-03")]
    [Rule("ADS-02")]
    [Rule("ADS-03")]
    public void WhileTheSmmuIsOffAnAddressAboveOasAbortsSilently(uint code, int bits)
    {
        using var scene = new StreamScene(Everything.With(SmmuFeatureField.OAS, code));
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue);

        scene.AssertReaches((1UL << bits) - 1, 1, (1UL << bits) - 1);
        scene.AssertAbortsSilently(1, 1UL << bits);
        scene.AssertAbortsSilently(1, ulong.MaxValue);
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    [Rule("ASZ-01")]
    [Rule("ASZ-04")]
    [Rule("ADS-02")]
    [Rule("ADS-04")]
    [Rule("ADS-09")]
    public void ABypassedStreamWithAnAddressAboveOasHasAStage1AddressSizeFault(uint code, int bits)
    {
        using var scene = new StreamScene(Everything.With(SmmuFeatureField.OAS, code));
        scene.SetStream(1, Entries.Bypass);

        scene.AssertReaches((1UL << bits) - 1, 1, (1UL << bits) - 1);
        foreach (ulong iova in (ulong[])[1UL << bits, (0x5aUL << 56) | 0x1000, ulong.MaxValue])
        {
            var record = scene.AssertFaults(EventType.AddressSize, 1, iova, AccessKind.Write);
            const ulong ClassIn = 2UL << 40;
            Assert.Equal(new EventRecord(0x0000_0001_0000_0011, ClassIn, iova, 0), record);
        }
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [Rule("ASZ-05")]
    [Rule("ASZ-06")]
    [Rule("ADS-05")]
    [Rule("ADS-09")]
    [Rule("ARS-11")]
    public void ASkippedStage1LeavesTheAddressToBeCheckedAndTheFlagsOfStage2HaveNoSay(bool hasStage2, bool skipsByDss)
    {
        using var scene = new StreamScene();
        var stage2 = scene.NewIntermediateSpace();
        stage2.Map(0x1000, 0x5000, Stage2ReadWrite);
        var entry = Nested(Nowhere, stage2)
            .With(StreamTableEntryField.S1CDMax, 4).With(StreamTableEntryField.S1DSS, 1)
            .With(StreamTableEntryField.Config, !hasStage2 ? 0b101u : skipsByDss ? 0b111u : 0b110);
        foreach (var faultFlags in (StreamTableEntry[])[entry, entry.With(StreamTableEntryField.S2R, 0)])
        {
            scene.SetStream(1, faultFlags);
            scene.AssertReaches(hasStage2 ? 0x5000UL : 0x1000, 1, 0x1000);
            foreach (ulong iova in (ulong[])[(1UL << 48) | 0x1000, (0x5aUL << 56) | 0x1000])
            {
                var record = scene.AssertFaults(EventType.AddressSize, 1, iova);
                Assert.Equal((false, FaultClass.Input, iova), (record.S2, record.Class, record.InputAddress));
            }
        }
    }

    [Fact]
    [Rule("ASZ-07")]
    [Rule("ADS-06")]
    [Rule("W2-16")]
    public void AnAddressWithinIasButBeyondStage2IsAStage2TranslationFault()
    {
        using var scene = new StreamScene();
        scene.SetStream(1, Stage2(scene.NewIntermediateSpace()));

        foreach (ulong iova in (ulong[])[1UL << 39, (1UL << 48) - 1])
        {
            var record = scene.AssertFaults(EventType.Translation, 1, iova);
            Assert.Equal((true, FaultClass.Input, iova & ~0xfffUL), (record.S2, record.Class, record.IntermediatePhysicalAddress));
        }
    }

    [Fact]
    [Rule("ASZ-08")]
    public void AnAddressBeyondTheTablesIsATranslationFaultAndNoSizeFault()
    {
        using var scene = new StreamScene();
        scene.SetStream(1, Entries.Stage1(scene.NewContext(scene.NewSpace().Descriptor())));

        scene.AssertFaults(EventType.Translation, 1, 1UL << 39);
        scene.AssertFaults(EventType.Translation, 1, 1UL << 54);
        scene.AssertFaults(EventType.Translation, 1, ulong.MaxValue);
    }

    [Fact]
    [Rule("ASZ-09")]
    [Rule("ASZ-10")]
    public void SizeFaultsOfOutputsAreUnderTheFlagsOfTheirStage()
    {
        using var scene = new StreamScene();
        var space = scene.NewSpace();
        space.Map(0x1000, 1UL << 40);
        ulong context = scene.NewContext(space.Descriptor()
            .With(ContextDescriptorField.IPS, 0).With(ContextDescriptorField.A, 0).With(ContextDescriptorField.R, 0));
        var stage2 = scene.NewIntermediateSpace();
        stage2.Map(0x1000, 1UL << 40, Stage2ReadWrite);
        var entry = Stage2(stage2).With(StreamTableEntryField.S2PS, 0);
        scene.SetStream(1, Entries.Stage1(context));
        scene.SetStream(2, entry);
        scene.SetStream(3, entry.With(StreamTableEntryField.S2R, 0));

        Assert.Equal(
            (TranslationOutcome.FaultedReadZeroWriteIgnored, EventType.AddressSize), OutcomeOf(scene.Access(1, 0x1000)));
        scene.AssertNoEvent();
        Assert.True(scene.AssertFaults(EventType.AddressSize, 2, 0x1000).S2);
        Assert.Equal((TranslationOutcome.Faulted, EventType.AddressSize), OutcomeOf(scene.Access(3, 0x1000)));
        scene.AssertNoEvent();
    }

    [Fact]
    [Rule("ASZ-11")]
    public void WhatIsKnownOfTheFirstPartOfABlockIsNotUsedBeyondTheOutputSize()
    {
        using var scene = new StreamScene(Everything.With(SmmuFeatureField.OAS, 6));
        var space = new Stage1Space(scene.Machine, asid: 1, sizeOffset: 16, granuleLog2: 16);
        space.Map(0, 0, level: 1);   // 4 TiB.
        scene.SetStream(1, Entries.Stage1(scene.NewContext(space.Descriptor().With(ContextDescriptorField.IPS, 2))));

        Assert.Equal(1UL << 40, scene.AssertReaches(0x1000, 1, 0x1000).LeafSize);
        scene.AssertReaches(0xff_ffff_ffff, 1, 0xff_ffff_ffff);
        Assert.Equal(1UL, scene.Machine.Smmu.GetStatistics().TlbHits);
        scene.AssertFaults(EventType.AddressSize, 1, 1UL << 40);
    }

    [Fact]
    [Rule("ASZ-24")]
    public void TheIpaOfARecordIsItsPageOnly()
    {
        using var scene = new StreamScene(Everything.With(SmmuFeatureField.OAS, 6));
        scene.SetStream(1, Stage2(scene.NewIntermediateSpace()));

        var record = scene.AssertFaults(EventType.Translation, 1, 0xf_edcb_a987_6543);

        Assert.Equal(0xf_edcb_a987_6000UL, record.Word3);
        Assert.Equal(0xf_edcb_a987_6543UL, record.Word2);
    }

    private static (TranslationOutcome Outcome, EventType Event) OutcomeOf(TranslationResult result) =>
        (result.Outcome, result.Event);
}
