using Smmu.Fast.Formats;
using Smmu.Fast.Tables;

namespace Smmu.Fast.Iommufd.Driver;

/// <summary>The shapes of tables that suit an SMMU.</summary>
internal static class TableShapes
{
    /// <summary>Options of a stage: the smallest granule, and all addresses that it can have.</summary>
    /// <param name="features">The ID registers.</param>
    /// <param name="stage">The stage.</param>
    /// <param name="tracksDirty">A bit of dirty state is to stand for one leaf.</param>
    public static PageTableOptions For(SmmuFeatures features, PageTableStage stage, bool tracksDirty)
    {
        int granule = features.GRAN4K ? 12 : features.GRAN16K ? 14 : 16;
        bool isLarge = granule != 16 && features.DS && features.OutputAddressBits >= 52;
        int most = isLarge || granule == 16 ? 52 : 48;
        int outputs = Math.Min(features.OutputAddressBits, most);
        int inputs = stage == PageTableStage.Stage2 ? outputs : Math.Min(features.VirtualAddressBits, most);
        return new PageTableOptions
        {
            Stage = stage,
            GranuleLog2 = granule,
            InputBits = inputs,
            OutputBits = outputs,
            LargeAddresses = isLarge,
            PageSizes = tracksDirty ? LeafSizes(granule) : ulong.MaxValue,   // Runs are dirty as a whole.
        };
    }

    /// <summary>Sizes of pages and blocks, bit n for 2^n bytes.</summary>
    public static ulong LeafSizes(int granuleLog2) => granuleLog2 switch
    {
        12 => (1UL << 12) | (1UL << 21) | (1UL << 30),
        14 => (1UL << 14) | (1UL << 25),
        _ => (1UL << 16) | (1UL << 29),
    };
}
