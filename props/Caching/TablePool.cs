using System.Runtime.InteropServices;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Props.Caching;

/// <summary>Pages for translation tables. A table that is taken out of use comes back, zeroed, once it may be used again.</summary>
/// <remarks>So a cache that still knows a table after its invalidation finds strange descriptors there, and not old ones.</remarks>
internal sealed class TablePool(GuestMachine machine)
{
    private const ulong TableOrPage = 0b11;

    private readonly Dictionary<int, Stack<ulong>> free = [];
    private readonly Dictionary<ulong, int> granuleOf = [];
    private readonly List<ulong> retired = [];

    /// <summary>The machine whose RAM holds the tables.</summary>
    public GuestMachine Machine => machine;

    /// <summary>Takes a zeroed table of 2^granuleLog2 bytes.</summary>
    public ulong Take(int granuleLog2)
    {
        if (free.TryGetValue(granuleLog2, out var tables) && tables.TryPop(out ulong table)) return table;
        ulong bytes = 1UL << granuleLog2;
        ulong address = machine.Allocate(bytes, bytes);
        granuleOf.Add(address, granuleLog2);
        return address;
    }

    /// <summary>True for a descriptor above level 3 that leads to a table from here.</summary>
    public bool IsTable(ulong descriptor, int granuleLog2, out ulong table)
    {
        table = descriptor & ((1UL << 48) - 1) & ~((1UL << granuleLog2) - 1);
        return (descriptor & 3) == TableOrPage && granuleOf.TryGetValue(table, out int granule) && granule == granuleLog2;
    }

    /// <summary>Takes a table and all below it out of use, at the next <see cref="FreeRetired"/>.</summary>
    /// <param name="table">The table.</param>
    /// <param name="level">Its level.</param>
    public void Retire(ulong table, int level)
    {
        retired.Add(table);
        if (level == 3) return;
        int granule = granuleOf[table];
        byte[] bytes = new byte[1 << granule];
        machine.Memory.Read(table, bytes);
        foreach (ulong descriptor in MemoryMarshal.Cast<byte, ulong>(bytes))
        {
            if (IsTable(descriptor, granule, out ulong below)) Retire(below, level + 1);
        }
    }

    /// <summary>Makes retired tables free: nobody can walk them any more.</summary>
    public void FreeRetired()
    {
        foreach (ulong table in retired)
        {
            int granule = granuleOf[table];
            machine.Memory.Write(table, new byte[1 << granule]);
            if (!free.TryGetValue(granule, out var tables)) free.Add(granule, tables = new Stack<ulong>());
            tables.Push(table);
        }

        retired.Clear();
    }
}
