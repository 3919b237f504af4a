using System.Runtime.CompilerServices;
using Smmu.Fast.Foundation;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Tlbs;

/// <summary>The tags of a TLB entry besides its address, packed into one word so that one compare judges them all (3.17).</summary>
internal static class TlbTag
{
    // [15:0] ASID  [31:16] VMID  [35:32] StreamWorld  [37:36] Security state  [38] ASET, of global entries only
    // [39] global  [40] stage 1 took part  [41] stage 2 took part
    // [42] MTCFG  [46:43] MemAttr  [50:47] ALLOCCFG  [52:51] SHCFG, where they are part of what is cached
    private const int VmidShift = 16;
    private const int WorldShift = 32;
    private const int SecurityShift = 36;
    private const int AsetBit = 38;
    private const int GlobalBit = 39;
    private const int Stage1Bit = 40;
    private const int Stage2Bit = 41;
    private const int OverridesShift = 42;

    public const ulong AsidMask = 0xffff;
    public const ulong VmidMask = 0xffffUL << VmidShift;
    public const ulong WorldMask = 0xfUL << WorldShift;
    public const ulong SecurityMask = 3UL << SecurityShift;
    public const ulong Global = 1UL << GlobalBit;
    public const ulong Stage1 = 1UL << Stage1Bit;
    public const ulong Stage2 = 1UL << Stage2Bit;

    /// <summary>The tag of entries that belong to the regime's own ASID, or that have none because their world has none.</summary>
    public static ulong Of(in TranslationRegime regime) =>
        Common(in regime) | (regime.Stage1Enabled && regime.HasAsid ? regime.Asid : 0u);

    /// <summary>
    /// The tag of the regime's global entries: they match any ASID of the same world, VMID and ASET (TAG-10). Worlds
    /// without ASID know no difference, and get the same tag as from <see cref="Of"/>.
    /// </summary>
    public static ulong OfGlobal(in TranslationRegime regime) =>
        regime.Stage1Enabled && regime.HasAsid
            ? Common(in regime) | Global | (regime.Aset ? 1UL << AsetBit : 0)
            : Common(in regime);

    /// <summary>A VMID in its place.</summary>
    public static ulong Place(Vmid vmid) => (ulong)vmid.Value << VmidShift;

    /// <summary>A world in its place.</summary>
    public static ulong Place(StreamWorld world) => (ulong)world << WorldShift;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Common(in TranslationRegime regime)
    {
        Invariant.Holds((int)regime.World < 16);
        return Place(regime.World)
            | ((ulong)regime.Security << SecurityShift)
            | (regime.HasVmid ? (ulong)regime.Vmid << VmidShift : 0)
            | (regime.Stage1Enabled ? Stage1 : 0)
            | (regime.Stage2Enabled ? Stage2 : 0)
            | OverridesOf(in regime);
    }

    // The attributes of an entry are those after the overrides of its stream, which must change with a CFGI alone and may
    // differ between streams of one ASID (CACHE-15, TAG-09). No command compares these bits. After a stage 1 leaf nothing
    // is left of the overrides but allocation hints, if they are given at all.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong OverridesOf(in TranslationRegime regime)
    {
        const int HintsGiven = 0b1000;
        ref readonly var overrides = ref regime.Overrides;
        if (regime.Stage1Enabled && (overrides.AllocationHints & HintsGiven) == 0) return 0;
        uint packed = (overrides.ReplaceMemoryType ? 1u : 0)
            | ((overrides.MemoryType & 0xfu) << 1)
            | ((overrides.AllocationHints & 0xfu) << 5)
            | ((overrides.Shareability & 3u) << 9);
        return (ulong)packed << OverridesShift;
    }
}
