using Smmu.Fast.Foundation;

namespace Smmu.Fast.Tlbs;

/// <summary>What one TLBI command removes.</summary>
internal readonly struct TlbInvalidation
{
    /// <summary>Addresses are compared from bit 55 down: above it there is a tag byte or a copy of bit 55 (CMD-TLBI-19).</summary>
    public const int AddressBits = 56;

    /// <summary>Bits of the tag that have to match.</summary>
    public ulong TagMask { get; init; }

    /// <summary>Their values.</summary>
    public ulong TagValue { get; init; }

    /// <summary>True when only entries of <see cref="Asid"/> go.</summary>
    public bool ByAsid { get; init; }

    /// <summary>The ASID.</summary>
    public ushort Asid { get; init; }

    /// <summary>True when global entries go as well although <see cref="ByAsid"/> is set: by-VA commands (TAG-12).</summary>
    public bool IncludeGlobal { get; init; }

    /// <summary>True when only entries that overlap <see cref="First"/> to <see cref="Last"/> go.</summary>
    public bool ByAddress { get; init; }

    /// <summary>The first address, of 56 bits.</summary>
    public ulong First { get; init; }

    /// <summary>The last address, of 56 bits.</summary>
    public ulong Last { get; init; }

    /// <summary>True when the addresses are IPAs and entries of stage 2 alone are meant.</summary>
    public bool ByIntermediateAddress { get; init; }

    /// <summary>True when the entry has to go.</summary>
    public bool Matches(in TlbEntry entry)
    {
        if (entry.SizeLog2 == 0 || (entry.Tag & TagMask) != TagValue) return false;
        if (ByAsid && !MatchesAsid(entry.Tag)) return false;
        return !ByAddress || Overlaps(in entry);
    }

    private bool MatchesAsid(ulong tag) =>
        (tag & TlbTag.Global) != 0 ? IncludeGlobal : (tag & TlbTag.AsidMask) == Asid;

    private bool Overlaps(in TlbEntry entry)
    {
        // A fragment counts as the whole leaf of the stage that the command names.
        int leafLog2 = ControlBuild.Breaks(Breakage.FragmentsKept)
            ? entry.SizeLog2
            : Math.Max(entry.SizeLog2, ByIntermediateAddress ? entry.Stage2SizeLog2 : entry.Stage1SizeLog2);
        ulong address = (entry.Page << entry.SizeLog2) & BitField.Mask(AddressBits - 1, 0);
        ulong first = BitField.AlignDown(address, leafLog2);
        ulong last = leafLog2 >= AddressBits ? BitField.Mask(AddressBits - 1, 0) : first + ((1UL << leafLog2) - 1);
        return first <= Last && last >= First;
    }
}
