using static Smmu.Fast.Formats.BitRange;

namespace Smmu.Fast.Formats;

/// <summary>Places of the fields of event records, and which event has which (IHI 0070, 7.3).</summary>
internal static class EventFields
{
    public const int Type = 7_000;
    public const int SSV = 11_011;
    public const int SubstreamID = 31_012;
    public const int StreamID = 63_032;
    public const int Reason = 79_064;
    public const int ConflictReason = 95_064;
    public const int STAG = 79_064;
    public const int GPCF = 80_080;
    public const int Stall = 95_095;
    public const int PnU = 97_097;
    public const int InD = 98_098;
    public const int RnW = 99_099;
    public const int NSIPA = 102_102;
    public const int S2 = 103_103;
    public const int CLASS = 105_104;
    public const int DirtyBit = 106_106;
    public const int AssuredOnly = 107_107;
    public const int TTRnW = 108_108;
    public const int Overlay = 109_109;
    public const int InputAddr = InPlace + 191_128;
    public const int InputPage = InPlace + 191_140;
    public const int FetchAddr = InPlace + 247_195;
    public const int IPA = InPlace + 247_204;

    // F_BAD_ATS_TREQ alone.
    public const int RequestSpan = 67_064;
    public const int RequestP = 92_092;
    public const int RequestX = 93_093;
    public const int RequestW = 94_094;
    public const int RequestR = 95_095;

    // E_PAGE_REQUEST alone.
    public const int HintUX = 97_097;
    public const int HintUW = 98_098;
    public const int HintUR = 99_099;
    public const int HintPX = 101_101;
    public const int HintPW = 102_102;
    public const int HintPR = 103_103;
    public const int HintSpan = 115_108;

    private static readonly StructureField[] Nothing = [];

    private static readonly StructureField[] Stream =
        [Field(nameof(SSV), SSV), Field(nameof(SubstreamID), SubstreamID), Field(nameof(StreamID), StreamID)];

    private static readonly StructureField[] Access =
        [Field(nameof(PnU), PnU), Field(nameof(InD), InD), Field(nameof(RnW), RnW)];

    private static readonly StructureField[] UnsupportedTransaction =
        [.. Stream, Field(nameof(Reason), Reason), .. Access, Field(nameof(InputAddr), InputAddr)];

    private static readonly StructureField[] Fetch =
    [
        .. Stream, Field(nameof(Reason), Reason), Field(nameof(GPCF), GPCF), Field(nameof(FetchAddr), FetchAddr),
    ];

    private static readonly StructureField[] AtsRequest =
    [
        .. Stream, Field("Span", RequestSpan), Field("P", RequestP), Field("X", RequestX), Field("W", RequestW),
        Field("R", RequestR), Field(nameof(InputAddr), InputPage),
    ];

    private static readonly StructureField[] StreamAlone = [Field(nameof(StreamID), StreamID)];

    private static readonly StructureField[] Forbidden =
        [Field(nameof(StreamID), StreamID), Field(nameof(RnW), RnW), Field(nameof(InputAddr), InputAddr)];

    private static readonly StructureField[] Substream =
        [Field(nameof(SubstreamID), SubstreamID), Field(nameof(StreamID), StreamID)];

    private static readonly StructureField[] WalkAbort =
    [
        .. Stream, Field(nameof(Reason), Reason), Field(nameof(GPCF), GPCF), .. Access, Field(nameof(NSIPA), NSIPA),
        Field(nameof(S2), S2), Field(nameof(CLASS), CLASS), Field(nameof(InputAddr), InputAddr),
        Field(nameof(FetchAddr), FetchAddr),
    ];

    private static readonly StructureField[] Fault =
    [
        .. Stream, Field(nameof(STAG), STAG), Field(nameof(Stall), Stall), .. Access, Field(nameof(NSIPA), NSIPA),
        Field(nameof(S2), S2), Field(nameof(CLASS), CLASS), Field(nameof(InputAddr), InputAddr), Field(nameof(IPA), IPA),
    ];

    private static readonly StructureField[] PermissionFault =
    [
        .. Fault, Field(nameof(DirtyBit), DirtyBit), Field(nameof(AssuredOnly), AssuredOnly), Field(nameof(TTRnW), TTRnW),
        Field(nameof(Overlay), Overlay),
    ];

    private static readonly StructureField[] TlbConflict =
    [
        .. Stream, Field(nameof(Reason), ConflictReason), .. Access, Field(nameof(NSIPA), NSIPA), Field(nameof(S2), S2),
        Field(nameof(InputAddr), InputAddr), Field(nameof(IPA), IPA),
    ];

    private static readonly StructureField[] ConfigurationConflict = [.. Stream, Field(nameof(Reason), ConflictReason)];

    private static readonly StructureField[] PageRequest =
    [
        .. Stream, Field("uX", HintUX), Field("uW", HintUW), Field("uR", HintUR), Field("pX", HintPX), Field("pW", HintPW),
        Field("pR", HintPR), Field("Span", HintSpan), Field(nameof(InputAddr), InputPage),
    ];

    /// <summary>The fields of an event beside its number; none for a number that the architecture does not have.</summary>
    public static IReadOnlyList<StructureField> Of(EventType type) => type switch
    {
        EventType.UnsupportedUpstreamTransaction => UnsupportedTransaction,
        EventType.BadStreamId or EventType.BadStreamTableEntry or EventType.BadContextDescriptor => Stream,
        EventType.StreamTableEntryFetch or EventType.ContextDescriptorFetch
            or EventType.VirtualMachineStructureFetch => Fetch,
        EventType.BadAtsTranslationRequest => AtsRequest,
        EventType.StreamDisabled => StreamAlone,
        EventType.TranslationForbidden => Forbidden,
        EventType.BadSubstreamId => Substream,
        EventType.WalkExternalAbort => WalkAbort,
        EventType.Translation or EventType.AddressSize or EventType.AccessFlag => Fault,
        EventType.Permission => PermissionFault,
        EventType.TlbConflict => TlbConflict,
        EventType.ConfigurationConflict => ConfigurationConflict,
        EventType.PageRequest => PageRequest,
        _ => Nothing,
    };

    /// <summary>The name of the architecture; null for a number that it does not have.</summary>
    public static string? NameOf(EventType type) => type switch
    {
        EventType.UnsupportedUpstreamTransaction => "F_UUT",
        EventType.BadStreamId => "C_BAD_STREAMID",
        EventType.StreamTableEntryFetch => "F_STE_FETCH",
        EventType.BadStreamTableEntry => "C_BAD_STE",
        EventType.BadAtsTranslationRequest => "F_BAD_ATS_TREQ",
        EventType.StreamDisabled => "F_STREAM_DISABLED",
        EventType.TranslationForbidden => "F_TRANSL_FORBIDDEN",
        EventType.BadSubstreamId => "C_BAD_SUBSTREAMID",
        EventType.ContextDescriptorFetch => "F_CD_FETCH",
        EventType.BadContextDescriptor => "C_BAD_CD",
        EventType.WalkExternalAbort => "F_WALK_EABT",
        EventType.Translation => "F_TRANSLATION",
        EventType.AddressSize => "F_ADDR_SIZE",
        EventType.AccessFlag => "F_ACCESS",
        EventType.Permission => "F_PERMISSION",
        EventType.TlbConflict => "F_TLB_CONFLICT",
        EventType.ConfigurationConflict => "F_CFG_CONFLICT",
        EventType.PageRequest => "E_PAGE_REQUEST",
        EventType.VirtualMachineStructureFetch => "F_VMS_FETCH",
        _ => null,
    };

    private static StructureField Field(string name, int range) =>
        new(name, HighOf(range), LowOf(range), range >= InPlace);
}
