namespace Smmu.Fast.Perf.Floors;

/// <summary>
/// The least a CMD_SYNC can be: take the device, load the command, start a grace period, publish CMDQ_CONS, let the device
/// go. Two locked operations, which are most of it.
/// </summary>
internal sealed unsafe class BareSync
{
    private int holder;
    private long grace;
    private uint consumer;

    /// <summary>Consumes the commands up to <paramref name="producer"/>.</summary>
    public ulong Consume(ulong* commands, uint producer, uint slotMask)
    {
        while (Interlocked.CompareExchange(ref holder, 1, 0) != 0) Thread.SpinWait(1);
        ulong sum = 0;
        for (; consumer != producer; Volatile.Write(ref consumer, (consumer + 1) & ((slotMask << 1) | 1)))
        {
            ulong* command = commands + ((consumer & slotMask) * 2);
            sum += command[0] + command[1] + (ulong)Interlocked.Increment(ref grace);
        }

        Volatile.Write(ref holder, 0);
        return sum;
    }
}
