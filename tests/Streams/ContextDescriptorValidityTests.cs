using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Formats.ContextDescriptorField;
using static Smmu.Fast.Tests.Streams.StreamScene;
using Feature = Smmu.Fast.Formats.SmmuFeatureField;

namespace Smmu.Fast.Tests.Streams;

/// <summary>C_BAD_CD: each combination that the architecture forbids, beside the nearest one that it allows.</summary>
public class ContextDescriptorValidityTests
{
    private const ulong BelowFourGigabytes = GuestMachine.RamBase + (2 << 20);

    private static readonly ContextDescriptor Lower = default(ContextDescriptor)
        .With(V, 1).With(T0SZ, 25).With(EPD1, 1).With(IPS, 5).With(AA64, 1).With(A, 1).With(R, 1)
        .With(TTB0, BelowFourGigabytes);

    private static readonly ContextDescriptor Upper = default(ContextDescriptor)
        .With(V, 1).With(T1SZ, 25).With(TG1, 2).With(EPD0, 1).With(IPS, 5).With(AA64, 1).With(A, 1).With(R, 1)
        .With(TTB1, BelowFourGigabytes);

    private static readonly ContextDescriptor TwoRanges =
        Lower.With(T1SZ, 25).With(TG1, 2).With(EPD1, 0).With(TTB1, BelowFourGigabytes);

    [Fact]
    [Rule("CDV-01")]
    public void AContextNeedsToBeValid()
    {
        AssertIllegal(Everything, Lower.With(V, 0), default);
        AssertLegal(Everything, Lower, Upper, TwoRanges);
    }

    [Fact]
    [Rule("W1-23")]
    public void BitsOfATableBaseThatTheFieldDoesNotHaveAreIgnored()
    {
        var wide = Everything.With(Feature.OAS, 6);

        foreach (ulong beyond in (ulong[])[1UL << 52, 1UL << 55, 0xfUL << 52])
        {
            AssertLegal(Everything, Lower.With(TTB0, BelowFourGigabytes | beyond), Upper.With(TTB1, BelowFourGigabytes | beyond));
        }

        AssertIllegal(wide, Lower.With(IPS, 6).With(TTB0, 1UL << 51));
        AssertLegal(wide, Lower.With(IPS, 6).With(TG0, 1).With(TTB0, 1UL << 51));
    }

    [Fact]
    [Rule("CDV-02")]
    [Rule("STE-47")]
    [Rule("FLT-12")]
    public void AStreamThatForbidsStallsHasNoContextThatAsksForThem()
    {
        var forbidden = Entries.Stage1(0).With(StreamTableEntryField.S1STALLD, 1);

        AssertVerdict(false, Everything, forbidden, Lower.With(S, 1));
        AssertVerdict(true, Everything, forbidden, Lower);
        AssertLegal(Everything, Lower.With(S, 1));
    }

    [Fact]
    [Rule("CDV-03")]
    [Rule("FLT-09")]
    [Rule("ID-27")]
    public void TermModelForcesAborts()
    {
        AssertIllegal(Everything.With(Feature.TERM_MODEL, 1), Lower.With(A, 0));
        AssertLegal(Everything.With(Feature.TERM_MODEL, 1), Lower);
        AssertLegal(Everything, Lower.With(A, 0));
    }

    [Fact]
    [Rule("CDV-04")]
    [Rule("CDV-05")]
    [Rule("FLT-10")]
    [Rule("FLT-11")]
    public void AContextStallsWhereAndOnlyWhereItCan()
    {
        AssertIllegal(Everything.With(Feature.STALL_MODEL, 1), Lower.With(S, 1));
        AssertLegal(Everything.With(Feature.STALL_MODEL, 1), Lower);
        AssertIllegal(Everything.With(Feature.STALL_MODEL, 2), Lower);
        AssertLegal(Everything.With(Feature.STALL_MODEL, 2), Lower.With(S, 1));
    }

    [Fact]
    [Rule("CDV-06")]
    public void EndiannessNeedsToExistUnlessNothingIsWalked()
    {
        var little = Everything.With(Feature.TTENDIAN, 2);
        var big = Everything.With(Feature.TTENDIAN, 3);

        AssertIllegal(little, Lower.With(ENDI, 1), Upper.With(ENDI, 1));
        AssertIllegal(big, Lower, Upper);
        AssertLegal(little, Lower, Lower.With(ENDI, 1).With(EPD0, 1));
        AssertLegal(big, Lower.With(ENDI, 1), Lower.With(EPD0, 1));
        AssertLegal(Everything, Lower, Lower.With(ENDI, 1));
    }

    [Fact]
    [Rule("CDV-07")]
    [Rule("CDV-09")]
    [Rule("CD-18")]
    public void TheFormatOfTablesNeedsToExist()
    {
        AssertIllegal(Everything, Lower.With(AA64, 0));
        AssertIllegal(Everything.With(Feature.TTF, 1), Lower);
    }

    [Fact]
    [Rule("CDV-11")]
    [Rule("CDV-12")]
    public void HardwareUpdatesNeedHttu()
    {
        var both = Lower.With(HA, 1).With(HD, 1);

        AssertIllegal(Everything.With(Feature.HTTU, 0), Lower.With(HA, 1), Lower.With(HD, 1), both);
        AssertIllegal(Everything.With(Feature.HTTU, 1), Lower.With(HD, 1), both);
        AssertLegal(Everything.With(Feature.HTTU, 1), Lower.With(HA, 1));
        AssertLegal(Everything.With(Feature.HTTU, 2), Lower.With(HA, 1), Lower.With(HD, 1), both);
    }

    [Fact]
    [Rule("CDV-14")]
    [Rule("ID-14")]
    public void TheUpperHalfOfAnAsidNeedsAsid16WhereThereAreAsids()
    {
        var narrow = Everything.With(Feature.ASID16, 0);
        var el2 = Entries.Stage1(0).With(StreamTableEntryField.STRW, 2);

        AssertIllegal(narrow, Lower.With(ASID, 0x100), Lower.With(ASID, 0x8001));
        AssertVerdict(false, narrow, el2, Lower.With(ASID, 0x100), e2h: true);
        AssertVerdict(true, narrow, el2, Lower.With(ASID, 0x100), e2h: false);
        AssertLegal(narrow, Lower.With(ASID, 0xff));
        AssertLegal(Everything, Lower.With(ASID, 0xffff));
    }

    public static TheoryData<bool, int, bool> Implementations => new()
    {
        // STT, VAX, DS.
        { false, 0, false }, { true, 0, false }, { false, 1, false }, { true, 1, true }, { false, 0, true }, { false, 2, true },
    };

    [Theory]
    [MemberData(nameof(Implementations))]
    [Rule("CDV-15")]
    [Rule("CDV-16")]
    [Rule("CDV-17")]
    [Rule("CDV-19")]
    public void EverySizeIsLegalExactlyInsideTheBoundsOfItsGranule(bool smallTables, int vax, bool largeAddresses)
    {
        var features = Everything.With(Feature.OAS, 6).With(Feature.STT, smallTables ? 1u : 0)
            .With(Feature.VAX, (ulong)vax).With(Feature.DS, largeAddresses ? 1u : 0);
        using var scene = new StreamScene(features, cachesEnabled: false);
        for (uint size = 0; size < 64; size++)
        {
            foreach (int granule in (int[])[12, 14, 16])
            {
                foreach (bool isLarge in (bool[])[false, true])
                {
                    bool can52 = vax != 0 && (granule == 16 || (isLarge && largeAddresses));
                    int largest = !smallTables ? 39 : granule == 16 ? 47 : 48;
                    bool expected = size >= (can52 ? 12 : 16) && size <= largest;
                    AssertVerdict(scene, expected, Lower.With(T0SZ, size).With(DS, isLarge ? 1u : 0)
                        .With(TG0, granule switch { 12 => 0u, 16 => 1, _ => 2 }));
                    AssertVerdict(scene, expected, Upper.With(T1SZ, size).With(DS, isLarge ? 1u : 0)
                        .With(TG1, granule switch { 14 => 1u, 12 => 2, _ => 3 }));
                }
            }
        }
    }

    [Fact]
    [Rule("CDV-20")]
    public void AGranuleNeedsToExist()
    {
        AssertIllegal(Everything, Lower.With(TG0, 3), Upper.With(TG1, 0));
        AssertLegal(Everything, Lower.With(TG0, 1), Lower.With(TG0, 2), Upper.With(TG1, 1), Upper.With(TG1, 3));
        AssertIllegal(Everything.With(Feature.GRAN4K, 0), Lower, Upper);
        AssertIllegal(Everything.With(Feature.GRAN16K, 0), Lower.With(TG0, 2), Upper.With(TG1, 1));
        AssertIllegal(Everything.With(Feature.GRAN64K, 0), Lower.With(TG0, 1), Upper.With(TG1, 3));
    }

    [Theory]
    [InlineData(0u, 32)]
    [InlineData(1u, 36)]
    [InlineData(2u, 40)]
    [InlineData(3u, 42)]
    [InlineData(4u, 44)]
    [InlineData(5u, 48)]
    [InlineData(7u, 48)]   // OAS.
    [Rule("CDV-21")]
    [Rule("CDV-30")]
    [Rule("ADS-18")]
    [Rule("ASZ-17")]
    public void TheFirstTableLiesInsideTheOutputSize(uint code, int bits)
    {
        AssertIllegal(
            Everything, Lower.With(IPS, code).With(TTB0, 1UL << bits), Upper.With(IPS, code).With(TTB1, 1UL << bits));
        AssertLegal(
            Everything,
            Lower.With(IPS, code).With(TTB0, (1UL << bits) - 4096),
            Upper.With(IPS, code).With(TTB1, (1UL << bits) - 4096));
    }

    [Fact]
    [Rule("CDV-21")]
    public void OnlyTablesOf52BitAddressesLieAbove48Bits()
    {
        var wide = Everything.With(Feature.OAS, 6);
        var high = Lower.With(IPS, 6).With(TTB0, 1UL << 51);

        AssertIllegal(wide, high, high.With(DS, 1), high.With(TG0, 2));
        AssertLegal(wide, high.With(TG0, 1));
        AssertLegal(wide.With(Feature.DS, 1), high.With(DS, 1), high.With(TG0, 2).With(DS, 1));
    }

    [Fact]
    [Rule("CDV-22")]
    [Rule("CDV-23")]
    public void ABadRangeSpoilsTheWholeContextUnlessItIsTurnedOff()
    {
        ContextDescriptor[] bad0 = [TwoRanges.With(T0SZ, 63), TwoRanges.With(TG0, 3), TwoRanges.With(TTB0, 1UL << 51)];
        ContextDescriptor[] bad1 = [TwoRanges.With(T1SZ, 63), TwoRanges.With(TG1, 0), TwoRanges.With(TTB1, 1UL << 51)];

        AssertIllegal(Everything, bad0);   // Seen through accesses to both halves.
        AssertIllegal(Everything, bad1);
        foreach (var descriptor in bad0) AssertLegal(Everything, descriptor.With(EPD0, 1));
        foreach (var descriptor in bad1) AssertLegal(Everything, descriptor.With(EPD1, 1));
    }

    [Fact]
    [Rule("CDV-24")]
    public void TheUpperRangeIsNotCheckedInEl2()
    {
        var el2 = Entries.Stage1(0).With(StreamTableEntryField.STRW, 2);
        var bad = TwoRanges.With(T1SZ, 63).With(TG1, 0).With(TTB1, 1UL << 51);

        AssertVerdict(true, Everything, el2, bad, e2h: false);
        AssertVerdict(false, Everything, el2, bad, e2h: true);
        AssertVerdict(false, Everything, el2, bad.With(T0SZ, 63), e2h: false);
    }

    [Fact]
    [Rule("CDV-29")]
    public void ReservedAttributesAreLegal()
    {
        AssertLegal(
            Everything,
            Lower.With(SH0, 1).With(IR0, 3).With(OR0, 3).With(MAIR0, 0x0101_0101).With(MAIR1, 0xf0f1_0f10),
            Lower.With(IPS, 7));
    }

    [Fact]
    [Rule("CDV-31")]
    public void OneContextMayBeLegalForOneStreamAndIllegalForAnother()
    {
        using var scene = new StreamScene();
        var space = scene.NewSpace();
        space.Map(0x1000, 0x2000);
        ulong context = scene.NewContext(space.Descriptor().With(S, 1));
        scene.SetStream(1, Entries.Stage1(context));
        scene.SetStream(2, Entries.Stage1(context).With(StreamTableEntryField.S1STALLD, 1));

        for (int round = 0; round < 2; round++)
        {
            scene.AssertReaches(0x2000, 1, 0x1000);
            scene.AssertFaults(EventType.BadContextDescriptor, 2, 0x1000);
        }
    }

    private static void AssertIllegal(SmmuFeatures features, params ReadOnlySpan<ContextDescriptor> descriptors)
    {
        using var scene = new StreamScene(features, cachesEnabled: false);
        foreach (var descriptor in descriptors) AssertVerdict(scene, false, descriptor);
    }

    private static void AssertLegal(SmmuFeatures features, params ReadOnlySpan<ContextDescriptor> descriptors)
    {
        using var scene = new StreamScene(features, cachesEnabled: false);
        foreach (var descriptor in descriptors) AssertVerdict(scene, true, descriptor);
    }

    private static void AssertVerdict(
        bool legal, SmmuFeatures features, StreamTableEntry entry, ContextDescriptor descriptor, bool e2h = false)
    {
        using var scene = new StreamScene(features, cachesEnabled: false);
        scene.UseE2h(e2h);
        AssertVerdict(scene, legal, descriptor, entry);
    }

    private static void AssertVerdict(
        StreamScene scene, bool legal, ContextDescriptor descriptor, StreamTableEntry? entry = null)
    {
        const ulong Context = GuestMachine.RamBase + (1 << 20);
        scene.Machine.SetContext(Context, descriptor);
        scene.Machine.SetStream(
            1, (entry ?? Entries.Stage1(0)).With(StreamTableEntryField.S1ContextPtr, Context));
        foreach (ulong iova in (ulong[])[0x1000, 0xffff_ffff_ffff_f000])
        {
            var result = scene.Access(1, iova);
            Assert.True(legal == (result.Event != EventType.BadContextDescriptor), $"{descriptor}: {result.Event}");
            Assert.NotEqual(EventType.BadStreamTableEntry, result.Event);
        }
    }
}
