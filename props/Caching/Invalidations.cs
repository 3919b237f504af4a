using Smmu.Fast.Formats;

namespace Smmu.Fast.Props.Caching;

/// <summary>Commands that are enough after a change: one of the ways in which a driver may go about it, at random.</summary>
internal static class Invalidations
{
    private const int MostScale = 31;   // Without DS.

    /// <summary>After a store into translation tables; the same store in all the spaces.</summary>
    /// <param name="spaces">The spaces whose tables changed, all of one group.</param>
    /// <param name="tree">One of their trees.</param>
    /// <param name="change">What changed.</param>
    /// <param name="isGlobal">The mappings below are global.</param>
    /// <param name="random">Chooses.</param>
    public static List<Command> OfEntry(
        IReadOnlyList<SpaceState> spaces, TableTree tree, EntryChange change, bool isGlobal, Random random)
    {
        var group = spaces[0].Group.Shape;
        switch (random.Next(8))
        {
            case 0:
                return [OfWorld(group, random)];

            case 1 when group.HasAsids && !isGlobal:
                return [.. spaces.Select(space => OfAsid(group, space.Asid))];

            case 2 or 3:
                return ForEachTag(spaces, change, isGlobal, random, tag => OfPlaces(tree, change, tag, random));

            default:
                return ForEachTag(spaces, change, isGlobal, random, tag => [OfRange(tree.Shape, change, tag, random)]);
        }
    }

    /// <summary>After a change of CD fields that TLB entries of a whole group may hold.</summary>
    public static Command OfWorld(GroupShape group, Random random)
    {
        if (group.World != StreamWorld.NonSecureEl1) return Command.TlbiEl2All();
        var vmid = new Vmid(group.Vmid);
        return random.Next(3) switch
        {
            0 => Command.TlbiNhAll(vmid),
            1 => Command.TlbiS12Vmall(vmid),
            _ => Command.TlbiNsnhAll(),
        };
    }

    /// <summary>For an ASID that goes out of use.</summary>
    public static Command OfAsid(GroupShape group, ushort asid) => group.World == StreamWorld.NonSecureEl1
        ? Command.TlbiNhAsid(new Vmid(group.Vmid), new Asid(asid))
        : Command.TlbiEl2Asid(new Asid(asid));

    /// <summary>After a store into STEs.</summary>
    public static List<Command> OfStreams(IEnumerable<StreamState> streams, Random random)
    {
        const byte EightStreams = 2;
        return random.Next(4) switch
        {
            0 => [Command.CfgiAll()],
            1 => [Command.CfgiSteRange(new StreamId((uint)random.Next(TwinWorld.Streams)), EightStreams)],
            _ => [.. streams.Select(stream => Command.CfgiSte(stream.Id, leaf: random.Next(2) == 0))],
        };
    }

    /// <summary>After a store into the CDs of a space.</summary>
    public static List<Command> OfContexts(IReadOnlyList<StreamState> streams, SpaceState space, Random random) =>
        random.Next(3) switch
        {
            0 => OfStreams(streams.Where(stream => stream.ContextsOf(space).Any()), random),
            1 => [.. streams.Where(stream => stream.ContextsOf(space).Any()).Select(stream => Command.CfgiCdAll(stream.Id))],
            _ => [.. streams.SelectMany(stream => stream.ContextsOf(space).Select(
                index => Command.CfgiCd(stream.Id, new SubstreamId((uint)index), leaf: random.Next(2) == 0)))],
        };

    /// <summary>Which tag the by-address commands name: for each ASID, for none, or any one ASID for a global leaf.</summary>
    private static List<Command> ForEachTag(
        IReadOnlyList<SpaceState> spaces, EntryChange change, bool isGlobal, Random random, Func<Tag, List<Command>> make)
    {
        var group = spaces[0].Group.Shape;
        if (random.Next(3) == 0) return make(new Tag(group, null));
        if (isGlobal && !change.WasTable) return make(new Tag(group, (ushort)random.Next(0x10000)));
        return [.. spaces.SelectMany(space => make(new Tag(group, space.Asid)))];
    }

    // Every page that the driver knows of; the first one is inside the changed entry in any case.
    private static List<Command> OfPlaces(TableTree tree, EntryChange change, Tag tag, Random random)
    {
        var addresses = change.WasTable ? tree.PlacesWithin(change) : [AnywhereIn(change, random)];
        bool leaf = !change.WasTable && random.Next(2) == 0;
        return [.. addresses.Select(address => tag.Make(address, leaf, default))];
    }

    private static Command OfRange(HalfShape shape, EntryChange change, Tag tag, Random random)
    {
        int log2Granules = change.SizeLog2 - shape.GranuleLog2;
        byte granuleCode = shape.GranuleLog2 switch { 12 => (byte)1, 14 => 2, _ => 3 };
        bool levelHasCode = change.Level is 2 or 3 || (change.Level == 1 && shape.GranuleLog2 == 12);
        bool leaf = !change.WasTable && random.Next(2) == 0;
        bool namesLevel = !change.WasTable && levelHasCode && (log2Granules == 0 || random.Next(2) == 0);
        byte level = namesLevel ? (byte)change.Level : (byte)0;

        // With the level, one granule at the start of a leaf stands for it.
        int covered = namesLevel && random.Next(3) == 0 ? 0 : log2Granules;
        int log2Number = random.Next(Math.Min(covered, 5) + 1);
        if (covered - log2Number > MostScale) log2Number = covered - MostScale;
        var range = new InvalidationRange(
            granuleCode, (byte)((1 << log2Number) - 1), (byte)(covered - log2Number), level);
        return tag.Make(change.Address, leaf, range);
    }

    private static ulong AnywhereIn(EntryChange change, Random random) =>
        change.Address + ((ulong)random.NextInt64() & ((1UL << change.SizeLog2) - 1));

    /// <summary>What by-address commands compare besides the address.</summary>
    private readonly record struct Tag(GroupShape Group, ushort? Asid)
    {
        public Command Make(ulong address, bool leaf, InvalidationRange range)
        {
            var vmid = new Vmid(Group.Vmid);
            bool el1 = Group.World == StreamWorld.NonSecureEl1;
            address &= ~0xfffUL;
            return Asid is { } asid
                ? el1
                    ? Command.TlbiNhVa(vmid, new Asid(asid), address, leaf, range)
                    : Command.TlbiEl2Va(new Asid(asid), address, leaf, range)
                : el1
                    ? Command.TlbiNhVaa(vmid, address, leaf, range)
                    : Command.TlbiEl2Vaa(address, leaf, range);
        }
    }
}
