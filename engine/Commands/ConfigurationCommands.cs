using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Commands;

/// <summary>CMD_CFGI_*: forget cached STEs and CDs (IHI 0070, 4.3).</summary>
/// <remarks>
/// One stamp dates all cached configuration, so each of these forgets all of it; more than asked is allowed (CMD-CFGI-21).
/// TLB entries stay (CMD-CFGI-05): they hold no configuration that must change with these commands.
/// </remarks>
internal static unsafe class ConfigurationCommands
{
    public static CommandError Execute(in Command command, CommandContext context)
    {
        var features = context.Features;
        if (command.SSec) return CommandError.Illegal;
        switch (command.Opcode)
        {
            case CommandOpcode.CfgiVmsPidm:
                if (!features.MPAM) return CommandError.Illegal;
                break;

            case CommandOpcode.CfgiCd:
                if (!features.S1P) return CommandError.Illegal;
                if (BitField.Exceeds(command.SubstreamId.Value, features.SubstreamIdBits)) return CommandError.None;
                goto case CommandOpcode.CfgiSte;

            case CommandOpcode.CfgiCdAll:
                if (!features.S1P) return CommandError.Illegal;
                goto case CommandOpcode.CfgiSte;

            case CommandOpcode.CfgiSte:
                if (BitField.Exceeds(command.StreamId.Value, features.StreamIdBits)) return CommandError.None;
                break;

            default:
                break;   // CFGI_STE_RANGE and CFGI_ALL.
        }

        if (!ControlBuild.Breaks(Breakage.CfgiIgnored)) context.Stamps->RaiseConfiguration();
        return CommandError.None;
    }
}
