using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Memory;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Tests.Registers;

/// <summary>A machine with Enhanced Command queues, and the registers of each by its number.</summary>
internal sealed class EnhancedQueueScene : IDisposable
{
    public const uint Enable = 1u << 31;
    public const uint ErrorFlag = 1 << 23;
    public const uint FirstPage = 0x2_0000;

    private readonly ulong[] queues;
    private readonly int[] sizes;
    private readonly ulong marks;

    /// <summary>Makes the machine; its Command and Event queues run, its Enhanced Command queues do not.</summary>
    public EnhancedQueueScene(
        int pagesLog2 = 1,
        int queuesLog2 = 2,
        IGuestBus? bus = null,
        SmmuFeatures? features = null,
        Func<SmmuOptions, SmmuOptions>? configure = null)
    {
        QueuesLog2 = queuesLog2;
        Machine = new GuestMachine(With(pagesLog2, queuesLog2, features), bus: bus, configure: configure);
        queues = new ulong[1 << (pagesLog2 + queuesLog2)];
        sizes = new int[queues.Length];
        marks = Machine.Allocate(4096);
        Machine.Start();
    }

    public GuestMachine Machine { get; }

    public SmmuDevice Smmu => Machine.Smmu;

    public int QueuesLog2 { get; }

    /// <summary>Features with 2^pagesLog2 control pages of 2^queuesLog2 queues.</summary>
    public static SmmuFeatures With(int pagesLog2, int queuesLog2, SmmuFeatures? features = null) =>
        (features ?? SmmuFeatures.Default)
            .With(SmmuFeatureField.ECMDQ, 1)
            .With(SmmuFeatureField.CMDQ_CONTROL_PAGE_LOG2NUMP, (ulong)pagesLog2)
            .With(SmmuFeatureField.CMDQ_CONTROL_PAGE_LOG2NUMQ, (ulong)queuesLog2);

    /// <summary>Where software finds the registers of a queue: by what the SMMU says of its pages.</summary>
    public uint Registers(int queue)
    {
        uint page = (uint)queue >> QueuesLog2;
        ulong address = Smmu.ReadRegister64(
            RegisterOffset.CMDQ_CONTROL_PAGE_BASE + (page * RegisterOffset.CMDQ_CONTROL_PAGE_STRIDE)) & 0xff_ffff_ffff_0000;
        return (uint)address + (((uint)queue & ((1u << QueuesLog2) - 1)) * (0x1_0000u >> QueuesLog2));
    }

    public ulong Base(int queue) => Smmu.ReadRegister64(Registers(queue));

    public uint Producer(int queue) => Machine.Read(Registers(queue) + EnhancedCommandQueueOffset.ECMDQ_PROD);

    public uint Consumer(int queue) => Machine.Read(Registers(queue) + EnhancedCommandQueueOffset.ECMDQ_CONS);

    /// <summary>ECMDQ_CONS.RD.</summary>
    public uint ReadIndex(int queue) => Consumer(queue) & 0xf_ffff;

    /// <summary>ECMDQ_CONS.ERR_REASON.</summary>
    public CommandError Reason(int queue) => (CommandError)((Consumer(queue) >> 24) & 7);

    public bool HasError(int queue) => ((Consumer(queue) ^ Producer(queue)) & ErrorFlag) != 0;

    public void WriteBase(int queue, ulong value) => Smmu.WriteRegister64(Registers(queue), value);

    public void WriteProducer(int queue, uint value) =>
        Machine.Write(Registers(queue) + EnhancedCommandQueueOffset.ECMDQ_PROD, value);

    public void WriteConsumer(int queue, uint value) =>
        Machine.Write(Registers(queue) + EnhancedCommandQueueOffset.ECMDQ_CONS, value);

    /// <summary>Gives a queue memory and puts it on.</summary>
    public void SetUp(int queue, int log2 = 3, ulong? address = null)
    {
        sizes[queue] = log2;
        queues[queue] = address ?? Machine.Allocate(16UL << log2, Math.Max(16UL << log2, 32));
        WriteBase(queue, queues[queue] | (uint)log2);
        WriteConsumer(queue, 0);
        WriteProducer(queue, Enable);
    }

    /// <summary>Puts a command into a slot.</summary>
    public void Store(int queue, uint slot, Command command) =>
        Machine.Write64(queues[queue] + (slot * 16UL), [command.Word0, command.Word1]);

    /// <summary>Publishes commands with one write of ECMDQ_PROD, which leaves the other fields as they are.</summary>
    public void Submit(int queue, params ReadOnlySpan<Command> commands)
    {
        uint producer = Producer(queue);
        uint controls = producer & (Enable | ErrorFlag);
        uint used = (2u << sizes[queue]) - 1;
        producer &= used;
        foreach (var command in commands)
        {
            Store(queue, producer & (used >> 1), command);
            producer = (producer + 1) & used;
        }

        WriteProducer(queue, controls | producer);
    }

    /// <summary>Makes ERRACK equal to ERR.</summary>
    public void Acknowledge(int queue) =>
        WriteProducer(queue, (Producer(queue) & ~ErrorFlag) | (Consumer(queue) & ErrorFlag));

    /// <summary>A CMD_SYNC that leaves a number in a place.</summary>
    public Command Mark(int place, uint number = 1) =>
        Command.SyncWithMsi(new PhysicalAddress(marks + ((ulong)place * 4)), number);

    /// <summary>What the marks left in a place.</summary>
    public uint MarkIn(int place) => Machine.Read32(marks + ((ulong)place * 4));

    public void Dispose() => Machine.Dispose();
}
