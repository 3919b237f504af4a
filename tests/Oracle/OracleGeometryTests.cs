using Smmu.Fast.Oracle;

namespace Smmu.Fast.Tests.Oracle;

/// <summary>Start levels against the tables of D8.2.8 to D8.2.10.</summary>
public class OracleGeometryTests
{
    [Theory]
    [InlineData(12, 12, -1)]
    [InlineData(12, 15, -1)]
    [InlineData(12, 16, 0)]
    [InlineData(12, 24, 0)]
    [InlineData(12, 25, 1)]
    [InlineData(12, 33, 1)]
    [InlineData(12, 34, 2)]
    [InlineData(12, 42, 2)]
    [InlineData(12, 43, 3)]
    [InlineData(12, 48, 3)]
    [InlineData(14, 12, 0)]
    [InlineData(14, 16, 0)]
    [InlineData(14, 17, 1)]
    [InlineData(14, 27, 1)]
    [InlineData(14, 28, 2)]
    [InlineData(14, 38, 2)]
    [InlineData(14, 39, 3)]
    [InlineData(14, 48, 3)]
    [InlineData(16, 12, 1)]
    [InlineData(16, 21, 1)]
    [InlineData(16, 22, 2)]
    [InlineData(16, 34, 2)]
    [InlineData(16, 35, 3)]
    [InlineData(16, 47, 3)]
    public void Stage1StartsWhereTxSzSays(int granule, int txsz, int level) =>
        Assert.Equal(level, TableGeometry.StageOneStartLevel((Granule)granule, 64 - txsz));

    [Theory]
    [InlineData(12, 2, 30, 42)]
    [InlineData(12, 1, 21, 33)]
    [InlineData(12, 0, 12, 24)]
    [InlineData(12, 3, 39, 51)]
    [InlineData(14, 3, 35, 49)]
    [InlineData(14, 2, 24, 38)]
    [InlineData(14, 1, 13, 27)]
    [InlineData(16, 3, 31, 47)]
    [InlineData(16, 2, 18, 34)]
    public void Stage2AllowsSixteenConcatenatedTables(int granule, int level, int least, int most)
    {
        for (int t0sz = 1; t0sz < 64; t0sz++)
        {
            bool expected = t0sz >= least && t0sz <= most;
            Assert.Equal(expected, TableGeometry.IsConsistent((Granule)granule, level, 64 - t0sz));
        }
    }
}
