using System.Collections.Concurrent;
using Smmu.Fast.Device;
using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Memory;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Streams;

namespace Smmu.Fast.Tests.Faults;

/// <summary>Clients that can wait, behind contexts that stall; the ends of their stalls are kept in order.</summary>
internal sealed class StallScene : IStallClient, IDisposable
{
    public const ulong Iova = 0x12_3456_7000;
    public const ulong Output = GuestMachine.RamBase + (3 << 20);

    private readonly ConcurrentQueue<(uint Token, StallAnswer Answer)> ends = new();

    public StallScene(uint stallMax = 16, SmmuFeatures? features = null, IGuestBus? bus = null)
    {
        var announced = (features ?? StreamScene.Everything).With(SmmuFeatureField.STALL_MAX, stallMax);
        Streams = new StreamScene(announced, bus: bus);
    }

    /// <summary>Runs inside each end of a stall.</summary>
    public Action<uint, StallAnswer>? Ended { get; set; }

    public StreamScene Streams { get; }

    public GuestMachine Machine => Streams.Machine;

    /// <summary>Gives a stream an empty address space whose faults stall.</summary>
    public Stage1Space Attach(uint stream, bool stall = true, bool record = false)
    {
        var space = Streams.NewSpace((ushort)stream);
        ulong context = Streams.NewContext(space.Descriptor()
            .With(ContextDescriptorField.S, stall ? 1u : 0)
            .With(ContextDescriptorField.R, record ? 1u : 0));
        Streams.SetStream(stream, Entries.Stage1(context));
        return space;
    }

    /// <summary>Opens a port whose client can wait.</summary>
    public DmaPort Open(uint stream) => Machine.Smmu.OpenPort(new StreamId(stream), stalls: this);

    /// <summary>Makes an access that has to stall, with a record of it.</summary>
    public (uint Token, EventRecord Record) Stall(DmaPort port, ulong iova = Iova, AccessKind access = AccessKind.Read)
    {
        uint token = StallWithoutRecord(port, iova, access);
        var record = Streams.TakeOnlyEvent();
        Assert.True(record.Stall);
        return (token, record);
    }

    /// <summary>Makes an access that has to stall.</summary>
    public static uint StallWithoutRecord(DmaPort port, ulong iova = Iova, AccessKind access = AccessKind.Read)
    {
        var result = port.Translate(iova, access);
        Assert.Equal(TranslationOutcome.Stalled, result.Outcome);
        Assert.NotEqual(0u, result.StallToken);
        return result.StallToken;
    }

    /// <summary>Sends commands and sees them consumed.</summary>
    public void Send(params ReadOnlySpan<Command> commands)
    {
        Machine.SubmitAndSync(commands);
        Assert.True(Machine.IsCommandQueueEmpty);
    }

    /// <summary>Ends that came since the last call, in order.</summary>
    public (uint Token, StallAnswer Answer)[] TakeEnds()
    {
        var taken = ends.ToArray();
        ends.Clear();
        return taken;
    }

    /// <summary>The one end that came is the one expected.</summary>
    public void AssertEnded(uint token, StallAnswer answer) => Assert.Equal([(token, answer)], TakeEnds());

    /// <summary>No end came.</summary>
    public void AssertNoneEnded() => Assert.Empty(TakeEnds());

    public void EndStall(uint stallToken, StallAnswer answer)
    {
        ends.Enqueue((stallToken, answer));
        Ended?.Invoke(stallToken, answer);
    }

    public void Dispose() => Streams.Dispose();
}
