using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Tlbs;

namespace Smmu.Fast.Commands;

/// <summary>CMD_TLBI_*: forget translations by address, ASID, VMID or altogether (IHI 0070, 4.4).</summary>
[SkipLocalsInit]
internal static unsafe class TlbInvalidateCommands
{
    private const ulong LastAddress = (1UL << AddressRange.Bits) - 1;

    /// <summary>Executes a command of EL1: on a VMID, or all of them.</summary>
    public static CommandError ExecuteEl1(in Command command, CommandContext context)
    {
        var opcode = command.Opcode;
        return opcode switch
        {
            CommandOpcode.TlbiNhVa => ExecuteNhVa(command.Word0, command.Word1, context),
            CommandOpcode.TlbiNhVaa => ExecuteByAddress(command, context, context.HasStage1, InvalidationKind.None),
            CommandOpcode.TlbiS2Ipa =>
                ExecuteByAddress(command, context, context.HasStage2, InvalidationKind.ByIntermediateAddress),
            CommandOpcode.TlbiNsnhAll => ExecuteOnAll(context),
            CommandOpcode.TlbiNhAsid => ExecuteNhAsid(command.Word0, command.Word1, context),
            _ => ExecuteByName(command, opcode, context),
        };
    }

    /// <summary>Executes CMD_TLBI_NH_VA.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static CommandError ExecuteNhVa(ulong word0, ulong word1, CommandContext context) =>
        ExecuteByAddress(new Command(word0, word1), context, context.HasStage1, InvalidationKind.ByAsid);

    /// <summary>Executes CMD_TLBI_NH_ASID.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static CommandError ExecuteNhAsid(ulong word0, ulong word1, CommandContext context) =>
        ExecuteByName(new Command(word0, word1), CommandOpcode.TlbiNhAsid, context);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static CommandError ExecuteByAddress(
        Command command, CommandContext context, bool isLegal, InvalidationKind kind)
    {
        if (!isLegal || !TryDecode(command, context, kind, out var record)) return CommandError.Illegal;
        if (ControlBuild.Breaks(Breakage.TlbiIgnored)) return CommandError.None;
        if ((kind & InvalidationKind.ByAsid) != 0 && command.Asid.Value > context.LargestAsid) return CommandError.None;
        if (!TryFindVmids(command, context, out int first, out int last)) return CommandError.None;
        for (; first <= last; first++) context.Caches.RemoveAddresses(context.Caches.Domains.FindVmid(first), in record);
        return CommandError.None;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static CommandError ExecuteByName(Command command, CommandOpcode opcode, CommandContext context)
    {
        if (!(opcode == CommandOpcode.TlbiS12Vmall ? context.HasStage2 : context.HasStage1)) return CommandError.Illegal;
        if (ControlBuild.Breaks(Breakage.TlbiIgnored)) return CommandError.None;
        if (opcode == CommandOpcode.TlbiNhAsid && command.Asid.Value > context.LargestAsid) return CommandError.None;
        if (!TryFindVmids(command, context, out int first, out int last)) return CommandError.None;
        var caches = context.Caches;
        for (; first <= last; first++)
        {
            var domain = caches.Domains.FindVmid(first);
            if (opcode == CommandOpcode.TlbiNhAsid) caches.RemoveAsid(domain, command.Asid.Value);
            else if (opcode == CommandOpcode.TlbiNhAll) caches.RemoveStage1(domain);
            else caches.RemoveAll(domain);
        }

        return CommandError.None;
    }

    private static CommandError ExecuteOnAll(CommandContext context)
    {
        if (!ControlBuild.Breaks(Breakage.TlbiIgnored)) context.Caches.RemoveAllVmids();
        return CommandError.None;
    }

    // Names with bits that are not implemented name nothing. The VMID wildcard: so many low bits are ignored (CR0.VMW).
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool TryFindVmids(Command command, CommandContext context, out int first, out int last)
    {
        first = last = 0;
        if (!context.HasStage2) return true;
        int ignored = (1 << context.IgnoredVmidBits) - 1;
        int vmid = command.Vmid.Value;
        first = vmid & ~ignored;
        last = vmid | ignored;
        return vmid <= context.LargestVmid;
    }

    /// <summary>Executes a command of EL2.</summary>
    public static CommandError ExecuteEl2(in Command command, CommandContext context)
    {
        var opcode = command.Opcode;
        var features = context.Features;
        var caches = context.Caches;
        if (!features.Hyp) return CommandError.Illegal;
        if (ControlBuild.Breaks(Breakage.TlbiIgnored)) return CommandError.None;

        var domain = caches.Domains.OfWorld(context.E2h ? StreamWorld.NonSecureEl2E2h : StreamWorld.NonSecureEl2);
        switch (opcode)
        {
            case CommandOpcode.TlbiEl2All:   // Both worlds, whatever CR2.E2H says (CMD-TLBI-07).
                caches.RemoveAll(caches.Domains.OfWorld(StreamWorld.NonSecureEl2));
                caches.RemoveAll(caches.Domains.OfWorld(StreamWorld.NonSecureEl2E2h));
                return CommandError.None;

            case CommandOpcode.TlbiEl2Asid:
                if (command.Asid.Value > context.LargestAsid) return CommandError.None;
                caches.RemoveAsid(caches.Domains.OfWorld(StreamWorld.NonSecureEl2E2h), command.Asid.Value);
                return CommandError.None;

            default:
                bool byAsid = opcode == CommandOpcode.TlbiEl2Va && context.E2h;
                var kind = byAsid ? InvalidationKind.ByAsid : InvalidationKind.None;
                if (!TryDecode(command, context, kind, out var record)) return CommandError.Illegal;
                if (byAsid && command.Asid.Value > context.LargestAsid) return CommandError.None;
                caches.RemoveAddresses(domain, in record);
                return CommandError.None;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool TryDecode(
        Command command, CommandContext context, InvalidationKind kind, out InvalidationRecord record)
    {
        ulong first = command.Address & LastAddress;
        ulong last = first | 0xfff;
        bool isLegal = command.TG == 0 || !context.HasRanges || TryDecodeRange(command, context, ref first, out last);
        if (!command.Leaf) kind |= InvalidationKind.Tables;
        record = new InvalidationRecord(first, last, kind, command.Asid.Value);
        return isLegal;
    }

    // A range ends at the top of the address space: it never wraps (CMD-TLBI-27).
    private static bool TryDecodeRange(Command command, CommandContext context, ref ulong first, out ulong last)
    {
        const int LargestScale = 39;
        bool isLong = context.Features.DS;
        int level = command.TTL;
        int granuleLog2 = 10 + (2 * command.TG);
        if (granuleLog2 == 14 && level == 1 && !isLong) level = 0;   // CMD-TLBI-24.
        int scale = isLong ? Math.Min((int)command.SCALE, LargestScale) : command.SCALE & 0x1f;
        ulong bytes = ((ulong)command.NUM + 1) << (scale + granuleLog2);
        first = BitField.AlignDown(first, granuleLog2);
        last = bytes > LastAddress - first ? LastAddress : first + bytes - 1;
        return (command.NUM | scale | level) != 0 || context.TolerateReservedRange;
    }
}
