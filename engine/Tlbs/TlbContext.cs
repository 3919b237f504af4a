using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Smmu.Fast.Tlbs;

/// <summary>What entries of one tag have in common: while the context lives under its number, they live.</summary>
/// <remarks>
/// Entries bear the number, not the tag. An invalidation of an ASID, a VMID or a world takes the number away from the
/// contexts concerned, or makes their generation an old one, and no entry is looked at: no look-up asks for the number any
/// more, and its entries are replaced by and by. Changed behind the control gate; read by ports at any time.
/// </remarks>
[StructLayout(LayoutKind.Sequential, Size = SizeBytes)]
internal unsafe struct TlbContext
{
    public const int SizeBytes = 128;

    /// <summary>The device's generation of contexts in worlds without VMIDs, which die by their domain alone.</summary>
    public const ulong NoGeneration = ulong.MaxValue;

    // What look-ups and invalidations need lies in the first line.

    /// <summary>See <see cref="TlbTag"/>.</summary>
    public ulong Tag;

    /// <summary>The stamps of its domain.</summary>
    public TlbDomain* Domain;

    /// <summary>The next context with the same hash: the first one of another domain or ASID.</summary>
    public TlbContext* NextInBucket;

    /// <summary>The next context of the same domain and ASID.</summary>
    public TlbContext* NextOfAsid;

    /// <summary>Sizes of its entries: bit n for 2^n bytes. Ports set bits.</summary>
    public ulong Sizes;

    /// <summary>Its ASID, or that it has none, or that its entries are global: see <see cref="TlbContexts"/>.</summary>
    public uint Asid;

    /// <summary>The number of its entries; 0 while it is dead.</summary>
    public uint Number;

    /// <summary>The number of its fragments; 0 while there are none.</summary>
    public uint FragmentNumber;

    /// <summary>Sizes of its fragments: entries smaller than the stage 1 leaf that they are a piece of.</summary>
    public ulong FragmentSizes;

    /// <summary>The next context of the domain.</summary>
    public TlbContext* NextInDomain;

    /// <summary>Generations in which it came to life.</summary>
    public ulong DeviceGeneration;

    public ulong DomainGeneration;

    public ulong Stage1Generation;

    /// <summary>True when it still lives under a number that was read from it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool IsAlive(uint number, in InvalidationStamps device) =>
        Volatile.Read(ref Number) == number
        && number != 0
        && (DeviceGeneration == Volatile.Read(in device.Generation) || DeviceGeneration == NoGeneration)
        && DomainGeneration == Volatile.Read(ref Domain->Stamps.Generation)
        && ((Tag & TlbTag.Stage1) == 0 || Stage1Generation == Volatile.Read(ref Domain->Stamps.Stage1Generation));

    /// <summary>Announces entries of a size, before the first of them is filled in.</summary>
    public static void Announce(ref ulong sizes, int sizeLog2)
    {
        ulong bit = 1UL << sizeLog2;
        if ((Volatile.Read(ref sizes) & bit) == 0) Interlocked.Or(ref sizes, bit);
    }
}
