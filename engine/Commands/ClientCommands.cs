using Smmu.Fast.Formats;

namespace Smmu.Fast.Commands;

/// <summary>Commands that reach client devices: ATC_INV and PRI_RESP (IHI 0070, 4.5).</summary>
/// <remarks>
/// Judges the commands. <see cref="CommandConsumer"/> has them sent to the endpoints of the host; where it has none, a legal
/// command finds nobody to act on, which the architecture answers by consuming it.
/// </remarks>
internal static class ClientCommands
{
    private const uint LargestAtcSize = 52;
    private const PageResponse ReservedResponse = (PageResponse)3;

    public static CommandError Execute(in Command command, CommandContext context)
    {
        var features = context.Features;
        bool legal = command.Opcode switch
        {
            CommandOpcode.AtcInv => features.ATS && command.Size <= LargestAtcSize,
            _ => features.PRI && command.Resp != ReservedResponse,
        };
        return legal ? CommandError.None : CommandError.Illegal;
    }
}
