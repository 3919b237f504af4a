using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Walks;

/// <summary>What a leaf permits under the direct permission scheme (Arm ARM, D8.4.1.2 and D8.4.2).</summary>
/// <remarks>Computed with bits of value 0 or 1 rather than with branches: leaves of all kinds come in any order.</remarks>
internal readonly struct DirectPermissions
{
    private const int PrivilegedShift = 3;

    private DirectPermissions(uint granted, uint grantedOnceDirty)
    {
        Granted = (AccessPermissions)granted;
        GrantedOnceDirty = (AccessPermissions)grantedOnceDirty;
    }

    /// <summary>What the leaf permits as it stands.</summary>
    public AccessPermissions Granted { get; }

    /// <summary>
    /// The writes that only the clean state of the leaf denies: a hardware update grants them (IHI 0070, 3.13.3.1). Whatever
    /// else denies a write, APTable or PAN, leaves it out.
    /// </summary>
    public AccessPermissions GrantedOnceDirty { get; }

    /// <summary>What an access needs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static AccessPermissions Required(AccessKind access)
    {
        // An instruction read needs execute permission only; writes are data however they are marked.
        uint needed = (access & (AccessKind.Instruction | AccessKind.Write)) == AccessKind.Instruction
            ? (uint)AccessPermissions.UnprivilegedExecute
            : (uint)(access & AccessKind.Atomic);
        return (AccessPermissions)(needed << ((access & AccessKind.Privileged) != 0 ? PrivilegedShift : 0));
    }

    /// <summary>Permissions of a stage 1 leaf in a world with privileged and unprivileged accesses.</summary>
    /// <param name="descriptor">The leaf.</param>
    /// <param name="hierarchy">APTable, UXNTable and PXNTable of the tables above as in <see cref="WalkStart.Hierarchy"/>; 0
    /// with HADx.</param>
    /// <param name="stage1">WXN, PAN and HD.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DirectPermissions OfStage1(ulong descriptor, uint hierarchy, in Stage1Configuration stage1)
    {
        uint forcedReadOnly = (hierarchy >> 3) & 1;
        uint readOnly = (uint)(descriptor >> 7) & 1;
        uint writable = ~(readOnly | forcedReadOnly) & 1;
        uint clean = readOnly & ~forcedReadOnly & (uint)(descriptor >> 51) & Bit(stage1.HardwareDirtyState);
        uint countsAsWritable = writable | clean;   // For execution a page that a write may yet dirty is writable.

        uint unprivileged = (uint)(descriptor >> 6) & ~(hierarchy >> 2) & 1;
        uint privileged = ~(unprivileged & Bit(stage1.PrivilegedAccessNever)) & 1;
        uint executeNever = (uint)(descriptor >> 53) | hierarchy;   // [0] PXN, [1] UXN
        uint writeExecuteNever = countsAsWritable & Bit(stage1.WriteExecuteNever);
        uint unprivilegedExecute = ~(executeNever >> 1) & ~(unprivileged & writeExecuteNever) & 1;
        uint privilegedExecute = ~executeNever & ~(unprivileged & countsAsWritable) & ~writeExecuteNever & 1;

        return new DirectPermissions(
            unprivileged | ((unprivileged & writable) << 1) | (unprivilegedExecute << 2)
                | (privileged << 3) | ((privileged & writable) << 4) | (privilegedExecute << 5),
            ((unprivileged & clean) << 1) | ((privileged & clean) << 4));
    }

    /// <summary>
    /// Permissions of a stage 1 leaf in a world of one privilege: every access counts as privileged (IHI 0070, 13.4.1), so
    /// what is permitted is permitted to both.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static DirectPermissions OfStage1OnePrivilege(ulong descriptor, uint hierarchy, in Stage1Configuration stage1)
    {
        uint forcedReadOnly = (hierarchy >> 3) & 1;
        uint readOnly = (uint)(descriptor >> 7) & 1;
        uint writable = ~(readOnly | forcedReadOnly) & 1;
        uint clean = readOnly & ~forcedReadOnly & (uint)(descriptor >> 51) & Bit(stage1.HardwareDirtyState);
        uint executeNever = (uint)(descriptor >> 54) | (hierarchy >> 1);
        uint execute = ~executeNever & ~((writable | clean) & Bit(stage1.WriteExecuteNever)) & 1;
        uint granted = 1 | (writable << 1) | (execute << 2);
        return new DirectPermissions(granted | (granted << PrivilegedShift), (clean << 1) | (clean << 4));
    }

    /// <summary>Permissions of a stage 2 leaf.</summary>
    /// <param name="descriptor">The leaf.</param>
    /// <param name="stage2">S2HD, and whether XN has two bits.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DirectPermissions OfStage2(ulong descriptor, in Stage2Configuration stage2)
    {
        uint readable = (uint)(descriptor >> 6) & 1;
        uint writable = (uint)(descriptor >> 7) & 1;
        uint clean = ~writable & (uint)(descriptor >> 51) & Bit(stage2.HardwareDirtyState);
        uint executeNever = (uint)(descriptor >> 54) & 1;

        // XN[1:0]: 00 all execute, 01 unprivileged only, 10 none, 11 privileged only.
        uint privilegedExecuteNever = executeNever ^ ((uint)(descriptor >> 53) & Bit(stage2.ExecuteNeverByPrivilege));
        uint data = readable | (writable << 1);
        return new DirectPermissions(
            data | (data << PrivilegedShift) | ((executeNever ^ 1) << 2) | ((privilegedExecuteNever ^ 1) << 5),
            (clean << 1) | (clean << 4));
    }

    /// <summary>True when an atomic, refused for these permissions, lacks nothing but the read.</summary>
    public static bool IsRefusedAsRead(AccessKind access, AccessPermissions denied) =>
        (access & AccessKind.Atomic) == AccessKind.Atomic
        && (denied & (AccessPermissions.UnprivilegedWrite | AccessPermissions.PrivilegedWrite)) == 0;

    private static uint Bit(bool value) => value ? 1u : 0u;
}
