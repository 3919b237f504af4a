using System.Runtime.CompilerServices;

namespace Smmu.Fast.Foundation;

/// <summary>Lets one thread at a time change a small piece of state.</summary>
/// <remarks>
/// Held for a bounded number of instructions: never while waiting, never across a callback of the host. It is not
/// re-entrant, and translations that succeed never take it. Release needs no fence of its own: the store that opens the
/// gate is a release, and pairs with the acquire of the exchange that closes it.
/// </remarks>
internal struct SpinGate
{
    private int holder;

    /// <summary>True while the calling thread holds the gate; for invariants.</summary>
    public readonly bool IsHeldByThisThread => holder == Holder;

#if SMMU_ASSERT
    private static int Holder => ThreadToken.Current;
#else
    private static int Holder => 1;   // Who it is matters to invariants alone.
#endif

    /// <summary>Closes the gate behind the calling thread, after whoever holds it has left.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Enter()
    {
        int token = Holder;
        Invariant.Holds(holder != token);
        if (Interlocked.CompareExchange(ref holder, token, 0) != 0) EnterContended(token);
    }

    /// <summary>Opens the gate.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Exit()
    {
        Invariant.Holds(IsHeldByThisThread);
        Volatile.Write(ref holder, 0);
    }

    /// <summary>Returns once the gate was seen open. Not for the thread that holds it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void AwaitOpen()
    {
        if (Volatile.Read(ref holder) != 0) AwaitHolder();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void AwaitHolder()
    {
        Invariant.Holds(!IsHeldByThisThread);
        var spin = new SpinWait();
        while (Volatile.Read(ref holder) != 0) spin.SpinOnce();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void EnterContended(int token)
    {
        var spin = new SpinWait();
        while (Volatile.Read(ref holder) != 0 || Interlocked.CompareExchange(ref holder, token, 0) != 0) spin.SpinOnce();
    }
}
