using Smmu.Fast.Formats;

namespace Smmu.Fast.Iommufd;

/// <summary>Finds the physical stream behind the number that a guest knows it by.</summary>
public interface IVirtualStreams
{
    /// <summary>Finds it.</summary>
    /// <param name="virtualId">The guest's StreamID.</param>
    /// <param name="stream">The physical one.</param>
    bool TryFind(StreamId virtualId, out StreamId stream);
}

/// <summary>What decides which invalidation commands a guest may send.</summary>
/// <param name="Vmid">The host's VMID, which replaces whatever the guest wrote.</param>
/// <param name="RangeInvalidation">IDR3.RIL.</param>
/// <param name="LargeAddresses">IDR5.DS.</param>
/// <param name="LargeAsids">IDR0.ASID16.</param>
/// <param name="Substreams">IDR1.SSIDSIZE is above 0.</param>
/// <param name="Ats">IDR0.ATS.</param>
/// <param name="IsLoose">Only opcodes are judged, not bits: as Linux did up to 7.0.</param>
public readonly record struct GuestCommandRules(
    Vmid Vmid, bool RangeInvalidation, bool LargeAddresses, bool LargeAsids, bool Substreams, bool Ats, bool IsLoose = false);

/// <summary>Turns invalidation commands of a guest into those that the hardware gets.</summary>
/// <remarks>
/// Every bit that a command may have is listed. An illegal command in the host's queue would stop it for everybody
/// (CERROR_ILL); an address or tag that makes no sense only hurts the guest, and passes.
/// </remarks>
public static class GuestCommand
{
    /// <summary>Commands that are issued with one CMD_SYNC: a bad one keeps its whole group from being issued.</summary>
    public const int GroupSize = 63;

    private const ulong OpcodeMask = 0xff;
    private const int WholeAtc = 52;
    private const byte Granule16K = 2;

    private static readonly Mask VmidBits = Mask.Of(CommandFields.VMID);
    private static readonly Mask AsidBits = Mask.Of(CommandFields.ASID);
    private static readonly Mask AddressBits = Mask.Of(CommandFields.Leaf, CommandFields.Address);
    private static readonly Mask RangeBits = Mask.Of(CommandFields.NUM, CommandFields.SCALE, CommandFields.TG, CommandFields.TTL);
    private static readonly Mask StreamBits = Mask.Of(CommandFields.StreamID);
    private static readonly Mask SubstreamBits = Mask.Of(CommandFields.SubstreamID);
    private static readonly Mask LeafBit = Mask.Of(CommandFields.Leaf);
    private static readonly Mask AtcBits = Mask.Of(CommandFields.StreamID, CommandFields.Size, CommandFields.Address);
    private static readonly Mask AtcSubstreamBits = Mask.Of(CommandFields.SSV, CommandFields.SubstreamID, CommandFields.Global);

    /// <summary>Converts a command.</summary>
    /// <typeparam name="TStreams">How streams are found.</typeparam>
    /// <param name="command">What the guest wants.</param>
    /// <param name="rules">What it may.</param>
    /// <param name="streams">Its streams.</param>
    /// <param name="converted">What the hardware gets.</param>
    /// <returns>None; EIO for a command, a bit or a stream that is not the guest's.</returns>
    public static Errno Convert<TStreams>(Command command, in GuestCommandRules rules, in TStreams streams, out Command converted)
        where TStreams : IVirtualStreams, allows ref struct
    {
        converted = default;
        if (!TryGetAllowed(command.Opcode, in rules, out Mask allowed)) return Errno.EIO;
        if (!rules.IsLoose && (!allowed.Covers(command) || !IsLegal(command, in rules))) return Errno.EIO;
        switch (command.Opcode)
        {
            case CommandOpcode.TlbiNsnhAll:
                converted = new Command(BitRange.With((ulong)CommandOpcode.TlbiNhAll, CommandFields.VMID, rules.Vmid.Value), 0);
                return Errno.None;
            case CommandOpcode.TlbiNhAll or CommandOpcode.TlbiNhAsid or CommandOpcode.TlbiNhVa or CommandOpcode.TlbiNhVaa:
                converted = new Command(BitRange.With(command.Word0, CommandFields.VMID, rules.Vmid.Value), command.Word1);
                return Errno.None;
            default:
                if (!streams.TryFind(command.StreamId, out StreamId stream)) return Errno.EIO;
                converted = new Command(BitRange.With(command.Word0, CommandFields.StreamID, stream.Value), command.Word1);
                return Errno.None;
        }
    }

    /// <summary>Converts a group of commands, all or none.</summary>
    /// <typeparam name="TStreams">How streams are found.</typeparam>
    /// <param name="commands">What the guest wants; by convention at most <see cref="GroupSize"/>.</param>
    /// <param name="rules">What it may.</param>
    /// <param name="streams">Its streams.</param>
    /// <param name="converted">What the hardware gets, at least as long; of no meaning on failure.</param>
    /// <returns>None, or the answer to the first bad one.</returns>
    /// <exception cref="ArgumentException"><paramref name="converted"/> is too short.</exception>
    public static Errno ConvertGroup<TStreams>(
        ReadOnlySpan<Command> commands, in GuestCommandRules rules, in TStreams streams, Span<Command> converted)
        where TStreams : IVirtualStreams, allows ref struct
    {
        if (converted.Length < commands.Length) throw new ArgumentException(
            $"{commands.Length} commands do not fit into {converted.Length}: pass a span as long as the commands.", nameof(converted));
        for (int index = 0; index < commands.Length; index++)
        {
            Errno errno = Convert(commands[index], in rules, in streams, out converted[index]);
            if (errno != Errno.None) return errno;
        }

        return Errno.None;
    }

    // False for commands that are never a guest's.
    private static bool TryGetAllowed(CommandOpcode opcode, in GuestCommandRules rules, out Mask allowed)
    {
        Mask range = rules.RangeInvalidation ? RangeBits : default;
        Mask asid = rules.LargeAsids ? AsidBits : AsidBits with { Word0 = AsidBits.Word0 & ~(0xffUL << 56) };
        allowed = opcode switch
        {
            CommandOpcode.TlbiNhAll => VmidBits,
            CommandOpcode.TlbiNhAsid => VmidBits | asid,
            CommandOpcode.TlbiNhVa => VmidBits | asid | AddressBits | range,
            CommandOpcode.TlbiNhVaa => VmidBits | AddressBits | range,
            CommandOpcode.CfgiCd => StreamBits | LeafBit | (rules.Substreams ? SubstreamBits : default),
            CommandOpcode.CfgiCdAll => StreamBits,
            CommandOpcode.AtcInv => AtcBits | (rules.Substreams ? AtcSubstreamBits : default),
            _ => default,
        };
        return opcode == CommandOpcode.TlbiNsnhAll
            || (allowed != default && (opcode != CommandOpcode.AtcInv || rules.Ats || rules.IsLoose));
    }

    private static bool IsLegal(Command command, in GuestCommandRules rules)
    {
        if (command.Opcode == CommandOpcode.AtcInv) return command.Size <= WholeAtc;
        if (command.Opcode is not (CommandOpcode.TlbiNhVa or CommandOpcode.TlbiNhVaa)) return true;
        bool isPlain = command is { NUM: 0, SCALE: 0, TTL: 0 };
        if (command.TG == 0) return isPlain;
        bool needsDs = (command.TG == Granule16K && command.TTL == 1) || command.SCALE >= 32;
        return !isPlain && (!needsDs || rules.LargeAddresses);
    }

    /// <summary>Bits of a command beside its opcode.</summary>
    private readonly record struct Mask(ulong Word0, ulong Word1)
    {
        public static Mask Of(params ReadOnlySpan<int> fields)
        {
            var mask = default(Mask);
            foreach (int field in fields)
            {
                ulong bits = BitRange.Place(field, ulong.MaxValue);
                mask |= BitRange.WordOf(field) == 0 ? new Mask(bits, 0) : new Mask(0, bits);
            }

            return mask;
        }

        public static Mask operator |(Mask left, Mask right) => new(left.Word0 | right.Word0, left.Word1 | right.Word1);

        public bool Covers(Command command) =>
            (command.Word0 & ~(Word0 | OpcodeMask)) == 0 && (command.Word1 & ~Word1) == 0;
    }
}
