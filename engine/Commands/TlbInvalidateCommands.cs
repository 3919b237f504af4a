using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Tlbs;

namespace Smmu.Fast.Commands;

/// <summary>CMD_TLBI_*: forget translations by address, ASID, VMID or altogether (IHI 0070, 4.4).</summary>
[SkipLocalsInit]
internal static unsafe class TlbInvalidateCommands
{
    /// <summary>Executes a command of EL1: on a VMID, or all of them.</summary>
    public static CommandError ExecuteEl1(in Command command, CommandContext context)
    {
        var opcode = command.Opcode;
        var features = context.Features;
        bool ofStage2 = opcode is CommandOpcode.TlbiS12Vmall or CommandOpcode.TlbiS2Ipa;
        if (!(ofStage2 ? features.S2P : features.S1P || opcode == CommandOpcode.TlbiNsnhAll)) return CommandError.Illegal;

        bool byAsid = opcode is CommandOpcode.TlbiNhAsid or CommandOpcode.TlbiNhVa;
        bool byAddress = opcode is CommandOpcode.TlbiNhVa or CommandOpcode.TlbiNhVaa or CommandOpcode.TlbiS2Ipa;
        var record = default(InvalidationRecord);
        if (byAddress && !TryDecode(in command, context, byAsid, out record)) return CommandError.Illegal;
        if (ControlBuild.Breaks(Breakage.TlbiIgnored)) return CommandError.None;

        if (opcode == CommandOpcode.TlbiNsnhAll)
        {
            context.Caches.RemoveAllVmids();
            return CommandError.None;
        }

        // Names with bits that are not implemented name nothing.
        if (byAsid && !features.ASID16 && command.Asid.Value > 0xff) return CommandError.None;
        int vmid = features.S2P ? command.Vmid.Value : 0;
        if (vmid > 0xff && !features.VMID16) return CommandError.None;

        // The VMID wildcard: so many low bits are ignored (CR0.VMW).
        int ignored = features.S2P ? (1 << context.IgnoredVmidBits) - 1 : 0;
        for (int member = vmid & ~ignored; member <= (vmid | ignored); member++)
        {
            ExecuteOn(context.Caches.Domains.OfVmid(member), opcode, in command, in record, context.Caches);
        }

        return CommandError.None;
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
                if (!features.ASID16 && command.Asid.Value > 0xff) return CommandError.None;
                caches.RemoveAsid(caches.Domains.OfWorld(StreamWorld.NonSecureEl2E2h), command.Asid.Value);
                return CommandError.None;

            default:
                bool byAsid = opcode == CommandOpcode.TlbiEl2Va && context.E2h;
                if (!TryDecode(in command, context, byAsid, out var record)) return CommandError.Illegal;
                if (byAsid && !features.ASID16 && command.Asid.Value > 0xff) return CommandError.None;
                caches.RemoveAddresses(domain, in record);
                return CommandError.None;
        }
    }

    private static void ExecuteOn(
        TlbDomain* domain, CommandOpcode opcode, in Command command, in InvalidationRecord record, TranslationCaches caches)
    {
        switch (opcode)
        {
            case CommandOpcode.TlbiNhAll: caches.RemoveStage1(domain); break;
            case CommandOpcode.TlbiNhAsid: caches.RemoveAsid(domain, command.Asid.Value); break;
            case CommandOpcode.TlbiS12Vmall: caches.RemoveAll(domain); break;
            default: caches.RemoveAddresses(domain, in record); break;
        }
    }

    // A range ends at the top of the address space: it never wraps (CMD-TLBI-27).
    private static bool TryDecode(in Command command, CommandContext context, bool byAsid, out InvalidationRecord record)
    {
        var features = context.Features;
        const ulong LastAddress = (1UL << AddressRange.Bits) - 1;
        const int LargestScale = 39;
        ulong first = command.Address & LastAddress;
        ulong last = first | 0xfff;
        int granuleCode = features.RIL ? command.TG : 0;
        if (granuleCode != 0)
        {
            int level = command.TTL;
            if (granuleCode == 2 && level == 1 && !features.DS) level = 0;   // CMD-TLBI-24.
            int scale = features.DS ? Math.Min((int)command.SCALE, LargestScale) : command.SCALE & 0x1f;
            record = default;
            if (command.NUM == 0 && scale == 0 && level == 0 && !context.TolerateReservedRange) return false;

            int granuleLog2 = granuleCode switch { 1 => 12, 2 => 14, _ => 16 };
            ulong bytes = ((ulong)command.NUM + 1) << (scale + granuleLog2);
            first = BitField.AlignDown(first, granuleLog2);
            last = bytes > LastAddress - first ? LastAddress : first + bytes - 1;
        }

        record = new InvalidationRecord(
            first,
            last,
            byAsid ? command.Asid.Value : (ushort)0,
            byAsid,
            ByIntermediateAddress: command.Opcode == CommandOpcode.TlbiS2Ipa,
            ByAddress: true,
            Tables: !command.Leaf);
        return true;
    }
}
