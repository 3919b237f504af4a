using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Commands;

/// <summary>CMD_CFGI_*: forget cached STEs and CDs (IHI 0070, 4.3).</summary>
/// <remarks>
/// A stream's STE and CDs are cached together and go together; more than asked is allowed (CMD-CFGI-21). TLB entries stay
/// (CMD-CFGI-05): they hold no configuration that must change with these commands.
/// </remarks>
internal static unsafe class ConfigurationCommands
{
    private const int LargestPreciseRange = 4;   // log2 of the streams.

    public static CommandError Execute(in Command command, CommandContext context)
    {
        var features = context.Features;
        var dates = context.Configuration;
        if (command.SSec) return CommandError.Illegal;
        switch (command.Opcode)
        {
            case CommandOpcode.CfgiVmsPidm:
                return features.MPAM ? CommandError.None : CommandError.Illegal;   // No VMS is read, so none is cached.

            case CommandOpcode.CfgiSteRange:
                RaiseRange(in command, context);
                break;

            case CommandOpcode.CfgiCd:
                if (!features.S1P) return CommandError.Illegal;
                if (BitField.Exceeds(command.SubstreamId.Value, features.SubstreamIdBits)) return CommandError.None;
                dates.Raise(command.StreamId);
                break;

            case CommandOpcode.CfgiCdAll:
                if (!features.S1P) return CommandError.Illegal;
                dates.Raise(command.StreamId);
                break;

            default:
                dates.Raise(command.StreamId);
                break;
        }

        context.Caches.Device->RaiseAny();
        return CommandError.None;
    }

    // 2^(Range + 1) streams, aligned; Range = 31 is all of them (CMD-CFGI-06, CMD-CFGI-08).
    private static void RaiseRange(in Command command, CommandContext context)
    {
        int log2 = command.Range + 1;
        if (log2 > LargestPreciseRange)
        {
            context.Configuration.RaiseAll();
            return;
        }

        uint first = command.StreamId.Value >> log2 << log2;
        for (uint i = 0; i < 1u << log2; i++) context.Configuration.Raise(new StreamId(first + i));
    }
}
