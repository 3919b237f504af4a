using System.Runtime.CompilerServices;

namespace Smmu.Fast.Memory;

/// <content>Accesses of any length and alignment, and host pointers.</content>
public sealed unsafe partial class GuestMemory
{
    /// <summary>Reads bytes at any address, across regions and bus.</summary>
    /// <remarks>Naturally aligned words of 2, 4 and 8 bytes within a region are read whole.</remarks>
    /// <param name="pa">Physical address of the first byte.</param>
    /// <param name="destination">Where the bytes go.</param>
    /// <returns>False when a part of the access aborted; the destination then is of no meaning.</returns>
    /// <exception cref="ObjectDisposedException">The memory is disposed.</exception>
    public bool Read(ulong pa, Span<byte> destination)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        fixed (byte* bytes = destination) return ReadBytes(pa, bytes, (ulong)destination.Length);
    }

    /// <summary>Writes bytes at any address, across regions and bus, after all earlier stores of the thread.</summary>
    /// <remarks>Naturally aligned words of 2, 4 and 8 bytes within a region are written whole.</remarks>
    /// <param name="pa">Physical address of the first byte.</param>
    /// <param name="source">The bytes.</param>
    /// <returns>False when a part of the access aborted; what lies below that part is written.</returns>
    /// <exception cref="ObjectDisposedException">The memory is disposed.</exception>
    public bool Write(ulong pa, ReadOnlySpan<byte> source)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        fixed (byte* bytes = source) return WriteBytes(pa, bytes, (ulong)source.Length);
    }

    /// <summary>The host memory behind an address, when plain loads (or stores) through it are as good as an access.</summary>
    /// <remarks>
    /// The caller is inside a scope of an attached epoch, and uses the pointer within scopes only, each time after it has
    /// compared <see cref="Generation"/> with the value it read before this call.
    /// </remarks>
    /// <param name="pa">Physical address.</param>
    /// <param name="write">True when stores are meant.</param>
    /// <param name="pointer">Host address of the byte at <paramref name="pa"/>.</param>
    /// <param name="length">Bytes from there to the region's end.</param>
    /// <returns>False for addresses in no region and, for stores, for read-only and watched memory.</returns>
    internal bool TryGetHostSpan(ulong pa, bool write, out byte* pointer, out ulong length)
    {
        RegionEntry* region = RegionTable.Find(Table, pa);
        if (region == null || (write && (region->Traits & (RegionTraits.ReadOnly | RegionTraits.Watched)) != 0))
        {
            pointer = null;
            length = 0;
            return false;
        }

        pointer = region->HostOf(pa);
        length = region->BytesFrom(pa);
        return true;
    }

    /// <summary>
    /// <see cref="Read"/> for a caller that is inside a scope of an attached epoch: of the largest region alone, false where
    /// another way has to be taken.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal bool TryReadDirectInScope(ulong pa, Span<byte> destination)
    {
        RegionTable* current = Table;
        if (!current->Largest.Contains(pa) || current->Largest.BytesFrom(pa) < (ulong)destination.Length) return false;
        fixed (byte* bytes = destination) WholeWordCopy.Load(current->Largest.HostOf(pa), bytes, (ulong)destination.Length);
        Volatile.ReadBarrier();   // As in ReadBytes.
        return true;
    }

    /// <summary>
    /// <see cref="Write"/> for a caller that is inside a scope of an attached epoch: of the largest region alone while nobody
    /// watches it, false where another way has to be taken.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal bool TryWriteDirectInScope(ulong pa, ReadOnlySpan<byte> source)
    {
        RegionTable* current = Table;
        if (!current->Largest.Contains(pa) || current->Largest.BytesFrom(pa) < (ulong)source.Length) return false;
        if ((current->Largest.Traits & (RegionTraits.ReadOnly | RegionTraits.Watched)) != 0) return false;
        Volatile.WriteBarrier();   // As in WriteBytes.
        fixed (byte* bytes = source) WholeWordCopy.Store(current->Largest.HostOf(pa), bytes, (ulong)source.Length);
        return true;
    }

    // Each turn serves the part up to the next border of a region, so it takes at most two turns a page.
    private bool ReadBytes(ulong pa, byte* destination, ulong length)
    {
        if (!FitsBelowEnd(pa, length)) return false;
        while (length != 0)
        {
            var access = ThreadAccess.Enter();
            RegionTable* current = Table;
            RegionEntry* region = RegionTable.Find(current, pa);
            bool isBus = region == null;
            ulong part = Math.Min(length, isBus ? RegionTable.GapFrom(current, pa) : region->BytesFrom(pa));
            if (!isBus) WholeWordCopy.Load(region->HostOf(pa), destination, part);
            access.Exit();
            if (isBus && (bus == null || !bus.TryRead(pa, new Span<byte>(destination, (int)part)))) return false;
            pa += part;
            destination += part;
            length -= part;
        }

        Volatile.ReadBarrier();   // What the thread reads later comes later, as with the words.
        return true;
    }

    private bool WriteBytes(ulong pa, byte* source, ulong length)
    {
        if (!FitsBelowEnd(pa, length)) return false;
        Volatile.WriteBarrier();   // Data before the flag that announces it, when each is a call of its own.
        while (length != 0)
        {
            var access = ThreadAccess.Enter();
            RegionTable* current = Table;
            RegionEntry* region = RegionTable.Find(current, pa);
            bool isBus = region == null;
            ulong part = Math.Min(length, isBus ? RegionTable.GapFrom(current, pa) : region->BytesFrom(pa));
            bool isAborted = isBus ? bus == null : (region->Traits & RegionTraits.ReadOnly) != 0;
            Action<ulong, int>? observer = null;
            if (!isBus && !isAborted)
            {
                WholeWordCopy.Store(region->HostOf(pa), source, part);
                observer = Observe(region, pa, part);
            }

            access.Exit();
            if (isAborted || (isBus && !bus!.TryWrite(pa, new ReadOnlySpan<byte>(source, (int)part)))) return false;
            observer?.Invoke(pa, (int)part);
            pa += part;
            source += part;
            length -= part;
        }

        return true;
    }

    private static bool FitsBelowEnd(ulong pa, ulong length) => length == 0 || length - 1 <= ulong.MaxValue - pa;
}
