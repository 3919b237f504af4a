using Smmu.Fast.Formats;

namespace Smmu.Fast.Commands;

/// <summary>What the commands of a guest become that has a Command queue to itself. Behind the control gate only.</summary>
/// <remarks>
/// A VMID that the guest writes counts for nothing: the host's takes its place in each TLBI. StreamIDs are the guest's own
/// numbers; those that the host gave a replacement reach the device behind them, all others nobody. A guest has no other
/// commands than these, and no CMD_SYNC that signals: its message would go to a physical address of the guest's choice.
/// </remarks>
internal sealed class GuestCommandFilter
{
    /// <summary>Streams that a guest can have at most.</summary>
    public const int MostStreams = 16;

    private const int VmidShift = 32;
    private const int StreamIdShift = 32;
    private const uint Valid = 1;

    private readonly uint[] matches;
    private readonly uint[] replacements;

    /// <summary>Makes a filter that lets no stream through.</summary>
    /// <param name="streams">Streams that it has room for, up to <see cref="MostStreams"/>.</param>
    public GuestCommandFilter(int streams)
    {
        matches = new uint[streams];
        replacements = new uint[streams];
    }

    /// <summary>Streams that there is room for.</summary>
    public int Streams => matches.Length;

    /// <summary>VMID of the guest.</summary>
    public Vmid Vmid { get; set; }

    /// <summary>[31:1] a StreamID as the guest writes it, [0] valid.</summary>
    public uint MatchOf(int slot) => Volatile.Read(ref matches[slot]);

    /// <summary>The StreamID in its place.</summary>
    public uint ReplacementOf(int slot) => Volatile.Read(ref replacements[slot]);

    /// <summary>Sets <see cref="MatchOf"/>.</summary>
    public void SetMatch(int slot, uint value) => Volatile.Write(ref matches[slot], value);

    /// <summary>Sets <see cref="ReplacementOf"/>.</summary>
    public void SetReplacement(int slot, uint value) => Volatile.Write(ref replacements[slot], value);

    /// <summary>Puts what is the host's into a command; false when the guest must not have the command.</summary>
    public bool TryConvert(ref Command command)
    {
        switch (command.Opcode)
        {
            case CommandOpcode.TlbiNhVa:
            case CommandOpcode.TlbiNhAsid:
                const ulong VmidField = 0xffffUL << VmidShift;
                command = new Command((command.Word0 & ~VmidField) | ((ulong)Vmid.Value << VmidShift), command.Word1);
                return true;

            case CommandOpcode.AtcInv:
                if (!TryReplace(command.StreamId.Value, out uint stream)) return false;
                command = new Command((uint)command.Word0 | ((ulong)stream << StreamIdShift), command.Word1);
                return true;

            default:
                return command.Opcode == CommandOpcode.Sync && command.CS == CompletionSignal.None;
        }
    }

    private bool TryReplace(uint stream, out uint replacement)
    {
        for (int slot = 0; slot < matches.Length; slot++)
        {
            uint match = matches[slot];
            if ((match & Valid) == 0 || match >> 1 != stream) continue;
            replacement = replacements[slot];
            return true;
        }

        replacement = 0;
        return false;
    }
}
