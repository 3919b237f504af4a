using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Commands;

/// <summary>What CMD_ATC_INV and CMD_PRI_RESP send to an endpoint (IHI 0070, 4.5).</summary>
internal static class AtcCommands
{
    private const int PageLog2 = 12;

    /// <summary>True when a legal command has somebody to reach: the host has endpoints, and SMMUEN is set.</summary>
    public static bool HasReceiver(in Command command, CommandContext context) =>
        context.HasEndpoints && context.IsSmmuEnabled && command.Opcode is CommandOpcode.AtcInv or CommandOpcode.PriResp;

    /// <summary>The invalidation of a legal CMD_ATC_INV.</summary>
    public static AtcInvalidation InvalidationOf(in Command command, SmmuFeatures features, uint token)
    {
        int sizeLog2 = PageLog2 + command.Size;
        var substream = SubstreamOf(in command, features);
        return new AtcInvalidation(
            command.StreamId,
            substream,
            substream is not null && command.Global,
            BitField.AlignDown(command.Address, sizeLog2),
            (byte)sizeLog2,
            token);
    }

    /// <summary>The response of a legal CMD_PRI_RESP.</summary>
    public static PageGroupResponse ResponseOf(in Command command, SmmuFeatures features) => new(
        command.StreamId,
        SubstreamOf(in command, features),
        command.PRGIndex,
        command.Resp switch
        {
            PageResponse.Success => PageResponseCode.Success,
            PageResponse.InvalidRequest => PageResponseCode.InvalidRequest,
            _ => PageResponseCode.ResponseFailure,
        },
        IsAutomatic: false);

    // Where there are no PASIDs, SSV = 1 acts as SSV = 0, so that nothing stale survives (CMD-ATC-05).
    private static SubstreamId? SubstreamOf(in Command command, SmmuFeatures features) =>
        command.SSV && features.SubstreamIdBits != 0 ? command.SubstreamId : null;
}
