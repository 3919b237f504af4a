using Smmu.Fast.Formats;

namespace Smmu.Fast.Commands;

/// <summary>Commands that answer or reach client devices: ATC_INV, PRI_RESP, RESUME, STALL_TERM (IHI 0070, 4.5 and 4.7).</summary>
/// <remarks>
/// Judges the commands. <see cref="CommandConsumer"/> has ATC_INV and PRI_RESP sent to the endpoints of the host, if it has
/// any. Accesses that would stall are terminated (FLT-24), so a legal RESUME or STALL_TERM finds nobody to act on, which the
/// architecture answers by consuming it.
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
