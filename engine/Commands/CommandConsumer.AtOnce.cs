using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Commands;

/// <content>The common case: commands in main memory that need nobody else.</content>
internal sealed unsafe partial class CommandConsumer
{
    private const int CommandsInRun = 4;

    /// <summary>
    /// Consumes what needs no more than memory and caches, up to the first command that does; the rest is for
    /// <see cref="Step"/>. The gate was closed just now, and no queue has anything to do but this one.
    /// </summary>
    public void ConsumeAtOnce()
    {
        ulong* words = stackalloc ulong[2 * CommandsInRun];
        bool isFenced = true;   // By closing the gate: what earlier calls invalidated is visible.
        bool isPlain = enabled && !stopped && !isWaiting && !awaitsEndpoint && !hasGrace && !hasFetched && !isWakeUpDue;
        if (!isPlain || (reader.IsFull && context.Features.SEV)) return;
        for (int run = 0; run < CommandsPerTurn / CommandsInRun && reader.HasWork; run++)
        {
            int count = reader.ReadRunDirect(words, CommandsInRun);
            if (count == 0) return;
            for (int i = 0; i < count; i++)
            {
                if (!TryConsumeAtOnce(new Command(words[2 * i], words[(2 * i) + 1]), ref isFenced)) return;
                reader.Advance();
                schedule.Consumed++;
            }
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
            return epoch.IsQuiet() && !ControlBuild.Breaks(Breakage.ScopesNotAsked);   // Nor is a record under way then.
        }

        isFenced = false;
        bool isInvalidation = command.Opcode is >= CommandOpcode.CfgiSte and <= CommandOpcode.TlbiNsnhAll;
        return isInvalidation && CommandExecutor.Execute(in command, context) == CommandError.None;
    }
}
