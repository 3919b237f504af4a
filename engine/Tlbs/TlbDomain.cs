using System.Runtime.InteropServices;

namespace Smmu.Fast.Tlbs;

/// <summary>One address range that an invalidation removed, for ports to catch up with.</summary>
/// <param name="First">The first address, of 56 bits.</param>
/// <param name="Last">The last address, of 56 bits.</param>
/// <param name="Asid">The ASID, with <paramref name="ByAsid"/>.</param>
/// <param name="ByAsid">Entries of other ASIDs stay, unless they are global.</param>
/// <param name="ByIntermediateAddress">The addresses are IPAs, of entries of stage 2 alone.</param>
/// <param name="ByAddress">False for all other invalidations, which ports see by their contexts.</param>
/// <param name="Tables">Table descriptors went too.</param>
internal readonly record struct InvalidationRecord(
    ulong First, ulong Last, ushort Asid, bool ByAsid, bool ByIntermediateAddress, bool ByAddress, bool Tables);

/// <summary>A set of TLB entries that no invalidation of another set's owner touches: a VMID, or a world without VMIDs.</summary>
/// <remarks>
/// Whatever is removed beyond what a command names, because its precise search would take too long, stays inside of the
/// domain. Invalidations by address leave a record of themselves, so that ports drop what was named and keep the rest.
/// </remarks>
[StructLayout(LayoutKind.Sequential, Size = SizeBytes)]
internal unsafe struct TlbDomain
{
    public const int SizeBytes = 128;

    /// <summary>Records that are kept: a power of two. A port that is further behind drops everything.</summary>
    public const int JournalLength = 64;

    public InvalidationStamps Stamps;

    /// <summary>The latest records; the one that raised <see cref="InvalidationStamps.Any"/> to n lies at n modulo the length.</summary>
    public InvalidationRecord* Journal;

    /// <summary>The contexts of the domain.</summary>
    public TlbContext* Contexts;

    /// <summary>How many there are.</summary>
    public int ContextCount;

    /// <summary>Leaves a record and raises <see cref="InvalidationStamps.Any"/>: the last step of an invalidation.</summary>
    public void Publish(in InvalidationRecord record)
    {
        Journal[(Stamps.Any + 1) % JournalLength] = record;
        Stamps.RaiseAny();   // Release; pairs with the acquire in TryCopy: the record is there.
    }

    /// <summary>Copies the record that raised the stamp to a number; false when it is overwritten already.</summary>
    public bool TryCopy(ulong number, out InvalidationRecord record)
    {
        record = Journal[number % JournalLength];
        Volatile.ReadBarrier();   // The copy is complete before the stamp is read again.

        // The record after the latest may be half written before the stamp covers it.
        return Volatile.Read(ref Stamps.Any) + 1 - number < JournalLength;
    }
}
