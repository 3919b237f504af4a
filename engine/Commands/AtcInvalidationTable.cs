namespace Smmu.Fast.Commands;

/// <summary>The ATS invalidations that endpoints have not completed (IHI 0070, 3.9.1.4). Behind the control gate only.</summary>
/// <remarks>
/// A token is never in use twice, so that a completion that comes twice, or after a reset, hits nothing: [4:0] the slot,
/// [31:5] a number that grows with each invalidation. Each belongs to the queue whose command it was: the CMD_SYNCs of other
/// queues neither wait for it nor hear of its timeout (ECMDQ-15). A queue that changes hands leaves those behind that are
/// out, so that the next owner hears of none.
/// </remarks>
internal sealed class AtcInvalidationTable
{
    /// <summary>Invalidations that can be out at a time, as many as PCIe has tags for; the next CMD_ATC_INV waits.</summary>
    public const int Capacity = 1 << SlotBits;

    private const int SlotBits = 5;

    private readonly uint[] tokens = new uint[Capacity];   // 0 marks a free slot.
    private readonly CommandConsumer?[] owners = new CommandConsumer?[Capacity];
    private readonly bool[] orphans = new bool[Capacity];
    private uint number;
    private int count;

    /// <summary>True while an endpoint owes an answer.</summary>
    public bool HasPending => count != 0;

    /// <summary>True while one more can be out.</summary>
    public bool HasRoom => count != Capacity;

    /// <summary>Takes a slot; false when all are out.</summary>
    public bool TryBegin(CommandConsumer owner, out uint token)
    {
        token = 0;
        int slot = Array.IndexOf(tokens, 0u);
        if (slot < 0) return false;
        do token = (++number << SlotBits) | (uint)slot;
        while (token >> SlotBits == 0);
        tokens[slot] = token;
        owners[slot] = owner;
        orphans[slot] = false;
        count++;
        return true;
    }

    /// <summary>
    /// Gives a slot back, and tells the queue; false when the token names none, which late and doubled completions must expect.
    /// </summary>
    public bool TryEnd(uint token, bool timedOut)
    {
        int slot = (int)(token & (Capacity - 1));
        if (token == 0 || tokens[slot] != token) return false;
        tokens[slot] = 0;
        count--;
        owners[slot]!.EndInvalidation(timedOut && !orphans[slot]);
        return true;
    }

    /// <summary>
    /// Gives what a queue has out to another one, whose CMD_SYNCs wait for it from now on. They do not hear of a timeout: an
    /// endpoint of whoever had the queue shall not stop a queue of others.
    /// </summary>
    public void HandOver(CommandConsumer from, CommandConsumer to)
    {
        for (int slot = 0; slot < Capacity; slot++)
        {
            if (tokens[slot] == 0 || owners[slot] != from) continue;
            owners[slot] = to;
            orphans[slot] = true;
            to.AdoptInvalidation();
        }

        from.ForgetInvalidations();
        from.JudgeAnew();
    }

    /// <summary>Forgets all of them: their completions will hit nothing. The queues are to forget them, too.</summary>
    public void Clear()
    {
        Array.Clear(tokens);
        Array.Clear(owners);
        count = 0;
    }
}
