using Smmu.Fast.Faults;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Commands;

/// <summary>CMD_RESUME and CMD_STALL_TERM (IHI 0070, 4.7.1 and 4.7.2).</summary>
internal static class StallCommands
{
    private const int TerminateOnly = 1;

    public static CommandError Execute(in Command command, CommandContext context)
    {
        if (context.Features.STALL_MODEL == TerminateOnly || command.SSec) return CommandError.Illegal;
        if (command.Opcode == CommandOpcode.StallTerm) context.Stalls.Terminate(command.StreamId);
        else context.Stalls.Resume(command.StreamId, command.StallTag, AnswerOf(in command, context.Features));
        return CommandError.None;
    }

    private static StallAnswer AnswerOf(in Command command, SmmuFeatures features)
    {
        if (command.Ac) return StallAnswer.Retry;
        return command.Ab || features.TERM_MODEL ? StallAnswer.Abort : StallAnswer.ReadZeroWriteIgnored;
    }
}
