using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Registers;

/// <summary>A register has the bits that the architecture gives it, less those of absent features (IHI 0070, 6.3).</summary>
public class RegisterFieldTests
{
    private const uint PageRequestQueue = (uint)ControlBits.PageRequestQueue;

    [Theory]
    [MemberData(nameof(RegisterMap.WideCases), MemberType = typeof(RegisterMap))]
    [Rule("ACC-10")]
    [Rule("INT-02")]
    [Rule("IRQ-19")]
    public void OnlyDefinedBitsOf64BitRegistersCanBeSet(uint offset, ulong bits)
    {
        using var machine = new GuestMachine(SmmuFeatures.Default);
        machine.WriteWhole(offset, ulong.MaxValue);
        Assert.Equal(bits, machine.ReadWhole(offset));
    }

    [Theory]
    [MemberData(nameof(RegisterMap.NarrowCases), MemberType = typeof(RegisterMap))]
    [Rule("ACC-10")]
    [Rule("INT-02")]
    [Rule("IRQ-19")]
    [Rule("CTL-35")]
    public void OnlyDefinedBitsOf32BitRegistersCanBeSet(uint offset, uint bits)
    {
        using var machine = new GuestMachine(SmmuFeatures.Default);
        machine.WriteWhole(RegisterOffset.CMDQ_BASE, 19);
        machine.WriteWhole(RegisterOffset.EVENTQ_BASE, 19);
        machine.WriteWhole(RegisterOffset.PRIQ_BASE, 19);
        machine.Write(offset, uint.MaxValue);
        Assert.Equal(bits, machine.Read(offset));
    }

    [Fact]
    [Rule("ACC-10")]
    [Rule("EN-15")]
    [Rule("CTL-47")]
    public void OnlyDefinedBitsOfTheBypassAttributesCanBeSet()
    {
        using var machine = new GuestMachine();
        machine.Write(RegisterOffset.GBPA, uint.MaxValue);
        Assert.Equal(0x001f_3f1fu, machine.Read(RegisterOffset.GBPA));

        machine.Write(RegisterOffset.GBPA, new GlobalBypassAttributes
        {
            Update = true,
            MemAttr = 0b0101,
            MTCFG = true,
            ALLOCCFG = 0b1010,
            SHCFG = 0b11,
            PRIVCFG = 0b10,
            INSTCFG = 0b01,
            ABORT = true,
        }.Value);
        Assert.Equal(0x0016_3a15u, machine.Read(RegisterOffset.GBPA));
    }

    [Theory]
    [InlineData(0x0000_000du)]
    [InlineData(0x0000_000fu, SmmuFeatureField.PRI)]
    [InlineData(0x0000_001du, SmmuFeatureField.ATS)]
    [InlineData(0x0000_01cdu, SmmuFeatureField.VMW)]
    [InlineData(0x0000_01dfu, SmmuFeatureField.PRI, SmmuFeatureField.ATS, SmmuFeatureField.VMW)]
    [Rule("CTL-01")]
    [Rule("CTL-05")]
    [Rule("CTL-08")]
    [Rule("EN-01")]
    [Rule("ACC-10")]
    public void TheMainControlHasTheBitsOfItsFeaturesAndAcknowledgesNoOthers(uint bits, params SmmuFeatureField[] present)
    {
        using var machine = new GuestMachine(With(SmmuFeatures.Stage1Only, present));
        machine.Write(RegisterOffset.CR0, uint.MaxValue);
        Assert.Equal(bits, machine.Read(RegisterOffset.CR0));
        Assert.Equal(bits, machine.Read(RegisterOffset.CR0ACK));
    }

    [Theory]
    [InlineData(0x2u)]
    [InlineData(0x3u, SmmuFeatureField.Hyp)]
    [InlineData(0x6u, SmmuFeatureField.BTM)]
    [InlineData(0xau, SmmuFeatureField.ATSRECERR)]
    [Rule("CTL-41")]
    [Rule("CTL-45")]
    [Rule("CTL-46")]
    [Rule("ACC-10")]
    public void TheStreamControlHasTheBitsOfItsFeatures(uint bits, params SmmuFeatureField[] present)
    {
        using var machine = new GuestMachine(With(SmmuFeatures.Stage1Only, present));
        machine.Write(RegisterOffset.CR2, uint.MaxValue);
        Assert.Equal(bits, machine.Read(RegisterOffset.CR2));
    }

    [Theory]
    [InlineData(0x5u)]
    [InlineData(0x7u, SmmuFeatureField.PRI)]
    [Rule("INT-01")]
    [Rule("IRQ-01")]
    [Rule("IRQ-02")]
    public void TheInterruptControlHasABitForEachSourceAndAcknowledgesIt(uint bits, params SmmuFeatureField[] present)
    {
        using var machine = new GuestMachine(With(SmmuFeatures.Stage1Only, present));
        machine.Write(RegisterOffset.IRQ_CTRL, uint.MaxValue);
        Assert.Equal(bits, machine.Read(RegisterOffset.IRQ_CTRL));
        Assert.Equal(bits, machine.Read(RegisterOffset.IRQ_CTRLACK));

        foreach (uint bit in (uint[])[1, 4])
        {
            machine.Write(RegisterOffset.IRQ_CTRL, bit);
            Assert.Equal(bit, machine.Read(RegisterOffset.IRQ_CTRL));
            Assert.Equal(bit, machine.Read(RegisterOffset.IRQ_CTRLACK));
        }
    }

    [Fact]
    [Rule("ACC-11")]
    public void RegistersOfThePageRequestQueueAreAbsentWithoutIt()
    {
        using var machine = new GuestMachine(SmmuFeatures.Stage1Only);
        AssertAbsent(
            machine,
            [
                RegisterOffset.PRIQ_BASE, RegisterOffset.PRIQ_BASE + 4,
                RegisterOffset.PRIQ_PROD, RegisterOffset.PRIQ_CONS,
                RegisterOffset.PRIQ_PROD_ALIAS, RegisterOffset.PRIQ_CONS_ALIAS,
                RegisterOffset.PRIQ_IRQ_CFG0, RegisterOffset.PRIQ_IRQ_CFG0 + 4,
                RegisterOffset.PRIQ_IRQ_CFG1, RegisterOffset.PRIQ_IRQ_CFG2,
            ]);
    }

    [Fact]
    [Rule("ACC-11")]
    [Rule("INT-05")]
    [Rule("IRQ-20")]
    [Rule("IRQ-29")]
    [Rule("ID-15")]
    public void MessageRegistersAreAbsentWithoutMsisButForTheLastFlagOfPageRequests()
    {
        using var machine = new GuestMachine(SmmuFeatures.Default.With(SmmuFeatureField.MSI, 0));
        AssertAbsent(
            machine,
            [
                RegisterOffset.GERROR_IRQ_CFG0, RegisterOffset.GERROR_IRQ_CFG0 + 4,
                RegisterOffset.GERROR_IRQ_CFG1, RegisterOffset.GERROR_IRQ_CFG2,
                RegisterOffset.EVENTQ_IRQ_CFG0, RegisterOffset.EVENTQ_IRQ_CFG0 + 4,
                RegisterOffset.EVENTQ_IRQ_CFG1, RegisterOffset.EVENTQ_IRQ_CFG2,
                RegisterOffset.PRIQ_IRQ_CFG0, RegisterOffset.PRIQ_IRQ_CFG0 + 4, RegisterOffset.PRIQ_IRQ_CFG1,
            ]);
        machine.Write(RegisterOffset.PRIQ_IRQ_CFG2, uint.MaxValue);
        Assert.Equal(0x8000_0000u, machine.Read(RegisterOffset.PRIQ_IRQ_CFG2));
    }

    [Fact]
    [Rule("ACC-11")]
    public void ALinearStreamTableHasNoFormatToChoose()
    {
        using var machine = new GuestMachine(SmmuFeatures.Default.With(SmmuFeatureField.ST_LEVEL, 0));
        machine.Write(RegisterOffset.STRTAB_BASE_CFG, uint.MaxValue);
        Assert.Equal(0x3fu, machine.Read(RegisterOffset.STRTAB_BASE_CFG));
    }

    [Theory]
    [MemberData(nameof(RegisterMap.WideCases), MemberType = typeof(RegisterMap))]
    [Rule("ACC-22")]
    [Rule("IRQ-24")]
    public void AddressesHaveNoBitsAboveTheOutputSize(uint offset, ulong bits)
    {
        const ulong AllocateHint = 1UL << 62;
        using var machine = new GuestMachine(SmmuFeatures.Default.With(SmmuFeatureField.OAS, 0));
        machine.WriteWhole(offset, ulong.MaxValue);
        Assert.Equal(bits & (uint.MaxValue | AllocateHint), machine.ReadWhole(offset));
    }

    [Fact]
    [Rule("ACC-22")]
    [Rule("IRQ-24")]
    public void AddressesThatAreFormedFromRegistersCarryNoBitsAboveTheOutputSize()
    {
        const ulong TooHigh = 0x00ff_0000_0000_0000;
        using var machine = new GuestMachine();
        ulong doorbell = machine.Allocate(4096);
        ulong events = machine.Allocate(4096);
        machine.SetUpEventQueue(log2Entries: 4, address: events | TooHigh);
        machine.PointMsi(RegisterOffset.EVENTQ_IRQ_CFG0, doorbell | TooHigh, 0x77);
        machine.EnableInterrupts(InterruptEnables.EVENTQ_IRQEN);
        machine.Start();
        machine.CauseEvent();
        Assert.Equal((ulong)EventType.BadStreamTableEntry, machine.Read64(events) & 0xff);
        Assert.Equal(0x77u, machine.Read32(doorbell));
        Assert.Equal(GlobalErrors.None, machine.ActiveErrors());
    }

    private static SmmuFeatures With(SmmuFeatures features, SmmuFeatureField[] present) =>
        present.Aggregate(features, (changed, field) => changed.With(field, 1));

    // Queues are disabled and the enable of the absent one is not there, so that no guard explains a register that stays 0.
    private static void AssertAbsent(GuestMachine machine, ReadOnlySpan<uint> offsets)
    {
        Assert.Equal(0u, machine.Read(RegisterOffset.CR0) & PageRequestQueue);
        foreach (uint offset in offsets)
        {
            machine.Write(offset, uint.MaxValue);
            Assert.Equal(0u, machine.Read(offset));
        }
    }
}
