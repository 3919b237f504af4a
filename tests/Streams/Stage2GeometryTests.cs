using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Formats.StreamTableEntryField;
using static Smmu.Fast.Tests.Streams.StreamScene;
using Feature = Smmu.Fast.Formats.SmmuFeatureField;

namespace Smmu.Fast.Tests.Streams;

/// <summary>S2T0SZ, S2SL0 and S2TG have to fit each other and the SMMU; then they shape the stage 2 walk.</summary>
public class Stage2GeometryTests
{
    private const ulong Page = 0x5555_0000;
    private const ulong Attributes = Stage2ReadWrite & ~(3UL << 8);   // With S2DS the bits of SH are address bits.

    /// <summary>Start levels by granule and code, with the sizes of each (IHI 0070, 5.2; Arm ARM, D8.2).</summary>
    private static readonly Shape[] Shapes =
    [
        new(0, 0b000, 2, 30, 42), new(0, 0b001, 1, 21, 33), new(0, 0b010, 0, 12, 24, OasBits: 44),
        new(0, 0b011, 3, 39, 48, NeedsSmallTables: true), new(0, 0b100, -1, 12, 15, OasBits: 52, NeedsLarge: true),
        new(2, 0b000, 3, 35, 48), new(2, 0b001, 2, 24, 38), new(2, 0b010, 1, 13, 27, OasBits: 42),
        new(2, 0b011, 0, 12, 16, OasBits: 52, NeedsLarge: true),
        new(1, 0b000, 3, 31, 47), new(1, 0b001, 2, 18, 34), new(1, 0b010, 1, 12, 21, OasBits: 44),
    ];

    public static TheoryData<int, bool, bool, bool> Implementations => new()
    {
        // OAS code, STT, DS, LPAE in TTF.
        { 0, false, false, false }, { 2, false, false, false }, { 3, false, false, false }, { 4, false, false, false },
        { 5, false, false, false }, { 5, true, false, false }, { 6, false, false, false }, { 6, true, true, false },
        { 1, false, false, true },
    };

    [Theory]
    [MemberData(nameof(Implementations))]
    [Rule("STV-32")]
    [Rule("STV-33")]
    [Rule("STV-35")]
    [Rule("STV-36")]
    [Rule("STV-37")]
    [Rule("STV-38")]
    [Rule("STV-39")]
    [Rule("STV-40")]
    [Rule("STV-41")]
    [Rule("ADS-02")]
    [Rule("ASZ-02")]
    [Rule("W2-09")]
    public void EverySizeGranuleAndStartLevelIsLegalExactlyWhereTheTablesSaySo(
        int oas, bool smallTables, bool largeAddresses, bool hasLpae)
    {
        int oasBits = new[] { 32, 36, 40, 42, 44, 48, 52, 56 }[oas];
        int iasBits = hasLpae ? Math.Max(40, oasBits) : oasBits;
        using var scene = new StreamScene(
            Everything.With(Feature.OAS, (ulong)oas).With(Feature.STT, smallTables ? 1u : 0)
                .With(Feature.DS, largeAddresses ? 1u : 0).With(Feature.TTF, hasLpae ? 3u : 2),
            cachesEnabled: false);
        int legal = 0;
        foreach (bool isLarge in (bool[])[false, true])
        {
            for (uint granule = 0; granule < 3; granule++)
            {
                for (uint code = 0; code < 8; code++)
                {
                    for (uint size = 0; size < 64; size++)
                    {
                        scene.Machine.SetStream(1, Stage2(granule, code, size, isLarge));
                        bool expected = IsLegal(
                            granule, code, (int)size, oasBits, iasBits, smallTables, isLarge && largeAddresses);
                        var result = scene.Access(1, 0);
                        Assert.True(
                            expected == (result.Event == EventType.Translation)
                                && expected == (result.Event != EventType.BadStreamTableEntry),
                            $"S2TG {granule} S2SL {code} S2T0SZ {size} S2DS {isLarge}: {result.Event}");
                        if (expected) legal++;
                    }
                }
            }
        }

        Assert.True(legal > 20);
    }

    public static TheoryData<uint, uint, bool> StartLevels
    {
        get
        {
            var data = new TheoryData<uint, uint, bool>();
            foreach (var shape in Shapes)
            {
                if (!shape.NeedsLarge) data.Add(shape.Granule, shape.Code, false);
                if (shape.Granule != 1) data.Add(shape.Granule, shape.Code, true);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(StartLevels))]
    [Rule("W2-02")]
    [Rule("W2-03")]
    [Rule("W2-04")]
    [Rule("W2-06")]
    [Rule("W2-07")]
    [Rule("STE-51")]
    public void EveryStartTableInARowIsReachedForEveryLegalSize(uint granule, uint code, bool isLarge)
    {
        int oas = isLarge || granule == 1 ? 52 : 48;
        using var scene = new StreamScene(
            oas == 52 ? SmmuFeatures.Wide : SmmuFeatures.Default, ramBytes: 128 << 20, cachesEnabled: false);
        int granuleLog2 = granule switch { 0 => 12, 1 => 16, _ => 14 };
        int level = Shapes.First(shape => shape.Granule == granule && shape.Code == code).Level;
        int most = 0;
        for (int size = 0; size < 64; size++)
        {
            if (!IsLegal(granule, code, size, oas, oas, smallTables: true, isLarge)) continue;
            int bits = 64 - size;
            var tables = new TableTree(scene.Machine, granuleLog2, bits, level, isLarge);
            int perTable = tables.LeafLog2(level) + granuleLog2 - 3;
            int count = bits > perTable ? 1 << (bits - perTable) : 1;
            most = Math.Max(most, count);
            for (int i = 0; i < count; i++) tables.Map(InTable(i), Page + ((ulong)i << 20), Attributes);
            ulong last = (1UL << bits) - (1UL << granuleLog2);
            tables.Map(last, Page + (1UL << 30), Attributes);
            scene.Machine.SetStream(
                1, Stage2(granule, code, (uint)size, isLarge).With(S2TTB, tables.Root).With(S2PS, oas == 52 ? 6u : 5));

            for (int i = 0; i < count; i++) scene.AssertReaches(Page + ((ulong)i << 20) + 0x123, 1, InTable(i) + 0x123);
            scene.AssertReaches(Page + (1UL << 30) + 0xfff, 1, last + 0xfff);
            if (bits < oas) Assert.True(scene.AssertFaults(EventType.Translation, 1, 1UL << bits).S2);

            // Where more than one page is in a table, not the first.
            ulong InTable(int table) =>
                ((ulong)table << perTable) + (Math.Min(bits, perTable) > granuleLog2 + 1 ? 1UL << granuleLog2 : 0);
        }

        Assert.InRange(most, 1, 16);
        if (level >= 2) Assert.Equal(16, most);
    }

    [Theory]
    [InlineData(0u, 0u, 30u)]    // 4 KiB, level 2, 16 tables in a row.
    [InlineData(0u, 0u, 34u)]
    [InlineData(0u, 0u, 42u)]    // 2 descriptors.
    [InlineData(0u, 1u, 25u)]
    [InlineData(0u, 2u, 20u)]
    [InlineData(1u, 0u, 32u)]    // 64 KiB.
    [InlineData(1u, 1u, 25u)]
    [InlineData(2u, 0u, 36u)]    // 16 KiB.
    [InlineData(2u, 1u, 25u)]
    [Rule("STE-50")]
    [Rule("STE-51")]
    [Rule("STE-54")]
    public void TheWalkHasTheShapeThatTheEntryGivesIt(uint granule, uint code, uint size)
    {
        using var scene = new StreamScene(
            Everything.With(Feature.STT, 1), ramBytes: 8 << 20, cachesEnabled: false);
        int granuleLog2 = granule switch { 0 => 12, 1 => 16, _ => 14 };
        int level = Shapes.First(shape => shape.Granule == granule && shape.Code == code).Level;
        ulong ipa = ((1UL << (64 - (int)size)) - 1) & ~((1UL << granuleLog2) - 1);   // The last page: every index is full.
        ulong root = 0;
        ulong slot = 0;
        ulong rootBytes = 0;
        for (int at = level; at <= 3; at++)
        {
            int low = granuleLog2 + ((granuleLog2 - 3) * (3 - at));
            ulong indices = at == level ? 1UL << (64 - (int)size - low) : 1UL << (granuleLog2 - 3);
            ulong table = scene.Machine.Allocate(indices * 8, Math.Max(indices * 8, 64));
            if (at == level) (root, rootBytes) = (table, indices * 8);
            else scene.Machine.Write64(slot, table | 3);
            slot = table + (((ipa >> low) & (indices - 1)) * 8);
        }

        scene.Machine.Write64(slot, Page | Stage2ReadWrite | 3);
        foreach (ulong first in (ulong[])[root, root + rootBytes - 16])   // Low bits count as zero.
        {
            scene.Machine.SetStream(1, Stage2(granule, code, size, isLarge: false).With(S2TTB, first));
            scene.AssertReaches(Page + 0x123, 1, ipa + 0x123);
        }

        scene.AssertFaults(EventType.Translation, 1, ipa - (1UL << granuleLog2));
    }

    [Theory]
    [InlineData(0u, 1u, 33u, 12)]   // 4 KiB from level 1: 2 descriptors, none of which can hold 52 bits.
    [InlineData(1u, 1u, 34u, 16)]   // 64 KiB from level 2.
    [Rule("STE-54")]
    [Rule("W2-05")]
    public void WithAnOutputSizeOf52BitsTheTableIsAlignedTo64Bytes(uint granule, uint code, uint size, int granuleLog2)
    {
        using var scene = new StreamScene(Everything.With(Feature.OAS, 6), cachesEnabled: false);
        var space = new Stage1Space(scene.Machine, asid: 0, (int)size, granuleLog2);
        ulong ipa = (1UL << (64 - (int)size)) - (1UL << granuleLog2);
        space.Map(ipa, Page, Stage2ReadWrite);
        var entry = Stage2(granule, code, size, isLarge: false).With(S2TTB, space.Root | 0x30);

        scene.Machine.SetStream(1, entry.With(S2PS, 6));
        scene.AssertReaches(Page, 1, ipa);
        scene.Machine.SetStream(1, entry.With(S2PS, 5));
        scene.AssertFaults(EventType.Translation, 1, ipa);
    }

    [Fact]
    [Rule("STE-50")]
    public void S2EndiReadsTablesAsBigEndian()
    {
        using var scene = new StreamScene(cachesEnabled: false);
        ulong table = scene.Machine.Allocate(1 << 16, 1 << 16);
        ulong leaf = scene.Machine.Allocate(4096);
        byte[] descriptor = [0, 0, 0, 0, (byte)(leaf >> 24), (byte)(leaf >> 16), (byte)(leaf >> 8), 3];
        Assert.True(scene.Machine.Memory.Write(table, descriptor));
        byte[] page = [0, 0, 0, 0, 0x55, 0x55, 0x07, 0xff];
        Assert.True(scene.Machine.Memory.Write(leaf + 8, page));
        scene.Machine.SetStream(1, Stage2(0, 0, 34, isLarge: false).With(S2TTB, table).With(S2ENDI, 1));

        scene.AssertReaches(Page, 1, 0x1000);
    }

    [Theory]
    [InlineData(0u, 32)]
    [InlineData(1u, 36)]
    [InlineData(2u, 40)]
    [InlineData(3u, 42)]
    [InlineData(4u, 44)]
    [Rule("STE-52")]
    [Rule("STE-50")]
    [Rule("W2-11")]
    public void S2PsBoundsWhatStage2PutsOut(uint code, int bits)
    {
        using var scene = new StreamScene(cachesEnabled: false);
        var space = scene.NewIntermediateSpace();
        space.Map(0x1000, (1UL << bits) - 0x1000, Stage2ReadWrite);
        space.Map(0x2000, 1UL << bits, Stage2ReadWrite);
        scene.Machine.SetStream(1, StreamScene.Stage2(space).With(S2PS, code));

        scene.AssertReaches((1UL << bits) - 0x1000, 1, 0x1000);
        Assert.True(scene.AssertFaults(EventType.AddressSize, 1, 0x2000).S2);
    }

    [Theory]
    [InlineData(5u)]
    [InlineData(6u)]
    [InlineData(7u)]
    [Rule("STE-52")]
    public void S2PsCountsNoMoreThanOas(uint code)
    {
        using var scene = new StreamScene(Everything.With(Feature.OAS, 2), cachesEnabled: false);
        var space = scene.NewIntermediateSpace();
        space.Map(0x1000, (1UL << 40) - 0x1000, Stage2ReadWrite);
        space.Map(0x2000, 1UL << 40, Stage2ReadWrite);
        scene.Machine.SetStream(1, StreamScene.Stage2(space).With(S2PS, code));

        scene.AssertReaches((1UL << 40) - 0x1000, 1, 0x1000);
        scene.AssertFaults(EventType.AddressSize, 1, 0x2000);
    }

    [Theory]
    [InlineData(false, false, EventType.AccessFlag)]
    [InlineData(true, false, EventType.None)]
    [InlineData(false, true, EventType.None)]
    [InlineData(true, true, EventType.None)]
    [Rule("STE-55")]
    [Rule("STE-56")]
    [Rule("AFD-09")]
    public void S2AffdExcusesAClearAccessFlagAndS2HaSetsIt(bool affd, bool ha, EventType expected)
    {
        using var scene = new StreamScene(cachesEnabled: false);
        var space = scene.NewIntermediateSpace();
        space.Map(0x1000, Page, Stage2ReadWrite & ~(1UL << 10));
        scene.Machine.SetStream(1, StreamScene.Stage2(space).With(S2AFFD, affd ? 1u : 0).With(S2HA, ha ? 1u : 0));

        Assert.Equal(expected, scene.Access(1, 0x1000).Event);
        Assert.Equal(ha, (scene.Machine.Read64(space.Slot(0x1000, 3)) & (1 << 10)) != 0);
    }

    private static StreamTableEntry Stage2(uint granule, uint code, uint size, bool isLarge) => Entries.Valid(0b110)
        .With(S2TG, granule).With(S2SL0, code & 3).With(S2SL0_2, code >> 2).With(S2T0SZ, size).With(S2DS, isLarge ? 1u : 0)
        .With(S2PS, 7).With(S2AA64, 1).With(S2R, 1).With(S2TTB, GuestMachine.RamBase + (2 << 20));

    private static bool IsLegal(
        uint granule, uint code, int size, int oasBits, int iasBits, bool smallTables, bool isLarge)
    {
        bool usesThirdBit = granule == 0 && isLarge;
        var shape = Shapes.FirstOrDefault(
            shape => shape.Granule == granule && shape.Code == (usesThirdBit ? code : code & 3));
        if (shape == default || size < shape.From || size > shape.To || oasBits < shape.OasBits) return false;
        if (shape.NeedsSmallTables && !smallTables) return false;
        if (shape.NeedsLarge && !isLarge) return false;
        int largest = !smallTables ? 39 : granule == 1 ? 47 : 48;
        int smallest = Math.Max(granule == 1 || isLarge ? 12 : 16, 64 - iasBits);
        return size >= smallest && size <= largest;
    }

    private readonly record struct Shape(
        uint Granule, uint Code, int Level, int From, int To, int OasBits = 0, bool NeedsSmallTables = false, bool NeedsLarge = false);
}
