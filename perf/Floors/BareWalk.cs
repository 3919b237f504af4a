namespace Smmu.Fast.Perf.Floors;

/// <summary>The least a miss can be: four loads, each of which needs the one before. No check of anything.</summary>
internal static unsafe class BareWalk
{
    private const ulong AddressBits = 0x0000_ffff_ffff_f000;

    /// <summary>Translates all addresses.</summary>
    /// <param name="hostBase">Host address of physical address 0.</param>
    /// <param name="root">Physical address of the first table, of level 0.</param>
    /// <param name="addresses">What to translate; all are mapped by pages.</param>
    /// <returns>The sum of the output addresses.</returns>
    public static ulong Sum(byte* hostBase, ulong root, ReadOnlySpan<ulong> addresses)
    {
        ulong sum = 0;
        foreach (ulong address in addresses)
        {
            ulong descriptor = Load(hostBase, root, address >> 39);
            descriptor = Load(hostBase, descriptor & AddressBits, address >> 30);
            descriptor = Load(hostBase, descriptor & AddressBits, address >> 21);
            descriptor = Load(hostBase, descriptor & AddressBits, address >> 12);
            sum += (descriptor & AddressBits) | (address & 0xfff);
        }

        return sum;
    }

    private static ulong Load(byte* hostBase, ulong table, ulong index) =>
        *(ulong*)(hostBase + table + ((index & 0x1ff) * sizeof(ulong)));
}
