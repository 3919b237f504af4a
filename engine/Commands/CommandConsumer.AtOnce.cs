using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Commands;

/// <content>The common case: commands in memory that need nobody else.</content>
[SkipLocalsInit]
internal sealed unsafe partial class CommandConsumer
{
    private const ulong SignalField = 3 << 12;   // CS of CMD_SYNC.

    private LatestCaller caller;
    private bool isAlone;

    /// <summary>
    /// Consumes what needs no more than memory and caches, up to the first command that does; the rest is for
    /// <see cref="Step"/>. The gate was closed just now, and no queue has anything to do but this one.
    /// </summary>
    /// <returns>True when nothing is left to do.</returns>
    public bool ConsumeAtOnce()
    {
        uint count = reader.Count;
        if (obstacles.Any != 0 || count - 1 >= reader.Entries) return !HasWork;   // Indexes without sense are nothing (QUE-13).
        if ((tellsOfRoom && count == reader.Entries) || count > CommandsPerTurn) return false;

        // Closing the gate was a fence: what earlier calls invalidated is visible.
        isAlone = epoch.IsQuiet(ref caller) && !ControlBuild.Breaks(Breakage.ScopesNotAsked);
        context.Caches.IsAlone = isAlone;
        bool isDone;
        do
        {
            isDone = TryConsumeRun(ref count);
        }
        while (isDone && count != 0);   // The ring may end in between.

        context.Caches.IsAlone = false;
        return isDone;
    }

    // Commands from CONS on that lie in one piece: all of them, or up to the end of the ring.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryConsumeRun(ref uint count)
    {
        ulong* commands = reader.FindRun(count, out uint run);
        if (commands == null) return false;
        count -= run;
        uint left = run;
        do
        {
            // Each word once, as the guest may be writing there.
            ulong word0 = Volatile.Read(ref commands[0]);
            ulong word1 = Volatile.Read(ref commands[1]);
            if (Filter is not null)
            {
                if (!TryConvert(word0, word1, out var converted)) break;
                word0 = converted.Word0;
                word1 = converted.Word1;
            }

            if ((byte)word0 != (byte)CommandOpcode.Sync)
            {
                if (!TryInvalidate(word0, word1)) break;
            }
            else if (!isAlone || HasTimedOutInvalidation || invalidationsOut != 0)   // Alone, no record is under way either.
            {
                break;
            }
            else if ((word0 & SignalField) != 0)
            {
                if (!TryFindMessage(word0, word1, out uint* message)) break;

                // Who sees the message sees CONS too.
                Advance(run - left + 1);
                run = left - 1;
                if (message != null) Volatile.Write(ref *message, new Command(word0, word1).MSIData);
            }

            commands += 2;
        }
        while (--left != 0);

        Advance(run - left);
        return left == 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Advance(uint count)
    {
        reader.Advance(count);
        schedule.Consumed += count;
    }

    // Commands go word by word here: a copy of both words at once would wait until the stores of each have left the core.
    private bool TryConvert(ulong word0, ulong word1, out Command command)
    {
        command = new Command(word0, word1);
        return Filter!.TryConvert(ref command);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryInvalidate(ulong word0, ulong word1)
    {
        // The most frequent ones without a detour.
        var opcode = (CommandOpcode)(byte)word0;
        var error = opcode == CommandOpcode.TlbiNhVa ? TlbInvalidateCommands.ExecuteNhVa(word0, word1, context)
            : opcode == CommandOpcode.TlbiNhAsid ? TlbInvalidateCommands.ExecuteNhAsid(word0, word1, context)
            : opcode is >= CommandOpcode.CfgiSte and <= CommandOpcode.TlbiNsnhAll ? Execute(word0, word1)
            : CommandError.Illegal;
        return error == CommandError.None;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private CommandError Execute(ulong word0, ulong word1)
    {
        var command = new Command(word0, word1);
        return CommandExecutor.Execute(in command, context);
    }

    // The signal of a CMD_SYNC, if it is one word in plain memory, or nothing: nobody listens to pulses.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TryFindMessage(ulong word0, ulong word1, out uint* message)
    {
        var sync = new Command(word0, word1);
        const CompletionSignal ReservedSignal = (CompletionSignal)3;
        message = null;
        if (context.HasListeners || sync.CS == ReservedSignal) return false;
        if (sync.CS == CompletionSignal.Event || !context.HasMessages || sync.MSIAddress == 0) return true;
        message = reader.FindMessage(sync.MSIAddress & context.MessageMask);
        return message != null;
    }
}
