using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Tlbs;

/// <summary>The tags of a TLB entry besides its address, packed into one word so that one compare judges them all (3.17).</summary>
internal static class TlbTag
{
    // [15:0] ASID  [31:16] VMID  [35:32] StreamWorld  [37:36] Security state  [38] ASET, of global entries only
    // [39] global  [40] stage 1 took part  [41] stage 2 took part
    // [45:42] MemAttr  [46] MTCFG  [50:47] ALLOCCFG  [52:51] SHCFG: overrides that the kept attributes rest on, else 0
    // [53] [15:0] is an ASID  [54] translates the outputs of some stage 1
    private const int VmidShift = 16;
    private const int WorldShift = 32;
    private const int SecurityShift = 36;
    private const int AsetBit = 38;
    private const int GlobalBit = 39;
    private const int Stage1Bit = 40;
    private const int Stage2Bit = 41;
    private const int MemoryTypeShift = 42;
    private const int ReplaceTypeBit = 46;
    private const int AllocationHintsShift = 47;
    private const int ShareabilityShift = 51;
    private const int HasAsidBit = 53;
    private const int IntermediateBit = 54;

    public const ulong AsidMask = 0xffff;
    public const ulong VmidMask = 0xffffUL << VmidShift;
    public const ulong WorldMask = 0xfUL << WorldShift;
    public const ulong SecurityMask = 3UL << SecurityShift;
    public const ulong Global = 1UL << GlobalBit;
    public const ulong Stage1 = 1UL << Stage1Bit;
    public const ulong Stage2 = 1UL << Stage2Bit;
    public const ulong HasAsid = 1UL << HasAsidBit;

    /// <summary>The tag of entries that belong to the regime's own ASID, or that have none because their world has none.</summary>
    public static ulong Of(in TranslationRegime regime) =>
        Common(in regime)
        | (regime.Stage1Enabled && regime.HasAsid
            ? HasAsid | (ControlBuild.Breaks(Breakage.AsidNotCompared) ? 0u : regime.Asid)
            : 0u);

    /// <summary>
    /// The tag of the regime's global entries: they match any ASID of the same world, VMID and ASET (TAG-10). Worlds
    /// without ASID know no difference, and get the same tag as from <see cref="Of"/>.
    /// </summary>
    public static ulong OfGlobal(in TranslationRegime regime) =>
        regime.Stage1Enabled && regime.HasAsid
            ? Common(in regime) | Global | (regime.Aset ? 1UL << AsetBit : 0)
            : Common(in regime);

    /// <summary>The tag of what stage 2 makes of addresses that stage 1 has translated, whatever the ASID.</summary>
    public static ulong OfIntermediate(in TranslationRegime regime) =>
        Place(regime.World)
        | ((ulong)regime.Security << SecurityShift)
        | (regime.HasVmid ? Place(new Vmid(regime.Vmid)) : 0)
        | Stage2
        | (1UL << IntermediateBit);

    /// <summary>A VMID in its place.</summary>
    public static ulong Place(Vmid vmid) =>
        ControlBuild.Breaks(Breakage.VmidNotCompared) ? 0 : (ulong)vmid.Value << VmidShift;

    /// <summary>A world in its place.</summary>
    public static ulong Place(StreamWorld world) => (ulong)world << WorldShift;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Common(in TranslationRegime regime)
    {
        Invariant.Holds((int)regime.World < 16);
        return Place(regime.World)
            | ((ulong)regime.Security << SecurityShift)
            | (regime.HasVmid ? Place(new Vmid(regime.Vmid)) : 0)
            | (regime.Stage1Enabled ? Stage1 : 0)
            | (regime.Stage2Enabled ? Stage2 : 0)
            | Overrides(in regime);
    }

    // Overrides of the STE change with CMD_CFGI alone (CACHE-15), and streams that share all other tags have their own: so
    // the ones that shaped the attributes of an entry are part of its tag. Commands do not compare them. Stage 1 takes no
    // more than allocation hints of its input, and those only when ALLOCCFG sets them.
    private static ulong Overrides(in TranslationRegime regime)
    {
        const int HintsAreSet = 0b1000;
        ref readonly var overrides = ref regime.Overrides;
        bool hintsAreSet = (overrides.AllocationHints & HintsAreSet) != 0;
        if (regime.Stage1Enabled && !hintsAreSet) return 0;
        return (overrides.ReplaceMemoryType ? (1UL << ReplaceTypeBit) | ((ulong)overrides.MemoryType << MemoryTypeShift) : 0)
            | (hintsAreSet ? (ulong)overrides.AllocationHints << AllocationHintsShift : 0)
            | (regime.Stage1Enabled ? 0 : (ulong)overrides.Shareability << ShareabilityShift);
    }
}
