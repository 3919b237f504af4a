using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Memory;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Streams;
using Field = Smmu.Fast.Formats.StreamTableEntryField;

namespace Smmu.Fast.Tests.Ats;

/// <summary>A running machine with PCIe endpoints behind its SMMU.</summary>
internal sealed class AtsScene : IDisposable
{
    public const uint Stream = 1;
    public const ulong Iova = 0x7_2345_6000;
    public const ulong UnprivilegedExecuteNever = 1UL << 54;
    public const ulong PrivilegedExecuteNever = 1UL << 53;
    public const ulong Unprivileged = 1UL << 6;
    public const ulong AccessFlag = 1UL << 10;
    public const ulong DirtyBitModifier = 1UL << 51;
    public const ulong WriteControl = 1UL << 7;
    public const ulong Clean = Stage1Space.ReadOnly | DirtyBitModifier;

    public const uint Translation = 1;
    public const uint PageRequestQueue = 2;
    public const uint CheckTranslated = 16;
    public const uint RecordAtsErrors = 8;
    public const uint RecordInvalidStreams = 2;

    private const uint Queues = 0b1100;

    /// <summary>Makes a machine and starts it.</summary>
    /// <param name="features">ID registers; <see cref="Everything"/> unless given.</param>
    /// <param name="control">Bits of CR0 beside those of the Command and Event queues.</param>
    /// <param name="control2">CR2.</param>
    /// <param name="bus">Answers for all addresses that are not RAM.</param>
    /// <param name="endpoints">False for a host without any.</param>
    /// <param name="caches">False when every access shall see the tables of the moment.</param>
    public AtsScene(
        SmmuFeatures? features = null,
        uint control = Translation,
        uint control2 = RecordInvalidStreams,
        IGuestBus? bus = null,
        bool endpoints = true,
        bool caches = true)
    {
        Machine = new GuestMachine(features ?? Everything, 8 << 20, bus, options => options with
        {
            AtsEndpoints = endpoints ? Endpoints : null,
            CachesEnabled = caches,
            MaximumPorts = 8,
        });
        Machine.SetUpStreamTable(log2Streams: 4);
        Machine.SetUpCommandQueue();
        Machine.SetUpEventQueue();
        Machine.Write(RegisterOffset.CR2, control2);
        Control(control);
    }

    /// <summary>An SMMU with both stages, substreams, hardware updates, ATS of both kinds and PRI.</summary>
    public static SmmuFeatures Everything { get; } = StreamScene.Everything
        .With(SmmuFeatureField.ATS, 1)
        .With(SmmuFeatureField.PRI, 1)
        .With(SmmuFeatureField.ATSRECERR, 1)
        .With(SmmuFeatureField.PRIQS, 8);

    public GuestMachine Machine { get; }

    public SmmuDevice Smmu => Machine.Smmu;

    public RecordingEndpoints Endpoints { get; } = new();

    /// <summary>Errors that are active.</summary>
    public GlobalErrors Errors =>
        (GlobalErrors)(Machine.Read(RegisterOffset.GERROR) ^ Machine.Read(RegisterOffset.GERRORN));

    /// <summary>Writes CR0, the Command and Event queues on.</summary>
    public void Control(uint bits) => Machine.Write(RegisterOffset.CR0, Queues | bits);

    /// <summary>Stores an STE and makes the SMMU forget all that it knew.</summary>
    public void SetStream(StreamTableEntry entry)
    {
        Machine.SetStream(Stream, entry);
        Forget();
    }

    /// <summary>Invalidates every cache.</summary>
    public void Forget()
    {
        Machine.SubmitAndSync(Command.CfgiAll(), Command.TlbiNsnhAll());
        Assert.True(Machine.IsCommandQueueEmpty);
    }

    /// <summary>Stores a CD where nothing was.</summary>
    public ulong NewContext(Stage1Space space, Func<ContextDescriptor, ContextDescriptor>? change = null)
    {
        ulong address = Machine.Allocate(64, 64);
        Machine.SetContext(address, change is null ? space.Descriptor() : change(space.Descriptor()));
        return address;
    }

    /// <summary>Gives the stream a stage 1 space and full ATS, without substreams.</summary>
    public Stage1Space AttachStage1(
        Func<ContextDescriptor, ContextDescriptor>? context = null, Func<StreamTableEntry, StreamTableEntry>? entry = null)
    {
        var space = NewSpace();
        var full = Entries.Stage1(NewContext(space, context)).With(Field.EATS, 1);
        SetStream(entry is null ? full : entry(full));
        return space;
    }

    /// <summary>Gives the stream a stage 1 space for substream 1, and full ATS.</summary>
    public Stage1Space AttachSubstream(
        Func<ContextDescriptor, ContextDescriptor>? context = null, Func<StreamTableEntry, StreamTableEntry>? entry = null)
    {
        var space = NewSpace();
        ulong table = Machine.Allocate(128, 128);
        Machine.SetContext(table + 64, context is null ? space.Descriptor() : context(space.Descriptor()));
        var full = Entries.Stage1(table).With(Field.S1CDMax, 1).With(Field.S1DSS, 1).With(Field.EATS, 1);
        SetStream(entry is null ? full : entry(full));
        return space;
    }

    /// <summary>Gives the stream both stages. RAM is mapped to itself at stage 2.</summary>
    /// <param name="ats">STE.EATS.</param>
    /// <param name="context">Changes the CD.</param>
    /// <param name="entry">Changes the STE.</param>
    public (Stage1Space Stage1, Stage1Space Stage2) AttachNested(
        ulong ats = 1,
        Func<ContextDescriptor, ContextDescriptor>? context = null,
        Func<StreamTableEntry, StreamTableEntry>? entry = null)
    {
        var stage1 = NewSpace();
        var stage2 = NewIntermediateSpace();
        var nested = StreamScene.Nested(NewContext(stage1, context), stage2).With(Field.EATS, ats);
        SetStream(entry is null ? nested : entry(nested));
        return (stage1, stage2);
    }

    /// <summary>An empty stage 1 space.</summary>
    public Stage1Space NewSpace() => new(Machine, asid: 1, sizeOffset: 25);

    /// <summary>A stage 2 space with RAM mapped to itself.</summary>
    public Stage1Space NewIntermediateSpace()
    {
        const ulong Block = 2 << 20;
        var space = new Stage1Space(Machine, asid: 0, sizeOffset: 25);
        for (ulong at = 0; at < 8 << 20; at += Block)
        {
            space.Map(GuestMachine.RamBase + at, GuestMachine.RamBase + at, StreamScene.Stage2ReadWrite, level: 2);
        }

        return space;
    }

    /// <summary>A Translation Request of the stream.</summary>
    public AtsCompletion Request(
        ulong iova = Iova, AccessKind wanted = AccessKind.Read, uint? substream = null, uint stream = Stream) =>
        Smmu.RequestTranslation(
            new StreamId(stream), substream is { } value ? new SubstreamId(value) : null, iova, wanted);

    /// <summary>A Translated transaction of the stream.</summary>
    public TranslationResult Translated(ulong address, AccessKind access = AccessKind.Read, uint stream = Stream) =>
        Smmu.TranslateTranslated(new StreamId(stream), address, access);

    /// <summary>A request that has to be granted just so.</summary>
    public AtsCompletion AssertGranted(
        AtsGrants grants, ulong iova = Iova, AccessKind wanted = AccessKind.Read, uint? substream = null)
    {
        var completion = Request(iova, wanted, substream);
        Assert.Equal((AtsStatus.Success, grants), (completion.Status, completion.Grants));
        AssertNoEvent();
        return completion;
    }

    /// <summary>A request that has to succeed without any access, in units of the smallest granule.</summary>
    public void AssertNothing(ulong iova = Iova, AccessKind wanted = AccessKind.Read, uint? substream = null)
    {
        var completion = Request(iova, wanted, substream);
        Assert.Equal((AtsStatus.Success, false, 4096UL), (completion.Status, completion.IsGranted, completion.Size));
        AssertNoEvent();
    }

    /// <summary>A request that has to end with a status.</summary>
    public void AssertStatus(AtsStatus status, ulong iova = Iova, uint? substream = null, uint stream = Stream)
    {
        var completion = Request(iova, AccessKind.Read, substream, stream);
        Assert.Equal(new AtsCompletion(status, 0, 0, AtsGrants.None), completion);
    }

    /// <summary>A Translated transaction that has to arrive.</summary>
    public void AssertPasses(ulong output, ulong address, AccessKind access = AccessKind.Write)
    {
        var result = Translated(address, access);
        AssertNoEvent();
        Assert.True(result.IsSuccess, $"{result.Outcome} {result.Event}");
        Assert.Equal(output, result.Address.Value);
    }

    /// <summary>A Translated transaction that has to abort with one record.</summary>
    public EventRecord AssertFaults(EventType type, ulong address, AccessKind access = AccessKind.Read, uint stream = Stream)
    {
        var result = Translated(address, access, stream);
        Assert.Equal((TranslationOutcome.Faulted, type), (result.Outcome, result.Event));
        var record = TakeOnlyEvent();
        Assert.Equal(type, record.Type);
        return record;
    }

    /// <summary>A Translated transaction that has to abort without a record.</summary>
    public void AssertAbortsUnrecorded(ulong address, uint stream = Stream)
    {
        Assert.False(Translated(address, AccessKind.Read, stream).IsSuccess);
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

    public void Dispose() => Machine.Dispose();
}

/// <summary>Endpoints that write down what reaches them.</summary>
internal sealed class RecordingEndpoints : IAtsEndpoints
{
    private readonly Lock entry = new();
    private readonly List<AtcInvalidation> invalidations = [];
    private readonly List<PageGroupResponse> responses = [];

    /// <summary>What to make of an invalidation; they are completed unless this says otherwise.</summary>
    public Func<AtcInvalidation, AtcInvalidationAnswer>? Answer { get; set; }

    /// <summary>Called with each response.</summary>
    public Action<PageGroupResponse>? Responded { get; set; }

    public AtcInvalidation[] Invalidations
    {
        get { lock (entry) return [.. invalidations]; }
    }

    public PageGroupResponse[] Responses
    {
        get { lock (entry) return [.. responses]; }
    }

    public AtcInvalidationAnswer Invalidate(in AtcInvalidation invalidation)
    {
        lock (entry) invalidations.Add(invalidation);
        return Answer?.Invoke(invalidation) ?? AtcInvalidationAnswer.Completed;
    }

    public void Respond(in PageGroupResponse response)
    {
        lock (entry) responses.Add(response);
        Responded?.Invoke(response);
    }
}
