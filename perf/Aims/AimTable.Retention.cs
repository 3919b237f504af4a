namespace Smmu.Fast.Perf.Aims;

/// <content>What invalidations leave alone, and what a device takes.</content>
internal static partial class AimTable
{
    private const double MostLossPercent = 10;
    private const int ReadsOfGroup = 16;
    private const double MostOfDisturbedRead = 3;   // 1.5 times the aim of a hit.
    private const double DeviceKibibytes = 4096;
    private const double PortKibibytes = 8;

    private static IEnumerable<Aim> Retention =>
    [
        new("retention: other pages after one TLBI_NH_VA",
            Still("RetentionCounts.other pages that still hit after one TLBI_NH_VA(4,096 cached)")),
        new("retention: other ASIDs after one TLBI_NH_ASID",
            Still("RetentionCounts.pages of other ASIDs that still hit after one TLBI_NH_ASID(4,096 cached, 800 ASIDs)")),
        new("retention: the walk cache after Leaf = 1",
            new AimPart("", "RetentionCounts.descriptors that the next walk of the page reads(after TLBI_NH_VA, Leaf 1)", 1)
            {
                Unit = "reads",
            }),
        new("retention: a VM beside one that floods TLBIs",
            Still("RetentionCounts.accesses of another VM that hit while a VM floods TLBIs(10,000 TLBI + SYNC)")),
        new("retention: a read, with a TLBI + SYNC of others after every 16",
            Disturbed("another page", "OtherPage"), Disturbed("another ASID", "OtherAsid"),
            Disturbed("all of another ASID", "AllOfOtherAsid"), Disturbed("another VM", "OtherVmid")),
        new("one reader and 100,000 TLBI + SYNC a second: loss of the reader",
            Loss("hits of 64", "Hits64"), Loss("hits of 4,096", "Hits4096")),
    ];

    private static IEnumerable<Aim> Memory =>
    [
        new("memory at start",
            new AimPart("device", "MemoryCounts.working set(a device at its start)", DeviceKibibytes) { Unit = "KiB" },
            new AimPart("tables of a port", "MemoryCounts.unmanaged blocks(an open port)", PortKibibytes) { Unit = "KiB" }),
    ];

    private static AimPart Still(string key) => new("", key, 99) { AtLeast = true, Unit = "%" };

    private static AimPart Disturbed(string label, string meant) => new(
        label,
        Formula.Difference(
            $"DisturbedReadsBenchmarks.Whole({meant})", $"DisturbedReadsBenchmarks.CommandsAlone({meant})", ReadsOfGroup),
        MostOfDisturbedRead);

    private static AimPart Loss(string label, string load) => new(
        label,
        Formula.Loss(
            $"TwoThreadsBenchmarks.Smmu({load}, Threads 1, Nothing)", $"TwoThreadsBenchmarks.Smmu({load}, Threads 1, Invalidator)"),
        MostLossPercent)
    {
        Unit = "%",
    };
}
