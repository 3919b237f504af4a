namespace Smmu.Fast.Oracle;

/// <summary>How the update of a descriptor in memory ended.</summary>
internal enum UpdateOutcome
{
    /// <summary>The descriptor holds the new value.</summary>
    Done,

    /// <summary>Memory held something else by now: the walk has to be repeated.</summary>
    Changed,

    /// <summary>The access was aborted.</summary>
    Aborted,
}

/// <summary>Hardware update of the Access flag and of the dirty state (IHI 0070, 3.13; Arm ARM, D8.5).</summary>
internal static class DescriptorUpdate
{
    /// <summary>Walks of one stage that may find the descriptor changed, one after the other, before the oracle gives up.</summary>
    public const int MostAttempts = 100;

    private const ulong AccessFlag = 1UL << 10;
    private const ulong WriteBit = 1UL << 7;   // AP[2] at stage 1, S2AP[1] at stage 2.

    /// <summary>True when AF is set.</summary>
    public static bool IsAccessed(ulong descriptor) => (descriptor & AccessFlag) != 0;

    /// <summary>True when DBM is set.</summary>
    public static bool HasModifier(ulong descriptor) => Bits.Bit(descriptor, 51);

    /// <summary>The stage 1 descriptor after an access that is permitted.</summary>
    public static ulong AfterStageOne(ulong descriptor, bool updatesAccess, bool updatesDirty, bool writes)
    {
        if (updatesAccess) descriptor |= AccessFlag;
        if (updatesDirty && writes && HasModifier(descriptor)) descriptor &= ~WriteBit;
        return descriptor;
    }

    /// <summary>The stage 2 descriptor after an access that is permitted.</summary>
    public static ulong AfterStageTwo(ulong descriptor, bool updatesAccess, bool updatesDirty, bool writes)
    {
        if (updatesAccess) descriptor |= AccessFlag;
        if (updatesDirty && writes && HasModifier(descriptor)) descriptor |= WriteBit;
        return descriptor;
    }

    /// <summary>Writes a descriptor if it still is what was read.</summary>
    public static UpdateOutcome Write(IOracleMemory memory, ulong physicalAddress, ulong expected, ulong desired, bool bigEndian)
    {
        ulong from = bigEndian ? Bits.Reversed(expected) : expected;
        ulong to = bigEndian ? Bits.Reversed(desired) : desired;
        if (!memory.TryCompareExchange(physicalAddress, from, to, out ulong seen)) return UpdateOutcome.Aborted;
        return seen == from ? UpdateOutcome.Done : UpdateOutcome.Changed;
    }

    /// <summary>Says that memory does not hold still.</summary>
    public static InvalidOperationException NeverEnds() =>
        new($"A descriptor changed in each of {MostAttempts} walks: stop writing the tables while the oracle translates.");
}
