using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Smmu.Fast.Formats;

/// <summary>A command as it lies in the Command queue: two little-endian words (IHI 0070, 4.1).</summary>
/// <remarks>
/// Fields of different commands share bits. Each property reads its bits whatever the opcode; <see cref="Fields"/> tells
/// which of them the command at hand has.
/// </remarks>
[StructLayout(LayoutKind.Sequential, Size = SizeBytes)]
public readonly partial record struct Command
{
    /// <summary>Bytes of one command.</summary>
    public const int SizeBytes = 16;

    /// <summary>Takes a command from its two words.</summary>
    public Command(ulong word0, ulong word1)
    {
        Word0 = word0;
        Word1 = word1;
    }

    /// <summary>Bits [63:0].</summary>
    public ulong Word0 { get; }

    /// <summary>Bits [127:64].</summary>
    public ulong Word1 { get; }

    /// <summary>What to do; may be a value that the architecture does not have.</summary>
    public CommandOpcode Opcode => (CommandOpcode)BitRange.Get(Word0, CommandFields.Opcode);

    /// <summary>The StreamID is a Secure one.</summary>
    public bool SSec => BitRange.Get(Word0, CommandFields.SSec) != 0;

    /// <summary>SubstreamID counts.</summary>
    public bool SSV => BitRange.Get(Word0, CommandFields.SSV) != 0;

    /// <summary>Substream; counts with SSV, and always in CMD_CFGI_CD.</summary>
    public SubstreamId SubstreamId => new((uint)BitRange.Get(Word0, CommandFields.SubstreamID));

    /// <summary>Stream.</summary>
    public StreamId StreamId => new((uint)BitRange.Get(Word0, CommandFields.StreamID));

    /// <summary>VMID of the entries.</summary>
    public Vmid Vmid => new((ushort)BitRange.Get(Word0, CommandFields.VMID));

    /// <summary>ASID of the entries.</summary>
    public Asid Asid => new((ushort)BitRange.Get(Word0, CommandFields.ASID));

    /// <summary>Only last-level information must go.</summary>
    public bool Leaf => BitRange.Get(Word1, CommandFields.Leaf) != 0;

    /// <summary>Virtual address, bits [63:12] of it.</summary>
    public ulong Address => BitRange.Get(Word1, CommandFields.Address);

    /// <summary>Intermediate or physical address, bits [55:12] of it.</summary>
    public ulong IntermediatePhysicalAddress => BitRange.Get(Word1, CommandFields.IPA);

    /// <summary>Units of 2^SCALE granules in the range, less one.</summary>
    public byte NUM => (byte)BitRange.Get(Word0, CommandFields.NUM);

    /// <summary>Log2 of the granules in a unit.</summary>
    public byte SCALE => (byte)BitRange.Get(Word0, CommandFields.SCALE);

    /// <summary>TTL is of 128-bit descriptors.</summary>
    public bool TTL128 => BitRange.Get(Word1, CommandFields.TTL128) != 0;

    /// <summary>Level of the leaves, 1 to 3; 0 any.</summary>
    public byte TTL => (byte)BitRange.Get(Word1, CommandFields.TTL);

    /// <summary>Granule: 1 4 KiB, 2 16 KiB, 3 64 KiB; 0 one address of any granule.</summary>
    public byte TG => (byte)BitRange.Get(Word1, CommandFields.TG);

    /// <summary>The Non-secure IPA space of a Secure regime.</summary>
    public bool NS => BitRange.Get(Word1, CommandFields.NS) != 0;

    /// <summary>Log2 of the number of StreamIDs, less one.</summary>
    public byte Range => (byte)BitRange.Get(Word1, CommandFields.Range);

    /// <summary>Log2 of the number of addresses to prefetch.</summary>
    public byte PrefetchSize => (byte)BitRange.Get(Word1, CommandFields.PrefetchSize);

    /// <summary>Log2 of the distance of addresses to prefetch, in units of 4 KiB.</summary>
    public byte Stride => (byte)BitRange.Get(Word1, CommandFields.Stride);

    /// <summary>CMD_ATC_INV: log2 of the span, in units of 4 KiB; 52 is everything.</summary>
    public byte Size => (byte)BitRange.Get(Word1, CommandFields.Size);

    /// <summary>CMD_DPTI_PA: code of the region size, 0 (4 KiB) to 9 (512 GiB).</summary>
    public byte DptiSize => (byte)BitRange.Get(Word1, CommandFields.DptiSize);

    /// <summary>CMD_ATC_INV: all PASIDs.</summary>
    public bool Global => BitRange.Get(Word0, CommandFields.Global) != 0;

    /// <summary>Page request group, 9 bits.</summary>
    public ushort PRGIndex => (ushort)BitRange.Get(Word1, CommandFields.PRGIndex);

    /// <summary>Answer to a page request group.</summary>
    public PageResponse Resp => (PageResponse)BitRange.Get(Word1, CommandFields.Resp);

    /// <summary>CMD_RESUME: retry; otherwise terminate.</summary>
    public bool Ac => BitRange.Get(Word0, CommandFields.Ac) != 0;

    /// <summary>CMD_RESUME: terminate with an abort; otherwise read zero and ignore writes.</summary>
    public bool Ab => BitRange.Get(Word0, CommandFields.Ab) != 0;

    /// <summary>Names the stalled transaction.</summary>
    public ushort StallTag => (ushort)BitRange.Get(Word1, CommandFields.STAG);

    /// <summary>How the completion of CMD_SYNC is told.</summary>
    public CompletionSignal CS => (CompletionSignal)BitRange.Get(Word0, CommandFields.CS);

    /// <summary>Shareability of the MSI write: 0 and 1 NSH, 2 OSH, 3 ISH.</summary>
    public byte MSH => (byte)BitRange.Get(Word0, CommandFields.MSH);

    /// <summary>Memory type of the MSI write, coded as STE.MemAttr.</summary>
    public byte MSIAttr => (byte)BitRange.Get(Word0, CommandFields.MSIAttr);

    /// <summary>What the MSI writes.</summary>
    public uint MSIData => (uint)BitRange.Get(Word0, CommandFields.MSIData);

    /// <summary>Where the MSI goes: bits [55:2] of a physical address; 0 sends none.</summary>
    public ulong MSIAddress => BitRange.Get(Word1, CommandFields.MSIAddress);

    /// <summary>The MSI of a Realm queue goes to Non-secure memory.</summary>
    public bool MSI_NS => BitRange.Get(Word1, CommandFields.MSI_NS) != 0;

    /// <summary>True for an opcode that the architecture has.</summary>
    public bool IsDefined => CommandFields.IsDefined(Opcode);

    /// <summary>The fields that the command has beside its opcode.</summary>
    public IReadOnlyList<StructureField> Fields => CommandFields.Of(Opcode);

    /// <summary>The architecture's name of the command and its fields.</summary>
    public override string ToString()
    {
        ReadOnlySpan<ulong> words = [Word0, Word1];
        var text = new StringBuilder(CommandFields.NameOf(Opcode));
        if (text.Length == 0) text.Append(CultureInfo.InvariantCulture, $"illegal command 0x{(byte)Opcode:x2}");
        foreach (StructureField field in Fields)
        {
            if (field.High != field.Low) text.Append(CultureInfo.InvariantCulture, $" {field.Name}=0x{field.Get(words):x}");
            else if (field.Get(words) != 0) text.Append(' ').Append(field.Name);
        }

        return text.ToString();
    }
}
