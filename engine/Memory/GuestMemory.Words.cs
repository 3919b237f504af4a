using System.Runtime.CompilerServices;

namespace Smmu.Fast.Memory;

/// <content>Single words: descriptors, flags, doorbells. Misaligned words abort; the SMMU makes none.</content>
public sealed unsafe partial class GuestMemory
{
    /// <summary>Reads an aligned 64-bit word at once; false when the access aborted.</summary>
    internal bool TryRead64(ulong pa, out ulong value)
    {
        value = 0;
        if ((pa & (sizeof(ulong) - 1)) != 0) return false;
        var access = ThreadAccess.Enter();
        RegionEntry* region = RegionTable.Find(Table, pa);
        if (region != null) value = Volatile.Read(ref *(ulong*)region->HostOf(pa));
        access.Exit();
        return region != null || TryReadBus64(pa, out value);
    }

    /// <summary>
    /// <see cref="TryRead64"/> for a caller that is inside a scope of an attached epoch, and so needs no other protection:
    /// the walker's read.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal bool TryRead64InScope(ulong pa, out ulong value)
    {
        RegionTable* current = Table;
        if ((pa & (sizeof(ulong) - 1)) == 0 && current->Largest.Contains(pa))
        {
            value = Volatile.Read(ref *(ulong*)current->Largest.HostOf(pa));
            return true;
        }

        return TryRead64(pa, out value);
    }

    /// <summary><see cref="TryRead64InScope"/> of the largest region alone: false where another way has to be taken.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal bool TryReadDirect64InScope(ulong pa, out ulong value)
    {
        RegionTable* current = Table;
        value = 0;
        if (!current->Largest.Contains(pa)) return false;
        value = Volatile.Read(ref *(ulong*)current->Largest.HostOf(pa));
        return true;
    }

    /// <summary>
    /// Writes an aligned 64-bit word for a caller inside of a scope, after all earlier stores of the thread: in the largest region
    /// alone while nobody watches it, false where another way has to be taken.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal bool TryWriteDirect64InScope(ulong pa, ulong value)
    {
        RegionTable* current = Table;
        if (!current->Largest.Contains(pa)) return false;
        if ((current->Largest.Traits & (RegionTraits.ReadOnly | RegionTraits.Watched)) != 0) return false;
        Volatile.Write(ref *(ulong*)current->Largest.HostOf(pa), value);
        return true;
    }

    /// <summary>Writes an aligned 64-bit word at once, after all earlier stores of the thread; false when aborted.</summary>
    internal bool TryWrite64(ulong pa, ulong value) => TryWriteStructure(pa, &value, 1);

    /// <summary>Writes an aligned 32-bit word at once, after all earlier stores of the thread; false when aborted.</summary>
    internal bool TryWrite32(ulong pa, uint value)
    {
        MemoryStatus status = StoreWord32(pa, value, mayCallHost: true);
        return status == MemoryStatus.Done
            || (status == MemoryStatus.NeedsHost && bus!.TryWrite(pa, new ReadOnlySpan<byte>(&value, sizeof(uint))));
    }

    /// <summary><see cref="TryWrite32"/> for a caller that must not run host code.</summary>
    internal MemoryStatus TryWrite32Direct(ulong pa, uint value) => StoreWord32(pa, value, mayCallHost: false);

    /// <summary>
    /// Replaces an aligned 64-bit word when it is as expected: at once in a region, by a read and a write on the bus.
    /// </summary>
    /// <param name="pa">Physical address.</param>
    /// <param name="expected">The value to replace.</param>
    /// <param name="desired">The value to put there.</param>
    /// <param name="observed">What was there: <paramref name="expected"/> exactly when it was replaced.</param>
    /// <returns>False when the access aborted; read-only memory aborts whatever it holds.</returns>
    internal bool TryCompareExchange64(ulong pa, ulong expected, ulong desired, out ulong observed)
    {
        observed = 0;
        if ((pa & (sizeof(ulong) - 1)) != 0) return false;
        var access = ThreadAccess.Enter();
        RegionEntry* region = RegionTable.Find(Table, pa);
        if (region == null)
        {
            access.Exit();
            return TryReadBus64(pa, out observed)
                && (observed != expected || bus!.TryWrite(pa, new ReadOnlySpan<byte>(&desired, sizeof(ulong))));
        }

        bool isWritable = (region->Traits & RegionTraits.ReadOnly) == 0;
        Action<ulong, int>? observer = null;
        if (isWritable)
        {
            observed = Interlocked.CompareExchange(ref *(ulong*)region->HostOf(pa), desired, expected);
            if (observed == expected) observer = Observe(region, pa, sizeof(ulong));
        }

        access.Exit();
        observer?.Invoke(pa, sizeof(ulong));
        return isWritable;
    }

    private MemoryStatus StoreWord32(ulong pa, uint value, bool mayCallHost)
    {
        if ((pa & (sizeof(uint) - 1)) != 0) return MemoryStatus.Aborted;
        var access = ThreadAccess.Enter();
        RegionEntry* region = RegionTable.Find(Table, pa);
        MemoryStatus status = StatusOfStore(region, mayCallHost);
        Action<ulong, int>? observer = null;
        if (status == MemoryStatus.Done)
        {
            Volatile.Write(ref *(uint*)region->HostOf(pa), value);
            observer = Observe(region, pa, sizeof(uint));
        }

        access.Exit();
        observer?.Invoke(pa, sizeof(uint));
        return status;
    }

    // Whether a store that lies whole in the region (or, for null, outside of any) can happen.
    private MemoryStatus StatusOfStore(RegionEntry* region, bool mayCallHost)
    {
        if (region == null) return bus == null ? MemoryStatus.Aborted : MemoryStatus.NeedsHost;
        if ((region->Traits & RegionTraits.ReadOnly) != 0) return MemoryStatus.Aborted;
        return (region->Traits & RegionTraits.CallsHost) != 0 && !mayCallHost ? MemoryStatus.NeedsHost : MemoryStatus.Done;
    }

    private bool TryReadBus64(ulong pa, out ulong value)
    {
        ulong word = 0;
        bool done = bus != null && bus.TryRead(pa, new Span<byte>(&word, sizeof(ulong)));
        value = done ? word : 0;
        return done;
    }
}
