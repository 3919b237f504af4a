using FsCheck;
using FsCheck.Fluent;
using Xunit.Abstractions;

namespace Smmu.Fast.Props.Caching;

/// <summary>
/// Nobody can tell whether an SMMU has caches as long as its driver invalidates what it changes. Random drivers change
/// tables and configuration, and then issue one of the sequences of commands that are enough; a second SMMU, which reads
/// everything anew each time, must answer every access alike and record the same events in the same order.
/// </summary>
public class CachedEqualsUncachedProperties(ITestOutputHelper output)
{
    private const int Programs = 600;

    [Fact]
    [Rule("CACHE-01")]
    [Rule("CACHE-09")]
    [Rule("CACHE-13")]
    [Rule("CACHE-15")]
    [Rule("CMD-CFGI-20")]
    public void CachesNeverShowWhenTheDriverObeysTheMaintenanceRules()
    {
        var coverage = new Coverage();

        Check.One(Cases.Of(Programs), Prop.ForAll(ProgramGenerator.Programs, program => program.Run(coverage)));

        string reached = coverage.ToString();
        output.WriteLine(reached);
        Assert.True(IsAtLeast(coverage.Translated, 30, coverage.Accesses), reached);
        Assert.True(IsAtLeast(coverage.Faulted, 20, coverage.Accesses), reached);
        Assert.True(IsAtLeast(coverage.PortHits, 3, coverage.Accesses), reached);
        Assert.True(IsAtLeast(coverage.TlbHits, 5, coverage.Accesses), reached);
        Assert.True(IsAtLeast(coverage.Walks, 10, coverage.Accesses), reached);
        Assert.True(IsAtLeast(coverage.WalkCacheHits, 10, coverage.Walks), reached);
        Assert.True(IsAtLeast(coverage.Records, 10, coverage.Accesses), reached);
    }

    [Fact]
    public void ADriverThatForgetsItsInvalidationsIsSeen()
    {
        const int Tries = 40;
        int seen = 0;
        for (int i = 0; i < Tries; i++)
        {
            var program = new ProgramGenerator(Cases.RandomOf(i)).Program();
            if (Record.Exception(() => program.Run(new Coverage(), obeys: false)) is not null) seen++;
        }

        Assert.True(seen > Tries / 3, $"Only {seen} of {Tries} programs showed that invalidations were missing.");
    }

    private static bool IsAtLeast(long part, int percent, long whole) => part * 100 >= whole * percent && part > 0;
}
