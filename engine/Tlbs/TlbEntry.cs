using System.Runtime.InteropServices;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Tlbs;

/// <summary>One translation as the shared TLB keeps it.</summary>
/// <remarks>
/// It holds nothing that a configuration invalidation alone must change (CACHE-15): no fault flags, and attribute overrides
/// are part of the tag where the attributes depend on them. A fragment, such as a 4 KiB piece of a 2 MiB stage 1 block over
/// 4 KiB stage 2 pages, remembers the size of both leaves and dies with either (CMD-TLBI-36, CMD-TLBI-37).
/// </remarks>
[StructLayout(LayoutKind.Sequential, Size = SizeBytes)]
internal struct TlbEntry
{
    public const int SizeBytes = 32;   // Two to a line, four to a set.

    /// <summary>Look-up address shifted right by <see cref="SizeLog2"/>.</summary>
    public ulong Page;

    /// <summary>See <see cref="TlbTag"/>.</summary>
    public ulong Tag;

    /// <summary>Output address of the first byte.</summary>
    public ulong Output;

    /// <summary>log2 of the bytes the entry covers; 0 marks an empty entry.</summary>
    public byte SizeLog2;

    /// <summary>log2 of the stage 1 leaf, 0 without stage 1.</summary>
    public byte Stage1SizeLog2;

    /// <summary>log2 of the stage 2 leaf, 0 without stage 2.</summary>
    public byte Stage2SizeLog2;

    /// <summary>What all enabled stages together permit, before overrides of the stream.</summary>
    public AccessPermissions Permissions;

    /// <summary>Memory type and shareability, after the overrides that the tag names.</summary>
    public MemoryAttributes Attributes;
}
