using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Registers;

/// <summary>A Guarded register ignores writes from its enable's being set until that is acknowledged as clear (IHI 0070, 6.2).</summary>
public class RegisterGuardTests
{
    private const uint Smmu = (uint)ControlBits.Smmu;
    private const uint PageRequests = (uint)ControlBits.PageRequestQueue;
    private const uint Events = (uint)ControlBits.EventQueue;
    private const uint Commands = (uint)ControlBits.CommandQueue;

    [Theory]
    [InlineData(RegisterOffset.CMDQ_BASE, Commands)]
    [InlineData(RegisterOffset.CMDQ_BASE + 4, Commands)]
    [InlineData(RegisterOffset.CMDQ_CONS, Commands)]
    [InlineData(RegisterOffset.EVENTQ_BASE, Events)]
    [InlineData(RegisterOffset.EVENTQ_BASE + 4, Events)]
    [InlineData(RegisterOffset.EVENTQ_PROD, Events)]
    [InlineData(RegisterOffset.EVENTQ_PROD_ALIAS, Events)]
    [InlineData(RegisterOffset.PRIQ_BASE, PageRequests)]
    [InlineData(RegisterOffset.PRIQ_BASE + 4, PageRequests)]
    [InlineData(RegisterOffset.PRIQ_PROD, PageRequests)]
    [InlineData(RegisterOffset.PRIQ_PROD_ALIAS, PageRequests)]
    [InlineData(RegisterOffset.STRTAB_BASE, Smmu)]
    [InlineData(RegisterOffset.STRTAB_BASE + 4, Smmu)]
    [InlineData(RegisterOffset.STRTAB_BASE_CFG, Smmu)]
    [InlineData(RegisterOffset.CR2, Smmu)]
    [Rule("ACC-13")]
    [Rule("CTL-42")]
    [Rule("EN-20")]
    [Rule("EN-21")]
    public void AGuardedRegisterIgnoresWritesWhileItsEnableIsSet(uint offset, uint guard)
    {
        const uint Everything = Smmu | PageRequests | Events | Commands;
        using var machine = new GuestMachine(SmmuFeatures.Default);
        GiveQueuesRoom(machine);
        machine.Write(offset, 0x42);
        uint kept = machine.Read(offset);

        machine.Write(RegisterOffset.CR0, guard);
        machine.Write(offset, 0x81);
        Assert.Equal(kept, machine.Read(offset));

        machine.Write(RegisterOffset.CR0, Everything & ~guard);   // Other enables guard nothing of it.
        machine.Write(offset, 0x84);
        Assert.NotEqual(kept, machine.Read(offset));
    }

    [Theory]
    [InlineData(0u, 0xfffu)]
    [InlineData(Smmu, 0x03fu)]
    [InlineData(Commands, 0xfc0u)]
    [InlineData(Events, 0xfc0u)]
    [InlineData(PageRequests, 0xfc0u)]
    [InlineData(Smmu | Events, 0u)]
    [Rule("ACC-13")]
    [Rule("CTL-38")]
    [Rule("CTL-39")]
    [Rule("EN-19")]
    public void TableAndQueueAttributesAreGuardedByTheirUsers(uint enabled, uint writable)
    {
        using var machine = new GuestMachine(SmmuFeatures.Default);
        machine.Write(RegisterOffset.CR0, enabled);
        machine.Write(RegisterOffset.CR1, uint.MaxValue);
        Assert.Equal(writable, machine.Read(RegisterOffset.CR1));

        machine.Write(RegisterOffset.CR0, 0);
        machine.Write(RegisterOffset.CR1, 0xfff);
        machine.Write(RegisterOffset.CR0, enabled);
        machine.Write(RegisterOffset.CR1, 0);
        Assert.Equal(0xfff & ~writable, machine.Read(RegisterOffset.CR1));
    }

    [Fact]
    [Rule("CTL-15")]
    [Rule("CTL-16")]
    public void ClearingTheSmmuAloneLeavesThePageRequestQueueGuardedAndAcknowledged()
    {
        using var machine = new GuestMachine(SmmuFeatures.Default);
        machine.Write(RegisterOffset.CR0, Smmu | PageRequests);
        machine.Write(RegisterOffset.CR0, PageRequests);
        machine.WriteWhole(RegisterOffset.PRIQ_BASE, 0x1000);
        Assert.Equal(0UL, machine.ReadWhole(RegisterOffset.PRIQ_BASE));
        Assert.Equal(PageRequests, machine.Read(RegisterOffset.CR0ACK));

        machine.Write(RegisterOffset.CR0, 0);
        machine.WriteWhole(RegisterOffset.PRIQ_BASE, 0x1000);
        Assert.Equal(0x1000UL, machine.ReadWhole(RegisterOffset.PRIQ_BASE));
    }

    [Theory]
    [InlineData(RegisterOffset.GERROR_IRQ_CFG0, InterruptEnables.GERROR_IRQEN)]
    [InlineData(RegisterOffset.GERROR_IRQ_CFG1, InterruptEnables.GERROR_IRQEN)]
    [InlineData(RegisterOffset.GERROR_IRQ_CFG2, InterruptEnables.GERROR_IRQEN)]
    [InlineData(RegisterOffset.EVENTQ_IRQ_CFG0, InterruptEnables.EVENTQ_IRQEN)]
    [InlineData(RegisterOffset.EVENTQ_IRQ_CFG1, InterruptEnables.EVENTQ_IRQEN)]
    [InlineData(RegisterOffset.EVENTQ_IRQ_CFG2, InterruptEnables.EVENTQ_IRQEN)]
    [InlineData(RegisterOffset.PRIQ_IRQ_CFG0, InterruptEnables.PRIQ_IRQEN)]
    [InlineData(RegisterOffset.PRIQ_IRQ_CFG1, InterruptEnables.PRIQ_IRQEN)]
    [InlineData(RegisterOffset.PRIQ_IRQ_CFG2, InterruptEnables.PRIQ_IRQEN)]
    [Rule("INT-03")]
    [Rule("IRQ-21")]
    [Rule("ACC-13")]
    public void MessageRegistersIgnoreWritesWhileTheirSourceIsEnabled(uint offset, InterruptEnables source)
    {
        const InterruptEnables Everything =
            InterruptEnables.GERROR_IRQEN | InterruptEnables.EVENTQ_IRQEN | InterruptEnables.PRIQ_IRQEN;
        using var machine = new GuestMachine(SmmuFeatures.Default);
        machine.Write(offset, 0x14);
        machine.EnableInterrupts(source);
        machine.Write(offset, 0x28);
        Assert.Equal(0x14u, machine.Read(offset));

        machine.EnableInterrupts(Everything & ~source);
        machine.Write(offset, 0x28);
        Assert.Equal(0x28u, machine.Read(offset));
    }

    [Fact]
    [Rule("ACC-14")]
    [Rule("ACC-21")]
    [Rule("INT-03")]
    [Rule("IRQ-21")]
    [Rule("INT-12")]
    public void MessageRegistersStayGuardedUntilTheDisableIsAcknowledged()
    {
        var bus = new ScriptedBus();
        using var machine = new GuestMachine(bus: bus);
        machine.PointMsi(RegisterOffset.EVENTQ_IRQ_CFG0, ScriptedBus.Base, 0x11);
        machine.EnableInterrupts(InterruptEnables.EVENTQ_IRQEN);
        machine.Start();

        bool wasAsked = false;
        bus.Writing = _ =>
        {
            machine.EnableInterrupts(InterruptEnables.None);
            Assert.Equal(0u, machine.Read(RegisterOffset.IRQ_CTRL));
            Assert.Equal(4u, machine.Read(RegisterOffset.IRQ_CTRLACK));
            machine.PointMsi(RegisterOffset.EVENTQ_IRQ_CFG0, ScriptedBus.Base + 8, 0x22);
            wasAsked = true;
        };
        machine.CauseEvent();

        Assert.True(wasAsked);
        Assert.Equal(0u, machine.Read(RegisterOffset.IRQ_CTRLACK));
        Assert.Equal(ScriptedBus.Base, machine.ReadWhole(RegisterOffset.EVENTQ_IRQ_CFG0));
        Assert.Equal(0x11u, machine.Read(RegisterOffset.EVENTQ_IRQ_CFG1));

        machine.PointMsi(RegisterOffset.EVENTQ_IRQ_CFG0, ScriptedBus.Base + 8, 0x22);
        Assert.Equal(ScriptedBus.Base + 8, machine.ReadWhole(RegisterOffset.EVENTQ_IRQ_CFG0));
        Assert.Equal(0x22u, machine.Read(RegisterOffset.EVENTQ_IRQ_CFG1));
    }

    private static void GiveQueuesRoom(GuestMachine machine)
    {
        machine.WriteWhole(RegisterOffset.CMDQ_BASE, 19);
        machine.WriteWhole(RegisterOffset.EVENTQ_BASE, 19);
        machine.WriteWhole(RegisterOffset.PRIQ_BASE, 19);
        machine.Write(RegisterOffset.CMDQ_PROD, 0x42);   // With CONS at 0x42 there is nothing to consume.
        machine.Write(RegisterOffset.CMDQ_CONS, 0x42);
    }
}
