using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Tlbs;

/// <summary>Which permissions an access needs.</summary>
internal static class RequiredPermissions
{
    /// <summary>A bit above the permissions, for an access that neither reads nor writes.</summary>
    public const byte Impossible = 0x40;

    // By AccessKind: [0] read, [1] write, [2] instruction, [3] privileged. A write is data whatever it is marked (PERM-01).
    // Bytes, because a span of anything longer is made by a call in builds without optimisation, which allocates.
    private static ReadOnlySpan<byte> ByAccess =>
    [
        Impossible, 0x01, 0x02, 0x03, Impossible, 0x04, 0x02, 0x03,
        Impossible, 0x08, 0x10, 0x18, Impossible, 0x20, 0x10, 0x18,
    ];

    /// <summary>The permissions of an access; none for one that neither reads nor writes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static AccessPermissions Of(AccessKind access) => (AccessPermissions)(ByAccess[(int)access & 15] & ~Impossible);

    /// <summary>The permissions as bits, or <see cref="Impossible"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint BitsOf(AccessKind access) => ByAccess[(int)access & 15];

    /// <summary>True for an access that reads, writes or does both, with known marks.</summary>
    public static bool IsAccess(AccessKind access) => (access & AccessKind.Atomic) != 0 && (int)access < 16;

    /// <summary>
    /// What the client itself may do where <paramref name="permissions"/> hold after its stream's overrides: permissions
    /// for the marks it sends instead of those it is judged by.
    /// </summary>
    public static AccessPermissions AsSeenByClient(AccessPermissions permissions, in AttributeOverrides overrides)
    {
        uint unprivileged = (uint)permissions & 7;
        uint privileged = (uint)permissions >> 3;
        if (overrides.Privilege == 2) privileged = unprivileged;
        if (overrides.Privilege == 3) unprivileged = privileged;
        return (AccessPermissions)(Instruct(unprivileged, overrides.Instruction)
            | (Instruct(privileged, overrides.Instruction) << 3));
    }

    /// <summary>
    /// Where reads count as instructions, an atomic still needs to read data, and what a client may do does not tell (13.1.2):
    /// such an answer must not be kept by what the client may do.
    /// </summary>
    public static bool HideAtomics(AccessPermissions permissions, in AttributeOverrides overrides)
    {
        const AccessPermissions Unprivileged = AccessPermissions.UnprivilegedRead | AccessPermissions.UnprivilegedWrite;
        const AccessPermissions Privileged = AccessPermissions.PrivilegedRead | AccessPermissions.PrivilegedWrite;
        return overrides.Instruction == 3
            && ((permissions & Unprivileged) == Unprivileged || (permissions & Privileged) == Privileged);
    }

    private static uint Instruct(uint readWriteExecute, byte instruction) => instruction switch
    {
        2 => (readWriteExecute & 3) | ((readWriteExecute & 1) << 2),         // Reads marked instruction are data reads.
        3 => (readWriteExecute & 6) | ((readWriteExecute >> 2) & 1),         // Data reads are instruction reads.
        _ => readWriteExecute,
    };
}
