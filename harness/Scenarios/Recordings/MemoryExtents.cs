namespace Smmu.Fast.Scenarios.Recordings;

/// <summary>A range of physical addresses.</summary>
/// <param name="Address">The first byte.</param>
/// <param name="SizeBytes">Its length.</param>
public readonly record struct MemoryRegion(ulong Address, ulong SizeBytes);

/// <summary>Collects the addresses a recording names and makes a few big regions of them.</summary>
/// <remarks>
/// Few, because each lookup of a host pointer goes over the regions; big is cheap, because untouched memory is not committed.
/// What a file can ask for is bounded before anything is reserved.
/// </remarks>
internal sealed class MemoryExtents(string name)
{
    private const int GranuleLog2 = 21;
    private const int AddressBits = 56;
    private const ulong MergedGapBytes = 64UL << 20;
    private const ulong LargestTotalBytes = 64UL << 30;
    private const int LargestRegionCount = 64;

    private readonly HashSet<ulong> granules = [];
    private ulong lastGranule = ulong.MaxValue;

    /// <summary>Adds a range; false when it does not lie in the physical address space.</summary>
    public bool TryAdd(ulong address, ulong sizeBytes)
    {
        ulong last = address + sizeBytes - 1;
        if (sizeBytes == 0 || last < address || last >> AddressBits != 0) return false;
        for (ulong granule = address >> GranuleLog2; granule <= last >> GranuleLog2; granule++)
        {
            if (granule == lastGranule) continue;
            lastGranule = granule;
            if (granules.Add(granule) && (ulong)granules.Count << GranuleLog2 > LargestTotalBytes) throw TooMuch();
        }

        return true;
    }

    /// <summary>Adds a range if it can be one: a base register may hold anything, and need not name memory.</summary>
    public void AddIfPossible(ulong address, ulong sizeBytes) => TryAdd(address, sizeBytes);

    /// <summary>The regions, in ascending order.</summary>
    /// <exception cref="RecordingException">The file asks for more than a replay gives.</exception>
    public IReadOnlyList<MemoryRegion> ToRegions()
    {
        var regions = new List<MemoryRegion>();
        ulong total = 0;
        foreach (ulong granule in granules.Order())
        {
            ulong address = granule << GranuleLog2;
            ulong end = address + (1UL << GranuleLog2);
            if (regions.Count > 0 && address - (regions[^1].Address + regions[^1].SizeBytes) < MergedGapBytes)
            {
                total -= regions[^1].SizeBytes;
                regions[^1] = regions[^1] with { SizeBytes = end - regions[^1].Address };
            }
            else
            {
                regions.Add(new MemoryRegion(address, end - address));
            }

            total += regions[^1].SizeBytes;
            if (total > LargestTotalBytes) throw TooMuch();
        }

        return regions.Count <= LargestRegionCount
            ? regions
            : throw new RecordingException(
                $"{name}: the file names memory in {regions.Count} places far apart; at most {LargestRegionCount} are replayed");
    }

    private RecordingException TooMuch() =>
        new($"{name}: the file names memory in more than {LargestTotalBytes >> 30} GiB of address space");
}
