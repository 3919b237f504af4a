using System.Runtime.CompilerServices;

namespace Smmu.Fast.Memory;

/// <content>
/// Structures of 64-bit words: table entries, commands, events. Each word is read or written whole; the structure is not,
/// which the architecture does not promise either. Misaligned structures and such that wrap past 2^64 abort.
/// </content>
public sealed unsafe partial class GuestMemory
{
    private const uint MaxStructureWords = int.MaxValue / sizeof(ulong);   // Lengths in bytes are ints towards the host.

    /// <summary>Reads a structure; false when the access aborted, and the destination then is of no meaning.</summary>
    /// <param name="pa">Physical address, 8-byte aligned.</param>
    /// <param name="destination">Room for the words.</param>
    /// <param name="words">Number of 64-bit words, above 0.</param>
    internal bool TryReadStructure(ulong pa, ulong* destination, int words)
    {
        MemoryStatus status = TryReadStructureDirect(pa, destination, words);
        return status == MemoryStatus.Done
            || (status == MemoryStatus.NeedsHost && ReadBytes(pa, (byte*)destination, (ulong)words * sizeof(ulong)));
    }

    /// <summary>
    /// <see cref="TryReadStructure"/> for a caller that must not run host code. A structure that leaves its region needs
    /// the host as well.
    /// </summary>
    internal MemoryStatus TryReadStructureDirect(ulong pa, ulong* destination, int words)
    {
        if (!IsStructure(pa, words)) return MemoryStatus.Aborted;
        MemoryStatus status;
        var access = ThreadAccess.Enter();
        RegionEntry* region = RegionTable.Find(Table, pa);
        if (region == null)
        {
            status = bus == null ? MemoryStatus.Aborted : MemoryStatus.NeedsHost;
        }
        else if (region->BytesFrom(pa) / sizeof(ulong) < (ulong)words)
        {
            status = MemoryStatus.NeedsHost;
        }
        else
        {
            ulong* source = (ulong*)region->HostOf(pa);
            for (int i = 0; i < words; i++) destination[i] = Volatile.Read(ref source[i]);
            status = MemoryStatus.Done;
        }

        access.Exit();
        return status;
    }

    /// <summary>Finds words that can be read in place; null when they do not all lie in one region.</summary>
    /// <remarks>For a caller behind an attached gate: they stay there until it is opened.</remarks>
    /// <param name="pa">Physical address, 8-byte aligned.</param>
    /// <param name="bytes">Size of all of them.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal ulong* FindBehindGate(ulong pa, uint bytes)
    {
        RegionEntry* region = RegionTable.Find(Table, pa);
        return region != null && region->BytesFrom(pa) >= bytes ? (ulong*)region->HostOf(pa) : null;
    }

    /// <summary>Finds words that can be written in place: in the largest region alone, and while nobody watches it; else null.</summary>
    /// <remarks>For a caller behind an attached gate, or inside of a scope of an attached epoch.</remarks>
    /// <param name="pa">Physical address, aligned to the words.</param>
    /// <param name="bytes">Size of all of them.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void* FindPlain(ulong pa, uint bytes)
    {
        RegionEntry* region = &Table->Largest;
        bool isPlain = region->Contains(pa)
            && region->BytesFrom(pa) >= bytes
            && (region->Traits & (RegionTraits.ReadOnly | RegionTraits.Watched)) == 0;
        return isPlain ? region->HostOf(pa) : null;
    }

    /// <summary>Writes a structure after all earlier stores of the thread; false when the access aborted.</summary>
    /// <remarks>Within one region the words are written in ascending order, each after the one before.</remarks>
    /// <param name="pa">Physical address, 8-byte aligned.</param>
    /// <param name="source">The words.</param>
    /// <param name="words">Number of 64-bit words, above 0.</param>
    internal bool TryWriteStructure(ulong pa, ulong* source, int words)
    {
        MemoryStatus status = StoreStructure(pa, source, words, mayCallHost: true);
        return status == MemoryStatus.Done
            || (status == MemoryStatus.NeedsHost && WriteBytes(pa, (byte*)source, (ulong)words * sizeof(ulong)));
    }

    /// <summary>
    /// <see cref="TryWriteStructure"/> for a caller that must not run host code. A structure that leaves its region needs
    /// the host as well.
    /// </summary>
    internal MemoryStatus TryWriteStructureDirect(ulong pa, ulong* source, int words) =>
        StoreStructure(pa, source, words, mayCallHost: false);

    private MemoryStatus StoreStructure(ulong pa, ulong* source, int words, bool mayCallHost)
    {
        if (!IsStructure(pa, words)) return MemoryStatus.Aborted;
        var access = ThreadAccess.Enter();
        RegionEntry* region = RegionTable.Find(Table, pa);
        MemoryStatus status = StatusOfStore(region, mayCallHost);
        Action<ulong, int>? observer = null;
        if (status == MemoryStatus.Done)
        {
            if (region->BytesFrom(pa) / sizeof(ulong) < (ulong)words)
            {
                status = MemoryStatus.NeedsHost;
            }
            else
            {
                // Releases: a consumer that polls the last word finds the others.
                ulong* destination = (ulong*)region->HostOf(pa);
                for (int i = 0; i < words; i++) Volatile.Write(ref destination[i], source[i]);
                observer = Observe(region, pa, (ulong)words * sizeof(ulong));
            }
        }

        access.Exit();
        observer?.Invoke(pa, words * sizeof(ulong));
        return status;
    }

    private static bool IsStructure(ulong pa, int words) =>
        (pa & (sizeof(ulong) - 1)) == 0
        && (uint)(words - 1) < MaxStructureWords
        && FitsBelowEnd(pa, (ulong)words * sizeof(ulong));
}
