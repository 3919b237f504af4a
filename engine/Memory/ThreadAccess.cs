using System.Runtime.CompilerServices;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Memory;

/// <summary>Protects one access by a thread that need not be inside a scope of a port: an event write, a command
/// fetch.</summary>
/// <remarks>
/// Each thread has one, a participant of an epoch of its own, for all guest memories of the process. An access is one
/// scope: it begins before the region table is read and ends after the last load or store. Host code never runs inside,
/// so a change of regions waits for copies only, never for the host. There is no limit on threads: epochs are added in
/// chunks, which live as long as the process. A thread that ends gives its slot back when it is collected.
/// </remarks>
internal sealed unsafe class ThreadAccess
{
    private const int SlotsInChunk = 256;

    [ThreadStatic]
    private static ThreadAccess? mine;

    private static Chunk[] chunks = [];   // Replaced as a whole, so that readers need no lock.

    private readonly TranslationEpoch epoch;
    private readonly EpochSlot* slot;

    private ThreadAccess(TranslationEpoch epoch, EpochSlot* slot)
    {
        this.epoch = epoch;
        this.slot = slot;
    }

    ~ThreadAccess() => TranslationEpoch.Release(slot);

    /// <summary>Begins an access of the calling thread; end it with <see cref="Exit"/>. Does not nest.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ThreadAccess Enter()
    {
        ThreadAccess access = mine ?? Create();
        bool isOutermost = access.epoch.Enter(access.slot);
        Invariant.Holds(isOutermost);
        return access;
    }

    /// <summary>Ends the access.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Exit() => epoch.Exit(slot);

    /// <summary>Waits until every access that began before has ended.</summary>
    public static void WaitForAll()
    {
        // Pairs with the exchange in Create: a chunk that is not seen here has only accesses that see what was stored before.
        Interlocked.MemoryBarrier();
        foreach (Chunk chunk in Volatile.Read(ref chunks)) chunk.Epoch.Wait(chunk.Epoch.Start());
    }

    /// <summary>True when every access that began before has ended. Never waits for one.</summary>
    public static bool HaveAllEnded()
    {
        Interlocked.MemoryBarrier();   // As in WaitForAll.
        foreach (Chunk chunk in Volatile.Read(ref chunks))
        {
            if (!chunk.Epoch.HasElapsed(chunk.Epoch.Start())) return false;
        }

        return true;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ThreadAccess Create()
    {
        while (true)
        {
            Chunk[] seen = Volatile.Read(ref chunks);
            foreach (Chunk chunk in seen)
            {
                EpochSlot* slot = chunk.Epoch.TryClaim();
                if (slot != null) return mine = new ThreadAccess(chunk.Epoch, slot);
            }

            var added = new Chunk();
            if (Interlocked.CompareExchange(ref chunks, [.. seen, added], seen) != seen) added.Slots.Dispose();
        }
    }

    private sealed class Chunk
    {
        public Chunk() => Epoch = new TranslationEpoch((EpochSlot*)Slots.Pointer, SlotsInChunk);

        public NativeBlock Slots { get; } = NativeBlock.Of<EpochSlot>(SlotsInChunk, EpochSlot.SizeBytes);

        public TranslationEpoch Epoch { get; }
    }
}
