using Smmu.Fast.Formats;
using Smmu.Fast.Memory;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Tests.Streams;

/// <summary>A running machine with a driver's hand on its Stream table, and a client that accesses and reads the records.</summary>
internal sealed class StreamScene : IDisposable
{
    /// <summary>Where no memory is: every access aborts.</summary>
    public const ulong Nowhere = 0x8000_0000;

    /// <summary>Attributes of a stage 2 page: AF, Inner Shareable, read and write, Normal Write-Back.</summary>
    public const ulong Stage2ReadWrite = (1UL << 10) | (3UL << 8) | (3UL << 6) | (0xfUL << 2);

    private const uint SmmuBits = (uint)(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);

    /// <summary>Makes a machine and starts it.</summary>
    /// <param name="features">ID registers; <see cref="Everything"/> unless given.</param>
    /// <param name="ramBytes">Size of RAM.</param>
    /// <param name="recordInvalidStreams">CR2.RECINVSID.</param>
    /// <param name="cachesEnabled">False when every access shall see the tables of the moment.</param>
    /// <param name="bus">Answers for all other addresses.</param>
    public StreamScene(
        SmmuFeatures? features = null,
        ulong ramBytes = 4 << 20,
        bool recordInvalidStreams = true,
        bool cachesEnabled = true,
        IGuestBus? bus = null)
    {
        Features = features ?? Everything;
        Machine = new GuestMachine(Features, ramBytes, bus, options => options with
        {
            CachesEnabled = cachesEnabled,
            MaximumPorts = 4,
        });
        Machine.Start(recordInvalidStreams);
    }

    /// <summary>An SMMU with both stages, substreams in tables of two levels, EL2, and hardware updates of flags.</summary>
    public static SmmuFeatures Everything => SmmuFeatures.Default;

    public GuestMachine Machine { get; }

    public SmmuFeatures Features { get; }

    /// <summary>An empty stage 1 space of 512 GiB.</summary>
    public Stage1Space NewSpace(ushort asid = 1, int granuleLog2 = 12) => new(Machine, asid, sizeOffset: 25, granuleLog2);

    /// <summary>An empty stage 2 space of 512 GiB: its tables have the same shape; leaves take <see cref="Stage2ReadWrite"/>.</summary>
    public Stage1Space NewIntermediateSpace() => new(Machine, asid: 0, sizeOffset: 25);

    /// <summary>An STE with stage 2 over a space of <see cref="NewIntermediateSpace"/>; faults are recorded.</summary>
    public static StreamTableEntry Stage2(Stage1Space space, ushort vmid = 1) =>
        WithStage2(Entries.Valid(0b110), space, vmid);

    /// <summary>An STE with both stages.</summary>
    public static StreamTableEntry Nested(ulong context, Stage1Space space, ushort vmid = 1) =>
        WithStage2(Entries.Valid(0b111), space, vmid).With(StreamTableEntryField.S1ContextPtr, context);

    /// <summary>Stores a CD where nothing was.</summary>
    public ulong NewContext(ContextDescriptor descriptor)
    {
        ulong address = Machine.Allocate(64, 64);
        Machine.SetContext(address, descriptor);
        return address;
    }

    /// <summary>Gives a stream a stage 1 space in which one page is mapped.</summary>
    public Stage1Space AttachPage(uint stream, ulong iova, ulong output, ushort asid = 1)
    {
        var space = NewSpace(asid);
        space.Map(iova, output);
        Machine.AttachStage1(stream, space);
        return space;
    }

    /// <summary>Stores an STE and makes the SMMU forget all that it knew.</summary>
    public void SetStream(uint stream, StreamTableEntry entry)
    {
        Machine.SetStream(stream, entry);
        Forget();
    }

    /// <summary>Stores a CD and makes the SMMU forget all that it knew.</summary>
    public void SetContext(ulong address, ContextDescriptor descriptor)
    {
        Machine.SetContext(address, descriptor);
        Forget();
    }

    /// <summary>Invalidates every cache.</summary>
    public void Forget()
    {
        Machine.SubmitAndSync(Command.CfgiAll(), Command.TlbiNsnhAll());
        if (Features.Hyp) Machine.SubmitAndSync(Command.TlbiEl2All());
        Assert.True(Machine.IsCommandQueueEmpty);
    }

    /// <summary>Points the SMMU at another Stream table, as a driver does: off, change, forget, on.</summary>
    public void UseTable(ulong tableBase, uint configuration)
    {
        Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue);
        Machine.Smmu.WriteRegister64(RegisterOffset.STRTAB_BASE, tableBase);
        Machine.Write(RegisterOffset.STRTAB_BASE_CFG, configuration);
        Forget();
        Machine.Write(RegisterOffset.CR0, SmmuBits);
    }

    /// <summary>Sets CR2.E2H beside RECINVSID.</summary>
    public void UseE2h(bool value)
    {
        Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue);
        Machine.Write(RegisterOffset.CR2, value ? 3u : 2u);
        Forget();
        Machine.Write(RegisterOffset.CR0, SmmuBits);
    }

    /// <summary>Makes one access.</summary>
    public TranslationResult Access(uint stream, ulong iova, AccessKind kind = AccessKind.Read, uint? substream = null) =>
        Machine.Smmu.Translate(
            new StreamId(stream), substream is { } value ? new SubstreamId(value) : null, iova, kind);

    /// <summary>Makes an access that has to be translated, or passed, to an address and leave no record.</summary>
    public TranslationResult AssertReaches(
        ulong output, uint stream, ulong iova, AccessKind kind = AccessKind.Read, uint? substream = null)
    {
        var result = Access(stream, iova, kind, substream);
        AssertNoEvent();
        Assert.True(result.IsSuccess, $"{result.Outcome} {result.Event}");
        Assert.Equal(output, result.Address.Value);
        return result;
    }

    /// <summary>Makes an access that has to abort with one record of the event.</summary>
    public EventRecord AssertFaults(
        EventType type, uint stream, ulong iova = 0, AccessKind kind = AccessKind.Read, uint? substream = null)
    {
        AssertNoEvent();
        var result = Access(stream, iova, kind, substream);
        Assert.Equal((TranslationOutcome.Faulted, type), (result.Outcome, result.Event));
        var record = TakeOnlyEvent();
        Assert.Equal(type, record.Type);
        return record;
    }

    /// <summary>Makes an access that has to abort without any trace.</summary>
    public void AssertAbortsSilently(uint stream, ulong iova = 0, AccessKind kind = AccessKind.Read, uint? substream = null)
    {
        var result = Access(stream, iova, kind, substream);
        Assert.Equal((TranslationOutcome.Aborted, EventType.None), (result.Outcome, result.Event));
        AssertNoEvent();
    }

    /// <summary>Takes a record, and no other is there.</summary>
    public EventRecord TakeOnlyEvent()
    {
        Assert.True(Machine.TryTakeEvent(out var record), "There is no record.");
        AssertNoEvent();
        return record;
    }

    /// <summary>The Event queue is empty.</summary>
    public void AssertNoEvent() => Assert.False(Machine.TryTakeEvent(out var record), $"There is a record: {record}");

    /// <inheritdoc/>
    public void Dispose() => Machine.Dispose();

    private static StreamTableEntry WithStage2(StreamTableEntry entry, Stage1Space space, ushort vmid) => entry
        .With(StreamTableEntryField.S2VMID, vmid)
        .With(StreamTableEntryField.S2T0SZ, (ulong)space.SizeOffset)
        .With(StreamTableEntryField.S2SL0, (ulong)(2 - space.StartLevel))
        .With(StreamTableEntryField.S2PS, 5)
        .With(StreamTableEntryField.S2AA64, 1)
        .With(StreamTableEntryField.S2R, 1)
        .With(StreamTableEntryField.S2TTB, space.Root);
}
