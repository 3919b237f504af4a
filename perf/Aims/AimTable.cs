namespace Smmu.Fast.Perf.Aims;

/// <summary>
/// What we aim at, beside QEMU 7.2 and 10.2, which were measured on another machine (2 virtual cores of about 3.7 GHz).
/// </summary>
/// <remarks>
/// Where 64 accesses share a scope, which is how a device model translates a burst, one call for each access is shown
/// beside. An aim that names several loads is judged by each of them.
/// </remarks>
internal static partial class AimTable
{
    /// <summary>All aims.</summary>
    public static IReadOnlyList<Aim> All { get; } =
    [
        new("port hit", Hit("1 page", 2, 75, 61), Hit("64 pages at random", 2, 84, 70), Hit("200 pages at random", 2, 97, 84)),
        new("hit by (StreamID, SubstreamID), 256 requesters at random",
            new AimPart("StreamID", "RequesterBenchmarks.ScopeByStream(256 requesters, 1 page each)", 6)
            {
                Qemu7 = 97,
                Qemu10 = 84,
                Beside =
                [
                    BesideFigure.OneCall("RequesterBenchmarks.BusByStream(256 requesters, 1 page each)"),
                    new("without a bus", "RequesterBenchmarks.ByStream(256 requesters, 1 page each)"),
                ],
            },
            new AimPart("with SubstreamID", "RequesterBenchmarks.ScopeBySubstream(256 requesters, 1 page each)", 6)
            {
                Beside =
                [
                    BesideFigure.OneCall("RequesterBenchmarks.BusBySubstream(256 requesters, 1 page each)"),
                    new("without a bus", "RequesterBenchmarks.BySubstream(256 requesters, 1 page each)"),
                ],
            }),
        new("port hit, 4,096 pages", Hit("4,096 pages at random", 5, 335, 335)),
        new("port hit, 65,536 pages", Hit("65,536 pages at random", 12, null, null)),
        new("batch, address and status", Batch(64), Batch(256), Batch(1_024)),
        new("miss + 4-level walk + fill, 131,072 pages",
            Miss("in order", "InOrder", 10, 335, 347), Miss("at random", "Random", 20, 354, 356)),
        new("the same, batched",
            new AimPart("in order", "MissBenchmarks.Batch(InOrder, Warm)", 6),
            new AimPart("at random", "MissBenchmarks.Batch(Random, Warm)", 10)),
        new("nested 4x4 miss", NestedMiss("in order", "InOrder", 20, 640), NestedMiss("at random", "Random", 60, 890)),
        new("fault, event written", new AimPart("", "FaultBenchmarks.Port()", 60) { Qemu7 = 160, Qemu10 = 159 }),
        new("bypass, abort, SMMU off",
            Untranslated("bypass", "StreamBypass", 40, 24),
            Untranslated("abort", "StreamAbort", 40, 24),
            Untranslated("off", "SmmuOff", 25, 18)),
        new("CMD_SYNC alone",
            new AimPart("CS = none", "SyncBenchmarks.Smmu(None)", 20) { Qemu7 = 43, Qemu10 = 49 },
            new AimPart("MSI", "SyncBenchmarks.Smmu(Msi)", 20)),
        Invalidation("TLBI_NH_VA", (520, 628), (9_300, 14_000)),
        Invalidation("TLBI_NH_ASID", (4_300, 5_800), (144_000, 155_000)),
        new("TLBI_NSNH_ALL + SYNC",
            NsnhAll(200) with { Qemu7 = 4_600, Qemu10 = 4_700 }, NsnhAll(4_096) with { Qemu7 = 127_000, Qemu10 = 139_000 }, NsnhAll(65_536)),
        new("range TLBI of 31 pages + SYNC", new AimPart("", "RangeBenchmarks.Smmu(Pages 31)", 60) { Qemu7 = 2_375, Qemu10 = 2_262 }),
        new("TLBI + SYNC + the next hit",
            NextHit("TLBI_NH_VA", 200), NextHit("TLBI_NH_VA", 4_096), NextHit("TLBI_NH_VA", 65_536),
            NextHit("TLBI_NH_ASID", 4_096)),
        new("SYNC while another thread's port is active",
            new AimPart("call by call", "SyncBesideBenchmarks.Smmu(Translating)", 1_500),
            new AimPart("in scopes", "SyncBesideBenchmarks.Smmu(TranslatingInScopes)", 1_500)),
        new("CFGI_STE + SYNC",
            Ste(200) with { Qemu7 = 97, Qemu10 = 100 }, Ste(4_096), Ste(65_536)),
        new("streaming DMA cycle",
            new AimPart("", "StreamingBenchmarks.Smmu(Others 4,096)", 60) { Qemu7 = 401, Qemu10 = 408 }),
        new("device DMA read of 8 bytes", new AimPart("", "CopyBenchmarks.Read(Bytes 8)", 4) { Qemu7 = 108, Qemu10 = 102 }),
        new("device DMA read of 4 KiB",
            new AimPart("", "CopyBenchmarks.Read(Bytes 4,096)", 5) { OverFloor = true, Qemu7 = 187, Qemu10 = 149 }),
        new("two threads, a stream each, against one",
            TwoThreads("hits of 64", "Hits64"), TwoThreads("hits of 4,096", "Hits4096"), TwoThreads("misses", "Misses")),
        new("65,536 streams live, traffic on 8: port hit, against 1 stream",
            new AimPart("one call", Ratio("ManyStreamsBenchmarks.Port"), SameAs) { Unit = "x" },
            new AimPart("in scopes", Ratio("ManyStreamsBenchmarks.Scope"), SameAs) { Unit = "x" }),
        new("iommufd: map and unmap a page of 4 KiB, range invalidation included",
            new AimPart("16 MiB in pages", "MapBenchmarks.Smmu(SmallLeaves)", 150)),
        new("iommufd: harvest dirty state, for each page",
            new AimPart("1 % dirty", "HarvestBenchmarks.Smmu(Dirty 1)", 2)),
        .. Retention,
        .. Memory,
    ];

    // Two figures of one run that mean the same differ by a few percent.
    private const double SameAs = 1.1;

    private static AimPart Hit(string load, double limit, double? qemu7, double? qemu10) =>
        new(load, $"PortHitBenchmarks.Scope({load})", limit)
        {
            Beside =
            [
                BesideFigure.OneCall($"PortHitBenchmarks.Port({load})"),
                new BesideFigure("dependent", $"PortHitBenchmarks.Dependent({load})"),
            ],
            Qemu7 = qemu7,
            Qemu10 = qemu10,
        };

    private static AimPart Batch(int pages) => new(
        FormattableString.Invariant($"{pages:N0} pages"),
        Formula.Worst([.. new[] { 64, 256, 1_024 }.Select(batch =>
            FormattableString.Invariant($"BatchBenchmarks.Call(Pages {pages:N0}, Batch {batch:N0})"))]),
        1.1);

    private static AimPart Miss(string label, string order, double limit, double qemu7, double qemu10) =>
        new(label, $"MissBenchmarks.Scope({order}, Warm)", limit)
        {
            Beside = [BesideFigure.OneCall($"MissBenchmarks.Port({order}, Warm)")],
            Qemu7 = qemu7,
            Qemu10 = qemu10,
        };

    private static AimPart NestedMiss(string label, string order, double limit, double qemu10) =>
        new(label, $"NestedMissBenchmarks.Scope({order})", limit)
        {
            Beside = [BesideFigure.OneCall($"NestedMissBenchmarks.Port({order})")],
            Qemu10 = qemu10,
        };

    private static AimPart Untranslated(string label, string reason, double qemu7, double qemu10) =>
        new(label, $"BypassBenchmarks.Scope({reason})", 2)
        {
            Beside = [BesideFigure.OneCall($"BypassBenchmarks.Port({reason})")],
            Qemu7 = qemu7,
            Qemu10 = qemu10,
        };

    private static Aim Invalidation(string command, (double Qemu7, double Qemu10) of200, (double Qemu7, double Qemu10) of4096)
    {
        return new Aim(
            $"{command} + SYNC",
            Part(200) with { Qemu7 = of200.Qemu7, Qemu10 = of200.Qemu10 },
            Part(4_096) with { Qemu7 = of4096.Qemu7, Qemu10 = of4096.Qemu10 },
            Part(65_536));

        AimPart Part(int cached) => new(
            FormattableString.Invariant($"{cached:N0} cached"),
            FormattableString.Invariant($"InvalidateBenchmarks.Smmu({command}, Cached {cached:N0})"),
            40);
    }

    private static AimPart NsnhAll(int cached) => new(
        FormattableString.Invariant($"{cached:N0} cached"),
        FormattableString.Invariant($"InvalidateAllBenchmarks.Smmu(Cached {cached:N0})"),
        40)
    {
        Beside =
        [
            new BesideFigure(
                "each on another device",
                FormattableString.Invariant($"InvalidateAllBenchmarks.OnManyDevices(Cached {cached:N0})"),
                "while the device is in the caches"),
        ],
    };

    private static AimPart Ste(int cached) => new(
        FormattableString.Invariant($"{cached:N0} cached"),
        FormattableString.Invariant($"OtherCommandBenchmarks.Smmu(Cached {cached:N0}, CFGI_STE)"),
        40);

    private static AimPart NextHit(string command, int cached) => new(
        FormattableString.Invariant($"{command}, {cached:N0} cached"),
        FormattableString.Invariant($"NextAccessBenchmarks.Smmu({command}, Cached {cached:N0})"),
        60);

    private static AimPart TwoThreads(string label, string load) => new(
        label,
        OneAgainstTwo(load),
        1.9)
    {
        AtLeast = true,
        Unit = "x",
        Beside = [new BesideFigure("arithmetic alone", OneAgainstTwo("Arithmetic"))],
    };

    private static Formula OneAgainstTwo(string load) => Formula.Ratio(
        $"TwoThreadsBenchmarks.Smmu({load}, Threads 1, Nothing)", $"TwoThreadsBenchmarks.Smmu({load}, Threads 2, Nothing)");

    private static Formula Ratio(string method) => Formula.Ratio($"{method}(Live 65,536)", $"{method}(Live 1)");
}
