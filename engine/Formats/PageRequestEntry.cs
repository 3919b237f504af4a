using System.Globalization;
using System.Runtime.InteropServices;
using static Smmu.Fast.Formats.BitRange;

namespace Smmu.Fast.Formats;

/// <summary>An entry of the PRI queue: two little-endian words (IHI 0070, 8.3).</summary>
/// <param name="Word0">Bits [63:0].</param>
/// <param name="Word1">Bits [127:64].</param>
[StructLayout(LayoutKind.Sequential, Size = SizeBytes)]
public readonly record struct PageRequestEntry(ulong Word0, ulong Word1)
{
    /// <summary>Bytes of one entry.</summary>
    public const int SizeBytes = 16;

    private const int StreamIdRange = 31_000;
    private const int SubstreamIdRange = 51_032;
    private const int PrivRange = 58_058;
    private const int XRange = 59_059;
    private const int RRange = 60_060;
    private const int WRange = 61_061;
    private const int LastRange = 62_062;
    private const int SsvRange = 63_063;
    private const int PrgIndexRange = 72_064;
    private const int PageAddrRange = InPlace + 127_076;

    /// <summary>Makes the entry of a page request.</summary>
    /// <param name="stream">Who asks.</param>
    /// <param name="substream">The PASID; without one, privilege and execute are not recorded.</param>
    /// <param name="page">The page; the low 12 bits are not recorded.</param>
    /// <param name="group">The page request group, 9 bits.</param>
    /// <param name="access">What is asked for; instruction stands for execute.</param>
    /// <param name="last">The request is the last of its group.</param>
    public PageRequestEntry(
        StreamId stream, SubstreamId? substream, ulong page, ushort group, AccessKind access, bool last)
        : this(
            Place(StreamIdRange, stream.Value)
            | ((access & AccessKind.Read) != 0 ? Place(RRange, 1) : 0)
            | ((access & AccessKind.Write) != 0 ? Place(WRange, 1) : 0)
            | (last ? Place(LastRange, 1) : 0),
            Place(PrgIndexRange, group) | Place(PageAddrRange, page))
    {
        if (substream is not { } given) return;
        Word0 |= Place(SsvRange, 1) | Place(SubstreamIdRange, given.Value)
            | ((access & AccessKind.Privileged) != 0 ? Place(PrivRange, 1) : 0)
            | ((access & AccessKind.Instruction) != 0 ? Place(XRange, 1) : 0);
    }

    /// <summary>Who asks.</summary>
    public StreamId StreamId => new((uint)Get(Word0, StreamIdRange));

    /// <summary>The PASID; counts with <see cref="SSV"/>.</summary>
    public SubstreamId SubstreamId => new((uint)Get(Word0, SubstreamIdRange));

    /// <summary>Privileged access is asked for.</summary>
    public bool Priv => Get(Word0, PrivRange) != 0;

    /// <summary>Execute permission is asked for.</summary>
    public bool X => Get(Word0, XRange) != 0;

    /// <summary>Read permission is asked for.</summary>
    public bool R => Get(Word0, RRange) != 0;

    /// <summary>Write permission is asked for.</summary>
    public bool W => Get(Word0, WRange) != 0;

    /// <summary>The request is the last of its group.</summary>
    public bool Last => Get(Word0, LastRange) != 0;

    /// <summary>The request has a PASID.</summary>
    public bool SSV => Get(Word0, SsvRange) != 0;

    /// <summary>The page request group.</summary>
    public ushort PRGIndex => (ushort)Get(Word1, PrgIndexRange);

    /// <summary>The address of the page, aligned to 4 KiB.</summary>
    public ulong PageAddress => Get(Word1, PageAddrRange);

    /// <summary>True for a PASID Stop Marker: the last request of a PASID, which asks for nothing and gets no answer.</summary>
    public bool IsStopMarker => SSV && Last && !R && !W;

    /// <summary>The request in words.</summary>
    public override string ToString()
    {
        string substream = SSV ? string.Create(CultureInfo.InvariantCulture, $", substream 0x{SubstreamId.Value:x}") : "";
        string wish = $"{(Priv ? "privileged " : "")}{(R ? 'r' : '-')}{(W ? 'w' : '-')}{(X ? 'x' : '-')}";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"stream 0x{StreamId.Value:x}{substream} asks for {wish} at 0x{PageAddress:x}, group {PRGIndex}")
            + (Last ? ", last" : "");
    }
}
