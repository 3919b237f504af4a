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
    public static CommandError Execute(in Command command, CommandContext context)
    {
        var features = context.Features;
        if (command.SSec) return CommandError.Illegal;
        bool isOfContexts = command.Opcode is CommandOpcode.CfgiCd or CommandOpcode.CfgiCdAll;
        if (isOfContexts && !features.S1P) return CommandError.Illegal;
        if (command.Opcode == CommandOpcode.CfgiVmsPidm)
        {
            return features.MPAM ? CommandError.None : CommandError.Illegal;   // No VMS is read, so none is cached.
        }

        if (ControlBuild.Breaks(Breakage.CfgiIgnored)) return CommandError.None;
        bool isOfOne = isOfContexts || command.Opcode == CommandOpcode.CfgiSte;
        if (isOfOne && BitField.Exceeds(command.StreamId.Value, features.StreamIdBits)) return CommandError.None;
        if (command.Opcode == CommandOpcode.CfgiCd
            && BitField.Exceeds(command.SubstreamId.Value, features.SubstreamIdBits)) return CommandError.None;

        // An L1STD goes too, if it is asked for, and further streams depend on it (CMD-CFGI-03).
        if (isOfContexts || (isOfOne && command.Leaf)) context.Configuration.Raise(command.StreamId);
        else context.Configuration.RaiseAll();
        context.Caches.Device->RaiseAny();
        return CommandError.None;
    }
}
