using Smmu.Fast.Formats;

namespace Smmu.Fast.Props.Caching;

/// <summary>Two accesses to each of the places of a half. The second comes at once: places share slots of a port.</summary>
internal sealed record Sweep(int Stream, int Substream, bool Upper, AccessKind Kind, bool ByPort) : Step
{
    public override void Run(TwinWorld world)
    {
        var stream = Pick(world.AllStreams, Stream);
        var tree = world.SpaceOf(stream, Substream).Half(Upper);
        for (int i = 0; i < 2 * TableTree.Places; i++)
        {
            world.Compare(stream, Substream, tree.AddressOf(i / 2), Kind, ByPort, explain: false);
        }
    }
}

/// <summary>One access.</summary>
/// <remarks>Offset is added to the address of the place; TopByte changes bits [63:56], Beyond the bit just above the range.</remarks>
internal sealed record Access(
    int Stream, int Substream, bool Upper, int Place, int Offset, int TopByte, bool Beyond, AccessKind Kind, bool ByPort) : Step
{
    public override void Run(TwinWorld world)
    {
        var stream = Pick(world.AllStreams, Stream);
        var tree = world.SpaceOf(stream, Substream).Half(Upper);
        ulong address = tree.AddressOf(Place) + (ulong)Offset;
        address ^= ((ulong)TopByte << 56) ^ (Beyond ? 1UL << (64 - tree.Shape.SizeOffset) : 0);
        world.Compare(stream, Substream, address, Kind, ByPort, explain: true);
    }

    public override IEnumerable<Step> Simpler()
    {
        if (Offset != 0) yield return this with { Offset = 0 };
        if (TopByte != 0) yield return this with { TopByte = 0 };
        if (Beyond) yield return this with { Beyond = false };
        if (ByPort) yield return this with { ByPort = false };
        if (Kind != AccessKind.Read) yield return this with { Kind = AccessKind.Read };
    }
}
