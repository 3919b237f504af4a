namespace Smmu.Fast.Oracle;

/// <summary>Structures that an <see cref="OracleSmmu"/> reads for a transaction.</summary>
public enum OracleStructure
{
    /// <summary>L1STD (IHI 0070, 5.1).</summary>
    Level1StreamTableDescriptor,

    /// <summary>STE (5.2).</summary>
    StreamTableEntry,

    /// <summary>L1CD (5.3).</summary>
    Level1ContextDescriptor,

    /// <summary>CD (5.4).</summary>
    ContextDescriptor,

    /// <summary>A descriptor of the stage 1 tables.</summary>
    StageOneDescriptor,

    /// <summary>A descriptor of the stage 2 tables.</summary>
    StageTwoDescriptor,
}

/// <summary>What a word is read for: enough to tell what an SMMU with caches might know of it.</summary>
/// <param name="Structure">The structure that the word belongs to.</param>
/// <param name="Input">What leads to it: StreamID, CD index, VA or IPA.</param>
public readonly record struct OracleRead(OracleStructure Structure, ulong Input)
{
    /// <summary>On whose behalf stage 2 is asked.</summary>
    public OracleFaultClass Purpose { get; init; }

    /// <summary>True when stage 2 is asked for the update of a stage 1 descriptor.</summary>
    public bool IsForUpdate { get; init; }

    /// <summary>Level of a translation table descriptor, -1 to 3.</summary>
    public int Level { get; init; }

    /// <summary>Log2 of the bytes that the translation table descriptor stands for.</summary>
    public int SpanLog2 { get; init; }

    /// <summary>Log2 of the bytes of the translation granule.</summary>
    public int GranuleLog2 { get; init; }

    /// <summary>True when the descriptor lies in memory with its bytes swapped.</summary>
    public bool IsBigEndian { get; init; }
}
