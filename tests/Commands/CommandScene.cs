using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Memory;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Tests.Commands;

/// <summary>A machine whose software issues commands and whose clients tell what became of the caches.</summary>
internal sealed class CommandScene : IDisposable
{
    /// <summary>STE.STRW of EL2 streams.</summary>
    public const ulong El2 = 2;

    /// <summary>CERROR_ILL.</summary>
    public const uint Illegal = 1;

    private const uint CommandError = 1;

    private bool asksBus;   // As well, once nothing changes meanwhile.
    private DmaBus? bus;

    public CommandScene(
        SmmuFeatures? features = null,
        IGuestBus? bus = null,
        bool start = true,
        Func<SmmuOptions, SmmuOptions>? configure = null)
    {
        Machine = new GuestMachine(features, bus: bus, configure: configure);
        if (start) Machine.Start();
    }

    /// <summary>An SMMUv3.2 with both stages and EL2.</summary>
    public static SmmuFeatures TwoStages => SmmuFeatures.Default;

    /// <summary>An SMMUv3.2 with stage 2 alone.</summary>
    public static SmmuFeatures Stage2Alone { get; } = TwoStages
        .With(SmmuFeatureField.S1P, 0)
        .With(SmmuFeatureField.Hyp, 0)
        .With(SmmuFeatureField.HAD, 0);

    /// <summary>An SMMUv3.2 with stage 1 alone and 256 substreams.</summary>
    public static SmmuFeatures Substreams { get; } = SmmuFeatures.Stage1Only
        .With(SmmuFeatureField.SSIDSIZE, 8)
        .With(SmmuFeatureField.CD2L, 1);

    public GuestMachine Machine { get; }

    public bool HasCommandError =>
        ((Machine.Read(RegisterOffset.GERROR) ^ Machine.Read(RegisterOffset.GERRORN)) & CommandError) != 0;

    /// <summary>CMDQ_CONS.RD.</summary>
    public uint Consumer => Machine.Read(RegisterOffset.CMDQ_CONS) & 0xf_ffff;

    /// <summary>Gives a stream a stage 1 context, with the tags that commands name.</summary>
    public Stage1Space Attach(
        uint stream,
        ushort asid,
        ushort vmid = 0,
        ulong world = 0,
        Func<ContextDescriptor, ContextDescriptor>? change = null)
    {
        var space = new Stage1Space(Machine, asid);
        Attach(stream, space, vmid, world, change);
        return space;
    }

    /// <summary>The same over tables that are there.</summary>
    public void Attach(
        uint stream,
        Stage1Space space,
        ushort vmid = 0,
        ulong world = 0,
        Func<ContextDescriptor, ContextDescriptor>? change = null)
    {
        ulong context = Machine.Allocate(64, 64);
        var descriptor = space.Descriptor();
        Machine.SetContext(context, change is null ? descriptor : change(descriptor));
        Machine.SetStream(stream, Entries.Stage1(context)
            .With(StreamTableEntryField.S2VMID, vmid)
            .With(StreamTableEntryField.STRW, world));
    }

    /// <summary>Gives a stream a table of 2^log2 CDs.</summary>
    /// <returns>Physical address of the CD table.</returns>
    public ulong AttachSubstreams(uint stream, int log2, ulong format = 0, ulong disabledSubstream = 0)
    {
        ulong table = Machine.Allocate(64UL << log2, 64UL << log2);
        Machine.SetStream(stream, Entries.Stage1(table)
            .With(StreamTableEntryField.S1CDMax, (ulong)log2)
            .With(StreamTableEntryField.S1Fmt, format)
            .With(StreamTableEntryField.S1DSS, disabledSubstream));
        return table;
    }

    /// <summary>A space with one page mapped.</summary>
    public Stage1Space Space(ushort asid, ulong iova, ulong output)
    {
        var space = new Stage1Space(Machine, asid);
        space.Map(iova, output);
        return space;
    }

    /// <summary>Where a read of a client arrives; null when it does not.</summary>
    public ulong? Output(uint stream, ulong iova, uint? substream = null)
    {
        var result = Translate(stream, iova, substream: substream);
        return result.IsSuccess ? result.Address.Value : null;
    }

    public TranslationResult Translate(
        uint stream, ulong iova, AccessKind access = AccessKind.Read, uint? substream = null) =>
        TranslateByName(new StreamId(stream), substream is { } value ? new SubstreamId(value) : null, iova, access);

    // A bus has to answer like an access without anything open. What faults is not asked twice, for the sake of its record.
    private TranslationResult TranslateByName(StreamId stream, SubstreamId? substream, ulong iova, AccessKind access)
    {
        var result = Machine.Smmu.Translate(stream, substream, iova, access);
        if (!result.IsSuccess || !asksBus) return result;
        bus ??= Machine.Smmu.OpenBus();
        Assert.Equal(result, bus.Translate(stream, substream, iova, access));
        Assert.Equal(result, bus.Translate(stream, substream, iova, access));   // Kept by now.
        return result;
    }

    /// <summary>Maps a page, has a client fill the caches with it, and maps it elsewhere behind their back.</summary>
    /// <remarks>That the caches still answer is the control: without it, what a command removes could not be told.</remarks>
    public void MoveBehindCaches(
        Stage1Space space, uint stream, ulong iova, ulong from, ulong to, ulong attributes = Stage1Space.ReadWrite, int level = 3)
    {
        asksBus = true;
        space.Map(iova, from, attributes, level);
        Assert.Equal(from, Output(stream, iova));
        space.Map(iova, to, attributes, level);
        Assert.Equal(from, Output(stream, iova));
    }

    /// <summary>Issues commands and a CMD_SYNC, all of which must be legal.</summary>
    public void Run(params ReadOnlySpan<Command> commands)
    {
        Machine.SubmitAndSync(commands);
        Assert.False(HasCommandError);
        Assert.True(Machine.IsCommandQueueEmpty);
    }

    /// <summary>Issues one command, and puts a CMD_SYNC in its place if it is refused.</summary>
    /// <returns>CMDQ_CONS.ERR, or 0 when the command is consumed.</returns>
    public uint Judge(Command command)
    {
        Machine.Submit(command);
        if (!HasCommandError)
        {
            Assert.True(Machine.IsCommandQueueEmpty);
            return 0;
        }

        uint code = (Machine.Read(RegisterOffset.CMDQ_CONS) >> 24) & 0x7f;
        uint index = Consumer & ((1u << Machine.CommandQueueLog2) - 1);
        Machine.Write64(Machine.CommandQueue + (index * 16UL), [(ulong)CommandOpcode.Sync, 0]);
        Machine.Write(RegisterOffset.GERRORN, Machine.Read(RegisterOffset.GERROR));
        Assert.False(HasCommandError);
        Assert.True(Machine.IsCommandQueueEmpty);
        return code;
    }

    public void Dispose() => Machine.Dispose();
}
