using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Queues;
using Smmu.Fast.Tests.Streams;

namespace Smmu.Fast.Tests.Outside;

/// <summary>Where gem5 24, when it is run, departs from the architecture or forgets too much, and this SMMU must not.</summary>
public class Gem5DepartureTests
{
    private const ulong Iova = 0x4000_0000;
    private const ulong Output = 0x8000_0000;
    private const uint Stream = 8;
    private const int PagesOfABlock = 512;

    [Fact]
    public void Departure01_EveryPageOfABlockHitsAfterOneWalk()
    {
        using var machine = new GuestMachine();
        machine.Start();
        var space = new Stage1Space(machine, asid: 1);
        space.Map(Iova, Output, level: 2);
        machine.AttachStage1(Stream, space);
        using var port = machine.Smmu.OpenPort(new StreamId(Stream));

        for (ulong page = 0; page < PagesOfABlock; page++)
        {
            Assert.Equal(Output + (page << 12), port.Translate(Iova + (page << 12), AccessKind.Read).Address.Value);
            Assert.Equal(
                Output + (page << 12),
                machine.Smmu.Translate(new StreamId(Stream), null, Iova + (page << 12), AccessKind.Read).Address.Value);
        }

        var statistics = machine.Smmu.GetStatistics();
        Assert.Equal(1ul, statistics.Walks);
        Assert.Equal(statistics.TlbLookups - 1, statistics.TlbHits);
    }

    [Fact]
    public void Departure02_AnInvalidationReachesTheContextThatItNamesWhicheverItIs()
    {
        const int Log2Contexts = 9;
        using var scene = new StreamScene();
        var first = Space(scene, asid: 1, Output);
        var second = Space(scene, asid: 2, Output + 0x1000);
        ulong contexts = scene.Machine.Allocate(64UL << Log2Contexts, 64UL << Log2Contexts);
        for (uint index = 0; index < 1 << Log2Contexts; index++) Point(index, first);
        scene.Machine.SetStream(Stream, Entries.Stage1(contexts).With(StreamTableEntryField.S1CDMax, Log2Contexts));
        for (uint index = 0; index < 1 << Log2Contexts; index++) scene.AssertReaches(Output, Stream, Iova, substream: index);

        for (uint index = 0; index < 1 << Log2Contexts; index++)
        {
            scene.AssertReaches(Output, Stream, Iova, substream: index);
            Point(index, second);
            scene.AssertReaches(Output, Stream, Iova, substream: index);
            scene.Machine.SubmitAndSync(Command.CfgiCd(new StreamId(Stream), new SubstreamId(index)));
            scene.AssertReaches(Output + 0x1000, Stream, Iova, substream: index);
        }

        void Point(uint index, Stage1Space space) =>
            scene.Machine.SetContext(contexts + (index * 64UL), space.Descriptor());
    }

    [Fact]
    public void Departure02_AnInvalidationOfAllContextsReachesEveryOne()
    {
        const int Log2Contexts = 9;
        using var scene = new StreamScene();
        var first = Space(scene, asid: 1, Output);
        var second = Space(scene, asid: 2, Output + 0x1000);
        ulong contexts = scene.Machine.Allocate(64UL << Log2Contexts, 64UL << Log2Contexts);
        scene.Machine.SetStream(Stream, Entries.Stage1(contexts).With(StreamTableEntryField.S1CDMax, Log2Contexts));
        PointAll(first);
        AssertAllReach(Output);
        PointAll(second);
        AssertAllReach(Output);

        scene.Machine.SubmitAndSync(Command.CfgiCdAll(new StreamId(Stream)));

        AssertAllReach(Output + 0x1000);

        void PointAll(Stage1Space space)
        {
            for (uint index = 0; index < 1 << Log2Contexts; index++)
                scene.Machine.SetContext(contexts + (index * 64UL), space.Descriptor());
        }

        void AssertAllReach(ulong output)
        {
            for (uint index = 0; index < 1 << Log2Contexts; index++) scene.AssertReaches(output, Stream, Iova, substream: index);
        }
    }

    /// <summary>Whatever a guest gets wrong has an answer that the architecture names, and the next guest is served.</summary>
    [Fact]
    public void Departure03_MistakesOfAGuestEndNothing()
    {
        using var scene = new StreamScene(recordInvalidStreams: true);
        var machine = scene.Machine;
        var space = scene.AttachPage(Stream, Iova, Output);
        ulong context = scene.NewContext(space.Descriptor().With(ContextDescriptorField.AA64, 0));

        machine.SetStream(1, default);                                                          // V = 0.
        scene.AssertFaults(EventType.BadStreamTableEntry, 1);
        machine.SetStream(2, Entries.Valid(0b011));                                             // Reserved Config.
        scene.AssertAbortsSilently(2);
        machine.SetStream(3, Entries.Stage1(StreamScene.Nowhere));                              // No memory.
        scene.AssertFaults(EventType.ContextDescriptorFetch, 3);
        machine.SetStream(4, Entries.Stage1(context));                                          // 32-bit tables.
        scene.AssertFaults(EventType.BadContextDescriptor, 4);
        machine.SetStream(5, Entries.Stage1(scene.NewContext(space.Descriptor()
            .With(ContextDescriptorField.TTB0, StreamScene.Nowhere))));
        scene.AssertFaults(EventType.WalkExternalAbort, 5, Iova);
        scene.AssertFaults(EventType.BadStreamId, 0xffff_ffff);
        scene.AssertFaults(EventType.Translation, Stream, ulong.MaxValue);
        machine.Write(RegisterOffset.IDR0, 0xffff_ffff);                                        // Read-only,
        machine.Write(0xfffc, 0xffff_ffff);                                                     // and not there.
        machine.Submit(new Command(0xff, ulong.MaxValue));
        Assert.Equal((uint)CommandError.Illegal << 24, machine.Read(RegisterOffset.CMDQ_CONS) & 0x7f00_0000);

        machine.Write64(CommandAt(machine.Read(RegisterOffset.CMDQ_CONS)), [(ulong)CommandOpcode.Sync, 0]);
        machine.Write(RegisterOffset.GERRORN, machine.Read(RegisterOffset.GERROR));
        Assert.True(machine.IsCommandQueueEmpty);
        scene.AssertReaches(Output, Stream, Iova);

        ulong CommandAt(uint consumer) => machine.CommandQueue + ((consumer & ((1u << machine.CommandQueueLog2) - 1)) * 16UL);
    }

    [Fact]
    public void Departure04_EventsCarryTheirNumbers()
    {
        using var machine = new FaultingMachine();

        machine.Fault(Iova);

        Assert.Equal(0x10ul, machine.Machine.Read64(machine.Machine.EventQueue) & 0xff);
        Assert.Equal(1u, machine.Producer);
    }

    private static Stage1Space Space(StreamScene scene, ushort asid, ulong output)
    {
        var space = scene.NewSpace(asid);
        space.Map(Iova, output);
        return space;
    }
}
