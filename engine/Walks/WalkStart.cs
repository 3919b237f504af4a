namespace Smmu.Fast.Walks;

/// <summary>A stage 1 table that a walk may begin at, or has ended at: what a walk cache keeps.</summary>
/// <remarks>The default value names no table: the walk begins at TTB0 or TTB1.</remarks>
/// <param name="table">Physical address of the table, after stage 2.</param>
/// <param name="tableIpa">The same as stage 1 names it; equal to <paramref name="table"/> without stage 2.</param>
/// <param name="hierarchy">Bits [63:59] of all table descriptors on the way, or-ed, in bits [4:0].</param>
/// <param name="level">Level of the table, -1 to 3.</param>
internal readonly struct WalkStart(ulong table, ulong tableIpa, byte hierarchy, sbyte level)
{
    private readonly bool isSet = true;

    /// <summary>Physical address of the table.</summary>
    public ulong Table { get; } = table;

    /// <summary>
    /// The address of the table before stage 2. A hardware update of one of its descriptors is a write that stage 2 has to
    /// allow (IHI 0070, 3.13.5), so a nested walk needs to know it even where it reads through <see cref="Table"/>.
    /// </summary>
    public ulong TableIpa { get; } = tableIpa;

    /// <summary>
    /// What the tables above restrict: NSTable [4], APTable [3:2], UXNTable [1], PXNTable [0]; raw, HADx not applied.
    /// </summary>
    public byte Hierarchy { get; } = hierarchy;

    /// <summary>Level of the table, -1 to 3.</summary>
    public sbyte Level { get; } = level;

    /// <summary>False for the default value.</summary>
    public bool IsSet => isSet;
}
