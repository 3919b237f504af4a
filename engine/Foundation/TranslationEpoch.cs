using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Smmu.Fast.Foundation;

/// <summary>One participant of a <see cref="TranslationEpoch"/>: the state of a port or of a one-off access.</summary>
[StructLayout(LayoutKind.Explicit, Size = SizeBytes)]
internal struct EpochSlot
{
    public const int SizeBytes = 128;   // Two lines: the adjacent-line prefetcher must not couple two ports.

    /// <summary>The grace number its thread saw last, which is even, and in [0] 1 inside a scope. Written by the owner alone.</summary>
    [FieldOffset(0)] public ulong Word;

    /// <summary>Token of the thread the slot is active on; 0 when parked.</summary>
    [FieldOffset(8)] public int Owner;

    /// <summary>1 once the slot belongs to a participant.</summary>
    [FieldOffset(12)] public int Claimed;

    /// <summary>A page of the stack of the thread that it is active on, the quickest thing to know a thread by; 0 when parked.</summary>
    [FieldOffset(16)] public nuint StackPage;
}

/// <summary>Tells when nobody can still be using what was taken away: CMD_SYNC and region removal wait for it.</summary>
/// <remarks>
/// A participant is <em>parked</em> or <em>active on a thread</em>. Becoming active is fenced; scopes of an active one are
/// not, they are two plain stores. A grace period has an even number. It has elapsed for a participant that is parked, that has
/// shown a number at least as high (it began or ended a scope since, and so sees everything stored before), or that is
/// seen outside of a scope after a process-wide barrier. Why the barrier is enough: after it, either the store that
/// entered the scope is visible here, or the loads of that scope come later than everything stored before the barrier.
/// "Look first, and issue the barrier only if somebody seems inside" would be unsound: the entering store may still sit
/// in a store buffer. The calling thread's own slots need no barrier.
/// <para>
/// Lost wake-ups: a waiter sets the waiter count before the barrier; the end of a scope stores its word and then
/// reads the waiter count. After the barrier one of the two sees the other.
/// </para>
/// </remarks>
internal sealed unsafe class TranslationEpoch
{
    // How long to hope for an answer: of one who seems to rest, and of one whose scope is seen open.
    private static readonly long SpinTicks = Stopwatch.Frequency / 2_000_000;
    private static readonly long SpinTicksInside = Stopwatch.Frequency / 250_000;

    private readonly EpochSlot* slots;
    private readonly int capacity;
    private readonly ControlGate? gate;
    private Shared shared;

    [StructLayout(LayoutKind.Explicit, Size = 4 * 128)]
    private struct Shared
    {
        [FieldOffset(1 * 128)] public ulong Current;   // Read at each end of a scope, written by each grace period.
        [FieldOffset(2 * 128)] public int Waiters;     // Read at each end of a scope.
        [FieldOffset(3 * 128)] public int HighWater;   // Slots in use lie below it.
    }

    /// <summary>Uses <paramref name="capacity"/> zeroed slots that the caller owns and keeps.</summary>
    /// <param name="slots">The slots.</param>
    /// <param name="capacity">How many there are.</param>
    /// <param name="gate">While it is closed nobody becomes active: see <see cref="IsQuiet"/>.</param>
    public TranslationEpoch(EpochSlot* slots, int capacity, ControlGate? gate = null)
    {
        this.slots = slots;
        this.capacity = capacity;
        this.gate = gate;
    }

    /// <summary>Takes a slot, parked; null when all are out.</summary>
    public EpochSlot* TryClaim()
    {
        for (int i = 0; i < capacity; i++)
        {
            EpochSlot* slot = slots + i;
            if (slot->Claimed != 0 || Interlocked.CompareExchange(ref slot->Claimed, 1, 0) != 0) continue;
            int high = Volatile.Read(ref shared.HighWater);
            while (high <= i)
            {
                int seen = Interlocked.CompareExchange(ref shared.HighWater, i + 1, high);
                if (seen == high) break;
                high = seen;
            }

            return slot;
        }

        return null;
    }

    /// <summary>Gives a slot back; it must be outside of a scope.</summary>
    public static void Release(EpochSlot* slot)
    {
        Invariant.Holds((slot->Word & 1) == 0);
        Park(slot);
        Volatile.Write(ref slot->Claimed, 0);
    }

    /// <summary>True inside a scope of the slot.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsInside(EpochSlot* slot) => (Volatile.Read(ref slot->Word) & 1) != 0;

    /// <summary>Enters a scope; false when the slot is inside one already, which then goes on.</summary>
    /// <exception cref="InvalidOperationException">The slot is inside a scope of another thread.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Enter(EpochSlot* slot)
    {
        if (slot->StackPage != ThreadToken.StackPage()) Activate(slot);
        if ((slot->Word & 1) != 0) return false;
        ControlBuild.NoteEntry(slot);

        // Not a fence: the barrier of HasElapsed stands in for it.
        Volatile.Write(ref slot->Word, Volatile.Read(ref shared.Current) | 1);
        return true;
    }

    /// <summary><see cref="Enter"/> for the common case: false when the slot is not active here, or inside of a scope already.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryEnter(EpochSlot* slot)
    {
        if (slot->StackPage != ThreadToken.StackPage() || (slot->Word & 1) != 0) return false;
        ControlBuild.NoteEntry(slot);
        Volatile.Write(ref slot->Word, Volatile.Read(ref shared.Current) | 1);   // As in Enter.
        return true;
    }

    /// <summary>Ends a scope; true when somebody waits for that.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Exit(EpochSlot* slot)
    {
        // Release; pairs with the acquire in HasElapsed: the accesses of the scope come before its end.
        Volatile.Write(ref slot->Word, Volatile.Read(ref shared.Current));
        return Volatile.Read(ref shared.Waiters) != 0;
    }

    /// <summary>Makes a parked slot active on the calling thread; false when it is not parked.</summary>
    public bool TryBorrow(EpochSlot* slot, int token)
    {
        if (Volatile.Read(ref slot->Owner) != 0 || Interlocked.CompareExchange(ref slot->Owner, token, 0) != 0) return false;
        gate?.AwaitOpen();
        return true;
    }

    /// <summary>Enters a scope of a slot that was borrowed just now.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void EnterBorrowed(EpochSlot* slot)
    {
        ControlBuild.NoteEntry(slot);
        Volatile.Write(ref slot->Word, Volatile.Read(ref shared.Current) | 1);   // As in Enter; the borrowing was a fence.
    }

    /// <summary>Gives back a slot that was borrowed and only entered by <see cref="EnterBorrowed"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Return(EpochSlot* slot)
    {
        Invariant.Holds((slot->Word & 1) == 0 && slot->StackPage == 0);
        Volatile.Write(ref slot->Owner, 0);   // Release: the scope has ended before.
    }

    /// <summary>Parks a slot of the calling thread, so that nobody's grace period has to ask it.</summary>
    public static void Park(EpochSlot* slot)
    {
        Invariant.Holds((slot->Word & 1) == 0);
        slot->StackPage = 0;
        Volatile.Write(ref slot->Owner, 0);   // Release: the last scope has ended before.
    }

    /// <summary>Starts a grace period: what was stored before is seen by every scope that begins later.</summary>
    /// <returns>Its number.</returns>
    public ulong Start() => Interlocked.Add(ref shared.Current, 2);   // A full fence; pairs with the one in Activate.

    /// <summary>Makes the ends of scopes report that somebody waits. Calls nest.</summary>
    public void AddWaiter()
    {
        if (!ControlBuild.Breaks(Breakage.WaiterNotAnnounced)) Interlocked.Increment(ref shared.Waiters);
    }

    /// <summary>Takes one <see cref="AddWaiter"/> back.</summary>
    public void RemoveWaiter()
    {
        if (!ControlBuild.Breaks(Breakage.WaiterNotAnnounced)) Interlocked.Decrement(ref shared.Waiters);
    }

    /// <summary>True when that is plain to see: every active participant of another thread has shown the number.</summary>
    public bool HasElapsedAtOnce(ulong grace)
    {
        int high = Volatile.Read(ref shared.HighWater);
        for (int i = 0; i < high; i++)
        {
            ulong word = Volatile.Read(ref slots[i].Word);
            if (word >= grace) continue;
            int owner = Volatile.Read(ref slots[i].Owner);
            if (owner != 0 && ((word & 1) != 0 || owner != ThreadToken.Current)) return false;
        }

        return true;
    }

    /// <summary>
    /// True when nobody is inside of a scope, nor will be until the gate opens: others are parked, and the caller is outside.
    /// </summary>
    /// <remarks>
    /// As good as a grace period that elapses with each store. The caller has closed the gate, which is a full fence; who becomes
    /// active passes one and then looks at the gate (<see cref="Activate"/>). Either it is seen active here, or it sees the gate
    /// closed and waits until that opens.
    /// </remarks>
    /// <param name="caller">Who is likely to call.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool IsQuiet(ref LatestCaller caller)
    {
        int high = Volatile.Read(ref shared.HighWater);
        for (int i = 0; i < high; i++)
        {
            EpochSlot* slot = slots + i;
            int owner = Volatile.Read(ref slot->Owner);
            if (owner == 0) continue;
            if ((Volatile.Read(ref slot->Word) & 1) != 0 || owner != caller.Token) return false;
        }

        return true;
    }

    /// <summary>True when every scope that began before the grace period has ended. Never waits for one.</summary>
    public bool HasElapsed(ulong grace)
    {
        if (!HasForeignActive(grace) || ControlBuild.Breaks(Breakage.BarrierLeftOut)) return !HasOpenScope(grace);

        // A barrier costs the other threads more than this one costs the wait for them to show themselves.
        long start = Stopwatch.GetTimestamp();
        long patience;
        do
        {
            Thread.SpinWait(8);
            if (!HasForeignActive(grace)) return !HasOpenScope(grace);
            patience = HasOpenScope(grace) ? SpinTicksInside : SpinTicks;
        }
        while (Stopwatch.GetTimestamp() - start < patience);

        // What is seen open is open. Only who has announced itself needs to know that it will be told of the end.
        if (patience == SpinTicksInside && Volatile.Read(ref shared.Waiters) == 0) return false;
        Interlocked.MemoryBarrierProcessWide();
        return !HasOpenScope(grace);
    }

    /// <summary>Waits until the grace period has elapsed; for calls of the host program only.</summary>
    /// <exception cref="InvalidOperationException">The calling thread itself is inside a scope.</exception>
    public void Wait(ulong grace)
    {
        var spin = new SpinWait();
        while (!HasElapsed(grace))
        {
            if (HasOwnOpenScope()) throw new InvalidOperationException(
                "This call waits for all scopes of ports to end, but the calling thread is inside one: end the scope first.");
            spin.SpinOnce();
        }
    }

    /// <summary>True when the calling thread is inside a scope, so that <see cref="Wait"/> would never return.</summary>
    public bool HasOwnOpenScope()
    {
        int self = ThreadToken.Current;
        int high = Volatile.Read(ref shared.HighWater);
        for (int i = 0; i < high; i++)
        {
            if (slots[i].Owner == self && (slots[i].Word & 1) != 0) return true;
        }

        return false;
    }

    /// <summary>True when a scope that began before the grace period is seen open; it may just have ended.</summary>
    /// <remarks>
    /// That is answer enough for who announced itself with <see cref="AddWaiter"/> and asked <see cref="HasElapsed"/> since:
    /// whoever is seen inside from then on reads the waiter count when it leaves.
    /// </remarks>
    public bool HasOpenScope(ulong grace)
    {
        int high = Volatile.Read(ref shared.HighWater);
        for (int i = 0; i < high; i++)
        {
            ulong word = Volatile.Read(ref slots[i].Word);
            if ((word & 1) != 0 && word < grace && !ControlBuild.HidesEntry(slots + i)) return true;
        }

        return false;
    }

    // Somebody else's slot that is active and has not shown the number: its word may lag behind, so a barrier is called for.
    private bool HasForeignActive(ulong grace)
    {
        int self = ThreadToken.Current;
        int high = Volatile.Read(ref shared.HighWater);
        for (int i = 0; i < high; i++)
        {
            int owner = Volatile.Read(ref slots[i].Owner);
            if (owner != 0 && owner != self && Volatile.Read(ref slots[i].Word) < grace) return true;
        }

        return false;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Activate(EpochSlot* slot)
    {
        int token = ThreadToken.Current;
        if (slot->Owner != token)
        {
            if ((Volatile.Read(ref slot->Word) & 1) != 0) throw new InvalidOperationException(
                "The port is inside a scope on another thread. A port serves one thread at a time: open a port for each thread.");

            // A full fence; pairs with the one in Start: either the waiter sees the owner, or the scope sees what it stored. And
            // with the closing of the gate: see IsQuiet.
            Interlocked.Exchange(ref slot->Owner, token);
            gate?.AwaitOpen();
        }

        slot->StackPage = ThreadToken.StackPage();
    }
}
