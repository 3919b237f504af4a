using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Queues;

/// <summary>Registers of the PRI queue (IHI 0070, 6.3.33 to 6.3.36, 6.3.97 and 6.3.98).</summary>
public class PageRequestQueueRegisterTests
{
    [Fact]
    [Rule("RQ-24")]
    public void WithoutPageRequestsTheRegistersAreReserved()
    {
        using var machine = new GuestMachine(SmmuFeatures.Stage1Only);

        for (uint offset = 0xc0; offset <= 0xdc; offset += 4) Assert.Equal(0u, WriteAndRead(machine, offset));
        Assert.Equal(0u, WriteAndRead(machine, 0x100c8));
        Assert.Equal(0u, WriteAndRead(machine, 0x100cc));

        machine.Enable(ControlBits.PageRequestQueue);
        Assert.Equal(0u, machine.Read(RegisterOffset.CR0));
    }

    [Fact]
    [Rule("RQ-37")]
    [Rule("RQ-43")]
    public void IndexRegistersHoldIndexAndOverflowFlag()
    {
        using var machine = new GuestMachine(SmmuFeatures.Default);
        machine.Smmu.WriteRegister64(RegisterOffset.PRIQ_BASE, 0x4000_0000 | 19);

        Assert.Equal(0x800f_ffffu, WriteAndRead(machine, 0x100c8));
        Assert.Equal(0x800f_ffffu, WriteAndRead(machine, 0x100cc));
    }

    [Fact]
    [Rule("RQ-43")]
    [Rule("QUE-11")]
    public void ProducerIsFixedWhileTheQueueIsEnabledAndTheConsumerIsNot()
    {
        using var machine = new GuestMachine(SmmuFeatures.Default);
        machine.Smmu.WriteRegister64(RegisterOffset.PRIQ_BASE, 0x4000_0000 | 8);
        machine.Write(RegisterOffset.PRIQ_PROD, 1);

        machine.Enable(ControlBits.PageRequestQueue);   // Programmed is enough: without SMMUEN it is not in effect.
        machine.Write(RegisterOffset.PRIQ_PROD, 2);
        machine.Write(RegisterOffset.PRIQ_CONS, 3);
        Assert.Equal((1u, 3u), (machine.Read(RegisterOffset.PRIQ_PROD), machine.Read(RegisterOffset.PRIQ_CONS)));

        machine.Enable(ControlBits.EventQueue | ControlBits.CommandQueue);
        machine.Write(RegisterOffset.PRIQ_PROD, 2);
        Assert.Equal(2u, machine.Read(RegisterOffset.PRIQ_PROD));
    }

    [Fact]
    [Rule("RQ-28")]
    [Rule("QUE-09")]
    public void ProducerReadsZeroAboveTheWrapFlag()
    {
        using var machine = new GuestMachine(SmmuFeatures.Default);
        machine.Smmu.WriteRegister64(RegisterOffset.PRIQ_BASE, 0x4000_0000 | 3);

        Assert.Equal(0x8000_000fu, WriteAndRead(machine, RegisterOffset.PRIQ_PROD));
    }

    private static uint WriteAndRead(GuestMachine machine, uint offset)
    {
        machine.Write(offset, uint.MaxValue);
        return machine.Read(offset);
    }
}
