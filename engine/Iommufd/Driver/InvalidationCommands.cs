using System.Numerics;
using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Tables;

namespace Smmu.Fast.Iommufd.Driver;

/// <summary>Commands of one invalidation, gathered so that they go out with few CMD_SYNCs.</summary>
internal ref struct CommandBatch
{
    /// <summary>Commands that it holds before they are submitted.</summary>
    public const int Capacity = 64;

    private readonly CommandChannel channel;
    private Commands commands;
    private int count;

    /// <summary>Begins with none.</summary>
    public CommandBatch(CommandChannel channel) => this.channel = channel;

    /// <summary>Adds a command.</summary>
    public void Add(Command command)
    {
        if (count == Capacity) Flush(sync: false);
        commands[count++] = command;
    }

    /// <summary>Submits all, and waits until they are complete.</summary>
    public void Complete()
    {
        if (count != 0) Flush(sync: true);
    }

    private void Flush(bool sync)
    {
        channel.Submit(commands[..count], sync);
        count = 0;
    }

    [InlineArray(Capacity)]
    private struct Commands
    {
        private Command first;
    }
}

/// <summary>Whose translations are invalidated: what stands in TLBI commands beside the address.</summary>
/// <param name="IsStage2">By IPA and VMID; else by VA and ASID.</param>
/// <param name="Vmid">The VMID; 0 for stage 1 of the host's.</param>
/// <param name="Asid">The ASID of stage 1.</param>
internal readonly record struct InvalidationTag(bool IsStage2, Vmid Vmid, Asid Asid)
{
    /// <summary>All of it.</summary>
    public Command Everything => IsStage2 ? Command.TlbiS12Vmall(Vmid) : Command.TlbiNhAsid(Vmid, Asid);

    /// <summary>One address, or a range.</summary>
    public Command At(ulong address, bool leaf, InvalidationRange range) => IsStage2
        ? Command.TlbiS2Ipa(Vmid, address, leaf, range)
        : Command.TlbiNhVa(Vmid, Asid, address, leaf, range);
}

/// <summary>Turns what changed in a table into the fewest TLBI commands (IHI 0070, 4.4.1.1).</summary>
/// <param name="granuleLog2">Granule of the table.</param>
/// <param name="hasRanges">IDR3.RIL.</param>
/// <param name="reachesFar">IDR5.DS: SCALE may exceed 31.</param>
internal readonly struct InvalidationPlan(int granuleLog2, bool hasRanges, bool reachesFar)
{
    private const int LowestLevel = -1;
    private const int LowestLevelWithBlocks = 0;
    private const int NumBits = 5;
    private const ulong NumMask = (1UL << NumBits) - 1;

    /// <summary>Commands by address that are fewer than it costs to lose everything.</summary>
    private ulong MostSingles => 1UL << (granuleLog2 - 3);

    /// <summary>Adds the commands for a change; false when everything of the tag is to go instead.</summary>
    public bool TryAdd(ref CommandBatch batch, InvalidationTag tag, in PageTableChange change)
    {
        if (!hasRanges && CountSingles(in change) > MostSingles) return false;
        if (!change.Tables.IsEmpty) AddRange(ref batch, tag, change.Tables, granuleLog2, level: null);
        for (int level = LowestLevel; level <= 3; level++)
        {
            AddressRange range = change.LeavesOf(level);
            if (range.IsEmpty || IsInside(range, change.Tables)) continue;
            AddRange(ref batch, tag, range, granuleLog2 + ((3 - level) * (granuleLog2 - 3)), level);
        }

        return true;
    }

    // With tables gone, commands for all levels cover leaves, too.
    private static bool IsInside(AddressRange range, AddressRange tables) => !tables.IsEmpty
        && range.First >= tables.First && range.First + (range.Bytes - 1) <= tables.First + (tables.Bytes - 1);

    private ulong CountSingles(in PageTableChange change)
    {
        ulong count = change.Tables.Bytes >> granuleLog2;
        for (int level = LowestLevel; level <= 3; level++)
        {
            AddressRange range = change.LeavesOf(level);
            if (!IsInside(range, change.Tables)) count += range.Bytes >> (granuleLog2 + ((3 - level) * (granuleLog2 - 3)));
        }

        return count;
    }

    private void AddRange(ref CommandBatch batch, InvalidationTag tag, AddressRange range, int leafLog2, int? level)
    {
        if (!hasRanges)
        {
            for (ulong done = 0; done < range.Bytes; done += 1UL << leafLog2)
            {
                batch.Add(tag.At(range.First + done, level.HasValue, default));
            }

            return;
        }

        byte granule = (byte)((granuleLog2 - 10) / 2);
        byte ttl = level is >= LowestLevelWithBlocks ? (byte)level.Value : (byte)0;
        // TTL of 0 stands for any level, and level 0 has no code of its own.
        ulong pages = range.Bytes >> granuleLog2;
        if (ttl == 0 && (pages & NumMask) == 1) pages++;   // NUM, SCALE and TTL of 0 together are reserved.
        ulong address = range.First;
        int mostScale = reachesFar ? 39 : 31;
        while (pages != 0)
        {
            int scale = Math.Min(BitOperations.TrailingZeroCount(pages), mostScale);
            ulong chunk = (pages >> scale) & NumMask;
            if (scale == mostScale && pages >> scale > NumMask) chunk = NumMask;
            batch.Add(tag.At(address, level.HasValue, new InvalidationRange(granule, (byte)(chunk - 1), (byte)scale, ttl)));
            address += chunk << scale << granuleLog2;
            pages -= chunk << scale;
        }
    }
}
