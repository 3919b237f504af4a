using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Tlbs;

namespace Smmu.Fast.Commands;

/// <summary>CMD_TLBI_*: forget translations by address, ASID, VMID or altogether (IHI 0070, 4.4).</summary>
internal static unsafe class TlbInvalidateCommands
{
    private const ulong LastAddress = (1UL << TlbInvalidation.AddressBits) - 1;

    public static CommandError Execute(in Command command, CommandContext context)
    {
        var opcode = command.Opcode;
        var features = context.Features;
        if (!IsLegal(opcode, features)) return CommandError.Illegal;

        ulong first = 0;
        ulong last = LastAddress;
        bool byAddress = opcode is CommandOpcode.TlbiNhVa or CommandOpcode.TlbiNhVaa or CommandOpcode.TlbiEl2Va
            or CommandOpcode.TlbiEl2Vaa or CommandOpcode.TlbiS2Ipa;
        if (byAddress && !TryDecodeRange(in command, context, out first, out last)) return CommandError.Illegal;

        bool leafOnly = byAddress && command.Leaf;
        switch (opcode)
        {
            case CommandOpcode.TlbiNhAll:
            case CommandOpcode.TlbiNhAsid:
            case CommandOpcode.TlbiNhVa:
            case CommandOpcode.TlbiNhVaa:
            case CommandOpcode.TlbiS12Vmall:
            case CommandOpcode.TlbiS2Ipa:
                if (features.S2P && !features.VMID16 && command.Vmid.Value > 0xff) return CommandError.None;
                break;
            default:
                break;
        }

        bool byAsid = opcode is CommandOpcode.TlbiNhAsid or CommandOpcode.TlbiNhVa or CommandOpcode.TlbiEl2Asid
            || (opcode == CommandOpcode.TlbiEl2Va && context.E2h);
        if (byAsid && !features.ASID16 && command.Asid.Value > 0xff) return CommandError.None;

        var invalidation = new TlbInvalidation
        {
            ByAsid = byAsid,
            Asid = byAsid && !ControlBuild.Breaks(Breakage.AsidNotCompared) ? command.Asid.Value : (ushort)0,
            IncludeGlobal = byAddress,
            ByAddress = byAddress,
            First = first,
            Last = last,
            ByIntermediateAddress = opcode == CommandOpcode.TlbiS2Ipa,
            TagMask = MaskOf(opcode, context),
            TagValue = ValueOf(opcode, in command, context),
        };

        if (ControlBuild.Breaks(Breakage.TlbiIgnored)) return CommandError.None;

        // A stage 2 leaf may lie under a cached stage 1 table, so S2_IPA ends the life of tables in any case.
        context.Stamps->RaiseTranslations(tables: !leafOnly || opcode == CommandOpcode.TlbiS2Ipa);
        if (ControlBuild.Breaks(Breakage.PortsDatedFirst))
        {
            context.Stamps->RaiseAny();
            ControlBuild.Linger();
        }

        context.Tlb.Invalidate(in invalidation);
        if (opcode == CommandOpcode.TlbiEl2All) context.Tlb.Invalidate(El2E2hTwin(in invalidation));
        if (!ControlBuild.Breaks(Breakage.PortsDatedFirst)) context.Stamps->RaiseAny();
        return CommandError.None;
    }

    private static bool IsLegal(CommandOpcode opcode, SmmuFeatures features) => opcode switch
    {
        CommandOpcode.TlbiNsnhAll => true,
        CommandOpcode.TlbiS12Vmall or CommandOpcode.TlbiS2Ipa => features.S2P,
        CommandOpcode.TlbiEl2All or CommandOpcode.TlbiEl2Asid or CommandOpcode.TlbiEl2Va or CommandOpcode.TlbiEl2Vaa =>
            features.Hyp,
        _ => features.S1P,
    };

    // A range ends at the top of the address space: it never wraps (CMD-TLBI-27).
    private static bool TryDecodeRange(in Command command, CommandContext context, out ulong first, out ulong last)
    {
        const int LargestScale = 39;
        var features = context.Features;
        first = command.Address & LastAddress;
        last = first | 0xfff;
        int granuleCode = features.RIL ? command.TG : 0;
        if (granuleCode == 0) return true;

        int level = command.TTL;
        if (granuleCode == 2 && level == 1 && !features.DS) level = 0;   // CMD-TLBI-24.
        int scale = features.DS ? Math.Min((int)command.SCALE, LargestScale) : command.SCALE & 0x1f;
        if (command.NUM == 0 && scale == 0 && level == 0 && !context.TolerateReservedRange) return false;

        int granuleLog2 = granuleCode switch { 1 => 12, 2 => 14, _ => 16 };
        ulong bytes = ((ulong)command.NUM + 1) << (scale + granuleLog2);
        first = BitField.AlignDown(first, granuleLog2);
        last = bytes > LastAddress - first ? LastAddress : first + bytes - 1;
        return true;
    }

    private static ulong MaskOf(CommandOpcode opcode, CommandContext context)
    {
        const ulong World = TlbTag.WorldMask | TlbTag.SecurityMask;
        ulong vmid = context.Features.S2P ? TlbTag.VmidMask & (TlbTag.VmidMask << context.IgnoredVmidBits) : 0;
        return opcode switch
        {
            CommandOpcode.TlbiNsnhAll => World,
            CommandOpcode.TlbiS12Vmall => World | vmid,
            CommandOpcode.TlbiS2Ipa => World | vmid | TlbTag.Stage1 | TlbTag.Stage2,
            CommandOpcode.TlbiNhAll or CommandOpcode.TlbiNhAsid or CommandOpcode.TlbiNhVa or CommandOpcode.TlbiNhVaa =>
                World | vmid | TlbTag.Stage1,
            _ => World,
        };
    }

    private static ulong ValueOf(CommandOpcode opcode, in Command command, CommandContext context)
    {
        ulong vmid = TlbTag.Place(command.Vmid) & MaskOf(opcode, context);
        ulong stages = opcode switch
        {
            CommandOpcode.TlbiS2Ipa => TlbTag.Stage2,
            CommandOpcode.TlbiNhAll or CommandOpcode.TlbiNhAsid or CommandOpcode.TlbiNhVa or CommandOpcode.TlbiNhVaa =>
                TlbTag.Stage1,
            _ => 0,
        };
        var world = opcode switch
        {
            CommandOpcode.TlbiEl2All => StreamWorld.NonSecureEl2,
            CommandOpcode.TlbiEl2Asid => StreamWorld.NonSecureEl2E2h,
            CommandOpcode.TlbiEl2Va or CommandOpcode.TlbiEl2Vaa =>
                context.E2h ? StreamWorld.NonSecureEl2E2h : StreamWorld.NonSecureEl2,
            _ => StreamWorld.NonSecureEl1,
        };
        return TlbTag.Place(world) | (world == StreamWorld.NonSecureEl1 ? vmid : 0) | stages;
    }

    // EL2_ALL takes both EL2 worlds, whatever CR2.E2H says (CMD-TLBI-07).
    private static TlbInvalidation El2E2hTwin(in TlbInvalidation invalidation) => new()
    {
        TagMask = invalidation.TagMask,
        TagValue = TlbTag.Place(StreamWorld.NonSecureEl2E2h),
        Last = invalidation.Last,
    };
}
