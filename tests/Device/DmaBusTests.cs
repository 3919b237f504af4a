using System.Runtime.InteropServices;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Tests.Device;

/// <summary>A bus answers for many requesters as their ports would, however many there are and whatever its host does meanwhile.</summary>
public class DmaBusTests
{
    private const ulong Iova = 0x80_4000_0000;
    private const ulong Page = 4096;
    private const int SubstreamsLog2 = 2;

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(8)]
    [InlineData(1024)]
    public void EachRequesterHasItsOwnTranslationHoweverManyAreRemembered(int requesters)
    {
        using var machine = new Requesters(streams: 8);
        using DmaBus bus = machine.Smmu.OpenBus(requesters);
        for (int round = 0; round < 3; round++)
        {
            foreach ((StreamId stream, SubstreamId? substream, ulong output) in machine.All)
            {
                Assert.Equal(output + 8, bus.Translate(stream, substream, Iova + 8, AccessKind.Read).Address.Value);
                using var scope = bus.Enter();
                Assert.Equal(output + 16, scope.Translate(stream, substream, Iova + 16, AccessKind.Write).Address.Value);
            }
        }
    }

    [Fact]
    public void WhatIsInvalidatedOfOneRequesterEndsForItAndIsRightForAllOthers()
    {
        using var machine = new Requesters(streams: 4);
        using DmaBus bus = machine.Smmu.OpenBus();
        foreach (var (stream, substream, output) in machine.All) Assert.Equal(output, OutputOf(bus, stream, substream));
        var moved = machine.All[5];
        ulong next = machine.Move(5);
        Assert.Equal(moved.Output, OutputOf(bus, moved.Stream, moved.Substream));   // Kept: nothing was said.

        machine.Submit(Command.TlbiNhVa(default, machine.AsidOf(5), Iova), Command.Sync());
        Assert.Equal(next, OutputOf(bus, moved.Stream, moved.Substream));
        for (int i = 0; i < machine.All.Count; i++)
        {
            if (i != 5) Assert.Equal(machine.All[i].Output, OutputOf(bus, machine.All[i].Stream, machine.All[i].Substream));
        }
    }

    [Fact]
    public void InvalidationsLeaveWhatTheyDoNotNameInTheTlb()
    {
        using var machine = new Requesters(streams: 4);
        using DmaBus bus = machine.Smmu.OpenBus();
        foreach (var (stream, substream, _) in machine.All) OutputOf(bus, stream, substream);
        ulong walks = machine.Smmu.GetStatistics().Walks;

        machine.Submit(Command.TlbiNhVa(default, machine.AsidOf(0), Iova), Command.Sync());
        foreach (var (stream, substream, output) in machine.All) Assert.Equal(output, OutputOf(bus, stream, substream));
        Assert.Equal(walks + 1, machine.Smmu.GetStatistics().Walks);
    }

    [Fact]
    public void ConfigurationThatIsInvalidatedIsReadAnew()
    {
        using var machine = new Requesters(streams: 2);
        using DmaBus bus = machine.Smmu.OpenBus();
        var (stream, substream, _) = machine.All[0];
        OutputOf(bus, stream, substream);
        machine.Machine.SetStream(stream.Value, Entries.Bypass);
        machine.Submit(Command.CfgiSte(stream), Command.Sync());
        Assert.Equal(TranslationOutcome.StreamBypassed, bus.Translate(stream, null, 0x1234, AccessKind.Read).Outcome);
        Assert.Equal(TranslationOutcome.StreamBypassed, bus.Translate(stream, null, 0x1234, AccessKind.Read).Outcome);

        machine.Machine.Write(RegisterOffset.CR0, 0);
        Assert.Equal(TranslationOutcome.DeviceBypassed, bus.Translate(stream, null, 0x1234, AccessKind.Read).Outcome);
    }

    [Fact]
    public void PermissionsAreJudgedOnKeptPagesToo()
    {
        using var machine = new Requesters(streams: 1, Stage1Space.ReadOnly);
        using DmaBus bus = machine.Smmu.OpenBus();
        var (stream, substream, output) = machine.All[0];
        for (int round = 0; round < 4; round++)   // Learnt, found in the TLB, kept.
        {
            Assert.Equal(output, OutputOf(bus, stream, substream));
            Assert.Equal(EventType.Permission, bus.Translate(stream, substream, Iova, AccessKind.Write).Event);
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => bus.Translate(stream, substream, Iova, AccessKind.Privileged));
    }

    [Theory]
    [InlineData(0UL)]
    [InlineData(Iova)]
    public void ASubstreamOfMoreThan20BitsIsRefused(ulong iova)
    {
        using var machine = new Requesters(streams: 1);
        using DmaBus bus = machine.Smmu.OpenBus();
        for (int round = 0; round < 4; round++) OutputOf(bus, machine.All[0].Stream, null);
        foreach (uint substream in (uint[])[1 << 20, uint.MaxValue])
        {
            var id = new SubstreamId(substream);
            Assert.Throws<ArgumentOutOfRangeException>(() => bus.Translate(machine.All[0].Stream, id, iova, AccessKind.Read));
            Assert.Throws<ArgumentOutOfRangeException>(() =>
            {
                using var scope = bus.Enter();
                scope.Translate(machine.All[0].Stream, id, iova, AccessKind.Read);
            });
        }

        Assert.Equal(machine.All[0].Output, OutputOf(bus, machine.All[0].Stream, machine.All[0].Substream));
    }

    [Fact]
    public void ReadsAndWritesMoveTheBytesOfTheirRequesterAcrossPages()
    {
        using var machine = new Requesters(streams: 2);
        using DmaBus bus = machine.Smmu.OpenBus();
        byte[] bytes = new byte[(2 * Page) + 100];
        byte[] back = new byte[bytes.Length];
        for (int i = 0; i < machine.All.Count; i++)
        {
            var (stream, substream, output) = machine.All[i];
            new Random(i).NextBytes(bytes);
            Assert.True(bus.Write(stream, substream, Iova + 40, bytes));
            Assert.True(bus.Read(stream, substream, Iova + 40, back));
            Assert.Equal(bytes, back);
            Assert.True(machine.Machine.Memory.Read(output + 40, back));
            Assert.Equal(bytes, back);
        }

        Assert.False(bus.Read(machine.All[0].Stream, machine.All[0].Substream, Iova + (Requesters.Pages * Page) - 8, back));
        Assert.False(bus.Write(machine.All[0].Stream, machine.All[0].Substream, Iova - 8, back));
    }

    [Fact]
    public void HostCodeThatUsesTheBusWithinAWalkForgetsNothingThatTheWalkNeeds()
    {
        var host = new TestBus();
        using var machine = new GuestMachine(bus: host);
        machine.SetUpStreamTable(4);
        machine.Start();
        var space = new Stage1Space(machine, 1);
        space.Map(Iova, 0x8000_0000);
        machine.SetStream(1, Entries.Stage1(TestBus.Slow));   // Its CD is read through the host.
        machine.SetStream(2, Entries.Bypass);
        machine.SetStream(3, Entries.Bypass);
        ulong[] words = new ulong[ContextDescriptor.SizeBytes / sizeof(ulong)];
        space.Descriptor().CopyTo(words);
        Assert.True(host.TryWrite(TestBus.Slow, MemoryMarshal.AsBytes(words.AsSpan())));
        using DmaBus bus = machine.Smmu.OpenBus(requesters: 1);
        int calls = 0;
        host.Reading = _ =>
        {
            if (calls++ > 4) return;
            foreach (uint stream in (uint[])[3, 2]) bus.Translate(new StreamId(stream), null, 0x1000, AccessKind.Read);
        };

        Assert.Equal(0x8000_0000ul, OutputOf(bus, new StreamId(1), null));
        Assert.NotEqual(0, calls);
        Assert.Equal(TranslationOutcome.StreamBypassed, bus.Translate(new StreamId(2), null, 0x1000, AccessKind.Read).Outcome);
    }

    [Fact]
    public void ABusCountsAsAPortAndEndsWithItsDevice()
    {
        var machine = new GuestMachine(configure: options => options with { MaximumPorts = 2 });
        DmaBus bus = machine.Smmu.OpenBus();
        using (machine.Smmu.OpenPort(new StreamId(1)))
        {
            Assert.Throws<InvalidOperationException>(() => machine.Smmu.OpenBus());
            Assert.Throws<InvalidOperationException>(() => machine.Smmu.OpenPort(new StreamId(2)));
        }

        machine.Smmu.OpenBus(1).Dispose();
        machine.Smmu.OpenBus(65_536).Dispose();
        Assert.Throws<ArgumentOutOfRangeException>(() => machine.Smmu.OpenBus(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => machine.Smmu.OpenBus(65_537));
        machine.Dispose();
        Assert.Throws<ObjectDisposedException>(() => bus.Translate(default, null, 0, AccessKind.Read));
        Assert.Throws<ObjectDisposedException>(() => bus.Enter());
        Assert.Throws<ObjectDisposedException>(bus.Park);
        Assert.Throws<ObjectDisposedException>(() => machine.Smmu.OpenBus());
        bus.Dispose();
    }

    [Fact]
    public void ABusInsideOfAScopeIsNeitherParkedNorClosedNorUsedByAnotherThread()
    {
        using var machine = new Requesters(streams: 1);
        using DmaBus bus = machine.Smmu.OpenBus();
        var (stream, substream, output) = machine.All[0];
        using (var scope = bus.Enter())
        {
            scope.Translate(stream, substream, Iova, AccessKind.Read);
            Assert.Throws<InvalidOperationException>(bus.Park);
            Assert.Throws<InvalidOperationException>(bus.Dispose);
            Exception? seen = null;
            var thread = new Thread(() => seen = Record.Exception(() => bus.Translate(stream, substream, Iova, AccessKind.Read)));
            thread.Start();
            thread.Join();
            Assert.IsType<InvalidOperationException>(seen);
        }

        bus.Park();
        Assert.Equal(output, OutputOf(bus, stream, substream));
    }

    [Fact]
    public void CmdSyncWaitsForTheScopeOfABus()
    {
        using var machine = new Requesters(streams: 1);
        using DmaBus bus = machine.Smmu.OpenBus();
        using (bus.Enter())
        {
            machine.Submit(Command.TlbiNhAll(default), Command.Sync());
            Assert.False(machine.Machine.IsCommandQueueEmpty);
        }

        Assert.True(machine.Machine.IsCommandQueueEmpty);
    }

    private static ulong? OutputOf(DmaBus bus, StreamId stream, SubstreamId? substream)
    {
        var result = bus.Translate(stream, substream, Iova, AccessKind.Read);
        return result.IsSuccess ? result.Address.Value : null;
    }

    /// <summary>Streams with and without substreams, each requester with pages of its own at the same addresses.</summary>
    private sealed class Requesters : IDisposable
    {
        public const int Pages = 3;

        private const uint WithSubstreams = 8;

        private readonly List<Stage1Space> spaces = [];
        private readonly ulong attributes;

        public Requesters(int streams, ulong attributes = Stage1Space.ReadWrite)
        {
            this.attributes = attributes;
            Machine.SetUpStreamTable(4);
            Machine.Start();
            for (uint stream = 0; stream < streams / 2 + (streams & 1); stream++) Machine.AttachStage1(stream, Add(new StreamId(stream), null));
            for (uint stream = WithSubstreams; stream < WithSubstreams + (streams / 2); stream++)
            {
                ulong contexts = Machine.Allocate(64 << SubstreamsLog2, 64 << SubstreamsLog2);
                for (uint substream = 0; substream < 1 << SubstreamsLog2; substream++)
                {
                    var space = Add(new StreamId(stream), new SubstreamId(substream));
                    Machine.SetContext(contexts + (substream * 64), space.Descriptor());
                }

                Machine.SetStream(stream, Entries.Stage1(contexts).With(StreamTableEntryField.S1CDMax, SubstreamsLog2));
            }
        }

        public GuestMachine Machine { get; } = new();

        public SmmuDevice Smmu => Machine.Smmu;

        public List<(StreamId Stream, SubstreamId? Substream, ulong Output)> All { get; } = [];

        public Asid AsidOf(int requester) => new((ushort)(requester + 1));

        /// <summary>Maps a requester's first page elsewhere, without a word to the SMMU.</summary>
        public ulong Move(int requester)
        {
            ulong next = Machine.Allocate(Page, Page);
            spaces[requester].Map(Iova, next, attributes);
            return next;
        }

        public void Submit(params ReadOnlySpan<Command> commands) => Machine.Submit(commands);

        public void Dispose() => Machine.Dispose();

        private Stage1Space Add(StreamId stream, SubstreamId? substream)
        {
            var space = new Stage1Space(Machine, (ushort)(All.Count + 1));
            ulong output = Machine.Allocate(Pages * Page, Page);
            for (ulong page = 0; page < Pages; page++) space.Map(Iova + (page * Page), output + (page * Page), attributes);
            spaces.Add(space);
            All.Add((stream, substream, output));
            return space;
        }
    }
}
