using Smmu.Fast.Formats;

namespace Smmu.Fast.Tables;

/// <summary>What an SMMU looks at in an STE, by V, Config and S1DSS (IHI 0070, 5.2 and 13.5).</summary>
/// <remarks>A field that some implementation might look at counts as used: at worst an update is not hitless.</remarks>
internal readonly struct StreamTableEntryUse : IEntryUse
{
    private const ulong Translate1 = 1;
    private const ulong Translate2 = 2;
    private const ulong NotAbort = 4;
    private const ulong BypassStage1 = 1;

    private static readonly StreamTableEntryField[] Translating =
    [
        StreamTableEntryField.EATS, StreamTableEntryField.MEV, StreamTableEntryField.PPAR, StreamTableEntryField.S2VMID,
        StreamTableEntryField.VMSPtr,
    ];

    private static readonly StreamTableEntryField[] Stage1 =
    [
        StreamTableEntryField.S1Fmt, StreamTableEntryField.S1ContextPtr, StreamTableEntryField.S1CDMax, StreamTableEntryField.S1DSS,
        StreamTableEntryField.S1CIR, StreamTableEntryField.S1COR, StreamTableEntryField.S1CSH, StreamTableEntryField.S1PIE,
        StreamTableEntryField.S1MPAM, StreamTableEntryField.S1STALLD, StreamTableEntryField.STRW,
    ];

    private static readonly StreamTableEntryField[] Stage2 =
    [
        StreamTableEntryField.S2HWU59, StreamTableEntryField.S2HWU60, StreamTableEntryField.S2HWU61, StreamTableEntryField.S2HWU62,
        StreamTableEntryField.S2FWB, StreamTableEntryField.SHCFG, StreamTableEntryField.S2T0SZ, StreamTableEntryField.S2SL0,
        StreamTableEntryField.S2IR0, StreamTableEntryField.S2OR0, StreamTableEntryField.S2SH0, StreamTableEntryField.S2TG,
        StreamTableEntryField.S2PS, StreamTableEntryField.S2AA64, StreamTableEntryField.S2ENDI, StreamTableEntryField.S2AFFD,
        StreamTableEntryField.S2PTW, StreamTableEntryField.S2HD, StreamTableEntryField.S2HA, StreamTableEntryField.S2S,
        StreamTableEntryField.S2R, StreamTableEntryField.S2HAFT, StreamTableEntryField.S2PIE, StreamTableEntryField.S2POE,
        StreamTableEntryField.DPT_VMATCH, StreamTableEntryField.S2NSW, StreamTableEntryField.S2NSA, StreamTableEntryField.S2SL0_2,
        StreamTableEntryField.S2DS, StreamTableEntryField.S2TTB, StreamTableEntryField.S2SKL, StreamTableEntryField.S_S2T0SZ,
        StreamTableEntryField.S_S2SL0, StreamTableEntryField.S_S2TG, StreamTableEntryField.AssuredOnly, StreamTableEntryField.TL0,
        StreamTableEntryField.TL1, StreamTableEntryField.S2SW, StreamTableEntryField.S2SA, StreamTableEntryField.S_S2SL0_2,
        StreamTableEntryField.S_S2TTB, StreamTableEntryField.S_S2SKL, StreamTableEntryField.S2POI,
    ];

    // Also of a bypassed stream. Stage 1 takes type and allocation hints of the input into account, its shareability not.
    private static readonly StreamTableEntryField[] Passing =
    [
        StreamTableEntryField.DRE, StreamTableEntryField.DCP, StreamTableEntryField.MemAttr, StreamTableEntryField.MTCFG,
        StreamTableEntryField.ALLOCCFG, StreamTableEntryField.NSCFG, StreamTableEntryField.PRIVCFG, StreamTableEntryField.INSTCFG,
        StreamTableEntryField.PARTID, StreamTableEntryField.PMG, StreamTableEntryField.MPAM_NS, StreamTableEntryField.MECID,
    ];

    /// <inheritdoc/>
    public static ulong Valid => 1;

    /// <inheritdoc/>
    public static void GetUsed(ReadOnlySpan<ulong> entry, Span<ulong> used)
    {
        used.Clear();
        Use(used, StreamTableEntryField.V);
        if (Get(entry, StreamTableEntryField.V) == 0) return;
        ulong config = Get(entry, StreamTableEntryField.Config);
        Use(used, StreamTableEntryField.Config);
        Use(used, StreamTableEntryField.CONT);
        if ((config & NotAbort) == 0) return;

        bool stage1 = (config & Translate1) != 0;
        bool stage2 = (config & Translate2) != 0;
        Use(used, Passing);
        if (stage1 || stage2) Use(used, Translating);
        if (stage1) Use(used, Stage1);
        if (stage2) Use(used, Stage2);
        if (!stage1 || Get(entry, StreamTableEntryField.S1DSS) == BypassStage1) Use(used, StreamTableEntryField.SHCFG);

        // Whether ATS is legal may depend on S2S even where stage 2 is off.
        if (stage1 && Get(entry, StreamTableEntryField.EATS) != 0) Use(used, StreamTableEntryField.S2S);
    }

    /// <inheritdoc/>
    /// <remarks>
    /// MEV only permits to merge events. Full ATS may be switched beside other fields; split-stage ATS and stalls depend on
    /// one another, and an entry with both is illegal.
    /// </remarks>
    public static void GetSafe(ReadOnlySpan<ulong> current, ReadOnlySpan<ulong> target, Span<ulong> safe)
    {
        const ulong FullAts = 1;
        const ulong SplitStage = 2;
        safe.Clear();
        Use(safe, StreamTableEntryField.MEV);
        ulong ats = Get(current, StreamTableEntryField.EATS) | Get(target, StreamTableEntryField.EATS);
        ulong stalls = Get(current, StreamTableEntryField.S2S) | Get(target, StreamTableEntryField.S2S);
        if ((ats & SplitStage) != 0 || stalls != 0) return;
        safe[BitRange.WordOf((int)StreamTableEntryField.EATS)] |= BitRange.Place((int)StreamTableEntryField.EATS, FullAts);
    }

    private static ulong Get(ReadOnlySpan<ulong> entry, StreamTableEntryField field) =>
        BitRange.Get(entry[BitRange.WordOf((int)field)], (int)field);

    private static void Use(Span<ulong> used, StreamTableEntryField[] fields)
    {
        foreach (StreamTableEntryField field in fields) Use(used, field);
    }

    private static void Use(Span<ulong> used, StreamTableEntryField field) =>
        used[BitRange.WordOf((int)field)] |= BitRange.Place((int)field, ulong.MaxValue);
}
