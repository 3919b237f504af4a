using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using Smmu.Fast.Tests.Streams;

namespace Smmu.Fast.Tests.Outside;

/// <summary>
/// Where QEMU 10.2, when it is run, departs from the architecture and this SMMU must not: stage 2, nesting, and threads.
/// </summary>
public sealed class QemuNestingDepartureTests : IDisposable
{
    private const ulong Iova = 0x1234_5000;
    private const ulong Intermediate = 0x20_0000_0000;
    private const ulong Output = 0x4100_0000;
    private const uint Stream = 8;
    private const ushort Asid = 1;
    private const ushort Vmid = 1;
    private const ulong Readable = 1UL << 6;    // S2AP.
    private const ulong Writable = 2UL << 6;

    private readonly StreamScene scene = new();

    public void Dispose() => scene.Dispose();

    [Fact]
    public void Departure08_EveryStage2PageUnderALargeStage1TableCounts()
    {
        const ulong Table = Intermediate;
        const int Pieces = 16;   // Pages of 4 KiB in a table of 64 KiB.
        const ulong DescriptorsAPiece = 512;
        var intermediate = NewIntermediateSpaceOverRam();
        var space = scene.NewSpace(Asid, granuleLog2: 16);
        scene.Machine.SetStream(Stream, StreamScene.Nested(scene.NewContext(space.Descriptor()), intermediate));
        scene.Machine.Write64(space.Slot(0, level: 2), Table | Stage1Space.TableOrPage);
        var outputs = new ulong[Pieces];
        for (int piece = Pieces - 1; piece >= 0; piece--)
        {
            // The pieces lie in the opposite order, so that none is where the one before it would lead.
            ulong memory = scene.Machine.Allocate(4096);
            intermediate.Map(Table + ((ulong)piece << 12), memory, StreamScene.Stage2ReadWrite);
            outputs[piece] = GuestMachine.RamBase + ((ulong)piece << 16);
            scene.Machine.Write64(memory, outputs[piece] | Stage1Space.ReadWrite | Stage1Space.TableOrPage);
        }

        for (ulong piece = 0; piece < Pieces; piece++)
        {
            scene.AssertReaches(outputs[piece] + 0x120, Stream, (piece * DescriptorsAPiece << 16) + 0x120);
        }
    }

    [Fact]
    public void Departure09_AFirstTableThatStage2MovedIsReadAtItsNewPlace()
    {
        var intermediate = NewIntermediateSpaceOverRam();
        var space = scene.NewSpace(Asid);
        var moved = scene.NewSpace(Asid);
        space.Map(Iova, Output);
        moved.Map(Iova, Output + 0x1000);
        intermediate.Map(Intermediate, space.Root, StreamScene.Stage2ReadWrite);
        foreach (ulong page in (ulong[])[Output, Output + 0x1000]) intermediate.Map(page, page, StreamScene.Stage2ReadWrite);
        var descriptor = space.Descriptor().With(ContextDescriptorField.TTB0, Intermediate);
        scene.Machine.SetStream(Stream, StreamScene.Nested(scene.NewContext(descriptor), intermediate, Vmid));
        using var port = scene.Machine.Smmu.OpenPort(new StreamId(Stream));
        scene.AssertReaches(Output, Stream, Iova);
        Assert.Equal(Output, port.Translate(Iova, AccessKind.Read).Address.Value);

        intermediate.Map(Intermediate, moved.Root, StreamScene.Stage2ReadWrite);
        scene.Machine.SubmitAndSync(
            Command.TlbiS2Ipa(new Vmid(Vmid), Intermediate), Command.TlbiNhAll(new Vmid(Vmid)));

        scene.AssertReaches(Output + 0x1000, Stream, Iova);
        Assert.Equal(Output + 0x1000, port.Translate(Iova, AccessKind.Read).Address.Value);
    }

    [Fact]
    public void Departure10_AReadOfAWriteOnlyPageIsAPermissionFaultAfterAWriteToo()
    {
        var intermediate = scene.NewIntermediateSpace();
        intermediate.Map(Iova, Output, Stage2Leaf(Writable));
        scene.Machine.SetStream(Stream, StreamScene.Stage2(intermediate));

        scene.AssertReaches(Output, Stream, Iova, AccessKind.Write);
        var record = scene.AssertFaults(EventType.Permission, Stream, Iova);

        Assert.True(record is { S2: true, RnW: true, Class: FaultClass.Input });
        Assert.Equal((Iova, Iova), (record.InputAddress, record.IntermediatePhysicalAddress));
    }

    [Fact]
    public void Departure11_ANestedAnswerPermitsOnlyWhatBothStagesDo()
    {
        const AccessPermissions Writes = AccessPermissions.UnprivilegedWrite | AccessPermissions.PrivilegedWrite;
        var intermediate = NewIntermediateSpaceOverRam();
        intermediate.Map(Intermediate, Output, Stage2Leaf(Readable));
        var space = scene.NewSpace(Asid);
        space.Map(Iova, Intermediate);
        scene.Machine.SetStream(Stream, StreamScene.Nested(scene.NewContext(space.Descriptor()), intermediate));

        for (int turn = 0; turn < 2; turn++)
        {
            var result = scene.AssertReaches(Output, Stream, Iova);
            Assert.Equal(AccessPermissions.None, result.Permissions & Writes);
            Assert.NotEqual(AccessPermissions.None, result.Permissions & AccessPermissions.UnprivilegedRead);
            Assert.True(scene.AssertFaults(EventType.Permission, Stream, Iova, AccessKind.Write).S2);
        }
    }

    /// <summary>
    /// Two clients miss all the time in a TLB that a third thread flushes all the time. No answer is that of an entry which
    /// somebody else emptied or filled meanwhile: each names the page that was asked for.
    /// </summary>
    [Fact]
    public void Departure13_AnEntryThatAnotherThreadFlushesIsNeverTheAnswer()
    {
        const int Pages = 64;
        const int Clients = 2;
        int rounds = TestScale.Of(50_000);
        using var machine = new GuestMachine(configure: options => options with { TlbEntries = 16, WalkCacheEntries = 16 });
        machine.Start();
        var space = new Stage1Space(machine, Asid);
        for (ulong page = 0; page < Pages; page++) space.Map(Iova + (page << 20), Output + (page << 12));
        machine.AttachStage1(Stream, space);
        int running = Clients;
        var wrong = new int[Clients];
        var clients = new Thread[Clients];
        for (int client = 0; client < Clients; client++)
        {
            int seed = client;
            clients[client] = new Thread(() => wrong[seed] = Ask(seed));
            clients[client].Start();
        }

        while (Volatile.Read(ref running) != 0) machine.SubmitAndSync(Command.TlbiNhAsid(default, new Asid(Asid)));
        foreach (var client in clients) client.Join();

        Assert.Equal(0, wrong.Sum());

        int Ask(int seed)
        {
            var random = new Random(seed);
            using var port = machine.Smmu.OpenPort(new StreamId(Stream));
            int mistakes = 0;
            for (int round = 0; round < rounds; round++)
            {
                ulong page = (ulong)random.Next(Pages);
                var result = port.Translate(Iova + (page << 20), AccessKind.Read);
                if (!result.IsSuccess || result.Address.Value != Output + (page << 12)) mistakes++;
            }

            Interlocked.Decrement(ref running);
            return mistakes;
        }
    }

    private Stage1Space NewIntermediateSpaceOverRam()
    {
        var intermediate = scene.NewIntermediateSpace();
        for (ulong offset = 0; offset < 4 << 20; offset += 2 << 20)
        {
            intermediate.Map(
                GuestMachine.RamBase + offset, GuestMachine.RamBase + offset, StreamScene.Stage2ReadWrite, level: 2);
        }

        return intermediate;
    }

    private static ulong Stage2Leaf(ulong permissions) => (StreamScene.Stage2ReadWrite & ~(3UL << 6)) | permissions;
}
