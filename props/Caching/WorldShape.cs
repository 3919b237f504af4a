using System.Globalization;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Props.Caching;

/// <summary>One half of the address spaces of a group: TTB0 or TTB1.</summary>
/// <param name="GranuleLog2">12, 14 or 16.</param>
/// <param name="SizeOffset">TxSZ; small enough that level 1 resolves a bit.</param>
internal readonly record struct HalfShape(int GranuleLog2, int SizeOffset)
{
    /// <summary>log2 of the bytes below one descriptor of a level.</summary>
    public int EntryLog2(int level) => GranuleLog2 + ((3 - level) * (GranuleLog2 - 3));

    /// <summary>The level of the first table.</summary>
    public int StartLevel => 3 - ((64 - SizeOffset - 1 - GranuleLog2) / (GranuleLog2 - 3));

    /// <summary>The lowest level that has blocks.</summary>
    public int FirstBlockLevel => GranuleLog2 == 12 ? 1 : 2;

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{1 << (GranuleLog2 - 10)}KB pages, TxSZ {SizeOffset}");
}

/// <summary>Address spaces that share their global mappings: one world, VMID and ASET, and the same geometry.</summary>
/// <param name="World">NonSecureEl1, NonSecureEl2 or NonSecureEl2E2h.</param>
/// <param name="Vmid">STE.S2VMID of their streams.</param>
/// <param name="Aset">CD.ASET.</param>
/// <param name="IpsCode">CD.IPS: 2 for 40 bits, 5 for 48.</param>
/// <param name="Low">TTB0.</param>
/// <param name="High">TTB1; of no meaning in NonSecureEl2.</param>
/// <param name="Spaces">How many spaces it has.</param>
internal sealed record GroupShape(
    StreamWorld World, ushort Vmid, bool Aset, int IpsCode, HalfShape Low, HalfShape High, int Spaces)
{
    /// <summary>NonSecureEl2 has neither a second range nor ASIDs.</summary>
    public bool HasAsids => World != StreamWorld.NonSecureEl2;

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{World} vmid {Vmid}{(Aset ? " aset" : "")} ips {IpsCode}, {Spaces} spaces, low: {Low}, high: {High}");
}

/// <summary>What a world is made of; programs change the rest.</summary>
/// <param name="Groups">At least one; a later one than the first may be of EL2.</param>
/// <param name="CacheEntries">Entries of the TLB, the walk cache and the configuration cache.</param>
internal sealed record WorldShape(IReadOnlyList<GroupShape> Groups, int CacheEntries)
{
    /// <summary>CR2.E2H.</summary>
    public bool E2h => Groups.Any(group => group.World == StreamWorld.NonSecureEl2E2h);

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"caches of {CacheEntries} entries\n{string.Join('\n', Groups.Select((group, index) => $"  group {index}: {group}"))}");
}
