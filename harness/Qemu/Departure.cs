using System.Collections.Frozen;

namespace Smmu.Fast.Qemu;

/// <summary>
/// What QEMU 7.2 does in another way than the architecture says (IHI 0070; D8 is the VMSA's chapter of the Arm ARM), as far
/// as cases of this harness reach it. The numbers stay as they are; <see cref="StockModel"/> knows the conditions.
/// </summary>
public enum Departure
{
    /// <summary>D8.4.1.2.1: after a read of a page, a write passes that APTable denies: cached entries do not hold it.</summary>
    CachedWritePassesApTable = 1,

    /// <summary>7.4: a full Event queue raises EVENTQ_ABT_ERR instead of toggling OVFLG.</summary>
    FullEventQueueIsAbort = 2,

    /// <summary>3.4.1: input addresses from 2^48 on never reach the SMMU: no TTB1, no top byte, no event.</summary>
    InputAddressesEndAt48Bits = 3,

    /// <summary>4.1.3: commands of absent features and malformed ones are consumed instead of CERROR_ILL.</summary>
    IllegalCommandIsConsumed = 4,

    /// <summary>6.3.25: once STRTAB_BASE_CFG.FMT was 1, the Stream table stays one of two levels.</summary>
    StreamTableFormatSticks = 5,

    /// <summary>6.3.12: C_BAD_STREAMID is recorded with CR2.RECINVSID = 0.</summary>
    InvalidStreamIsRecorded = 6,

    /// <summary>6.3.10: CR0ACK shows enables that are not implemented.</summary>
    AbsentEnableIsAcknowledged = 7,

    /// <summary>7.3: F_TRANSLATION, F_ADDR_SIZE, F_ACCESS and F_PERMISSION have CLASS 0 instead of IN.</summary>
    FaultClassIsZero = 8,

    /// <summary>7.3.10: F_CD_FETCH has its FetchAddr where other events have the input address.</summary>
    ContextFetchAddressIsMisplaced = 9,

    /// <summary>D8.5.1.1: the Access flag is not looked at.</summary>
    AccessFlagIsIgnored = 10,

    /// <summary>3.4: output addresses beyond IPS pass.</summary>
    OutputSizeIsUnchecked = 11,

    /// <summary>3.4: table addresses beyond IPS are followed, cut to 48 bits.</summary>
    TableSizeIsUnchecked = 12,

    /// <summary>D8.4.1.2.1: unprivileged accesses pass where AP[1] or APTable[0] deny them.</summary>
    AccessesArePrivileged = 13,

    /// <summary>D8.4.1.2.1: a write that APTable denies is refused at that table, before lower levels are judged.</summary>
    ApTableIsJudgedEarly = 14,

    /// <summary>6.3.14: there is no GBPA: with SMMUEN = 0 accesses pass although ABORT is set.</summary>
    GlobalBypassAbortIsAbsent = 15,

    /// <summary>3.4: addresses beyond OAS pass untranslated.</summary>
    BypassSizeIsUnchecked = 16,

    /// <summary>5.1: a level 2 Stream table has twice the entries that Span says.</summary>
    SpanCountsDouble = 17,

    /// <summary>7.3.3: a StreamID beyond its level 2 table is C_BAD_STE, not C_BAD_STREAMID.</summary>
    StreamBeyondSpanIsBadSte = 18,

    /// <summary>5.1: a Span beyond Split, or a reserved one, is taken as it is.</summary>
    SpanIsUnchecked = 19,

    /// <summary>5.2: S1CDMax counts although there are no SubstreamIDs.</summary>
    SubstreamsAreRefused = 20,

    /// <summary>6.3.25: reserved values of SPLIT are taken as they are.</summary>
    SplitIsUnchecked = 21,

    /// <summary>6.3.24: an address bit below the Stream table's size counts, and all do when that exceeds 2^63.</summary>
    StreamTableAlignmentIsShort = 22,

    /// <summary>D8.3.1.2: blocks are accepted at every level below 3.</summary>
    BlockLevelIsUnchecked = 23,

    /// <summary>3.4: S1ContextPtr beyond OAS is followed, cut to 48 bits, instead of C_BAD_STE.</summary>
    ContextPointerSizeIsUnchecked = 24,

    /// <summary>5.1: bits [63:56] of an L1STD are taken for address bits.</summary>
    Level2PointerHas64Bits = 25,

    /// <summary>5.1: L2Ptr is not aligned to the size of the table.</summary>
    Level2PointerIsUnaligned = 26,

    /// <summary>
    /// D8.15.1.1: bits [15:12] of 64 KiB descriptors are ignored; the architecture allows that and deprecates it, we raise
    /// the preferred F_ADDR_SIZE.
    /// </summary>
    HighAddressBitsAreIgnored = 27,

    /// <summary>3.4.1: TTB1 translates addresses whose upper bits are zero, where TTB0 does not.</summary>
    UpperRangeBeginsAtZero = 28,
}

/// <summary>A set of departures.</summary>
/// <param name="Bits">Bit n stands for departure n.</param>
public readonly record struct DepartureSet(ulong Bits)
{
    /// <summary>True when there is none.</summary>
    public bool IsEmpty => Bits == 0;

    /// <summary>True when the departure is in it.</summary>
    public bool Has(Departure departure) => (Bits & (1UL << (int)departure)) != 0;

    /// <summary>What is in it.</summary>
    public IEnumerable<Departure> Members
    {
        get
        {
            foreach (var departure in Departures.All)
            {
                if (Has(departure)) yield return departure;
            }
        }
    }

    /// <summary>Both together.</summary>
    public static DepartureSet operator |(DepartureSet left, Departure right) => new(left.Bits | (1UL << (int)right));

    /// <summary>Both together.</summary>
    public static DepartureSet operator |(DepartureSet left, DepartureSet right) => new(left.Bits | right.Bits);

    /// <summary>Both together.</summary>
    public static DepartureSet BitwiseOr(DepartureSet left, Departure right) => left | right;

    /// <inheritdoc/>
    public override string ToString() => string.Join(", ", Members);
}

/// <summary>The known departures.</summary>
public static class Departures
{
    private static readonly FrozenDictionary<Departure, string> sections = new Dictionary<Departure, string>
    {
        [Departure.CachedWritePassesApTable] = "Arm ARM D8.4.1.2.1",
        [Departure.FullEventQueueIsAbort] = "7.4",
        [Departure.InputAddressesEndAt48Bits] = "3.4.1",
        [Departure.IllegalCommandIsConsumed] = "4.1.3",
        [Departure.StreamTableFormatSticks] = "6.3.25",
        [Departure.InvalidStreamIsRecorded] = "6.3.12",
        [Departure.AbsentEnableIsAcknowledged] = "6.3.10",
        [Departure.FaultClassIsZero] = "7.3",
        [Departure.ContextFetchAddressIsMisplaced] = "7.3.10",
        [Departure.AccessFlagIsIgnored] = "Arm ARM D8.5.1.1",
        [Departure.OutputSizeIsUnchecked] = "3.4",
        [Departure.TableSizeIsUnchecked] = "3.4",
        [Departure.AccessesArePrivileged] = "Arm ARM D8.4.1.2.1",
        [Departure.ApTableIsJudgedEarly] = "Arm ARM D8.4.1.2.1",
        [Departure.GlobalBypassAbortIsAbsent] = "6.3.14",
        [Departure.BypassSizeIsUnchecked] = "3.4",
        [Departure.SpanCountsDouble] = "5.1",
        [Departure.StreamBeyondSpanIsBadSte] = "7.3.3",
        [Departure.SpanIsUnchecked] = "5.1",
        [Departure.SubstreamsAreRefused] = "5.2",
        [Departure.SplitIsUnchecked] = "6.3.25",
        [Departure.StreamTableAlignmentIsShort] = "6.3.24",
        [Departure.BlockLevelIsUnchecked] = "Arm ARM D8.3.1.2",
        [Departure.ContextPointerSizeIsUnchecked] = "3.4",
        [Departure.Level2PointerHas64Bits] = "5.1",
        [Departure.Level2PointerIsUnaligned] = "5.1",
        [Departure.HighAddressBitsAreIgnored] = "Arm ARM D8.15.1.1",
        [Departure.UpperRangeBeginsAtZero] = "3.4.1",
    }.ToFrozenDictionary();

    /// <summary>All of them, by number.</summary>
    public static IReadOnlyList<Departure> All { get; } = Enum.GetValues<Departure>();

    /// <summary>The section of the architecture that says otherwise.</summary>
    public static string SectionOf(Departure departure) => sections[departure];
}
