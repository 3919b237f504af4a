using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;
using Smmu.Fast.Walks;
using static Smmu.Fast.Tests.Walks.WalkScene;

namespace Smmu.Fast.Tests.Walks;

/// <summary>A walk may begin at the last table of an earlier one, and then says what the whole walk would have said.</summary>
public class WalkStartTests
{
    private const ulong Va = 0x0000_0040_4040_4000;

    [Theory]
    [InlineData(false, 3)]
    [InlineData(false, 2)]
    [InlineData(true, 3)]
    [InlineData(true, 2)]
    public void AWalkFromTheLastTableReadsTheLeafAlone(bool nested, int level)
    {
        var scene = nested ? Nested() : Stage1();
        scene.Map1(Va, 0x20_0000_0000, level, flags: Stage1Flags | Contiguous);
        ulong second = Va ^ (1UL << (level == 3 ? 12 : 21));
        scene.Map1(second, 0x20_1000_0000, level);
        if (nested) scene.Map2(0x20_0000_0000, 0x3000_0000, level: 1);

        var first = scene.Walk(Va);
        Assert.True(first.LastTable.IsSet);
        Assert.Equal(level, first.LastTable.Level);
        Assert.Equal(scene.PhysicalOf(scene.TableIpa(Va, level)) & ~0xfffUL, first.LastTable.Table);
        Assert.Equal(scene.TableIpa(Va, level) & ~0xfffUL, first.LastTable.TableIpa);

        foreach (ulong address in new[] { Va + 0x123, second + 0x456 })
        {
            var whole = scene.Walk(address);
            var shortcut = scene.Walk(address, AccessKind.Read, first.LastTable);

            Assert.True(whole.IsSuccess);
            Assert.Equal(nested ? 1 + 1 : 1, shortcut.DescriptorReads);
            shortcut.DescriptorReads = whole.DescriptorReads;
            Assert.Equal(whole, shortcut);
        }
    }

    [Theory]
    [InlineData(1UL << 61)]
    [InlineData(1UL << 62)]
    [InlineData(1UL << 60)]
    [InlineData(1UL << 59)]
    [InlineData(0b1111UL << 59)]
    [Rule("PERM-09")]
    public void TheRestrictionsOfTheTablesAboveComeWithTheStart(ulong restriction)
    {
        var scene = Stage1();
        scene.Map1(Va, 0x10_0000, flags: Stage1Flags & ~Unprivileged);
        scene.Memory[scene.Path[1]] |= restriction;
        const AccessKind Privileged = AccessKind.Read | AccessKind.Privileged;

        var whole = scene.Walk(Va, Privileged);
        var shortcut = scene.Walk(Va, Privileged, whole.LastTable);

        Assert.Equal(whole.Permissions, shortcut.Permissions);
        Assert.NotEqual(0, whole.LastTable.Hierarchy);
    }

    [Theory]
    [InlineData(false, 3)]
    [InlineData(true, 3 + (2 * 3) + 1)]   // Stage 2 for the two tables below the first, and a block for the output.
    public void AWalkMayBeginAtATableAndGoOnToDeeperOnes(bool nested, int reads)
    {
        var scene = nested ? Nested() : Stage1();
        scene.Map1(Va, 0x20_0000_0000);
        ulong tableIpa = scene.TableIpa(Va, 1) & ~0xfffUL;
        if (nested) scene.Map2(0x20_0000_0000, 0x4000_0000, level: 1);
        var start = new WalkStart(scene.PhysicalOf(tableIpa), tableIpa, hierarchy: 0, level: 1);

        var result = scene.Walk(Va, AccessKind.Read, start);

        AssertTranslates(nested ? 0x4000_0000UL : 0x20_0000_0000UL, result);
        Assert.Equal(reads, result.DescriptorReads);
        Assert.Equal(3, result.LastTable.Level);
    }

    [Fact]
    public void TheInputRangeIsCheckedWhereverTheWalkBegins()
    {
        var scene = Stage1();
        scene.Map1(Va, 0x10_0000);
        var start = scene.Walk(Va).LastTable;

        AssertFault1(EventType.Translation, 0, scene.Walk(Va | (1UL << 48), AccessKind.Read, start));
    }

    [Fact]
    [Rule("DSC-07")]
    [Rule("AFD-04")]
    public void AFaultGivesNothingToKeep()
    {
        var scene = Stage1();
        ulong leaf = scene.Map1(Va, 0x10_0000);
        ulong valid = scene.Memory[leaf];
        foreach (ulong descriptor in new[] { 0UL, valid & ~0b10UL, valid & ~AccessFlag, valid | (1UL << 47) })
        {
            scene.Memory[leaf] = descriptor;
            scene.Regime.Stage1.OutputSizeBits = 47;
            var result = scene.Walk(Va);
            Assert.False(result.IsSuccess);
            Assert.False(result.LastTable.IsSet);
            Assert.Equal(0, result.LeafSizeLog2);
        }

        scene.Memory[leaf] = valid;
        AssertTranslates(0x10_0000, scene.Walk(Va));
    }
}
