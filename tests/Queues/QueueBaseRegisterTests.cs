using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Queues;

/// <summary>
/// CMDQ_BASE, EVENTQ_BASE and PRIQ_BASE: fields, guards, and where they put the queue (IHI 0070, 6.3.26, 6.3.29, 6.3.33).
/// </summary>
public class QueueBaseRegisterTests
{
    private static readonly SmmuFeatures WithPageRequests = SmmuFeatures.Default
        .With(SmmuFeatureField.ATS, 1)
        .With(SmmuFeatureField.PRI, 1)
        .With(SmmuFeatureField.PRIQS, 8);

    [Theory]
    [Rule("RQ-17")]
    [InlineData(0x90)]
    [Rule("RQ-18")]
    [InlineData(0xa0)]
    [InlineData(0xc0)]
    public void BaseHoldsSizeAddressAndHintAndNothingElse(uint register)
    {
        using var machine = new GuestMachine(WithPageRequests.With(SmmuFeatureField.OAS, 7));

        machine.Smmu.WriteRegister64(register, ulong.MaxValue);

        Assert.Equal(0x40ff_ffff_ffff_ffffu, machine.Smmu.ReadRegister64(register));
    }

    [Theory]
    [Rule("RQ-19")]
    [Rule("QUE-10")]
    [InlineData(RegisterOffset.CMDQ_BASE, ControlBits.CommandQueue, ControlBits.EventQueue | ControlBits.PageRequestQueue)]
    [Rule("QUE-11")]
    [InlineData(RegisterOffset.EVENTQ_BASE, ControlBits.EventQueue, ControlBits.CommandQueue | ControlBits.PageRequestQueue)]
    [InlineData(RegisterOffset.PRIQ_BASE, ControlBits.PageRequestQueue, ControlBits.CommandQueue | ControlBits.EventQueue)]
    public void BaseIsFixedWhileItsOwnQueueIsEnabled(uint register, ControlBits own, ControlBits others)
    {
        using var machine = new GuestMachine(WithPageRequests);
        machine.Enable(others);
        machine.Smmu.WriteRegister64(register, 0x4000_0003);

        machine.Enable(own);
        machine.Smmu.WriteRegister64(register, 0x5000_0004);
        machine.Write(register, 0x6000_0005);
        machine.Write(register + 4, 1);
        Assert.Equal(0x4000_0003u, machine.Smmu.ReadRegister64(register));

        machine.Enable(others);
        machine.Smmu.WriteRegister64(register, 0x5000_0004);
        Assert.Equal(0x5000_0004u, machine.Smmu.ReadRegister64(register));
    }

    [Fact]
    [Rule("RQ-20")]
    public void PresetQueuesKeepTheirBasesButNotTheirIndexes()
    {
        using var machine = new GuestMachine(WithPageRequests.With(SmmuFeatureField.QUEUES_PRESET, 1));

        foreach (uint register in (uint[])[RegisterOffset.CMDQ_BASE, RegisterOffset.EVENTQ_BASE, RegisterOffset.PRIQ_BASE])
        {
            machine.Smmu.WriteRegister64(register, 0x4000_0003);
            Assert.Equal(0u, machine.Smmu.ReadRegister64(register));
        }

        uint[] indexes =
        [
            RegisterOffset.CMDQ_PROD, RegisterOffset.CMDQ_CONS, RegisterOffset.EVENTQ_PROD, RegisterOffset.EVENTQ_CONS,
            RegisterOffset.PRIQ_PROD, RegisterOffset.PRIQ_CONS,
        ];
        foreach (uint register in indexes)
        {
            machine.Write(register, 1);
            Assert.Equal(1u, machine.Read(register));
        }
    }

    [Fact]
    [Rule("RQ-21")]
    [Rule("QUE-05")]
    public void CommandQueueLargerThanAllowedReadsAsWrittenAndActsAsAllowed()
    {
        using var machine = new GuestMachine(SmmuFeatures.Default.With(SmmuFeatureField.CMDQS, 2));
        machine.SetUpCommandQueue(log2Entries: 10);
        machine.Enable(ControlBits.CommandQueue);
        Write(machine, slot: 3, Command.Sync());
        Write(machine, slot: 4, default);   // Beyond the queue: an illegal command.
        for (int slot = 0; slot < 3; slot++) Write(machine, slot, Command.Sync());

        machine.Write(RegisterOffset.CMDQ_PROD, 4);
        machine.Write(RegisterOffset.CMDQ_PROD, 5);   // Entry 0 once more, wrap flag set.

        Assert.Equal(10u, machine.Read(RegisterOffset.CMDQ_BASE) & 0x1f);
        Assert.Equal(5u, machine.Read(RegisterOffset.CMDQ_CONS));
        Assert.Equal(0u, machine.Read(RegisterOffset.GERROR));
    }

    [Fact]
    [Rule("RQ-21")]
    [Rule("QUE-05")]
    public void EventQueueLargerThanAllowedReadsAsWrittenAndActsAsAllowed()
    {
        using var machine = new GuestMachine(SmmuFeatures.Default.With(SmmuFeatureField.EVENTQS, 1));
        machine.SetUpStreamTable();
        machine.SetUpEventQueue(log2Entries: 6);
        machine.Start();

        for (uint stream = 0; stream < 3; stream++) Translate(machine, stream);   // The third finds it full.

        Assert.Equal(6u, machine.Read(RegisterOffset.EVENTQ_BASE) & 0x1f);
        Assert.Equal(0x8000_0002, machine.Read(RegisterOffset.EVENTQ_PROD));
        Assert.Equal(0ul, machine.Read64(machine.EventQueue + 64));
    }

    [Fact]
    [Rule("RQ-21")]
    [Rule("QUE-05")]
    public void PageRequestQueueLargerThanAllowedReadsAsWrittenAndActsAsAllowed()
    {
        using var machine = new GuestMachine(WithPageRequests.With(SmmuFeatureField.PRIQS, 3));

        machine.Smmu.WriteRegister64(RegisterOffset.PRIQ_BASE, 0x4000_001f);
        machine.Write(RegisterOffset.PRIQ_PROD, uint.MaxValue);

        Assert.Equal(0x1fu, machine.Read(RegisterOffset.PRIQ_BASE) & 0x1f);
        Assert.Equal(0x8000_000f, machine.Read(RegisterOffset.PRIQ_PROD));
    }

    [Fact]
    [Rule("QUE-05")]
    public void LargestQueueHasNineteenIndexBits()
    {
        const uint Entries = 1 << 19;
        using var machine = new GuestMachine(SmmuFeatures.Default.With(SmmuFeatureField.CMDQS, 31));
        ulong queue = machine.Allocate(Entries * 16, Entries * 16);
        machine.SetUpCommandQueue(log2Entries: 31, queue);
        Write(machine, slot: (int)Entries - 1, Command.Sync());
        Write(machine, slot: 0, Command.Sync());
        machine.Write(RegisterOffset.CMDQ_CONS, Entries - 1);
        machine.Write(RegisterOffset.CMDQ_PROD, Entries + 1);

        machine.Enable(ControlBits.CommandQueue);

        Assert.Equal(Entries + 1, machine.Read(RegisterOffset.CMDQ_CONS));
        Assert.Equal(0u, machine.Read(RegisterOffset.GERROR));
    }

    [Theory]
    [Rule("RQ-22")]
    [Rule("QUE-06")]
    [InlineData(8, 0xfe0, true)]     // 4 KiB.
    [InlineData(3, 0x60, true)]      // 128 bytes.
    [InlineData(3, 0x80, false)]
    [InlineData(0, 0x20, false)]     // One entry: 32 bytes, not 16.
    public void CommandQueueIsAlignedToItsSize(int log2, uint displacement, bool isRoundedOff)
    {
        using var machine = new GuestMachine();
        ulong queue = machine.Allocate(2 << 12, 2 << 12);
        machine.Write64(queue, Command.Sync().Word0);   // What lies elsewhere is zero: an illegal command.
        machine.SetUpCommandQueue(log2, queue + displacement);
        machine.Enable(ControlBits.CommandQueue);

        machine.Write(RegisterOffset.CMDQ_PROD, 1);

        Assert.Equal(isRoundedOff ? 0u : 1u, machine.Read(RegisterOffset.GERROR));
    }

    [Theory]
    [Rule("RQ-22")]
    [Rule("QUE-06")]
    [InlineData(7, 0xfe0, 0)]
    [InlineData(3, 0xe0, 0)]
    [InlineData(3, 0x100, 0x100)]
    [InlineData(0, 0x20, 0x20)]
    public void EventQueueIsAlignedToItsSize(int log2, uint displacement, uint place)
    {
        using var machine = new GuestMachine();
        ulong queue = machine.Allocate(2 << 12, 2 << 12);
        machine.SetUpEventQueue(log2, queue + displacement);
        machine.Start();

        Translate(machine, stream: 5);

        Assert.Equal((ulong)EventType.BadStreamTableEntry | (5ul << 32), machine.Read64(queue + place));
    }

    [Fact]
    [Rule("RQ-23")]
    [Rule("QUE-01")]
    public void CommandsLieSixteenBytesApart()
    {
        using var machine = new GuestMachine();
        machine.SetUpCommandQueue(log2Entries: 2);
        for (int slot = 0; slot < 3; slot++) Write(machine, slot, Command.Sync());
        machine.Enable(ControlBits.CommandQueue);

        machine.Write(RegisterOffset.CMDQ_PROD, 4);   // The last is zero: an illegal command.

        Assert.Equal(0x0100_0003u, machine.Read(RegisterOffset.CMDQ_CONS));
    }

    [Fact]
    [Rule("RQ-23")]
    [Rule("QUE-01")]
    public void EventRecordsLieThirtyTwoBytesApart()
    {
        using var machine = new GuestMachine();
        machine.SetUpStreamTable();
        machine.SetUpEventQueue(log2Entries: 2);
        machine.Start();

        for (uint stream = 0; stream < 4; stream++) Translate(machine, stream);

        for (uint slot = 0; slot < 4; slot++)
        {
            Assert.Equal(
                [(ulong)EventType.BadStreamTableEntry | ((ulong)slot << 32), 0ul, 0ul, 0ul],
                Enumerable.Range(0, 4).Select(word => machine.Read64(machine.EventQueue + (slot * 32) + ((ulong)word * 8))));
        }
    }

    [Fact]
    [Rule("QUE-07")]
    public void AddressBitsAboveTheOutputSizeAreCutOff()
    {
        const ulong Above = (1UL << 48) | (1UL << 55);
        using var machine = new GuestMachine();
        machine.SetUpCommandQueue(log2Entries: 3, machine.Allocate(4096) | Above);
        machine.SetUpEventQueue(log2Entries: 3, machine.Allocate(4096) | Above);
        Write(machine, slot: 0, Command.Sync());
        machine.Start();

        machine.Write(RegisterOffset.CMDQ_PROD, 1);
        Translate(machine, stream: 5);

        Assert.Equal(0u, machine.Read(RegisterOffset.GERROR));
        Assert.Equal(1u, machine.Read(RegisterOffset.CMDQ_CONS));
        Assert.Equal(5u, machine.Read32((machine.EventQueue & ~Above) + 4));
    }

    [Theory]
    [Rule("QUE-12")]
    [InlineData(RegisterOffset.CMDQ_BASE, RegisterOffset.CMDQ_CONS, 0x0100_0000)]
    [InlineData(RegisterOffset.EVENTQ_BASE, RegisterOffset.EVENTQ_PROD, 0x8000_0000)]
    [InlineData(RegisterOffset.PRIQ_BASE, RegisterOffset.PRIQ_PROD, 0x8000_0000)]
    public void SmallerQueueKeepsTheLowBitsOfItsIndex(uint baseRegister, uint index, uint flags)
    {
        using var machine = new GuestMachine(WithPageRequests);
        machine.Smmu.WriteRegister64(baseRegister, 0x4000_0000 | 8);
        machine.Write(index, 0x1a5 | flags);
        Assert.Equal(0x1a5u | flags, machine.Read(index));

        machine.Smmu.WriteRegister64(baseRegister, 0x4000_0000 | 2);
        Assert.Equal(0x5u | flags, machine.Read(index));

        machine.Smmu.WriteRegister64(baseRegister, 0x4000_0000 | 8);
        Assert.Equal(0x5u | flags, machine.Read(index));
    }

    private static void Write(GuestMachine machine, int slot, Command command)
    {
        const ulong Above = (1UL << 48) | (1UL << 55);
        machine.Write64((machine.CommandQueue & ~Above) + ((ulong)slot * 16), [command.Word0, command.Word1]);
    }

    private static void Translate(GuestMachine machine, uint stream) =>
        machine.Smmu.Translate(new StreamId(stream), null, 0x1000, AccessKind.Read);
}
