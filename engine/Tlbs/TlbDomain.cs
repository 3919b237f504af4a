using System.Runtime.InteropServices;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Tlbs;

/// <summary>What an invalidation removes.</summary>
/// <param name="First">The first address, of 56 bits and 4 KiB aligned.</param>
/// <param name="Last">The last address, of 56 bits.</param>
/// <param name="Asid">The ASID, with <paramref name="ByAsid"/>.</param>
/// <param name="ByAsid">Entries of other ASIDs stay, unless they are global.</param>
/// <param name="ByIntermediateAddress">The addresses are IPAs, of entries of stage 2 alone.</param>
/// <param name="ByAddress">False for all other invalidations, which ports see by their contexts.</param>
/// <param name="Tables">Table descriptors went too.</param>
internal readonly record struct InvalidationRecord(
    ulong First, ulong Last, ushort Asid, bool ByAsid, bool ByIntermediateAddress, bool ByAddress, bool Tables);

/// <summary>What ports have to know of an invalidation to catch up with it.</summary>
/// <remarks>Two words, written and read one by one: a copy of both at once would wait until the stores have left the core.</remarks>
internal struct JournalEntry
{
    private const ulong OfAddresses = 1;
    private const ulong OfIntermediateAddresses = 2;
    private const ulong Page = 0xfff;

    private ulong firstAndKind;
    private ulong last;

    /// <summary>False for invalidations that ports see by their contexts.</summary>
    public readonly bool ByAddress => (firstAndKind & OfAddresses) != 0;

    /// <inheritdoc cref="InvalidationRecord.ByIntermediateAddress"/>
    public readonly bool ByIntermediateAddress => (firstAndKind & OfIntermediateAddresses) != 0;

    /// <inheritdoc cref="InvalidationRecord.First"/>
    public readonly ulong First => firstAndKind & ~Page;

    /// <inheritdoc cref="InvalidationRecord.Last"/>
    public readonly ulong Last => last;

    /// <summary>Takes what a record says.</summary>
    public void Set(in InvalidationRecord record)
    {
        Invariant.Holds((record.First & Page) == 0);
        firstAndKind = record.First | (record.ByAddress ? OfAddresses : 0) | (record.ByIntermediateAddress ? OfIntermediateAddresses : 0);
        last = record.Last;
    }

    /// <summary>Takes what another one holds.</summary>
    public void Set(in JournalEntry other)
    {
        firstAndKind = other.firstAndKind;
        last = other.last;
    }
}

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
    public JournalEntry* Journal;

    /// <summary>The contexts of the domain.</summary>
    public TlbContext* Contexts;

    /// <summary>How many there are.</summary>
    public int ContextCount;

    /// <summary>Leaves a record and raises <see cref="InvalidationStamps.Any"/>: the last step of an invalidation.</summary>
    public void Publish(in InvalidationRecord record)
    {
        Journal[(Stamps.Any + 1) % JournalLength].Set(in record);
        Stamps.RaiseAny();   // Release; pairs with the acquire in TryCopy: the record is there.
    }

    /// <summary>Copies the record that raised the stamp to a number; false when it is overwritten already.</summary>
    public bool TryCopy(ulong number, out JournalEntry record)
    {
        record = default;
        record.Set(in Journal[number % JournalLength]);
        Volatile.ReadBarrier();   // The copy is complete before the stamp is read again.

        // The record after the latest may be half written before the stamp covers it.
        return Volatile.Read(ref Stamps.Any) + 1 - number < JournalLength;
    }
}
