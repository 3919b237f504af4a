using Smmu.Fast.Formats;

namespace Smmu.Fast.Tables;

/// <summary>What a mapping permits.</summary>
[Flags]
public enum LeafPermissions : byte
{
    /// <summary>Nothing at stage 2; stage 1 leaves permit reads always.</summary>
    None = 0,

    /// <summary>Reads.</summary>
    Read = 1 << 0,

    /// <summary>Writes.</summary>
    Write = 1 << 1,

    /// <summary>Instruction fetches.</summary>
    Execute = 1 << 2,

    /// <summary>Stage 1: privileged accesses alone.</summary>
    PrivilegedOnly = 1 << 3,
}

/// <summary>Who keeps the dirty state of a mapping (IHI 0070, 3.13).</summary>
public enum DirtyState : byte
{
    /// <summary>Nobody: the mapping is as writable as its permissions say.</summary>
    Unmanaged,

    /// <summary>Hardware, and nothing has been written: writable-clean.</summary>
    Clean,

    /// <summary>Hardware, and something may have been written: writable-dirty.</summary>
    Dirty,
}

/// <summary>The attribute bits of a leaf: its descriptor without type, address and Contiguous (Arm ARM, D8.3.1).</summary>
/// <param name="Bits">The bits where the descriptor has them.</param>
public readonly record struct LeafAttributes(ulong Bits)
{
    private const byte InnerShareable = 3;

    /// <summary>Attributes of a stage 1 leaf that is accessed (AF) and belongs to its ASID alone (nG).</summary>
    /// <param name="permissions">What it permits; reads are always permitted.</param>
    /// <param name="attrIndx">The byte of MAIR, 0 to 7.</param>
    /// <param name="dirty">Who keeps its dirty state; without <see cref="LeafPermissions.Write"/> of no effect.</param>
    /// <param name="sh">SH: 0 NSH, 2 OSH, 3 ISH. Not used with large addresses, where the CD has it.</param>
    public static LeafAttributes Stage1(
        LeafPermissions permissions, byte attrIndx = 0, DirtyState dirty = DirtyState.Unmanaged, byte sh = InnerShareable)
    {
        bool write = (permissions & LeafPermissions.Write) != 0;
        ulong executeNever = (permissions & LeafPermissions.Execute) == 0 ? 1UL : 0;
        ulong unprivileged = (permissions & LeafPermissions.PrivilegedOnly) == 0 ? 1UL : 0;
        ulong readOnly = write && dirty != DirtyState.Clean ? 0 : 1UL;
        return new LeafAttributes(
            Place(DescriptorFields.AttrIndx, attrIndx)
            | Place(DescriptorFields.AP, (readOnly << 1) | unprivileged)
            | Place(DescriptorFields.SH, sh)
            | Place(DescriptorFields.AF, 1)
            | Place(DescriptorFields.nG, 1)
            | Place(DescriptorFields.DBM, write && dirty != DirtyState.Unmanaged ? 1UL : 0)
            | Place(DescriptorFields.PXN, executeNever)
            | Place(DescriptorFields.UXN, executeNever));
    }

    /// <summary>Attributes of a stage 2 leaf that is accessed (AF).</summary>
    /// <param name="permissions">What it permits.</param>
    /// <param name="memAttr">MemAttr, 0 to 15, coded as STE.S2FWB says; 15 is Normal Write-Back without it.</param>
    /// <param name="dirty">Who keeps its dirty state; without <see cref="LeafPermissions.Write"/> of no effect.</param>
    /// <param name="sh">SH: 0 NSH, 2 OSH, 3 ISH. Not used with large addresses, where the STE has it.</param>
    public static LeafAttributes Stage2(
        LeafPermissions permissions, byte memAttr = 0xf, DirtyState dirty = DirtyState.Unmanaged, byte sh = InnerShareable)
    {
        const ulong ExecuteNever = 0b10;
        bool write = (permissions & LeafPermissions.Write) != 0;
        ulong read = (permissions & LeafPermissions.Read) != 0 ? 1UL : 0;
        return new LeafAttributes(
            Place(DescriptorFields.MemAttr, memAttr)
            | Place(DescriptorFields.S2AP, (write && dirty != DirtyState.Clean ? 0b10UL : 0) | read)
            | Place(DescriptorFields.SH, sh)
            | Place(DescriptorFields.AF, 1)
            | Place(DescriptorFields.DBM, write && dirty != DirtyState.Unmanaged ? 1UL : 0)
            | Place(DescriptorFields.XN, (permissions & LeafPermissions.Execute) == 0 ? ExecuteNever : 0));
    }

    private static ulong Place(int range, ulong value) => BitRange.With(0, range, value);
}
