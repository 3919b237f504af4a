using Smmu.Fast.Formats;

namespace Smmu.Fast.Commands;

/// <summary>Carries out single commands of the Non-secure Command queue (IHI 0070, 4).</summary>
/// <remarks>
/// Each is complete when it returns, which is stronger than the architecture asks (CMD-GEN-11). CMD_SYNC is decided here
/// and completed by <see cref="CommandConsumer"/>.
/// </remarks>
internal static class CommandExecutor
{
    /// <summary>Executes a command other than CMD_SYNC.</summary>
    /// <returns>Why it is refused; reserved bits never are a reason (CMD-GEN-04).</returns>
    public static CommandError Execute(in Command command, CommandContext context)
    {
        var opcode = command.Opcode;
        switch (opcode)
        {
            case CommandOpcode.PrefetchConfig:
            case CommandOpcode.PrefetchAddress:
                return command.SSec ? CommandError.Illegal : CommandError.None;   // A hint, and legal everywhere.

            case CommandOpcode.CfgiSte:
            case CommandOpcode.CfgiSteRange:
            case CommandOpcode.CfgiCd:
            case CommandOpcode.CfgiCdAll:
            case CommandOpcode.CfgiVmsPidm:
                return ConfigurationCommands.Execute(in command, context);

            case CommandOpcode.TlbiNhAll:
            case CommandOpcode.TlbiNhAsid:
            case CommandOpcode.TlbiNhVa:
            case CommandOpcode.TlbiNhVaa:
            case CommandOpcode.TlbiS12Vmall:
            case CommandOpcode.TlbiS2Ipa:
            case CommandOpcode.TlbiNsnhAll:
                return TlbInvalidateCommands.ExecuteEl1(in command, context);

            case CommandOpcode.TlbiEl2All:
            case CommandOpcode.TlbiEl2Asid:
            case CommandOpcode.TlbiEl2Va:
            case CommandOpcode.TlbiEl2Vaa:
                return TlbInvalidateCommands.ExecuteEl2(in command, context);

            case CommandOpcode.AtcInv:
            case CommandOpcode.PriResp:
                return ClientCommands.Execute(in command, context);

            case CommandOpcode.Resume:
            case CommandOpcode.StallTerm:
                return StallCommands.Execute(in command, context);

            default:
                return CommandError.Illegal;   // Unknown, reserved, or of another queue (CMD-GEN-02).
        }
    }
}
