using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Tlbs;

/// <summary>One 4 KiB page as a port keeps it: the whole answer, judged by one compare each of page, stamp and permission.</summary>
/// <remarks>
/// Direct-mapped and owned by one thread, so it is read and written without care. It holds attributes that configuration
/// invalidations must change, and therefore dies by <see cref="InvalidationStamps.Any"/>, with all others.
/// </remarks>
[StructLayout(LayoutKind.Sequential, Size = SizeBytes)]
internal struct PortTlbEntry
{
    public const int SizeBytes = 32;   // Two to a line.

    /// <summary>log2 of the bytes an entry covers.</summary>
    public const int PageLog2 = 12;

    /// <summary>Input address shifted right by <see cref="PageLog2"/>, all bits of it.</summary>
    public ulong Page;

    /// <summary><see cref="InvalidationStamps.Any"/> as it was before anything was looked up; never 0 in a live entry.</summary>
    public ulong Stamp;

    /// <summary>Output address of the page.</summary>
    public ulong Output;

    /// <summary>
    /// <see cref="TranslationResult.Traits"/> of every answer for the page: its permissions are what this client may do,
    /// overrides of its stream included.
    /// </summary>
    public ulong Traits;
}

/// <summary>Which permissions an access needs.</summary>
internal static class RequiredPermissions
{
    private const byte Impossible = 0xc0;

    // By AccessKind: [0] read, [1] write, [2] instruction, [3] privileged. A write is data whatever it is marked (PERM-01).
    private static ReadOnlySpan<byte> ByAccess =>
    [
        Impossible, 0x01, 0x02, 0x03, Impossible, 0x04, 0x02, 0x03,
        Impossible, 0x08, 0x10, 0x18, Impossible, 0x20, 0x10, 0x18,
    ];

    /// <summary>The permissions; impossible ones for an access that neither reads nor writes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static AccessPermissions Of(AccessKind access) => (AccessPermissions)ByAccess[(int)access & 15];

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

    private static uint Instruct(uint readWriteExecute, byte instruction) => instruction switch
    {
        2 => (readWriteExecute & 3) | ((readWriteExecute & 1) << 2),         // Reads marked instruction are data reads.
        3 => (readWriteExecute & 6) | ((readWriteExecute >> 2) & 1),         // Data reads are instruction reads.
        _ => readWriteExecute,
    };
}
