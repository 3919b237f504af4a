using FsCheck;
using FsCheck.Fluent;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Props.Caching;

/// <summary>Makes random programs.</summary>
internal sealed class ProgramGenerator(Random random)
{
    private static readonly AccessKind[] Accesses =
    [
        .. Enumerable.Range(0, 16).Select(bits => (AccessKind)bits).Where(kind => (kind & AccessKind.Atomic) != 0),
    ];

    /// <summary>Programs for FsCheck: each is made of one number, and shrinks by its steps.</summary>
    public static Arbitrary<CachedProgram> Programs { get; } = Arb.From(
        Gen.Choose(0, int.MaxValue).Select(seed => new ProgramGenerator(new Random(seed)).Program()),
        program => program.Simpler());

    public CachedProgram Program()
    {
        var shape = Shape();
        int length = random.Next(8, 56);
        return new CachedProgram(shape, [.. MapSomething(), .. Enumerable.Range(0, length).Select(_ => Step())]);
    }

    private WorldShape Shape()
    {
        var groups = new List<GroupShape> { Group(StreamWorld.NonSecureEl1, 1, aset: false, 2) };
        if (Chance(2)) groups.Add(Group(StreamWorld.NonSecureEl1, (ushort)random.Next(1, 3), aset: true, random.Next(1, 3)));
        if (Chance(3)) groups.Add(Group(StreamWorld.NonSecureEl2, 0, aset: false, 1));
        else if (Chance(3)) groups.Add(Group(StreamWorld.NonSecureEl2E2h, 0, aset: false, 2));
        return new WorldShape(groups, Chance(2) ? 16 : 256);
    }

    private GroupShape Group(StreamWorld world, ushort vmid, bool aset, int spaces) =>
        new(world, vmid, aset, Chance(2) ? 2 : 5, Half(), Half(), spaces);

    private HalfShape Half() => random.Next(3) switch
    {
        0 => new HalfShape(12, Pick([16, 25, 30, 33])),
        1 => new HalfShape(14, Pick([16, 17, 20, 27])),
        _ => new HalfShape(16, Pick([16, 18, 21])),
    };

    // An empty world faults only, so programs begin with pages all over most of it.
    private IEnumerable<Step> MapSomething() => Enumerable.Range(0, 7).SelectMany(
        space => new[] { false, true }, (space, upper) => new Fill(space, upper, Number())).Where(_ => !Chance(5));

    private Step Step() => random.Next(100) switch
    {
        < 22 => Entry(EntryKind.Leaf),
        < 30 => Entry((EntryKind)random.Next(1, 6)),
        < 33 => new Fill(Number(), Upper(), Number()),
        < 40 => new SetHierarchy(
            Number(), Upper(), Place(), random.Next(1, 3), Chance(2) ? 0 : random.Next(16), Touches(), Number()),
        < 44 => new SetControls(Number(), Controls(), Touches(), Number()),
        < 47 => new SetFaultFlags(Number(), Chance(2), Chance(2), Number()),
        < 50 => new ChangeAsid(Number(), Number(), Touches(), Number()),
        < 57 => new SetStream(
            Number(), Kind(), (Number(), Number(), Number(), Number()), random.Next(3), Override(), Number()),
        < 59 => new Toggle(!Chance(3), Chance(3)),
        < 60 => new MoveStreamTable(),
        < 62 => new SpareCommands(Number(), Place(), Number()),
        < 82 => new Sweep(Number(), Substream(), Upper(), Pick(Accesses), Chance(2)),
        _ => new Access(
            Number(), Substream(), Upper(), Place(), Chance(2) ? random.Next(0x1000) : random.Next(1 << 24),
            Chance(4) ? random.Next(0x100) : 0, Chance(12), Pick(Accesses), Chance(2)),
    };

    private SetEntry Entry(EntryKind kind) => new(
        Number(), Upper(), Place(), Pick([3, 3, 3, 2, 2, 1]), kind, random.Next(8), Traits(), Touches(), Number());

    private int Number() => random.Next(1 << 16);

    private bool Upper() => Chance(3);

    private int Place() => random.Next(TableTree.Places);

    private int Touches() => Chance(2) ? 0 : random.Next(1, 4);

    private int Substream() => !Chance(4) ? -1 : random.Next(StreamState.Substreams + 1);

    private LeafTraits Traits() => Chance(2) ? LeafTraits.None : (LeafTraits)random.Next((int)LeafTraits.All + 1);

    private StreamKind Kind() => random.Next(16) switch
    {
        < 9 => StreamKind.Lone,
        < 13 => StreamKind.Substreams,
        13 => StreamKind.Invalid,
        14 => StreamKind.Abort,
        _ => StreamKind.Bypass,
    };

    private StreamOverride Override() =>
        Chance(2) ? StreamOverride.None : (StreamOverride)random.Next((int)StreamOverride.NoAllocation + 1);

    // A few at a time: with WXN, PAN and EPD all on, hardly an access gets anywhere.
    private GroupControls Controls()
    {
        var controls = GroupControls.None;
        for (int i = random.Next(4); i > 0; i--) controls |= (GroupControls)(1 << random.Next(10));
        return controls;
    }

    private bool Chance(int oneIn) => random.Next(oneIn) == 0;

    private T Pick<T>(ReadOnlySpan<T> list) => list[random.Next(list.Length)];
}
