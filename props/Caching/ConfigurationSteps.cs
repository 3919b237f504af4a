using Smmu.Fast.Formats;

namespace Smmu.Fast.Props.Caching;

/// <summary>Stores CD fields that TLB entries may hold, in all spaces of a group.</summary>
internal sealed record SetControls(int Group, GroupControls Controls, int Touches, int How) : Step
{
    public override void Run(TwinWorld world)
    {
        var group = Pick(world.Groups, Group);
        var random = new Random(How);
        group.Controls = Controls;
        List<Command> commands = [];
        foreach (var space in group.Spaces)
        {
            world.Store(space);
            world.Touch(space, space.Low.AddressOf(0), Touches, AccessKind.Read);
            commands.AddRange(Invalidations.OfContexts(world.AllStreams, space, random));
        }

        commands.Add(Invalidations.OfWorld(group.Shape, random));
        world.Invalidate(commands);
    }
}

/// <summary>Stores CD.A and CD.R, which no TLB entry may hold (CACHE-15).</summary>
internal sealed record SetFaultFlags(int Space, bool Aborts, bool Records, int How) : Step
{
    public override void Run(TwinWorld world)
    {
        var space = Pick(world.Spaces, Space);
        space.Aborts = Aborts;
        space.Records = Records;
        world.Store(space);
        world.Invalidate(Invalidations.OfContexts(world.AllStreams, space, new Random(How)));
    }
}

/// <summary>Gives a space another ASID; the old one is clean before somebody else may get it.</summary>
internal sealed record ChangeAsid(int Space, int Asid, int Touches, int How) : Step
{
    public override void Run(TwinWorld world)
    {
        var space = Pick(world.Spaces, Space);
        var group = space.Group.Shape;
        if (!group.HasAsids) return;

        var random = new Random(How);
        ushort old = space.Asid;
        space.Asid = world.UnusedAsid(Asid);
        world.Store(space);
        world.Touch(space, space.Low.AddressOf(0), Touches, AccessKind.Read);
        world.Invalidate(
        [
            .. Invalidations.OfContexts(world.AllStreams, space, random),
            random.Next(2) == 0 ? Invalidations.OfAsid(group, old) : Invalidations.OfWorld(group, random),
        ]);
    }
}

/// <summary>Stores the STE and CDs of a stream. Its old translations need not go: they stay right for their ASID.</summary>
/// <remarks>Spaces has a number for the space of each CD; every fourth number leaves its CD invalid.</remarks>
internal sealed record SetStream(
    int Stream, StreamKind Kind, (int First, int Second, int Third, int Fourth) Spaces, int DefaultSubstream,
    StreamOverride Override, int How) : Step
{
    public override void Run(TwinWorld world)
    {
        var stream = Pick(world.AllStreams, Stream);
        var first = Pick(world.Spaces, Spaces.First);
        var alike = world.Spaces.Where(space => TagOf(space) == TagOf(first)).ToArray();
        stream.Kind = Kind;
        stream.DefaultSubstream = DefaultSubstream;
        stream.Override = Override;
        int[] choices = [0, Spaces.Second, Spaces.Third, Spaces.Fourth];
        for (int i = 0; i < choices.Length; i++)
        {
            stream.Contexts[i] = i == 0 ? first : choices[i] % 4 == 3 ? null : Pick(alike, choices[i]);
        }

        world.Store(stream);
        world.Invalidate(Invalidations.OfStreams([stream], new Random(How)));
    }

    public override IEnumerable<Step> Simpler()
    {
        if (Override != StreamOverride.None) yield return this with { Override = StreamOverride.None };
        if (Kind == StreamKind.Substreams) yield return this with { Kind = StreamKind.Lone };
    }

    private static (StreamWorld World, ushort Vmid) TagOf(SpaceState space) => (space.Group.Shape.World, space.Group.Shape.Vmid);
}

/// <summary>Writes CR0.SMMUEN and GBPA.</summary>
internal sealed record Toggle(bool Enabled, bool AbortsWhenOff) : Step
{
    public override void Run(TwinWorld world)
    {
        world.SetGlobalBypass(AbortsWhenOff);
        world.SetEnabled(Enabled);
    }
}

/// <summary>Moves the Stream table while SMMUEN is off.</summary>
internal sealed record MoveStreamTable : Step
{
    public override void Run(TwinWorld world) => world.MoveStreamTable();
}

/// <summary>Commands that nothing calls for.</summary>
internal sealed record SpareCommands(int Space, int Place, int How) : Step
{
    public override void Run(TwinWorld world)
    {
        var random = new Random(How);
        var space = Pick(world.Spaces, Space);
        var tree = space.Half(random.Next(2) == 0);
        var stream = Pick(world.AllStreams, Place);
        int level = random.Next(2, 4);
        int sizeLog2 = tree.Shape.EntryLog2(level);
        ulong address = tree.AddressOf(Place) >> sizeLog2 << sizeLog2;
        var change = new EntryChange(level, address, sizeLog2, Old: 0, WasTable: level == 2);
        world.Invalidate(
        [
            .. Invalidations.OfEntry([space], tree, change, isGlobal: false, random),
            .. Invalidations.OfStreams([stream], random),
            Command.PrefetchConfig(stream.Id),
            Command.PrefetchAddress(stream.Id, change.Address),
        ]);
    }
}
