using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Formats.StreamTableEntryField;
using static Smmu.Fast.Tests.Streams.StreamScene;
using Feature = Smmu.Fast.Formats.SmmuFeatureField;

namespace Smmu.Fast.Tests.Streams;

/// <summary>C_BAD_STE: each combination that the architecture forbids, beside the nearest one that it allows.</summary>
public class StreamTableEntryValidityTests
{
    private static readonly StreamTableEntry Stage1 = Entries.Stage1(GuestMachine.RamBase);

    private static readonly StreamTableEntry Stage2 = Entries.Valid(0b110)
        .With(S2T0SZ, 25).With(S2SL0, 1).With(S2PS, 5).With(S2AA64, 1).With(S2R, 1).With(S2TTB, GuestMachine.RamBase);

    private static readonly StreamTableEntry Both = Stage2.With(Config, 0b111).With(S1ContextPtr, GuestMachine.RamBase);

    private static readonly SmmuFeatures StallAndTerminate = Everything.With(Feature.STALL_MODEL, 0);
    private static readonly SmmuFeatures TerminateOnly = Everything.With(Feature.STALL_MODEL, 1);
    private static readonly SmmuFeatures StallForced = Everything.With(Feature.STALL_MODEL, 2);

    [Fact]
    [Rule("STV-05")]
    [Rule("STR-12")]
    public void Stage1NeedsS1P()
    {
        var without = Everything.With(Feature.S1P, 0);

        AssertIllegal(without, Stage1, Both);
        AssertLegal(without, Stage2, Entries.Bypass);
        AssertLegal(Everything, Stage1, Both);
    }

    [Fact]
    [Rule("STV-06")]
    [Rule("STR-12")]
    public void Stage2NeedsS2P()
    {
        var without = Everything.With(Feature.S2P, 0);

        AssertIllegal(without, Stage2, Both);
        AssertLegal(without, Stage1, Entries.Bypass);
        AssertLegal(Everything, Stage2, Both);
    }

    [Fact]
    [Rule("STV-03")]
    public void FieldsOfADisabledStageAreNotChecked()
    {
        var badStage1 = Stage2.With(S1STALLD, 1).With(S1CDMax, 31).With(S1Fmt, 1).With(S1ContextPtr, 1UL << 55).With(STRW, 3);
        var badStage2 = Stage1.With(S2S, 1).With(S2HD, 1).With(S2TG, 3).With(S2T0SZ, 63).With(S2ENDI, 1).With(S2TTB, 1UL << 55);
        var features = TerminateOnly
            .With(Feature.HTTU, 0).With(Feature.TTENDIAN, 2).With(Feature.SSIDSIZE, 4).With(Feature.CD2L, 0);

        AssertLegal(features, badStage1, badStage2);
        AssertIllegal(features, badStage1.With(Config, 0b111), badStage2.With(Config, 0b111));
    }

    [Fact]
    [Rule("STV-04")]
    [Rule("ORD-02")]
    public void TheEntryIsJudgedBeforeTheSubstream()
    {
        using var scene = new StreamScene();
        scene.SetStream(1, Stage2.With(S2TG, 3));
        scene.AssertFaults(EventType.BadStreamTableEntry, 1, substream: 1);
        scene.SetStream(1, Stage1.With(S1CDMax, 4).With(STRW, 1));
        scene.AssertFaults(EventType.BadStreamTableEntry, 1, substream: 99);
        scene.AssertFaults(EventType.BadStreamTableEntry, 1);

        scene.SetStream(1, Stage2);
        scene.AssertFaults(EventType.BadSubstreamId, 1, substream: 1);
        scene.SetStream(1, Stage1.With(S1CDMax, 4));
        scene.AssertFaults(EventType.BadSubstreamId, 1, substream: 99);
        scene.AssertFaults(EventType.StreamDisabled, 1);
    }

    [Fact]
    [Rule("STV-12")]
    [Rule("STV-13")]
    [Rule("STV-17")]
    public void AtsIsCheckedWhereItExistsAndTheStreamIsTranslated()
    {
        var ats = StallAndTerminate.With(Feature.ATS, 1);

        AssertIllegal(ats, Stage1.With(EATS, 2), Stage2.With(EATS, 2), Both.With(EATS, 2).With(S2S, 1));
        AssertIllegal(ats.With(Feature.NS1ATS, 1), Both.With(EATS, 2));
        AssertIllegal(ats, Stage2.With(EATS, 1).With(S2S, 1), Both.With(EATS, 1).With(S2S, 1));
        AssertLegal(ats, Both.With(EATS, 2), Both.With(EATS, 1), Stage1.With(EATS, 1).With(S2S, 1));
        AssertLegal(ats, Entries.Bypass.With(EATS, 2).With(S2S, 1), Stage2.With(S2S, 1));
        AssertLegal(StallAndTerminate.With(Feature.ATS, 0), Stage1.With(EATS, 2), Both.With(EATS, 1).With(S2S, 1));
    }

    [Fact]
    [Rule("STV-18")]
    [Rule("FLT-10")]
    [Rule("FLT-11")]
    public void ForbiddingStallsNeedsThatTheyCanBeForbidden()
    {
        AssertLegal(StallAndTerminate, Stage1.With(S1STALLD, 1), Both.With(S1STALLD, 1));
        AssertIllegal(TerminateOnly, Stage1.With(S1STALLD, 1), Both.With(S1STALLD, 1));
        AssertIllegal(StallForced, Stage1.With(S1STALLD, 1), Both.With(S1STALLD, 1).With(S2S, 1));
    }

    [Fact]
    [Rule("STV-20")]
    [Rule("STR-15")]
    [Rule("ID-32")]
    public void AContextTableHasNoMoreContextsThanThereAreSubstreams()
    {
        var sixteen = Everything.With(Feature.SSIDSIZE, 4);

        AssertLegal(sixteen, Stage1.With(S1CDMax, 4), Both.With(S1CDMax, 4));
        AssertIllegal(sixteen, Stage1.With(S1CDMax, 5), Both.With(S1CDMax, 5));
        AssertIllegal(Everything, Stage1.With(S1CDMax, 21), Stage1.With(S1CDMax, 31));
        AssertLegal(Everything.With(Feature.SSIDSIZE, 0), Stage1.With(S1CDMax, 5), Both.With(S1CDMax, 31));
    }

    [Fact]
    [Rule("STV-21")]
    [Rule("STR-20")]
    [Rule("ID-21")]
    public void ContextTablesOfTwoLevelsNeedCd2l()
    {
        var without = Everything.With(Feature.CD2L, 0);
        var table = Stage1.With(S1CDMax, 4);

        AssertIllegal(without, table.With(S1Fmt, 1), table.With(S1Fmt, 2), Both.With(S1CDMax, 1).With(S1Fmt, 1));
        AssertLegal(without, table, table.With(S1Fmt, 3), Stage1.With(S1Fmt, 1), Stage1.With(S1Fmt, 2));
        AssertLegal(without.With(Feature.SSIDSIZE, 0), table.With(S1Fmt, 1), table.With(S1Fmt, 2));
        AssertLegal(Everything, table.With(S1Fmt, 1), table.With(S1Fmt, 2));
    }

    [Fact]
    [Rule("STV-22")]
    [Rule("ADS-19")]
    [Rule("ASZ-18")]
    public void AStage1ContextLiesBelowOas()
    {
        AssertIllegal(Everything, Stage1.With(S1ContextPtr, 1UL << 48));
        AssertLegal(Everything, Stage1.With(S1ContextPtr, (1UL << 48) - 64));
    }

    [Fact]
    [Rule("STV-24")]
    [Rule("STV-25")]
    [Rule("FLT-10")]
    [Rule("FLT-11")]
    public void Stage2StallsWhereAndOnlyWhereItCan()
    {
        AssertLegal(StallAndTerminate, Stage2, Stage2.With(S2S, 1), Both.With(S2S, 1));
        AssertIllegal(TerminateOnly, Stage2.With(S2S, 1), Both.With(S2S, 1));
        AssertLegal(TerminateOnly, Stage2, Both);
        AssertIllegal(StallForced, Stage2, Both);
        AssertLegal(StallForced, Stage2.With(S2S, 1), Both.With(S2S, 1));
    }

    [Fact]
    [Rule("STV-26")]
    public void Stage2NeedsTablesThatTheSmmuReads()
    {
        AssertIllegal(Everything, Stage2.With(S2AA64, 0), Both.With(S2AA64, 0));
        AssertIllegal(Everything.With(Feature.TTF, 1), Stage2, Both);
    }

    [Fact]
    [Rule("STV-27")]
    [Rule("STV-28")]
    public void HardwareUpdatesNeedHttu()
    {
        var (access, dirty, both) = (Stage2.With(S2HA, 1), Stage2.With(S2HD, 1), Stage2.With(S2HA, 1).With(S2HD, 1));

        AssertIllegal(Everything.With(Feature.HTTU, 0), access, dirty, both, Both.With(S2HA, 1));
        AssertIllegal(Everything.With(Feature.HTTU, 1), dirty, both, Both.With(S2HD, 1));
        AssertLegal(Everything.With(Feature.HTTU, 1), access);
        AssertLegal(Everything.With(Feature.HTTU, 2), access, dirty, both);
    }

    [Fact]
    [Rule("STV-30")]
    public void AGranuleNeedsToExist()
    {
        var large = Stage2.With(S2TG, 1).With(S2SL0, 1);
        var middle = Stage2.With(S2TG, 2).With(S2SL0, 1);

        AssertLegal(Everything, Stage2, large, middle);
        AssertIllegal(Everything, Stage2.With(S2TG, 3));
        AssertIllegal(Everything.With(Feature.GRAN4K, 0), Stage2);
        AssertIllegal(Everything.With(Feature.GRAN64K, 0), large);
        AssertIllegal(Everything.With(Feature.GRAN16K, 0), middle);
    }

    [Theory]
    [InlineData(0u, 32)]
    [InlineData(1u, 36)]
    [InlineData(2u, 40)]
    [InlineData(3u, 42)]
    [InlineData(4u, 44)]
    [InlineData(5u, 48)]
    [InlineData(6u, 48)]   // OAS.
    [InlineData(7u, 48)]
    [Rule("STV-31")]
    [Rule("STV-42")]
    [Rule("ADS-18")]
    [Rule("ASZ-17")]
    [Rule("STE-52")]
    public void TheFirstTableLiesInsideTheOutputSize(uint code, int bits)
    {
        AssertLegal(Everything, Stage2.With(S2PS, code).With(S2TTB, (1UL << bits) - (1 << 12)));
        AssertIllegal(Everything, Stage2.With(S2PS, code).With(S2TTB, 1UL << bits), Both.With(S2PS, code).With(S2TTB, 1UL << bits));
    }

    [Fact]
    [Rule("STV-31")]
    public void BitsOfTheTableBaseThatTheFieldDoesNotHaveAreIgnored()
    {
        AssertLegal(
            Everything,
            Stage2.With(S2TTB, GuestMachine.RamBase | (1UL << 52)),
            Both.With(S2TTB, GuestMachine.RamBase | (0xfUL << 52)));
        AssertIllegal(Everything, Stage2.With(S2TTB, GuestMachine.RamBase | (1UL << 51)));
    }

    [Fact]
    [Rule("STV-31")]
    public void OnlyTablesOf52BitAddressesLieAbove48Bits()
    {
        var wide = Everything.With(Feature.OAS, 6);
        var high = Stage2.With(S2PS, 6).With(S2TTB, 1UL << 51);

        AssertIllegal(wide, high, high.With(S2DS, 1), high.With(S2TG, 2));
        AssertLegal(wide, high.With(S2TG, 1));
        AssertLegal(wide.With(Feature.DS, 1), high.With(S2DS, 1), high.With(S2TG, 2).With(S2DS, 1));
    }

    [Fact]
    [Rule("STV-45")]
    public void EndiannessNeedsToExist()
    {
        AssertLegal(Everything, Stage2, Stage2.With(S2ENDI, 1));
        AssertIllegal(Everything.With(Feature.TTENDIAN, 2), Stage2.With(S2ENDI, 1), Both.With(S2ENDI, 1));
        AssertLegal(Everything.With(Feature.TTENDIAN, 2), Stage2);
        AssertIllegal(Everything.With(Feature.TTENDIAN, 3), Stage2, Both);
        AssertLegal(Everything.With(Feature.TTENDIAN, 3), Stage2.With(S2ENDI, 1));
    }

    [Fact]
    [Rule("STV-48")]
    [Rule("STV-49")]
    [Rule("ID-20")]
    public void TheUpperHalfOfAVmidNeedsVmid16WhereTheVmidCounts()
    {
        var narrow = Everything.With(Feature.VMID16, 0);

        AssertIllegal(narrow, Stage1.With(S2VMID, 0x100), Stage2.With(S2VMID, 0x8000), Both.With(S2VMID, 0x100));
        AssertLegal(narrow, Stage1.With(S2VMID, 0xff), Stage2.With(S2VMID, 0xff));
        AssertLegal(narrow, Entries.Bypass.With(S2VMID, 0x100), Stage1.With(S2VMID, 0x100).With(STRW, 2));
        AssertLegal(narrow.With(Feature.S2P, 0), Stage1.With(S2VMID, 0x100));
        AssertLegal(Everything, Stage1.With(S2VMID, 0x100), Stage2.With(S2VMID, 0xffff));
    }

    private static void AssertIllegal(SmmuFeatures features, params ReadOnlySpan<StreamTableEntry> entries)
    {
        using var scene = new StreamScene(features, cachesEnabled: false);
        foreach (var entry in entries)
        {
            scene.Machine.SetStream(1, entry);
            scene.AssertFaults(EventType.BadStreamTableEntry, 1, 0x1000);
        }
    }

    private static void AssertLegal(SmmuFeatures features, params ReadOnlySpan<StreamTableEntry> entries)
    {
        using var scene = new StreamScene(features, cachesEnabled: false);
        foreach (var entry in entries)
        {
            scene.Machine.SetStream(1, entry);
            Assert.NotEqual(EventType.BadStreamTableEntry, scene.Access(1, 0x1000).Event);
        }
    }
}
