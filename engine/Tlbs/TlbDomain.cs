using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Tlbs;

/// <summary>What an invalidation removes, in words: the journal takes over the first two.</summary>
internal readonly struct InvalidationRecord
{
    /// <summary>What ports have to know.</summary>
    public readonly JournalEntry Entry;

    /// <summary>The ASID, with <see cref="InvalidationKind.ByAsid"/>.</summary>
    public readonly ushort Asid;

    /// <summary>Makes one of an invalidation by address; the default value stands for all others.</summary>
    /// <param name="first">The first address, of 56 bits and 4 KiB aligned.</param>
    /// <param name="last">The last address, of 56 bits.</param>
    /// <param name="kind">What they are, and what goes beside.</param>
    /// <param name="asid">The ASID, if it counts.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public InvalidationRecord(ulong first, ulong last, InvalidationKind kind, ushort asid)
    {
        Entry = new JournalEntry(first, last, kind | InvalidationKind.ByAddress);
        Asid = asid;
    }
}

/// <summary>How an invalidation by address names what it removes.</summary>
[Flags]
internal enum InvalidationKind : ushort
{
    /// <summary>Not by address: ports see it by their contexts.</summary>
    None = 0,

    /// <summary>By address.</summary>
    ByAddress = 1,

    /// <summary>The addresses are IPAs, of entries of stage 2 alone.</summary>
    ByIntermediateAddress = 2,

    /// <summary>Entries of other ASIDs stay, unless they are global.</summary>
    ByAsid = 4,

    /// <summary>Table descriptors go too.</summary>
    Tables = 8,
}

/// <summary>What ports have to know of an invalidation to catch up with it.</summary>
/// <remarks>Two words, written and read one by one: a copy of both at once would wait until the stores have left the core.</remarks>
internal struct JournalEntry
{
    private const ulong Page = 0xfff;

    private ulong firstAndKind;
    private ulong last;

    /// <summary>Makes one of an invalidation by address.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public JournalEntry(ulong first, ulong last, InvalidationKind kind)
    {
        Invariant.Holds((first & Page) == 0);
        firstAndKind = first | (ulong)kind;
        this.last = last;
    }

    /// <summary>False for invalidations that ports see by their contexts.</summary>
    public readonly bool ByAddress => Has(InvalidationKind.ByAddress);

    /// <inheritdoc cref="InvalidationKind.ByIntermediateAddress"/>
    public readonly bool ByIntermediateAddress => Has(InvalidationKind.ByIntermediateAddress);

    /// <summary>The first address, of 56 bits and 4 KiB aligned.</summary>
    public readonly ulong First => firstAndKind & ~Page;

    /// <summary>The last address, of 56 bits.</summary>
    public readonly ulong Last => last;

    /// <summary>True when it is of one of these kinds.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly bool Has(InvalidationKind kinds) => (firstAndKind & (ulong)kinds) != 0;

    /// <summary>Takes what another one holds.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
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

    /// <summary>The first of those of global entries; <see cref="TlbContext.NextOfAsid"/> leads to the others.</summary>
    public TlbContext* Globals;

    /// <summary>How many there are.</summary>
    public int ContextCount;

    /// <summary>Leaves a record and raises <see cref="InvalidationStamps.Any"/>: the last step of an invalidation.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Publish(in JournalEntry record)
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
