namespace Smmu.Fast.Commands;

/// <summary>The ATS invalidations that endpoints have not completed (IHI 0070, 3.9.1.4). Behind the control gate only.</summary>
/// <remarks>
/// A token is never in use twice, so that a completion that comes twice, or after a reset, hits nothing: [4:0] the slot,
/// [31:5] a number that grows with each invalidation.
/// </remarks>
internal sealed class AtcInvalidationTable
{
    /// <summary>Invalidations that can be out at a time, as many as PCIe has tags for; the next CMD_ATC_INV waits.</summary>
    public const int Capacity = 1 << SlotBits;

    private const int SlotBits = 5;

    private readonly uint[] tokens = new uint[Capacity];   // 0 marks a free slot.
    private uint number;
    private int count;

    /// <summary>True while an endpoint owes an answer.</summary>
    public bool HasPending => count != 0;

    /// <summary>True when an invalidation timed out that no CMD_SYNC has told of.</summary>
    public bool HasTimedOut { get; private set; }

    /// <summary>Takes a slot; false when all are out.</summary>
    public bool TryBegin(out uint token)
    {
        token = 0;
        int slot = Array.IndexOf(tokens, 0u);
        if (slot < 0) return false;
        do token = (++number << SlotBits) | (uint)slot;
        while (token >> SlotBits == 0);
        tokens[slot] = token;
        count++;
        return true;
    }

    /// <summary>Gives a slot back; false when the token names none, which late and doubled completions must expect.</summary>
    public bool TryEnd(uint token, bool timedOut)
    {
        ref uint slot = ref tokens[(int)(token & (Capacity - 1))];
        if (token == 0 || slot != token) return false;
        slot = 0;
        count--;
        HasTimedOut |= timedOut;
        return true;
    }

    /// <summary>A CMD_SYNC tells of the timeouts.</summary>
    public void ForgetTimeouts() => HasTimedOut = false;

    /// <summary>Makes the next CMD_SYNC tell of a timeout.</summary>
    public void RestoreTimeout() => HasTimedOut = true;

    /// <summary>Forgets all of them: their completions will hit nothing.</summary>
    public void Clear()
    {
        Array.Clear(tokens);
        count = 0;
        HasTimedOut = false;
    }
}
