using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Streams;

/// <summary>What tables forbid holds for every page below them, also for those whose walk begins at a cached table.</summary>
public class TableRestrictionTests
{
    private const ulong Iova = 0x12_3456_7000;
    private const ulong Output = 0x5678_0000;
    private const ulong PrivilegedOnly = Stage1Space.ReadWrite & ~(1UL << 6);   // EL1 never executes what EL0 may write.
    private const AccessKind Fetch = AccessKind.Read | AccessKind.Instruction;

    [Theory]
    [InlineData(60, Fetch, 1)]
    [InlineData(60, Fetch, 2)]
    [InlineData(59, Fetch | AccessKind.Privileged, 1)]
    [InlineData(59, Fetch | AccessKind.Privileged, 2)]
    [Rule("PERM-17")]
    public void AWalkFromACachedTableKnowsWhatTheTablesAboveItForbid(int bit, AccessKind fetch, int level)
    {
        using var scene = new StreamScene();
        var space = scene.NewSpace();
        ulong first = Iova, second = Iova + 0x1000;
        foreach (ulong page in (ulong[])[first, second]) space.Map(page, Output, PrivilegedOnly);
        scene.Machine.AttachStage1(1, space);
        scene.Forget();
        scene.AssertReaches(Output, 1, second, fetch);

        ulong slot = space.Slot(Iova, level);
        scene.Machine.Write64(slot, scene.Machine.Read64(slot) | (1UL << bit));
        scene.Forget();
        ulong hits = scene.Machine.Smmu.GetStatistics().WalkCacheHits;
        scene.AssertReaches(Output, 1, first, AccessKind.Read | AccessKind.Privileged);
        scene.AssertFaults(EventType.Permission, 1, second, fetch);
        Assert.Equal(hits + 1, scene.Machine.Smmu.GetStatistics().WalkCacheHits);
    }
}
