using BenchmarkDotNet.Attributes;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Scenes;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Perf.Translate;

/// <summary>Requesters, and the pages of each.</summary>
/// <param name="Requesters">How many, each with an ASID of its own.</param>
/// <param name="Pages">Pages of each, of 4 KiB.</param>
public sealed record RequesterLoad(int Requesters, int Pages)
{
    /// <inheritdoc/>
    public override string ToString() => FormattableString.Invariant(
        $"{Requesters:N0} {(Requesters == 1 ? "requester" : "requesters")}, {Pages:N0} {(Pages == 1 ? "page" : "pages")} each");
}

/// <summary>
/// Reads whose requester is named with each access, as hosts do that cannot keep a port for a device: by a bus, and without
/// anything open. Requesters and pages come at random; all were touched before.
/// </summary>
[MemoryDiagnoser]
public class RequesterBenchmarks
{
    private const int OfRound = 16_384;
    private const int InScope = 64;
    private const int Seed = 11;
    private const int SubstreamsLog2 = 4;
    private const uint FirstStream = 0x100;
    private const uint FirstStreamWithSubstreams = 0x800;

    private readonly ulong[] addresses = new ulong[OfRound];
    private readonly uint[] requesters = new uint[OfRound];
    private TranslationScene? scene;
    private DmaBus? bus;

    /// <summary>Who accesses what.</summary>
    [ParamsSource(nameof(Loads))]
    public RequesterLoad Load { get; set; } = new(1, 64);

    public static IEnumerable<RequesterLoad> Loads { get; } = [new(1, 64), new(1, 4_096), new(256, 1), new(256, 16)];

    [GlobalSetup]
    public void SetUp()
    {
        scene = new TranslationScene(Load.Requesters * Load.Pages);
        AttachStreams();
        AttachSubstreams();
        var random = new Random(Seed);
        for (int i = 0; i < OfRound; i++)
        {
            int requester = random.Next(Load.Requesters);
            requesters[i] = (uint)requester;
            addresses[i] = TranslationScene.PageOf((requester * Load.Pages) + random.Next(Load.Pages)) + ((ulong)random.Next(512) << 3);
        }

        bus = scene.Machine.Smmu.OpenBus();
        ulong expected = Textbook();
        TranslationScene.Require(ByStream() == expected && BySubstream() == expected, "the answers differ");
        TranslationScene.Require(BusByStream() == expected && BusBySubstream() == expected, "the answers of the bus differ");
        TranslationScene.Require(ScopeByStream() == expected && ScopeBySubstream() == expected, "the answers of scopes differ");
        ulong before = scene.Machine.Smmu.GetStatistics().Walks;
        ByStream();
        BySubstream();
        BusByStream();
        BusBySubstream();
        ulong walks = scene.Machine.Smmu.GetStatistics().Walks - before;
        TranslationScene.Require(walks <= 4 * OfRound * 0.01, $"{walks} of {4 * OfRound} accesses walk");
    }

    [GlobalCleanup]
    public void CleanUp() => scene!.Dispose();

    [Benchmark(OperationsPerInvoke = OfRound, Baseline = true)]
    public ulong Textbook()
    {
        var smmu = scene!.Textbook;
        ulong sum = 0;
        for (int i = 0; i < addresses.Length; i++)
        {
            sum += smmu.Translate(new StreamId(FirstStream + requesters[i]), addresses[i], isWrite: false).Address;
        }

        return sum;
    }

    [Benchmark(OperationsPerInvoke = OfRound, Description = "hit: smmu.Translate(StreamID)")]
    public ulong ByStream()
    {
        var smmu = scene!.Machine.Smmu;
        ulong sum = 0;
        for (int i = 0; i < addresses.Length; i++)
        {
            sum += smmu.Translate(new StreamId(FirstStream + requesters[i]), null, addresses[i], AccessKind.Read).Address.Value;
        }

        return sum;
    }

    /// <summary>16 substreams a stream.</summary>
    [Benchmark(OperationsPerInvoke = OfRound, Description = "hit: smmu.Translate(StreamID, SubstreamID)")]
    public ulong BySubstream()
    {
        const uint Mask = (1 << SubstreamsLog2) - 1;
        var smmu = scene!.Machine.Smmu;
        ulong sum = 0;
        for (int i = 0; i < addresses.Length; i++)
        {
            uint requester = requesters[i];
            var stream = new StreamId(FirstStreamWithSubstreams + (requester >> SubstreamsLog2));
            sum += smmu.Translate(stream, new SubstreamId(requester & Mask), addresses[i], AccessKind.Read).Address.Value;
        }

        return sum;
    }

    [Benchmark(OperationsPerInvoke = OfRound, Description = "hit: bus.Translate(StreamID)")]
    public ulong BusByStream()
    {
        ulong sum = 0;
        for (int i = 0; i < addresses.Length; i++)
        {
            sum += bus!.Translate(new StreamId(FirstStream + requesters[i]), null, addresses[i], AccessKind.Read).Address.Value;
        }

        return sum;
    }

    /// <summary>16 substreams a stream.</summary>
    [Benchmark(OperationsPerInvoke = OfRound, Description = "hit: bus.Translate(StreamID, SubstreamID)")]
    public ulong BusBySubstream()
    {
        const uint Mask = (1 << SubstreamsLog2) - 1;
        ulong sum = 0;
        for (int i = 0; i < addresses.Length; i++)
        {
            uint requester = requesters[i];
            var stream = new StreamId(FirstStreamWithSubstreams + (requester >> SubstreamsLog2));
            sum += bus!.Translate(stream, new SubstreamId(requester & Mask), addresses[i], AccessKind.Read).Address.Value;
        }

        return sum;
    }

    /// <summary>64 accesses to a scope.</summary>
    [Benchmark(OperationsPerInvoke = OfRound, Description = "hit: busScope.Translate(StreamID)")]
    public ulong ScopeByStream()
    {
        ulong sum = 0;
        for (int first = 0; first < addresses.Length; first += InScope)
        {
            using var scope = bus!.Enter();
            for (int i = first; i < first + InScope; i++)
            {
                sum += scope.Translate(new StreamId(FirstStream + requesters[i]), null, addresses[i], AccessKind.Read).Address.Value;
            }
        }

        return sum;
    }

    /// <summary>64 accesses to a scope, 16 substreams a stream.</summary>
    [Benchmark(OperationsPerInvoke = OfRound, Description = "hit: busScope.Translate(StreamID, SubstreamID)")]
    public ulong ScopeBySubstream()
    {
        const uint Mask = (1 << SubstreamsLog2) - 1;
        ulong sum = 0;
        for (int first = 0; first < addresses.Length; first += InScope)
        {
            using var scope = bus!.Enter();
            for (int i = first; i < first + InScope; i++)
            {
                uint requester = requesters[i];
                var stream = new StreamId(FirstStreamWithSubstreams + (requester >> SubstreamsLog2));
                sum += scope.Translate(stream, new SubstreamId(requester & Mask), addresses[i], AccessKind.Read).Address.Value;
            }
        }

        return sum;
    }

    private ContextDescriptor DescriptorOf(int asid) =>
        scene!.Space.Descriptor().With(ContextDescriptorField.ASID, (ulong)asid);

    private void AttachStreams()
    {
        var machine = scene!.Machine;
        for (int i = 0; i < Load.Requesters; i++)
        {
            ulong context = machine.Allocate(64, 64);
            machine.SetContext(context, DescriptorOf(0x1000 + i));
            machine.SetStream(FirstStream + (uint)i, Entries.Stage1(context));
        }
    }

    // SubstreamID 0 counts like any other: S1DSS is 0b00, so that a transaction without one is refused.
    private void AttachSubstreams()
    {
        var machine = scene!.Machine;
        for (int i = 0; i < Load.Requesters; i += 1 << SubstreamsLog2)
        {
            ulong contexts = machine.Allocate(64 << SubstreamsLog2, 64 << SubstreamsLog2);
            for (int substream = 0; substream < 1 << SubstreamsLog2; substream++)
            {
                machine.SetContext(contexts + ((ulong)substream * 64), DescriptorOf(0x2000 + i + substream));
            }

            machine.SetStream(
                FirstStreamWithSubstreams + (uint)(i >> SubstreamsLog2),
                Entries.Stage1(contexts).With(StreamTableEntryField.S1CDMax, SubstreamsLog2));
        }
    }
}
