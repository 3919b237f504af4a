using System.Buffers.Binary;
using Smmu.Fast.Formats;
using Smmu.Fast.Walks;

namespace Smmu.Fast.Tests.Walks;

/// <summary>A regime, tables to match, and shorthand to fill and walk them. Its geometry is written down apart from the walker's.</summary>
internal sealed class WalkScene
{
    public const ulong AccessFlag = 1UL << 10;
    public const ulong DirtyBitModifier = 1UL << 51;
    public const ulong Contiguous = 1UL << 52;
    public const ulong ReadOnly = 1UL << 7;                                // AP[2]
    public const ulong Unprivileged = 1UL << 6;                            // AP[1]
    public const ulong Stage1Flags = AccessFlag | Unprivileged | (3 << 8); // Readable and writable by all, Inner Shareable.
    public const ulong Stage2Read = 1UL << 6;
    public const ulong Stage2Write = 1UL << 7;
    public const ulong Stage2WriteBack = 0b1111 << 2;
    public const ulong Stage2Flags = AccessFlag | Stage2Read | Stage2Write | Stage2WriteBack | (3 << 8);

    /// <summary>Of a nested scene, what to add to a physical address to have the IPA of a stage 1 table.</summary>
    public const ulong TableIpaOffset = 0x1_0000_0000;

    public readonly WalkMemory Memory = new();
    public TranslationRegime Regime = new() { InputSizeBits = 48, OutputSizeBits = 48, HasAsid = true, HasVmid = true };

    private readonly Dictionary<ulong, int> rangeStart = [];

    /// <summary>Addresses of the descriptors that the last <c>Map</c> wrote, as physical addresses, first table first.</summary>
    public List<ulong> Path { get; } = [];

    /// <summary>Stage 1 alone, TTB0 and TTB1 alike.</summary>
    public static WalkScene Stage1(int granuleLog2 = 12, int sizeOffset = 16, int startLevel = 0)
    {
        var scene = new WalkScene();
        scene.AddStage1(granuleLog2, sizeOffset, startLevel);
        return scene;
    }

    /// <summary>Stage 2 alone.</summary>
    public static WalkScene Stage2(int granuleLog2 = 12, int sizeOffset = 24, int startLevel = 1)
    {
        var scene = new WalkScene();
        scene.AddStage2(granuleLog2, sizeOffset, startLevel);
        return scene;
    }

    /// <summary>Both stages; stage 1 tables are mapped at stage 2 page by page as they are made.</summary>
    public static WalkScene Nested(int stage1GranuleLog2 = 12, int sizeOffset = 16, int startLevel = 0)
    {
        var scene = new WalkScene();
        scene.AddStage2(granuleLog2: 12, sizeOffset: 24, startLevel: 1);
        scene.AddStage1(stage1GranuleLog2, sizeOffset, startLevel);
        return scene;
    }

    /// <summary>Maps at stage 1 and returns the physical address of the leaf.</summary>
    public ulong Map1(ulong va, ulong output, int level = 3, ulong flags = Stage1Flags, ulong tableFlags = 0)
    {
        bool upper = Regime.HasTwoRanges && ((va >> 55) & 1) != 0;
        var range = upper ? Regime.Stage1.Range1 : Regime.Stage1.Range0;
        ulong offset = va & ((1UL << (64 - range.SizeOffset)) - 1);
        return Map(range.TableBase, rangeStart[range.TableBase], range.GranuleLog2, offset, output, level, flags, tableFlags,
            stage2: false);
    }

    /// <summary>Maps at stage 2 and returns the physical address of the leaf.</summary>
    public ulong Map2(ulong ipa, ulong output, int level = 3, ulong flags = Stage2Flags) =>
        Map(Regime.Stage2.TableBase, Regime.Stage2.StartLevel, Regime.Stage2.GranuleLog2, ipa, output, level, flags, 0,
            stage2: true);

    /// <summary>Physical address of something in a stage 1 table.</summary>
    public ulong PhysicalOf(ulong stage1Address) => Regime.Stage2Enabled ? stage1Address - TableIpaOffset : stage1Address;

    public WalkResult Walk(ulong address, AccessKind access = AccessKind.Read) => Walk(address, access, default);

    public WalkResult Walk(ulong address, AccessKind access, WalkStart start)
    {
        var trace = default(NoTrace);
        Walker.Walk(Memory.Guest, in Regime, address, access, in start, ref trace, out var result);
        return result;
    }

    public WalkResult Walk<TTrace>(ulong address, AccessKind access, ref TTrace trace)
        where TTrace : struct, IWalkTrace
    {
        Walker.Walk(Memory.Guest, in Regime, address, access, default, ref trace, out var result);
        return result;
    }

    public WalkResult Fetch(ulong ipa)
    {
        var trace = default(NoTrace);
        bool succeeds = Walker.TranslateStage2(
            Memory.Guest, in Regime, ipa, AccessKind.Read, FaultClass.ContextDescriptor, ref trace, out var result);
        Assert.Equal(succeeds, result.IsSuccess);
        return result;
    }

    /// <summary>The address, as stage 1 knows it, of the descriptor of 4KB tables that a VA leads to at a level.</summary>
    public ulong TableIpa(ulong va, int level)
    {
        ulong table = Regime.Stage1.Range0.TableBase;
        for (int above = 0; ; above++)
        {
            ulong slot = table + ((va >> (12 + (9 * (3 - above))) & 0x1ff) * 8);
            if (above == level) return slot;
            table = Memory[PhysicalOf(slot)] & 0x0000_ffff_ffff_f000;
        }
    }

    /// <summary>The stage 2 page descriptor of an IPA in 4KB tables that start at level 1; fills <see cref="Path"/>.</summary>
    public ulong LeafOfStage2(ulong ipa)
    {
        Path.Clear();
        ulong table = Regime.Stage2.TableBase;
        for (int level = 1; ; level++)
        {
            ulong index = ipa >> (12 + (9 * (3 - level)));
            ulong slot = table + ((level == 1 ? index : index & 0x1ff) * 8);
            Path.Add(slot);
            if (level == 3) return slot;
            table = Memory[slot] & 0x0000_ffff_ffff_f000;
        }
    }

    /// <summary>Swaps the bytes of the descriptors that the last <c>Map</c> wrote.</summary>
    public void SwapPath()
    {
        foreach (ulong address in Path) Memory[address] = BinaryPrimitives.ReverseEndianness(Memory[address]);
    }

    public static void AssertTranslates(ulong expected, WalkResult result)
    {
        Assert.Equal(EventType.None, result.Event);
        Assert.Equal(expected, result.OutputAddress);
    }

    /// <summary>Asserts a stage 1 fault in all its fields.</summary>
    public static void AssertFault1(EventType type, int level, WalkResult result)
    {
        Assert.Equal(type, result.Event);
        Assert.False(result.Stage2);
        Assert.Equal(type == EventType.WalkExternalAbort ? FaultClass.TranslationTable : FaultClass.Input, result.FaultClass);
        Assert.Equal(level, result.Level);
        Assert.Equal(0ul, result.Ipa);
        AssertNothingTranslated(result);
    }

    /// <summary>Asserts a stage 2 fault in all its fields.</summary>
    public static void AssertFault2(EventType type, FaultClass faultClass, ulong ipaPage, WalkResult result)
    {
        Assert.Equal(type, result.Event);
        Assert.True(result.Stage2);
        Assert.Equal(faultClass, result.FaultClass);
        Assert.Equal(ipaPage, result.Ipa);
        AssertNothingTranslated(result);
    }

    private static void AssertNothingTranslated(WalkResult result)
    {
        Assert.Equal(0ul, result.OutputAddress);
        Assert.Equal(0, result.LeafSizeLog2);
        Assert.Equal(AccessPermissions.None, result.Permissions);
        Assert.False(result.LastTable.IsSet);
    }

    private void AddStage1(int granuleLog2, int sizeOffset, int startLevel)
    {
        Regime.Stage1Enabled = true;
        Regime.Stage1.OutputSizeBits = 48;
        Regime.Stage1.MemoryAttributes = 0xff;
        Regime.Stage1.Range0 = Range(granuleLog2, sizeOffset, startLevel);
        Regime.Stage1.Range1 = Range(granuleLog2, sizeOffset, startLevel);
    }

    private Stage1Range Range(int granuleLog2, int sizeOffset, int startLevel)
    {
        ulong table = AllocateTable(granuleLog2, stage2: false);
        rangeStart[table] = startLevel;
        return new Stage1Range { TableBase = table, SizeOffset = (byte)sizeOffset, GranuleLog2 = (byte)granuleLog2 };
    }

    private void AddStage2(int granuleLog2, int sizeOffset, int startLevel)
    {
        Regime.Stage2Enabled = true;
        Regime.Stage2 = new Stage2Configuration
        {
            TableBase = Memory.Allocate(granuleLog2 + 4),   // Room for the most tables that may be concatenated.
            SizeOffset = (byte)sizeOffset,
            GranuleLog2 = (byte)granuleLog2,
            StartLevel = (sbyte)startLevel,
            OutputSizeBits = 48,
        };
    }

    private ulong AllocateTable(int granuleLog2, bool stage2)
    {
        ulong table = Memory.Allocate(granuleLog2);
        if (stage2 || !Regime.Stage2Enabled) return table;
        for (ulong page = 0; page < 1UL << granuleLog2; page += 0x1000) Map2(table + page + TableIpaOffset, table + page);
        return table + TableIpaOffset;
    }

    private ulong Map(
        ulong table, int startLevel, int granule, ulong input, ulong output, int leafLevel, ulong flags, ulong tableFlags, bool stage2)
    {
        int stride = granule - 3;
        var path = new List<ulong>();
        for (int level = startLevel; ; level++)
        {
            int shift = granule + (stride * (3 - level));
            ulong index = input >> shift;
            if (level != startLevel) index &= (1UL << stride) - 1;
            ulong slot = (stage2 ? table : PhysicalOf(table)) + (index * 8);
            path.Add(slot);
            if (level == leafLevel)
            {
                Memory[slot] = output | flags | (level == 3 ? 0b11UL : 0b01UL);
                Path.Clear();
                Path.AddRange(path);
                return slot;
            }

            if ((Memory[slot] & 1) == 0) Memory[slot] = AllocateTable(granule, stage2) | 0b11;
            Memory[slot] |= tableFlags;
            table = Memory[slot] & 0x0000_ffff_ffff_f000;
        }
    }
}
