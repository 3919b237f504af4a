using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Streams;

/// <summary>
/// Every leaf of stage 1 over every leaf of stage 2, in all granules, runs included: each translates from its first byte to
/// its last and no further, with the size, the permissions and the faults of both. CD and stage 1 tables lie behind stage 2
/// at addresses that are not those of RAM.
/// </summary>
public class NestedLeafTests
{
    private const uint Stream = 1;
    private const ulong Shift = 1UL << 40;
    private const ulong Stage1Attributes = TableTree.AccessFlag | (1UL << 11) | (1UL << 6);   // nG, for all privileges.
    private const ulong Stage2Attributes = TableTree.AccessFlag | (0xfUL << 2) | (1UL << 6);  // Readable.
    private const ulong ReadOnly1 = 1UL << 7;
    private const ulong Writable2 = 1UL << 7;
    private const AccessPermissions Data = AccessPermissions.UnprivilegedRead | AccessPermissions.UnprivilegedWrite;

    /// <summary>Granules of stage 1 and stage 2; 52-bit addresses; range of TTB1.</summary>
    public static TheoryData<int, int, bool, bool> Geometries
    {
        get
        {
            var data = new TheoryData<int, int, bool, bool>();
            foreach (int first in (int[])[12, 14, 16])
            {
                foreach (int second in (int[])[12, 14, 16])
                {
                    for (int choice = 0; choice < 4; choice++) data.Add(first, second, (choice & 1) != 0, (choice & 2) != 0);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Geometries))]
    [Rule("WN-01")]
    [Rule("WN-02")]
    [Rule("WN-06")]
    [Rule("WN-20")]
    [Rule("W2-16")]
    [Rule("PERM-34")]
    public void EveryLeafOverEveryLeafTranslatesFromItsFirstByteToItsLast(int granule1, int granule2, bool isWide, bool isUpper)
    {
        using var scene = new StreamScene(isWide ? SmmuFeatures.Wide : SmmuFeatures.Default, ramBytes: 128 << 20);
        var machine = scene.Machine;
        int bits = isWide ? 52 : 48;
        ulong firstByte = machine.Allocate(1 << 16, 1 << 16);
        var stage1 = new TableTree(machine, granule1, bits, StartOfStage1(granule1, isWide), isWide, Shift);
        ulong context = machine.Allocate(64, 64);
        machine.SetContext(context, Context(stage1, isWide, isUpper));
        var cases = Cases(granule1, granule2, isWide, isUpper);
        foreach (var each in cases)
        {
            stage1.MapRun(each.Input, each.Ipa, each.IsReadOnly1 ? Stage1Attributes | ReadOnly1 : Stage1Attributes,
                each.Level1, each.Run1);
        }

        ulong lastByte = machine.Allocate(1 << 16, 1 << 16);
        var stage2 = new TableTree(machine, granule2, bits, StartOfStage2(granule2, isWide), isWide);
        for (ulong page = firstByte; page < lastByte; page += 1UL << granule2)
        {
            stage2.Map(page + Shift, page, Stage2Attributes | Writable2);
        }

        foreach (var each in cases) MapStage2(stage2, stage1, in each);
        scene.SetStream(Stream, Entry(context + Shift, stage2, isWide));

        using var port = machine.Smmu.OpenPort(new StreamId(Stream));
        foreach (var each in cases) Check(scene, port, stage1, stage2, in each);
        Assert.Equal(LeavesOf(granule1, isWide).Count * LeavesOf(granule2, isWide).Count, cases.Count);
    }

    // Twice each: once the walk answers, once what it left in the caches.
    private static void Check(StreamScene scene, DmaPort port, TableTree stage1, TableTree stage2, in Case each)
    {
        int leaf1 = stage1.LeafLog2(each.Level1), leaf2 = stage2.LeafLog2(each.Level2);
        ulong size = 1UL << Math.Min(leaf1, leaf2);
        ulong run1 = 1UL << (leaf1 + each.Run1), run2 = 1UL << (leaf2 + each.Run2);
        foreach (ulong piece in (ulong[])[0, run1 - size])
        {
            foreach (ulong offset in (ulong[])[piece, piece + size - 1, piece])
            {
                var result = port.Translate(each.Input + offset, AccessKind.Read);
                string what = $"{each}: 0x{offset:x}: {result.Outcome} {result.Event} {result.Address}";
                Assert.True(result.IsSuccess && result.Address.Value == each.Output + offset, what);
                Assert.Equal((what, size), (what, result.LeafSize));
                var writable = each.IsReadOnly1 || each.IsReadOnly2 ? AccessPermissions.None : AccessPermissions.UnprivilegedWrite;
                Assert.Equal((what, AccessPermissions.UnprivilegedRead | writable), (what, result.Permissions & Data));
                Assert.Equal(result.Address, scene.Access(Stream, each.Input + offset).Address);
            }

            if (!each.IsReadOnly1 && !each.IsReadOnly2)
            {
                Assert.True(port.Translate(each.Input + piece, AccessKind.Write).IsSuccess);
                continue;
            }

            var refusal = scene.AssertFaults(EventType.Permission, Stream, each.Input + piece, AccessKind.Write);
            ulong ipa = each.IsReadOnly1 ? 0 : (each.Ipa + piece) & ~0xfffUL;
            Assert.Equal((!each.IsReadOnly1, ipa), (refusal.S2, refusal.IntermediatePhysicalAddress));
        }

        Assert.False(scene.AssertFaults(EventType.Translation, Stream, each.Input - 1).S2);
        Assert.False(scene.AssertFaults(EventType.Translation, Stream, each.Input + run1).S2);
        if (run1 <= 2 * run2) return;
        var gap = scene.AssertFaults(EventType.Translation, Stream, each.Input + run2);
        Assert.Equal(
            (true, FaultClass.Input, each.Input + run2, each.Ipa + run2),
            (gap.S2, gap.Class, gap.InputAddress, gap.IntermediatePhysicalAddress));
    }

    // The first and the last piece of what stage 1 maps; between them, if there is room, nothing.
    private static void MapStage2(TableTree stage2, TableTree stage1, in Case each)
    {
        int run2 = stage2.LeafLog2(each.Level2) + each.Run2;
        ulong last = each.Ipa + (1UL << (stage1.LeafLog2(each.Level1) + each.Run1)) - 1;
        ulong attributes = each.IsReadOnly2 ? Stage2Attributes : Stage2Attributes | Writable2;
        foreach (ulong ipa in (ulong[])[each.Ipa, last])
        {
            ulong start = ipa & (ulong.MaxValue << run2);
            stage2.MapRun(start, each.Output + (start - each.Ipa), attributes, each.Level2, each.Run2);
        }
    }

    // Each pair has a region of its own in all three spaces, and sits at an odd multiple of its size in it.
    private static List<Case> Cases(int granule1, int granule2, bool isWide, bool isUpper)
    {
        int region = isWide ? 44 : 41;
        var leaves1 = LeavesOf(granule1, isWide);
        var leaves2 = LeavesOf(granule2, isWide);
        int count = leaves1.Count * leaves2.Count;
        ulong sign = isUpper ? ulong.MaxValue << (isWide ? 52 : 48) : 0;
        var cases = new List<Case>();
        foreach (var (level1, run1) in leaves1)
        {
            foreach (var (level2, run2) in leaves2)
            {
                int index = cases.Count;
                ulong size = 1UL << (granule1 + ((3 - level1) * (granule1 - 3)) + run1);
                cases.Add(new Case(
                    level1, run1, level2, run2,
                    Input: sign | ((ulong)(index + 1) << region) + size,
                    Ipa: ((ulong)(count - index) << region) + (3 * size),
                    Output: ((ulong)(count - index + 1) << region) + (3 * size),
                    IsReadOnly1: (index & 1) != 0,
                    IsReadOnly2: (index & 2) != 0));
            }
        }

        return cases;
    }

    // Level, and log2 of the leaves of a run where the leaf is of one (IHI 0070, 3.4; Arm ARM, D8.3.1 and D8.7.1).
    private static List<(int Level, int Run)> LeavesOf(int granule, bool isWide) => (granule, isWide) switch
    {
        (12, false) => [(1, 0), (1, 4), (2, 0), (2, 4), (3, 0), (3, 4)],
        (12, true) => [(0, 0), (1, 0), (1, 4), (2, 0), (2, 4), (3, 0), (3, 4)],
        (14, false) => [(2, 0), (2, 5), (3, 0), (3, 7)],
        (14, true) => [(1, 0), (2, 0), (2, 5), (3, 0), (3, 7)],
        (_, false) => [(2, 0), (2, 5), (3, 0), (3, 5)],
        (_, true) => [(1, 0), (2, 0), (2, 5), (3, 0), (3, 5)],
    };

    private static int StartOfStage1(int granule, bool isWide) => granule switch { 12 => isWide ? -1 : 0, 14 => 0, _ => 1 };

    private static int StartOfStage2(int granule, bool isWide) => granule switch { 12 => isWide ? -1 : 0, 14 => isWide ? 0 : 1, _ => 1 };

    private static ContextDescriptor Context(TableTree tables, bool isWide, bool isUpper)
    {
        var descriptor = default(ContextDescriptor)
            .With(ContextDescriptorField.V, 1).With(ContextDescriptorField.AA64, 1)
            .With(ContextDescriptorField.A, 1).With(ContextDescriptorField.R, 1)
            .With(ContextDescriptorField.ASID, 5).With(ContextDescriptorField.MAIR0, 0xff)
            .With(ContextDescriptorField.IPS, isWide ? 6u : 5).With(ContextDescriptorField.DS, isWide ? 1u : 0);
        ulong size = (ulong)(64 - tables.InputBits);
        return isUpper
            ? descriptor.With(ContextDescriptorField.EPD0, 1).With(ContextDescriptorField.T1SZ, size)
                .With(ContextDescriptorField.TG1, tables.GranuleLog2 switch { 12 => 2u, 14 => 1, _ => 3 })
                .With(ContextDescriptorField.TTB1, tables.Root)
            : descriptor.With(ContextDescriptorField.EPD1, 1).With(ContextDescriptorField.T0SZ, size)
                .With(ContextDescriptorField.TG0, tables.GranuleLog2 switch { 12 => 0u, 14 => 2, _ => 1 })
                .With(ContextDescriptorField.TTB0, tables.Root);
    }

    private static StreamTableEntry Entry(ulong context, TableTree tables, bool isWide)
    {
        uint code = (tables.GranuleLog2, isWide) switch { (12, true) => 4, (14, true) => 3, _ => 2 };
        return Entries.Valid(0b111)
            .With(StreamTableEntryField.S1ContextPtr, context)
            .With(StreamTableEntryField.S2VMID, 9)
            .With(StreamTableEntryField.S2T0SZ, (ulong)(64 - tables.InputBits))
            .With(StreamTableEntryField.S2SL0, code & 3).With(StreamTableEntryField.S2SL0_2, code >> 2)
            .With(StreamTableEntryField.S2TG, tables.GranuleLog2 switch { 12 => 0u, 14 => 2, _ => 1 })
            .With(StreamTableEntryField.S2DS, isWide ? 1u : 0)
            .With(StreamTableEntryField.S2PS, isWide ? 6u : 5)
            .With(StreamTableEntryField.S2AA64, 1).With(StreamTableEntryField.S2R, 1)
            .With(StreamTableEntryField.S2TTB, tables.Root);
    }

    private readonly record struct Case(
        int Level1, int Run1, int Level2, int Run2, ulong Input, ulong Ipa, ulong Output, bool IsReadOnly1, bool IsReadOnly2);
}
