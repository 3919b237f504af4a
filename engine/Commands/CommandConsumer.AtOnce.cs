using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Commands;

/// <content>The common case: commands in memory that need nobody else.</content>
internal sealed unsafe partial class CommandConsumer
{
    private LatestCaller caller;

    /// <summary>
    /// Consumes what needs no more than memory and caches, up to the first command that does; the rest is for
    /// <see cref="Step"/>. The gate was closed just now, and no queue has anything to do but this one.
    /// </summary>
    /// <returns>True when nothing is left to do.</returns>
    public bool ConsumeAtOnce()
    {
        bool isPlain = enabled && !stopped && !isWaiting && !awaitsEndpoint && !hasGrace && !hasFetched && !isWakeUpDue;
        if (!isPlain || (tellsOfRoom && reader.IsFull)) return !HasWork;
        bool isFenced = true;   // By closing the gate: what earlier calls invalidated is visible.
        int most = CommandsPerTurn;
        while (true)
        {
            uint count = reader.FindRun(out ulong* commands);
            for (; count != 0; count--, commands += 2)
            {
                // Each word once, as the guest may be writing there.
                var command = new Command(Volatile.Read(ref commands[0]), Volatile.Read(ref commands[1]));
                if (most-- == 0 || !TryConsumeAtOnce(command, ref isFenced)) return false;
                reader.Advance();
                schedule.Consumed++;
            }

            if (commands == null || !reader.HasWork) return !reader.HasWork;   // All of it, or up to the end of the ring.
        }
    }

    private bool TryConsumeAtOnce(Command command, ref bool isFenced)
    {
        if (Filter is { } filter && !filter.TryConvert(ref command)) return false;
        if (command.Opcode == CommandOpcode.Sync)
        {
            if (command.CS != CompletionSignal.None || HasTimedOutInvalidation || invalidationsOut != 0) return false;
            if (!isFenced) Interlocked.MemoryBarrier();
            isFenced = true;
            return epoch.IsQuiet(ref caller) && !ControlBuild.Breaks(Breakage.ScopesNotAsked);   // Nor is a record under way then.
        }

        isFenced = false;
        bool isInvalidation = command.Opcode is >= CommandOpcode.CfgiSte and <= CommandOpcode.TlbiNsnhAll;
        return isInvalidation && CommandExecutor.Execute(in command, context) == CommandError.None;
    }
}
