using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Tables;

/// <summary>How the leaves of a stage tell that hardware has marked them as written (IHI 0070, 3.13; Arm ARM, D8.5).</summary>
/// <remarks>With DBM, stage 1 is dirty when AP[2] is 0, and stage 2 when S2AP[1] is 1: the same bit, the other way round.</remarks>
internal readonly unsafe struct DirtyBits(bool isStage1)
{
    /// <summary>Descriptors that <see cref="Match64"/> looks at.</summary>
    public const int Window = 64;

    private const ulong WriteControl = 1UL << 7;
    private static readonly ulong Managed = BitRange.Place(DescriptorFields.Valid, 1) | BitRange.Place(DescriptorFields.DBM, 1);

    private readonly ulong value = Managed | (isStage1 ? 0 : WriteControl);

    private static ulong Mask => Managed | WriteControl;

    /// <summary>True for a leaf that is dirty.</summary>
    public bool IsDirty(ulong descriptor) => (descriptor & Mask) == value;

    /// <summary>The leaf made dirty, if hardware keeps its dirty state.</summary>
    public ulong WithDirty(ulong descriptor) => (descriptor & Managed) == Managed ? (descriptor & ~WriteControl) | (value & WriteControl) : descriptor;

    /// <summary>Makes a dirty leaf clean at once, whatever else hardware does to it.</summary>
    public void MakeClean(ref ulong slot)
    {
        if (isStage1) Interlocked.Or(ref slot, WriteControl);
        else Interlocked.And(ref slot, ~WriteControl);
    }

    /// <summary>Finds the dirty ones of 64 descriptors of level 3; bit n stands for descriptor n.</summary>
    /// <remarks>Each descriptor is read whole; hardware may change any of them at any time.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong Match64(ulong* descriptors) =>
        Vector512.IsHardwareAccelerated ? VectorMatch64(descriptors) : ScalarMatch(descriptors, Window);

    /// <summary>The definition: <see cref="Match64"/> for up to 64 descriptors.</summary>
    public ulong ScalarMatch(ulong* descriptors, int count)
    {
        ulong found = 0;
        for (int i = 0; i < count; i++) found |= (IsDirty(descriptors[i]) ? 1UL : 0) << i;
        return found;
    }

    /// <summary><see cref="Match64"/> with vectors of eight descriptors.</summary>
    public ulong VectorMatch64(ulong* descriptors)
    {
        var masks = Vector512.Create(Mask);
        var values = Vector512.Create(value);
        ulong found = 0;
        for (int i = 0; i < Window; i += Vector512<ulong>.Count)
        {
            var matches = Vector512.Equals(Vector512.Load(descriptors + i) & masks, values);
            found |= matches.ExtractMostSignificantBits() << i;
        }

        return found;
    }
}
