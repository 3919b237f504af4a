using Smmu.Fast.Device;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Props.Caching;

internal sealed partial class TwinWorld
{
    private readonly Dictionary<(StreamId Stream, SubstreamId? Substream), DmaPort> ports = [];

    private DmaBus? bus;
    private int namedAccesses;

    /// <summary>What was compared so far.</summary>
    public Coverage Coverage { get; } = new();

    /// <summary>The space that an access would be translated by, or the first one when none is.</summary>
    public SpaceState SpaceOf(StreamState stream, int substream)
    {
        int index = stream.Kind == StreamKind.Substreams && substream is >= 0 and < StreamState.Substreams ? substream : 0;
        return stream.Contexts[index] ?? Spaces[0];
    }

    /// <summary>Makes an access in both SMMUs; they must answer alike and leave the same records.</summary>
    public void Compare(StreamState stream, int substream, ulong address, AccessKind access, bool byPort, bool explain)
    {
        var id = IdOf(substream);
        var seen = byPort ? TranslateByPort(stream.Id, id, address, access) : TranslateByName(stream.Id, id, address, access);
        var expected = Plain.Translate(stream.Id, id, address, access);
        string difference = Difference(in expected, in seen);
        Assert.True(difference.Length == 0, $"{access} of {stream.Id} {id} at 0x{address:x}: {difference}");

        if (explain)
        {
            var explained = Cached.Explain(stream.Id, id, address, access).Result;
            difference = Difference(in expected, in explained);
            Assert.True(difference.Length == 0, $"Explained {access} of {stream.Id} {id} at 0x{address:x}: {difference}");
        }

        CompareEvents();
        Coverage.Count(in seen, smmuEnabled);
    }

    /// <summary>Makes accesses to a place from every stream that reaches it, whatever they answer.</summary>
    public void Touch(SpaceState space, ulong address, int count, AccessKind access)
    {
        foreach (var stream in AllStreams)
        {
            if (stream.Kind is not (StreamKind.Lone or StreamKind.Substreams)) continue;
            foreach (int index in stream.ContextsOf(space))
            {
                var id = stream.Kind == StreamKind.Lone ? null : IdOf(index);
                for (int i = 0; i < count; i++)
                {
                    ulong at = address + ((ulong)i << 12);
                    PortOf(stream.Id, id).Translate(at, access);
                    Cached.Translate(stream.Id, id, at, access);
                    Bus.Translate(stream.Id, id, at, access);
                }
            }
        }

        DropEvents();
    }

    /// <summary>Adds what the caches did to the coverage; once, at the end.</summary>
    public void CountCaches() => Coverage.Count(Cached.GetStatistics());

    // Room for few, so that it begins anew now and then.
    private DmaBus Bus => bus ??= Cached.OpenBus(requesters: 7);

    private static SubstreamId? IdOf(int substream) => substream < 0 ? null : new SubstreamId((uint)substream);

    private static string Difference(in TranslationResult expected, in TranslationResult seen)
    {
        if (expected.Outcome != seen.Outcome) return $"outcome {seen.Outcome} {seen.Event}, should be {expected.Outcome} {expected.Event}";
        if (expected.Event != seen.Event) return $"event {seen.Event}, should be {expected.Event}";
        if (expected.Address != seen.Address) return $"address {seen.Address}, should be {expected.Address}";
        if (expected.LeafSize != seen.LeafSize) return $"leaf size 0x{seen.LeafSize:x}, should be 0x{expected.LeafSize:x}";
        if (expected.Permissions != seen.Permissions) return $"permissions {seen.Permissions}, should be {expected.Permissions}";
        return expected.Attributes == seen.Attributes ? "" : $"attributes {seen.Attributes}, should be {expected.Attributes}";
    }

    private TranslationResult TranslateByPort(StreamId stream, SubstreamId? substream, ulong address, AccessKind access)
    {
        var port = PortOf(stream, substream);
        ulong lookups = port.Statistics.ConfigurationLookups;
        var result = port.Translate(address, access);
        if (smmuEnabled && port.Statistics.ConfigurationLookups == lookups) Coverage.PortHits++;
        return result;
    }

    // By a bus and without anything open, in turns.
    private TranslationResult TranslateByName(StreamId stream, SubstreamId? substream, ulong address, AccessKind access) =>
        (namedAccesses++ & 1) == 0
            ? Bus.Translate(stream, substream, address, access)
            : Cached.Translate(stream, substream, address, access);

    private DmaPort PortOf(StreamId stream, SubstreamId? substream)
    {
        if (!ports.TryGetValue((stream, substream), out var port))
        {
            ports.Add((stream, substream), port = Cached.OpenPort(stream, substream));
        }

        return port;
    }

    private void CompareEvents()
    {
        while (true)
        {
            bool isExpected = plain.TryTakeEvent(out var expected);
            bool isSeen = machine.TryTakeEvent(out var seen);
            Assert.True(isExpected == isSeen, isSeen ? $"Recorded {seen}, should be nothing" : $"Recorded nothing, should be {expected}");
            if (!isSeen) return;
            Assert.True(seen == expected, $"Recorded {seen}, should be {expected}");
            Coverage.Records++;
        }
    }
}
