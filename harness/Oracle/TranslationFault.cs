namespace Smmu.Fast.Oracle;

/// <summary>A fault on the way through the translation: what a record says beyond the transaction itself (IHI 0070, 7.3).</summary>
internal sealed record TranslationFault(OracleEventKind Kind)
{
    /// <summary>S2: the fault belongs to stage 2.</summary>
    public bool IsStageTwo { get; private init; }

    public OracleFaultClass Class { get; private init; } = OracleFaultClass.Input;

    /// <summary>The IPA of a stage 2 fault.</summary>
    public ulong IntermediateAddress { get; private init; }

    /// <summary>FetchAddr of an access that was aborted.</summary>
    public ulong FetchAddress { get; init; }

    /// <summary>A stage 2 Permission fault of class TT: true for the read of a descriptor, false for its update.</summary>
    public bool TableRead { get; init; }

    /// <summary>A Permission fault of an atomic transaction that may write but not read: it is recorded as a read (13.1.1).</summary>
    public bool LacksReadAlone { get; init; }

    /// <summary>The SubstreamID of a C_BAD_SUBSTREAMID where it is not that of the transaction.</summary>
    public uint? SubstreamId { get; init; }

    /// <summary>Address size fault of a bypassed stage 1: no A, R or S applies (3.4, 3.12).</summary>
    public bool IsBypass { get; init; }

    /// <summary>A fault of stage 1: class IN, no IPA (7.3.13).</summary>
    public static TranslationFault StageOne(OracleEventKind kind) => new(kind);

    /// <summary>An external abort on a stage 1 descriptor: class TT (7.3.12).</summary>
    public static TranslationFault StageOneAbort(ulong fetchAddress) =>
        new(OracleEventKind.WalkAbort) { Class = OracleFaultClass.TableWalk, FetchAddress = fetchAddress };

    /// <summary>A fault of stage 2.</summary>
    public static TranslationFault StageTwo(OracleEventKind kind, OracleFaultClass faultClass, ulong intermediateAddress) =>
        new(kind) { IsStageTwo = true, Class = faultClass, IntermediateAddress = intermediateAddress };

    /// <summary>An external abort on a stage 2 descriptor (7.3.12).</summary>
    public static TranslationFault StageTwoAbort(OracleFaultClass faultClass, ulong fetchAddress) =>
        new(OracleEventKind.WalkAbort) { IsStageTwo = true, Class = faultClass, FetchAddress = fetchAddress };
}
