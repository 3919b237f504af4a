using System.Runtime.CompilerServices;

namespace Smmu.Fast.Formats;

/// <summary>The code of IDR5.OAS, CD.IPS and STE.S2PS (IHI 0070, 3.4).</summary>
internal static class AddressSize
{
    // One byte a code, code 0 lowest: 32, 36, 40, 42, 44, 48, 52, 56.
    private const ulong Bits = 0x38_34_30_2c_2a_28_24_20;

    /// <summary>Address bits of a code; bits of <paramref name="code"/> above [2:0] are ignored.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int FromCode(uint code) => (byte)(Bits >> (int)(8 * (code & 7)));
}
