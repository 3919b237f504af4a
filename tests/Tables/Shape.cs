using Smmu.Fast.Tables;

namespace Smmu.Fast.Tests.Tables;

/// <summary>Shapes of tables that differ in stage, granule, start level, concatenation, or in where addresses lie.</summary>
internal static class Shape
{
    public static TheoryData<string> All => [.. Named.Keys];

    private static readonly Dictionary<string, PageTableOptions> Named = new()
    {
        ["stage 1, 4K, 48"] = Stage1(12, 48),
        ["stage 1, 4K, 39"] = Stage1(12, 39, 40),
        ["stage 1, 4K, 30, one level fewer"] = Stage1(12, 30, 36),
        ["stage 1, 4K, 48, upper range"] = Stage1(12, 48) with { UpperRange = true },
        ["stage 1, 4K, 52, large addresses"] = Stage1(12, 52, 52) with { LargeAddresses = true },
        ["stage 1, 16K, 48"] = Stage1(14, 48),
        ["stage 1, 16K, 36"] = Stage1(14, 36),
        ["stage 1, 16K, 52, large addresses"] = Stage1(14, 52, 52) with { LargeAddresses = true },
        ["stage 1, 64K, 48"] = Stage1(16, 48),
        ["stage 1, 64K, 42, upper range"] = Stage1(16, 42) with { UpperRange = true },
        ["stage 1, 64K, 52"] = Stage1(16, 52, 52),
        ["stage 2, 4K, 40, two tables"] = Stage2(12, 40),
        ["stage 2, 4K, 43, sixteen tables"] = Stage2(12, 43),
        ["stage 2, 4K, 48"] = Stage2(12, 48),
        ["stage 2, 4K, 34, sixteen tables"] = Stage2(12, 34),
        ["stage 2, 4K, 52, large addresses"] = Stage2(12, 52, 52) with { LargeAddresses = true },
        ["stage 2, 16K, 48, two tables"] = Stage2(14, 48),
        ["stage 2, 16K, 40"] = Stage2(14, 40, 42),
        ["stage 2, 16K, 52, large addresses"] = Stage2(14, 52, 52) with { LargeAddresses = true },
        ["stage 2, 64K, 48"] = Stage2(16, 48),
        ["stage 2, 64K, 44, four tables"] = Stage2(16, 44),
        ["stage 2, 64K, 52"] = Stage2(16, 52, 52),
    };

    public static PageTableOptions Of(string name) => Named[name];

    private static PageTableOptions Stage1(int granule, int input, int output = 48) =>
        new() { Stage = PageTableStage.Stage1, GranuleLog2 = granule, InputBits = input, OutputBits = output };

    private static PageTableOptions Stage2(int granule, int input, int output = 48) =>
        Stage1(granule, input, output) with { Stage = PageTableStage.Stage2 };
}
