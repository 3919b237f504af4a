using Smmu.Fast.Formats;
using Smmu.Fast.Oracle;

namespace Smmu.Fast.Comparison;

/// <summary>What it means that two answers agree.</summary>
internal static class AnswerComparison
{
    private const int SmallestOutputBits = 32;

    /// <summary>Names what differs, the record included; null when the answers agree.</summary>
    public static string? Differs(SmmuFeatures features, AccessKind kind, in Answer engine, in Answer oracle)
    {
        if (engine.Outcome != oracle.Outcome) return "outcome";
        if (engine.Record != oracle.Record) return "record";
        if (engine.Address != oracle.Address) return "address";
        if (engine.Attributes != oracle.Attributes) return "attributes";

        // Of a leaf larger than the output size the engine answers for the part that has outputs.
        bool isPart = oracle.LeafSizeLog2 is > SmallestOutputBits and < OracleResult.NoLeaf && engine.LeafSizeLog2 is >= SmallestOutputBits
            && engine.LeafSizeLog2 < oracle.LeafSizeLog2;
        if (engine.LeafSizeLog2 != oracle.LeafSizeLog2 && !isPart) return "leaf size";

        // To the engine a writable-clean page is writable once a write has made it dirty.
        const AccessPermissions Writes = AccessPermissions.UnprivilegedWrite | AccessPermissions.PrivilegedWrite;
        bool mayBeClean = features.HTTU >= 2 && (kind & AccessKind.Write) == 0;
        var uncertain = mayBeClean ? Writes : AccessPermissions.None;
        bool agrees = (engine.Permissions & ~uncertain) == (oracle.Permissions & ~uncertain)
            && (engine.Permissions & ~oracle.Permissions) == 0;
        return agrees ? null : "permissions";
    }
}
