using Smmu.Fast.Formats;

namespace Smmu.Fast.Commands;

/// <summary>Commands that answer or reach client devices: ATC_INV, PRI_RESP, RESUME, STALL_TERM (IHI 0070, 4.5 and 4.7).</summary>
/// <remarks>
/// No client behind the ports translates for itself or waits for an answer: accesses that would stall are terminated
/// (FLT-24). So a legal command of this group finds nobody to act on, which the architecture answers by consuming it.
/// </remarks>
internal static class ClientCommands
{
    private const int TerminateOnly = 1;
    private const uint LargestAtcSize = 52;
    private const PageResponse ReservedResponse = (PageResponse)3;

    public static CommandError Execute(in Command command, CommandContext context)
    {
        var features = context.Features;
        bool legal = command.Opcode switch
        {
            CommandOpcode.AtcInv => features.ATS && command.Size <= LargestAtcSize,
            CommandOpcode.PriResp => features.PRI && command.Resp != ReservedResponse,
            _ => features.STALL_MODEL != TerminateOnly && !command.SSec,
        };
        return legal ? CommandError.None : CommandError.Illegal;
    }
}
