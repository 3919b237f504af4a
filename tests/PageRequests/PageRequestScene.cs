using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Memory;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Ats;

namespace Smmu.Fast.Tests.PageRequests;

/// <summary>A running machine with a PRI queue.</summary>
internal sealed class PageRequestScene : IDisposable
{
    public const uint OverflowFlag = 1u << 31;
    public const uint LastOnly = 1u << 31;

    /// <summary>Makes a machine and starts it.</summary>
    /// <param name="log2">log2 of the entries of the queue.</param>
    /// <param name="queue">Where it lies; in RAM unless given.</param>
    /// <param name="features">ID registers.</param>
    /// <param name="control2">CR2.</param>
    /// <param name="bus">Answers for all addresses that are not RAM.</param>
    /// <param name="irqConfiguration">PRIQ_IRQ_CFG2.</param>
    public PageRequestScene(
        int log2 = 3,
        ulong? queue = null,
        SmmuFeatures? features = null,
        uint control2 = AtsScene.RecordInvalidStreams,
        IGuestBus? bus = null,
        uint irqConfiguration = 0)
    {
        Ats = new AtsScene(features, control: 0, control2, bus);
        Log2 = log2;
        Queue = queue ?? Machine.Allocate(16UL << log2, Math.Max(16UL << log2, 32));
        Smmu.WriteRegister64(RegisterOffset.PRIQ_BASE, Queue | (uint)log2);
        Machine.Write(RegisterOffset.PRIQ_IRQ_CFG2, irqConfiguration);
        Smmu.InterruptRaised += line => Pulsed?.Invoke(line);
        Machine.Write(RegisterOffset.IRQ_CTRL, 0b011);
        Start();
    }

    public AtsScene Ats { get; }

    public GuestMachine Machine => Ats.Machine;

    public SmmuDevice Smmu => Machine.Smmu;

    public RecordingEndpoints Endpoints => Ats.Endpoints;

    public Action<InterruptLine>? Pulsed { get; set; }

    public ulong Queue { get; }

    public int Log2 { get; }

    /// <summary>PRIQ_PROD with its flag.</summary>
    public uint Producer => Machine.Read(RegisterOffset.PRIQ_PROD);

    /// <summary>PRIQ_PROD without its flag.</summary>
    public uint WriteIndex => Producer & ~OverflowFlag;

    /// <summary>PRIQ_PROD.OVFLG.</summary>
    public bool HasOverflowFlag => (Producer & OverflowFlag) != 0;

    /// <summary>Translation and the queue on.</summary>
    public void Start() => Ats.Control(AtsScene.Translation | AtsScene.PageRequestQueue);

    /// <summary>The entry in a slot, whether or not PROD covers it.</summary>
    public PageRequestEntry EntryIn(int slot) =>
        new(Machine.Read64(Queue + ((ulong)slot * 16)), Machine.Read64(Queue + ((ulong)slot * 16) + 8));

    /// <summary>A page request of stream 1.</summary>
    public PageRequestOutcome Submit(
        ushort group,
        bool last = true,
        uint? substream = null,
        AccessKind wanted = AccessKind.Read,
        uint stream = AtsScene.Stream) =>
        Smmu.SubmitPageRequest(
            new StreamId(stream), substream is { } value ? new SubstreamId(value) : null, 0x7000, group, wanted, last);

    /// <summary>Fills the queue, and no more.</summary>
    public void Fill()
    {
        for (int i = 0; i < 1 << Log2; i++) Assert.Equal(PageRequestOutcome.Queued, Submit((ushort)i, last: false));
    }

    /// <summary>Writes PRIQ_CONS.</summary>
    public void WriteConsumer(uint value) => Machine.Write(RegisterOffset.PRIQ_CONS, value);

    /// <summary>An automatic response without a PASID.</summary>
    public static PageGroupResponse Automatic(
        ushort group, PageResponseCode code, uint? substream = null, uint stream = AtsScene.Stream) => new(
        new StreamId(stream), substream is { } value ? new SubstreamId(value) : null, group, code, IsAutomatic: true);

    public void Dispose() => Ats.Dispose();
}
