using Smmu.Fast.Tables;
using Smmu.Fast.Tests.Repository;
using Xunit.Abstractions;

namespace Smmu.Fast.Props.Tables;

/// <summary>What programs of builders have reached.</summary>
internal sealed class BuilderCounts
{
    public int Maps { get; set; }

    public int Unmaps { get; set; }

    public int Writes { get; set; }

    public int BlockWrites { get; set; }

    public int RunWrites { get; set; }

    public long DirtyPages { get; set; }

    /// <summary>Granule, level, and whether it is of a contiguous run.</summary>
    public HashSet<(int Granule, int Level, bool IsRun)> Leaves { get; } = [];

    public override string ToString() =>
        $"{Maps} maps, {Unmaps} unmaps, {Writes} writes ({BlockWrites} to blocks, {RunWrites} to runs), {DirtyPages} dirty pages, "
        + $"leaves: {string.Join(", ", Leaves.Order().Select(leaf => $"2^{leaf.Granule} level {leaf.Level}{(leaf.IsRun ? " run" : "")}"))}";
}

/// <summary>
/// What the builder maps, the Oracle's walk and the engine find, in the same leaves; what it unmaps is gone once its own list of
/// invalidations is done; and what it reports as written is what was written, with no more than the leaf or run around it.
/// </summary>
public class BuilderProperties(ITestOutputHelper output)
{
    private const int Programs = 120;
    private const int Steps = 60;

    [Fact]
    public void TablesSayToEverybodyWhatTheirBuilderWasTold()
    {
        var counts = new BuilderCounts();
        for (int i = 0; i < TestScale.Of(Programs); i++)
        {
            var random = Cases.RandomOf(i);
            var options = Options(random);
            try
            {
                using var program = new BuilderProgram(options, random, counts);
                program.Run(Steps);
            }
            catch (Xunit.Sdk.XunitException problem)
            {
                throw new InvalidOperationException($"Program {i} of seed {Cases.Seed}, {options}: {problem.Message}", problem);
            }
        }

        string reached = counts.ToString();
        output.WriteLine(reached);
        if (TestScale.Of(Programs) < Programs) return;
        Assert.True(counts.Unmaps > Programs && counts.Writes > 8 * Programs && counts.DirtyPages > Programs, reached);
        Assert.True(counts.BlockWrites * 20 > counts.Writes && counts.RunWrites * 20 > counts.Writes, reached);
        foreach (int granule in (int[])[12, 14, 16])
        {
            foreach (bool isRun in (bool[])[false, true])
            {
                Assert.Contains((granule, 3, isRun), counts.Leaves);
                Assert.Contains((granule, 2, isRun), counts.Leaves);
            }
        }
    }

    [Fact]
    public void ADriverThatForgetsItsInvalidationsIsSeen()
    {
        const int Tries = 20;
        int seen = 0;
        for (int i = 0; i < Tries; i++)
        {
            var random = Cases.RandomOf(i);
            using var program = new BuilderProgram(Options(random), random, new BuilderCounts(), obeys: false);
            if (Record.Exception(() => program.Run(Steps)) is Xunit.Sdk.XunitException) seen++;
        }

        Assert.True(seen > Tries / 2, $"Only {seen} of {Tries} programs showed that invalidations were missing.");
    }

    private static PageTableOptions Options(Random random)
    {
        int granule = 12 + (2 * random.Next(3));
        bool large = granule != 16 && random.Next(4) == 0;
        bool isWide = large || (granule == 16 && random.Next(3) == 0);
        int[] sizes = isWide ? [48, 52] : [34, 36, 39, 42, 47, 48];
        bool isStage2 = random.Next(3) == 0;
        return new PageTableOptions
        {
            Stage = isStage2 ? PageTableStage.Stage2 : PageTableStage.Stage1,
            GranuleLog2 = granule,
            InputBits = Math.Max(sizes[random.Next(sizes.Length)], granule == 16 ? 39 : 34),
            OutputBits = isWide ? 52 : 48,
            LargeAddresses = large,
            UpperRange = !isStage2 && random.Next(3) == 0,
            PageSizes = random.Next(4) == 0 ? 1UL << granule : ulong.MaxValue,
        };
    }
}
