using Smmu.Fast.Formats;
using Smmu.Fast.Oracle;

namespace Smmu.Fast.Comparison.Machine;

/// <summary>A stage 1 or stage 2 entry that a TLB may hold: of a leaf, or of a table.</summary>
/// <param name="Address">An address that it translates.</param>
/// <param name="SpanLog2">Log2 of the bytes that it stands for.</param>
/// <param name="Level">Its level.</param>
/// <param name="GranuleLog2">Its granule, log2.</param>
/// <param name="IsLeaf">True for a leaf.</param>
/// <param name="IsGlobal">True for a leaf of all ASIDs.</param>
internal readonly record struct CachedEntry(
    ulong Address, int SpanLog2, int Level, int GranuleLog2, bool IsLeaf, bool IsGlobal)
{
    /// <summary>An entry of which nothing is known but a page that it translates: what covers it covers any.</summary>
    public static CachedEntry Unknown(ulong address, bool isLeaf) => new(address, 12, NoLevel, 0, isLeaf, IsGlobal: isLeaf);

    /// <summary>A level that no hint names.</summary>
    public const int NoLevel = -2;
}

/// <summary>An invalidation that is complete, and the scope that the architecture demands of it (IHI 0070, 4.3 and 4.4). Scopes
/// that it leaves open count as nothing.</summary>
/// <param name="Command">The command.</param>
/// <param name="Batch">The register write that had it consumed.</param>
/// <param name="Time">When it was consumed: nothing older survives it.</param>
/// <param name="Synchronized">When a CMD_SYNC completed it.</param>
/// <param name="IgnoredVmidBits">CR0.VMW.</param>
/// <param name="E2H">CR2.E2H.</param>
internal sealed record Invalidation(Command Command, int Batch, int Time, int Synchronized, int IgnoredVmidBits, bool E2H)
{
    private const ulong AddressMask = (1UL << 56) - 1;
    private const ulong UpperHalf = 1UL << 55;
    private const int AllStreams = 31;

    /// <summary>True when it covers a configuration structure.</summary>
    public bool CoversConfiguration(OracleStructure structure, uint stream, uint index, SmmuFeatures features)
    {
        bool isContext = structure is OracleStructure.ContextDescriptor or OracleStructure.Level1ContextDescriptor;
        switch (Command.Opcode)
        {
            case CommandOpcode.CfgiSteRange:
                return Command.Range >= AllStreams || Command.StreamId.Value >> (Command.Range + 1) == stream >> (Command.Range + 1);
            case CommandOpcode.CfgiSte:
                return Command.StreamId.Value == stream
                    && (structure != OracleStructure.Level1StreamTableDescriptor || !Command.Leaf);
            case CommandOpcode.CfgiCdAll:
                return Command.StreamId.Value == stream && isContext;
            case CommandOpcode.CfgiCd:
                bool isNamed = Command.StreamId.Value == stream && Command.SubstreamId.Value == index;
                bool isInRange = index == 0 || index >> features.SubstreamIdBits == 0;
                return isNamed && isInRange && isContext && (structure == OracleStructure.ContextDescriptor || !Command.Leaf);
            default:
                return false;
        }
    }

    /// <summary>True when it leaves no entry of the regime at any stage.</summary>
    public bool CoversEverything(in Regime regime, SmmuFeatures features) => Command.Opcode switch
    {
        CommandOpcode.TlbiNsnhAll => regime.World == World.El1,
        CommandOpcode.TlbiS12Vmall => regime.World == World.El1 && MatchesVmid(regime.Vmid, features),
        CommandOpcode.TlbiNhAll => regime.World == World.El1 && !features.S2P,
        CommandOpcode.TlbiEl2All => regime.World != World.El1,
        _ => false,
    };

    /// <summary>True when it covers an entry of stage 1, or of both stages combined.</summary>
    public bool CoversStage1(in Regime regime, in CachedEntry entry, SmmuFeatures features)
    {
        if (CoversEverything(in regime, features)) return true;
        bool isOurVm = regime.World == World.El1 && MatchesVmid(regime.Vmid, features);
        bool isOurWorld = regime.World == (E2H ? World.El2E2h : World.El2);
        bool isOurAsid = MatchesAsid(regime.Asid, features);
        bool isAsid = features.ASID16 || Command.Asid.Value <= 0xff;   // Else the command need not do anything (4.4).
        return Command.Opcode switch
        {
            CommandOpcode.TlbiNhAll => isOurVm,
            CommandOpcode.TlbiNhAsid => isOurVm && isOurAsid && !entry.IsGlobal,
            CommandOpcode.TlbiNhVa => isOurVm && (isOurAsid || (isAsid && entry.IsGlobal)) && CoversAddress(in entry, features),
            CommandOpcode.TlbiNhVaa => isOurVm && CoversAddress(in entry, features),
            CommandOpcode.TlbiEl2Asid => regime.World == World.El2E2h && isOurAsid && !entry.IsGlobal,
            CommandOpcode.TlbiEl2Va =>
                isOurWorld && (!E2H || isOurAsid || (isAsid && entry.IsGlobal)) && CoversAddress(in entry, features),
            CommandOpcode.TlbiEl2Vaa => isOurWorld && CoversAddress(in entry, features),
            _ => false,
        };
    }

    /// <summary>True when it covers an entry of stage 2 alone.</summary>
    public bool CoversStage2(in Regime regime, in CachedEntry entry, SmmuFeatures features) =>
        CoversEverything(in regime, features)
        || (Command.Opcode == CommandOpcode.TlbiS2Ipa && MatchesVmid(regime.Vmid, features) && CoversAddress(in entry, features));

    /// <summary>True when nothing of this one can have happened before all of the other one had.</summary>
    public bool Follows(Invalidation other) => Batch == other.Batch ? Time >= other.Time : Time > other.Synchronized;

    private bool MatchesVmid(ushort vmid, SmmuFeatures features)
    {
        if (!features.S2P) return true;
        ushort named = Command.Vmid.Value;
        return (features.VMID16 || named <= 0xff) && named >> IgnoredVmidBits == vmid >> IgnoredVmidBits;
    }

    private bool MatchesAsid(ushort asid, SmmuFeatures features) =>
        Command.Asid.Value == asid && (features.ASID16 || Command.Asid.Value <= 0xff);

    // 4.4.1.1.
    private bool CoversAddress(in CachedEntry entry, SmmuFeatures features)
    {
        ulong first = (entry.Address & AddressMask) >> entry.SpanLog2 << entry.SpanLog2;
        ulong last = first + ((1UL << entry.SpanLog2) - 1);
        ulong from = (Command.Opcode == CommandOpcode.TlbiS2Ipa ? Command.IntermediatePhysicalAddress : Command.Address) & AddressMask;
        int granuleCode = features.RIL ? Command.TG : 0;
        if (granuleCode == 0) return (entry.IsLeaf || !Command.Leaf) && from >= first && from <= last;

        int granule = granuleCode switch { 1 => 12, 2 => 14, _ => 16 };
        int level = granuleCode == 2 && Command.TTL == 1 && !features.DS ? 0 : Command.TTL;
        bool isLevelMeant = entry.IsLeaf
            ? level == 0 || level == entry.Level
            : !Command.Leaf && (level == 0 || (entry.Level != CachedEntry.NoLevel && entry.Level < level));
        int alignment = level switch
        {
            1 => granule switch { 12 => 30, 14 => 36, _ => 42 },
            2 => granule switch { 12 => 21, 14 => 25, _ => 29 },
            _ => granule,
        };
        if (!isLevelMeant || entry.GranuleLog2 != granule || (from & ((1UL << alignment) - 1)) != 0) return false;

        int scale = features.DS ? Math.Min((int)Command.SCALE, 39) : Command.SCALE & 0x1f;
        ulong end = (from & UpperHalf) != 0 ? AddressMask : UpperHalf - 1;
        UInt128 bytes = ((UInt128)Command.NUM + 1) << (scale + granule);
        ulong to = bytes > end - from ? end : from + (ulong)bytes - 1;
        return from <= last && to >= first;
    }
}
