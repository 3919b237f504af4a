namespace Smmu.Fast.Perf.Floors;

/// <summary>
/// A nested walk without caches or checks: four levels of stage 1, each behind four levels of stage 2, and four more for the
/// output: 24 loads, each of which needs the one before.
/// </summary>
internal static unsafe class BareNestedWalk
{
    private const ulong AddressBits = 0x0000_ffff_ffff_f000;

    /// <summary>Translates all addresses.</summary>
    /// <param name="hostBase">Host address of physical address 0.</param>
    /// <param name="stage1">IPA of the first table of stage 1.</param>
    /// <param name="stage2">Physical address of the first table of stage 2.</param>
    /// <param name="addresses">What to translate; all are mapped by pages in both stages.</param>
    /// <returns>The sum of the output addresses.</returns>
    public static ulong Sum(byte* hostBase, ulong stage1, ulong stage2, ReadOnlySpan<ulong> addresses)
    {
        ulong sum = 0;
        foreach (ulong address in addresses)
        {
            ulong ipa = stage1;
            for (int shift = 39; shift >= 12; shift -= 9)
            {
                ulong descriptor = Load(hostBase, Translate(hostBase, stage2, ipa), address >> shift);
                ipa = descriptor & AddressBits;
            }

            sum += Translate(hostBase, stage2, ipa) | (address & 0xfff);
        }

        return sum;
    }

    private static ulong Translate(byte* hostBase, ulong table, ulong ipa)
    {
        for (int shift = 39; shift >= 12; shift -= 9) table = Load(hostBase, table, ipa >> shift) & AddressBits;
        return table;
    }

    private static ulong Load(byte* hostBase, ulong table, ulong index) =>
        *(ulong*)(hostBase + table + ((index & 0x1ff) * sizeof(ulong)));
}
