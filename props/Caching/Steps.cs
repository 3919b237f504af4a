using Smmu.Fast.Formats;

namespace Smmu.Fast.Props.Caching;

/// <summary>One step of a program. Numbers are taken modulo what there is, so that any step fits any world.</summary>
internal abstract record Step
{
    public abstract void Run(TwinWorld world);

    /// <summary>The same step with less to it; for shrinking.</summary>
    public virtual IEnumerable<Step> Simpler() => [];

    protected static T Pick<T>(IReadOnlyList<T> list, int index) => list[index % list.Count];
}

/// <summary>What a descriptor is to be.</summary>
internal enum EntryKind
{
    Leaf,
    Invalid,
    Reserved,
    AccessFlagClear,
    OutputTooLarge,
    TableOutsideOfMemory,
}

/// <summary>Attributes of a leaf.</summary>
[Flags]
internal enum LeafTraits
{
    None = 0,
    ReadOnly = 1 << 0,
    Privileged = 1 << 1,
    ExecuteNever = 1 << 2,
    PrivilegedExecuteNever = 1 << 3,
    OtherType = 1 << 4,
    OuterShareable = 1 << 5,
    All = (1 << 6) - 1,
}

/// <summary>Stores a descriptor and invalidates what has to go.</summary>
/// <remarks>
/// It goes to the level, where the granule lets it be a leaf, else to the next below that does. Touches are accesses between
/// the store and the invalidation; How chooses among the commands that are enough.
/// </remarks>
internal sealed record SetEntry(
    int Space, bool Upper, int Place, int Level, EntryKind Kind, int Output, LeafTraits Traits, int Touches, int How) : Step
{
    public override void Run(TwinWorld world)
    {
        var space = Pick(world.Spaces, Space);
        var tree = space.Half(Upper);
        bool isGlobal = Place >= TableTree.FirstGlobalPlace;
        var spaces = isGlobal ? space.Group.Spaces : [space];
        int level = Kind == EntryKind.TableOutsideOfMemory
            ? Math.Min(Math.Max(Level, 1), 2)
            : Math.Max(Level, tree.Shape.FirstBlockLevel);
        ulong descriptor = Descriptor(tree.Shape, level, isGlobal);

        EntryChange change = default;
        foreach (var each in spaces) change = each.Half(Upper).Set(Place, level, descriptor);
        world.Touch(space, tree.AddressOf(Place), Touches, AccessKind.Read);

        var random = new Random(How);
        bool needed = MayBeCached(in change, tree.Shape, space.Group);
        if (needed || random.Next(4) == 0)
        {
            world.Invalidate(Invalidations.OfEntry(spaces, tree, change, isGlobal, random));
        }
        else
        {
            world.Invalidate([]);
        }
    }

    public override IEnumerable<Step> Simpler()
    {
        if (Touches != 0) yield return this with { Touches = 0 };
        if (Traits != LeafTraits.None) yield return this with { Traits = LeafTraits.None };
        if (Kind != EntryKind.Leaf) yield return this with { Kind = EntryKind.Leaf };
    }

    // CACHE-04: nothing is cached of a descriptor that faults, whatever kind the fault is of. One that denies access may be.
    private static bool MayBeCached(in EntryChange change, HalfShape shape, GroupState group)
    {
        if (change.WasTable) return true;
        bool isLeaf = change.Level == 3 ? (change.Old & 3) == 3 : (change.Old & 3) == 1 && change.Level >= shape.FirstBlockLevel;
        return isLeaf && ((change.Old & (1 << 10)) != 0 || group.Has(GroupControls.AccessFlagFaultDisabled));
    }

    private ulong Descriptor(HalfShape shape, int level, bool isGlobal)
    {
        ulong leafType = level == 3 ? 0b11u : 0b01u;
        ulong attributes = (1UL << 10) | (Has(LeafTraits.OuterShareable) ? 0b10UL << 8 : 0b11UL << 8)
            | (isGlobal ? 0 : 1UL << 11)
            | (Has(LeafTraits.ReadOnly) ? 1UL << 7 : 0)
            | (Has(LeafTraits.Privileged) ? 0 : 1UL << 6)
            | (Has(LeafTraits.ExecuteNever) ? 1UL << 54 : 0)
            | (Has(LeafTraits.PrivilegedExecuteNever) ? 1UL << 53 : 0)
            | (Has(LeafTraits.OtherType) ? 1UL << 2 : 0);
        ulong output = (ulong)(Output + 1) << shape.EntryLog2(level);
        return Kind switch
        {
            EntryKind.Leaf => output | attributes | leafType,
            EntryKind.Invalid => output | attributes,
            EntryKind.Reserved => output | attributes | (level == 3 ? 0b01u : 0),
            EntryKind.AccessFlagClear => (output | attributes | leafType) & ~(1UL << 10),
            EntryKind.OutputTooLarge => output | (1UL << 47) | attributes | leafType,
            _ => (0x70_0000_0000UL + output) | 0b11,
        };
    }

    private bool Has(LeafTraits trait) => (Traits & trait) != 0;
}

/// <summary>Maps a page, readable and writable, at each place of a half.</summary>
internal sealed record Fill(int Space, bool Upper, int How) : Step
{
    public override void Run(TwinWorld world)
    {
        for (int place = 0; place < TableTree.Places; place++)
        {
            new SetEntry(Space, Upper, place, Level: 3, EntryKind.Leaf, place, LeafTraits.None, Touches: 0, How + place).Run(world);
        }
    }
}

/// <summary>Stores NSTable, APTable, UXNTable and PXNTable of a table descriptor, if there is a table.</summary>
internal sealed record SetHierarchy(int Space, bool Upper, int Place, int Level, int Bits, int Touches, int How) : Step
{
    public override void Run(TwinWorld world)
    {
        var space = Pick(world.Spaces, Space);
        var tree = space.Half(Upper);
        bool isGlobal = Place >= TableTree.FirstGlobalPlace;
        var spaces = isGlobal ? space.Group.Spaces : [space];
        EntryChange? change = null;
        foreach (var each in spaces) change = each.Half(Upper).SetHierarchy(Place, Level, (ulong)Bits);
        if (change is not { } changed) return;

        world.Touch(space, tree.AddressOf(Place), Touches, AccessKind.Read);
        world.Invalidate(Invalidations.OfEntry(spaces, tree, changed, isGlobal, new Random(How)));
    }
}
