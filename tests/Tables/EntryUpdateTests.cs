using Smmu.Fast.Formats;
using Smmu.Fast.Tables;

namespace Smmu.Fast.Tests.Tables;

/// <summary>
/// From any entry that drivers write to any other: hardware finds the old one or the new one at every store, or where that
/// cannot be, none; and no more invalidations are waited for than that takes.
/// </summary>
/// <remarks>The first 24 carry the names that Linux gives to the cases of its own test.</remarks>
public class EntryUpdateTests
{
    private const ulong TableAddress = 0xF0F0_F0F0_F0F0;
    private const ulong OtherTableAddress = 0x4B_4B4B_4B4B;
    private const ulong Base = 0xDAED_BEEF_DEAD_BEEF & 0xf_ffff_ffff_fff0;
    private const byte Bypass = 1;
    private const byte SubstreamZero = 2;

    private static readonly StreamTableEntry AbortEntry = default(StreamTableEntry).With(StreamTableEntryField.V, 1);

    private static readonly StreamTableEntry BypassEntry = AbortEntry
        .With(StreamTableEntryField.Config, (ulong)StreamConfiguration.Bypass)
        .With(StreamTableEntryField.SHCFG, 1);

    [Fact]
    public void arm_smmu_v3_write_ste_test_bypass_to_abort() => Hitless(BypassEntry, AbortEntry, 2);

    [Fact]
    public void arm_smmu_v3_write_ste_test_abort_to_bypass() => Hitless(AbortEntry, BypassEntry, 2);

    [Fact]
    public void arm_smmu_v3_write_ste_test_cdtable_to_abort() => Hitless(Table(ats: true), AbortEntry, 2);

    [Fact]
    public void arm_smmu_v3_write_ste_test_abort_to_cdtable() => Hitless(AbortEntry, Table(ats: true), 2);

    [Fact]
    public void arm_smmu_v3_write_ste_test_cdtable_to_bypass() => Hitless(Table(ats: true), BypassEntry, 3);

    [Fact]
    public void arm_smmu_v3_write_ste_test_bypass_to_cdtable() => Hitless(BypassEntry, Table(ats: true), 3);

    [Fact]
    public void arm_smmu_v3_write_ste_test_cdtable_s1dss_change()
    {
        Hitless(Table(ats: true), Table(Bypass, ats: true), 1);
        Hitless(Table(Bypass, ats: true), Table(ats: true), 1);
    }

    [Fact]
    public void arm_smmu_v3_write_ste_test_s1dssbypass_to_stebypass() => Hitless(Table(Bypass, ats: true), BypassEntry, 2);

    [Fact]
    public void arm_smmu_v3_write_ste_test_stebypass_to_s1dssbypass() => Hitless(BypassEntry, Table(Bypass, ats: true), 2);

    [Fact]
    public void arm_smmu_v3_write_ste_test_s2_to_abort() => Hitless(Stage2(ats: true), AbortEntry, 2);

    [Fact]
    public void arm_smmu_v3_write_ste_test_abort_to_s2() => Hitless(AbortEntry, Stage2(ats: true), 2);

    [Fact]
    public void arm_smmu_v3_write_ste_test_s2_to_bypass() => Hitless(Stage2(ats: true), BypassEntry, 2);

    [Fact]
    public void arm_smmu_v3_write_ste_test_bypass_to_s2() => Hitless(BypassEntry, Stage2(ats: true), 2);

    [Fact]
    public void arm_smmu_v3_write_ste_test_s1_to_s2() => Hitless(Table(ats: true), Stage2(ats: true), 3);

    [Fact]
    public void arm_smmu_v3_write_ste_test_s2_to_s1() => Hitless(Stage2(ats: true), Table(ats: true), 3);

    [Fact]
    public void arm_smmu_v3_write_ste_test_non_hitless() =>
        Breaks(Table(ats: true), Table(Bypass, OtherTableAddress, ats: true), 3);

    [Fact]
    public void arm_smmu_v3_write_cd_test_s1_clear()
    {
        Breaks(default, Context(778), 2);
        Breaks(Context(778), default, 2);
    }

    [Fact]
    public void arm_smmu_v3_write_cd_test_s1_change_asid()
    {
        Hitless(Context(778), Context(1997), 1);
        Hitless(Context(1997), Context(778), 1);
    }

    [Fact]
    public void arm_smmu_v3_write_ste_test_s1_to_s2_stall() => Hitless(Table(stall: true), Stage2(stall: true), 3);

    [Fact]
    public void arm_smmu_v3_write_ste_test_s2_to_s1_stall() => Hitless(Stage2(stall: true), Table(stall: true), 3);

    [Fact]
    public void arm_smmu_v3_write_ste_test_nested_s1dssbypass_to_s1bypass() => Hitless(Nested(), Stage2(), 3);

    [Fact]
    public void arm_smmu_v3_write_ste_test_nested_s1bypass_to_s1dssbypass() => Hitless(Stage2(), Nested(), 2);

    [Fact]
    public void arm_smmu_v3_write_cd_test_sva_clear()
    {
        Breaks(default, Shared(), 2);
        Breaks(Shared(), default, 2);
    }

    [Fact]
    public void arm_smmu_v3_write_cd_test_sva_release()
    {
        Hitless(Shared(), Released(), 2);
        Hitless(Released(), Shared(), 2);
    }

    [Theory]
    [InlineData(ContextDescriptorField.EPD0, ContextDescriptorField.TTB0)]
    [InlineData(ContextDescriptorField.EPD1, ContextDescriptorField.TTB1)]
    public void TheTableOfADisabledHalfChangesBesideAnythingElse(ContextDescriptorField disabled, ContextDescriptorField table)
    {
        var old = Context(778).With(ContextDescriptorField.EPD0, 0).With(ContextDescriptorField.EPD1, 0).With(disabled, 1);
        var target = old.With(ContextDescriptorField.ASID, 1997).With(table, 0x7654_3000);

        Hitless(old, target, 2);
        Breaks(old.With(disabled, 0), target.With(disabled, 0), 3);
    }

    [Fact]
    public void AnEntryThatIsRightIsLeftAlone()
    {
        Hitless(Stage2(ats: true), Stage2(ats: true), 0);
        Breaks(default(ContextDescriptor), default, 0);
    }

    [Fact]
    public void SplitStageAtsIsNotTakenForAHarmlessField()
    {
        var split = Nested().With(StreamTableEntryField.EATS, 2);
        Hitless(split, split.With(StreamTableEntryField.EATS, 0), 1);
        Breaks(split, Stage2(), 3);   // EATS and Config, in two words.
    }

    [Fact]
    public void StallsOfStage2AreNotSetBesideAtsOfStage1()
    {
        // S2S is ignored in the new entry, but beside the ATS of the old one it might make it illegal for a moment.
        Hitless(Table(ats: true), BypassEntry.With(StreamTableEntryField.S2S, 1), 3);
        Breaks(Table(ats: true), Stage2(stall: true), 3);
    }

    [Fact]
    public void EveryFieldOfAValidEntryIsEitherUsedOrChangesWithoutAMark()
    {
        // Any pair of entries: random words, all of them valid, so that nothing rests on what drivers happen to write.
        var random = new Random(17);
        int hitless = 0;
        for (int round = 0; round < 500; round++)
        {
            ulong[] old = Randomized();
            ulong[] target = [.. old];
            target[random.Next(8)] ^= 1UL << random.Next(64);
            var entry = new RecordedEntry(old, target, new StreamEntryMeaning(), mayBreak: true);
            EntryUpdateResult result = EntryUpdate.Write<StreamTableEntryUse, RecordedEntry>(ref entry, target);
            Assert.Equal(target, entry.Words);
            Assert.Equal(result.Synchronizations, entry.Synchronizations);
            hitless += result.IsHitless ? 1 : 0;
        }

        Assert.True(hitless > 100);

        ulong[] Randomized()
        {
            var words = new ulong[8];
            for (int word = 0; word < 8; word++) words[word] = (ulong)random.NextInt64() ^ ((ulong)random.NextInt64() << 1);
            words[0] |= 1;
            return words;
        }
    }

    [Fact]
    public void TheRecorderIsAbleToObject()
    {
        ulong[] old = Words(Table(ats: true));
        ulong[] target = Words(Table(Bypass, OtherTableAddress, ats: true));
        var entry = new RecordedEntry(old, target, new StreamEntryMeaning(), mayBreak: true);
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => entry.Store(0, target[0]));   // The new table, entered in the old way.
        var hitless = new RecordedEntry(old, target, new StreamEntryMeaning(), mayBreak: false);
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => hitless.Store(0, 0));
    }

    private static void Hitless(in StreamTableEntry old, in StreamTableEntry target, int synchronizations) =>
        Check<StreamTableEntryUse>(Words(old), Words(target), new StreamEntryMeaning(), isHitless: true, synchronizations);

    private static void Breaks(in StreamTableEntry old, in StreamTableEntry target, int synchronizations) =>
        Check<StreamTableEntryUse>(Words(old), Words(target), new StreamEntryMeaning(), isHitless: false, synchronizations);

    private static void Hitless(in ContextDescriptor old, in ContextDescriptor target, int synchronizations) =>
        Check<ContextDescriptorUse>(Words(old), Words(target), new ContextMeaning(), isHitless: true, synchronizations);

    private static void Breaks(in ContextDescriptor old, in ContextDescriptor target, int synchronizations) =>
        Check<ContextDescriptorUse>(Words(old), Words(target), new ContextMeaning(), isHitless: false, synchronizations);

    private static void Check<TUse>(ulong[] old, ulong[] target, EntryMeaning meaning, bool isHitless, int synchronizations)
        where TUse : IEntryUse
    {
        var entry = new RecordedEntry(old, target, meaning, mayBreak: !isHitless);
        EntryUpdateResult result = EntryUpdate.Write<TUse, RecordedEntry>(ref entry, target);
        Assert.Equal(target, entry.Words);
        Assert.Equal(synchronizations, entry.Synchronizations);
        Assert.Equal(new EntryUpdateResult(PageTableStatus.Done, isHitless, synchronizations), result);
        if (isHitless) Assert.False(entry.WasInvalid);
        else Assert.True(entry.WasInvalid || synchronizations == 0);
    }

    private static ulong[] Words(in StreamTableEntry entry)
    {
        var words = new ulong[8];
        entry.CopyTo(words);
        return words;
    }

    private static ulong[] Words(in ContextDescriptor descriptor)
    {
        var words = new ulong[8];
        descriptor.CopyTo(words);
        return words;
    }

    private static StreamTableEntry Table(byte s1dss = SubstreamZero, ulong table = TableAddress, bool ats = false, bool stall = false) =>
        default(StreamTableEntry)
            .With(StreamTableEntryField.V, 1)
            .With(StreamTableEntryField.Config, (ulong)StreamConfiguration.Stage1)
            .With(StreamTableEntryField.S1Fmt, 2)
            .With(StreamTableEntryField.S1ContextPtr, table & ~0x3ful)
            .With(StreamTableEntryField.S1CDMax, 0x1f)
            .With(StreamTableEntryField.S1DSS, s1dss)
            .With(StreamTableEntryField.S1CIR, 1)
            .With(StreamTableEntryField.S1COR, 1)
            .With(StreamTableEntryField.S1CSH, 3)
            .With(StreamTableEntryField.S1STALLD, stall ? 0UL : 1)
            .With(StreamTableEntryField.SHCFG, s1dss == Bypass ? 1UL : 0)
            .With(StreamTableEntryField.EATS, ats ? 1UL : 0);

    private static StreamTableEntry Stage2(bool ats = false, bool stall = false) => default(StreamTableEntry)
        .With(StreamTableEntryField.V, 1)
        .With(StreamTableEntryField.Config, (ulong)StreamConfiguration.Stage2)
        .With(StreamTableEntryField.EATS, ats ? 1UL : 0)
        .With(StreamTableEntryField.SHCFG, 1)
        .With(StreamTableEntryField.S2T0SZ, 4)
        .With(StreamTableEntryField.S2SL0, 3)
        .With(StreamTableEntryField.S2IR0, 2)
        .With(StreamTableEntryField.S2OR0, 1)
        .With(StreamTableEntryField.S2SH0, 3)
        .With(StreamTableEntryField.S2TG, 2)
        .With(StreamTableEntryField.S2PS, 1)
        .With(StreamTableEntryField.S2AA64, 1)
        .With(StreamTableEntryField.S2PTW, 1)
        .With(StreamTableEntryField.S2R, 1)
        .With(StreamTableEntryField.S2S, stall ? 1UL : 0)
        .With(StreamTableEntryField.S2TTB, Base);

    private static StreamTableEntry Nested()
    {
        var table = Table(Bypass, ats: true);
        var stage2 = Stage2();
        return new StreamTableEntry(
        [
            table[0], table[1] | stage2[1], stage2[2], stage2[3], 0, 0, 0, 0,
        ])
            .With(StreamTableEntryField.Config, (ulong)StreamConfiguration.Nested)
            .With(StreamTableEntryField.MEV, 1);
    }

    private static ContextDescriptor Context(ushort asid) => default(ContextDescriptor)
        .With(ContextDescriptorField.T0SZ, 4)
        .With(ContextDescriptorField.TG0, 2)
        .With(ContextDescriptorField.IR0, 2)
        .With(ContextDescriptorField.OR0, 1)
        .With(ContextDescriptorField.SH0, 3)
        .With(ContextDescriptorField.EPD1, 1)
        .With(ContextDescriptorField.V, 1)
        .With(ContextDescriptorField.IPS, 1)
        .With(ContextDescriptorField.AA64, 1)
        .With(ContextDescriptorField.R, 1)
        .With(ContextDescriptorField.A, 1)
        .With(ContextDescriptorField.ASET, 1)
        .With(ContextDescriptorField.ASID, asid)
        .With(ContextDescriptorField.TTB0, Base)
        .With(ContextDescriptorField.MAIR0, 0x1234_5678)
        .With(ContextDescriptorField.MAIR1, 0x0abc_def0);

    private static ContextDescriptor Shared() => Context(778).With(ContextDescriptorField.ASET, 0).With(ContextDescriptorField.S, 1);

    private static ContextDescriptor Released() => Shared()
        .With(ContextDescriptorField.T0SZ, 0)
        .With(ContextDescriptorField.TG0, 0)
        .With(ContextDescriptorField.IR0, 0)
        .With(ContextDescriptorField.OR0, 0)
        .With(ContextDescriptorField.SH0, 0)
        .With(ContextDescriptorField.EPD0, 1)
        .With(ContextDescriptorField.TTB0, 0)
        .With(ContextDescriptorField.R, 0)
        .With(ContextDescriptorField.S, 0);
}
