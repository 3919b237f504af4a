using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Registers;

/// <summary>Every access to the register pages reaches a register, a half or a pair of them, or nothing at all (IHI 0070, 6.2).</summary>
public sealed class RegisterAccessTests : IDisposable
{
    private const ulong Pattern = 0x5234_5678_9abc_def3;
    private const ulong OtherPattern = 0x4fed_cba9_8765_432c;
    private const ulong LowHalf = uint.MaxValue;

    private readonly GuestMachine machine = new(SmmuFeatures.Default);

    public void Dispose() => machine.Dispose();

    [Theory]
    [MemberData(nameof(RegisterMap.WideCases), MemberType = typeof(RegisterMap))]
    [Rule("ACC-01")]
    [Rule("ACC-02")]
    [Rule("ACC-03")]
    [Rule("EN-22")]
    public void A64BitRegisterIsAlsoTwoHalvesThatLeaveEachOtherAlone(uint offset, ulong bits)
    {
        machine.WriteWhole(offset, Pattern);
        Assert.Equal(Pattern & bits, machine.ReadWhole(offset));
        Assert.Equal(Pattern & bits & LowHalf, machine.Read(offset));
        Assert.Equal((Pattern & bits) >> 32, machine.Read(offset + 4));

        machine.Write(offset + 4, (uint)(OtherPattern >> 32));
        Assert.Equal(((OtherPattern & ~LowHalf) | (Pattern & LowHalf)) & bits, machine.ReadWhole(offset));
        machine.Write(offset, (uint)(OtherPattern & LowHalf));
        Assert.Equal(OtherPattern & bits, machine.ReadWhole(offset));
    }

    [Theory]
    [MemberData(nameof(RegisterMap.NarrowCases), MemberType = typeof(RegisterMap))]
    [Rule("ACC-01")]
    public void A32BitRegisterKeepsWhatAnAlignedAccessWrites(uint offset, uint bits)
    {
        GiveQueuesTheirLargestSize();
        foreach (uint value in (uint[])[0x5555_5555, 0xaaaa_aaaa, 0])
        {
            machine.Write(offset, value);
            Assert.Equal(value & bits, machine.Read(offset));
        }
    }

    [Fact]
    [Rule("ACC-04")]
    public void RegistersAreLittleEndianForBigEndianTables()
    {
        using var bigEndian = new GuestMachine(SmmuFeatures.Default.With(SmmuFeatureField.TTENDIAN, 0b11));
        bigEndian.WriteWhole(RegisterOffset.GERROR_IRQ_CFG0, 0x0000_1234_5678_9abc);
        Assert.Equal(0x5678_9abcu, bigEndian.Read(RegisterOffset.GERROR_IRQ_CFG0));
        Assert.Equal(0x1234u, bigEndian.Read(RegisterOffset.GERROR_IRQ_CFG0 + 4));
        Assert.Equal(((ulong)bigEndian.Smmu.Features.Idr1 << 32) | bigEndian.Smmu.Features.Idr0, bigEndian.ReadWhole(RegisterOffset.IDR0));
    }

    [Fact]
    [Rule("ACC-05")]
    public void UnalignedAccessesReadZeroAndWriteNothing()
    {
        FillRegisters();
        uint[] before = machine.ReadAllRegisters();
        foreach (uint register in RegisterMap.Words)
        {
            for (uint byteOffset = 1; byteOffset < 8; byteOffset++)
            {
                uint offset = register + byteOffset;
                if (offset % 8 != 0)
                {
                    machine.WriteWhole(offset, ulong.MaxValue);
                    Assert.Equal(0UL, machine.ReadWhole(offset));
                }

                if (offset % 4 == 0) continue;
                machine.Write(offset, uint.MaxValue);
                Assert.Equal(0u, machine.Read(offset));
            }
        }

        Assert.Equal(before, machine.ReadAllRegisters());
    }

    [Theory]
    [InlineData(RegisterOffset.GERROR_IRQ_CFG1, RegisterOffset.GERROR_IRQ_CFG2)]
    [InlineData(RegisterOffset.CMDQ_PROD, RegisterOffset.CMDQ_CONS)]
    [InlineData(RegisterOffset.EVENTQ_PROD, RegisterOffset.EVENTQ_CONS)]
    [InlineData(RegisterOffset.CR1, RegisterOffset.CR2)]
    [Rule("ACC-06")]
    public void A64BitAccessServesANeighbouringPairOf32BitRegisters(uint low, uint high)
    {
        GiveQueuesTheirLargestSize();
        machine.WriteWhole(low, 0x0000_0002_0000_0015);
        Assert.Equal(0x15u, machine.Read(low));
        Assert.Equal(0x2u, machine.Read(high));
        Assert.Equal(0x0000_0002_0000_0015UL, machine.ReadWhole(low));
    }

    [Fact]
    [Rule("ACC-06")]
    public void OfAPairWithAReadOnlyHalfTheOtherIsWritten()
    {
        machine.WriteWhole(RegisterOffset.STATUSR, (0x8010_0000UL << 32) | uint.MaxValue);
        Assert.Equal(0x0010_0000u, machine.Read(RegisterOffset.GBPA));
        machine.WriteWhole(RegisterOffset.CR0, ((ulong)uint.MaxValue << 32) | 4);
        Assert.Equal(4u, machine.Read(RegisterOffset.CR0));
        Assert.Equal(4u, machine.Read(RegisterOffset.CR0ACK));
    }

    [Fact]
    [Rule("ACC-07")]
    [Rule("CTL-55")]
    [Rule("CTL-56")]
    public void LocationsWithoutARegisterOnPage0ReadZeroAndIgnoreWrites() => AssertEmpty(0, RegisterOffset.Page1);

    [Fact]
    [Rule("ACC-08")]
    public void LocationsWithoutARegisterOnPage1ReadZeroAndIgnoreWrites() =>
        AssertEmpty(RegisterOffset.Page1, RegisterOffset.FirstOptionalPage);

    [Fact]
    [Rule("ACC-15")]
    [Rule("SEC-02")]
    [Rule("SECSTATE-01")]
    public void SecureRegistersOfADeviceWithoutSecureStateReadZeroAndIgnoreWrites()
    {
        Assert.DoesNotContain(RegisterMap.Words, offset => offset is >= RegisterOffset.SecureHalf and < RegisterOffset.Page1);
        AssertEmpty(RegisterOffset.SecureHalf, RegisterOffset.Page1);
    }

    [Theory]
    [InlineData(RegisterOffset.FirstOptionalPage)]
    [InlineData(0x4000_0000u)]
    [InlineData(0xffff_fff8u)]
    [Rule("ACC-07")]
    [Rule("MAP-01")]
    public void PagesThatAreAbsentReadZeroAndIgnoreWrites(uint offset)
    {
        FillRegisters();
        uint[] before = machine.ReadAllRegisters();
        machine.Write(offset, uint.MaxValue);
        machine.WriteWhole(offset, ulong.MaxValue);
        Assert.Equal(0u, machine.Read(offset));
        Assert.Equal(0UL, machine.ReadWhole(offset));
        Assert.Equal(before, machine.ReadAllRegisters());
    }

    [Theory]
    [MemberData(nameof(RegisterMap.AliasCases), MemberType = typeof(RegisterMap))]
    [Rule("ACC-09")]
    [Rule("MAP-10")]
    public void IndexRegistersOfPage1ShowOnPage0AsWell(uint offset, uint alias)
    {
        GiveQueuesTheirLargestSize();
        machine.Write(offset, 0x8000_1234);
        Assert.Equal(0x8000_1234u, machine.Read(alias));
        machine.Write(alias, 0x5678);
        Assert.Equal(0x5678u, machine.Read(offset));
    }

    [Fact]
    [Rule("ACC-12")]
    [Rule("ID-02")]
    public void ReadOnlyRegistersDropWrites()
    {
        machine.Write(RegisterOffset.CR0, (uint)ControlBits.EventQueue);
        machine.EnableInterrupts(InterruptEnables.EVENTQ_IRQEN);
        uint[] before = machine.ReadAllRegisters();
        foreach (uint offset in RegisterMap.ReadOnly)
        {
            machine.Write(offset, ~machine.Read(offset));
            machine.Write(offset, 0);
        }

        Assert.Equal(before, machine.ReadAllRegisters());
        Assert.Equal(4u, machine.Read(RegisterOffset.CR0ACK));
        Assert.Equal(4u, machine.Read(RegisterOffset.IRQ_CTRLACK));
    }

    [Fact]
    [Rule("ID-01")]
    [Rule("ID-02")]
    public void IdentificationKeepsItsValueWhateverHappens()
    {
        uint[] first = Identification();
        machine.SetUpCommandQueue();
        machine.SetUpEventQueue();
        machine.Start();
        Assert.Equal(first, Identification());
        machine.CauseEvent();
        machine.Submit(Scenes.IllegalCommand);
        for (uint offset = RegisterOffset.IDR0; offset <= RegisterOffset.AIDR; offset += 4) machine.Write(offset, ~first[offset / 4]);
        Assert.Equal(first, Identification());
        Assert.Equal(GlobalErrors.CMDQ_ERR, machine.ActiveErrors());   // The illegal command alone is one.
        machine.Enable(ControlBits.None);
        Assert.Equal(first, Identification());
        machine.Smmu.Reset();
        Assert.Equal(first, Identification());
        Assert.Equal(machine.Smmu.Features.Idr5, first[RegisterOffset.IDR5 / 4]);

        uint[] Identification() => machine.ReadAllRegisters()[..((int)RegisterOffset.AIDR / 4 + 1)];
    }

    private void AssertEmpty(uint from, uint to)
    {
        FillRegisters();
        uint[] before = machine.ReadAllRegisters();
        int places = 0;
        for (uint offset = from; offset < to; offset += 4)
        {
            if (RegisterMap.Words.Contains(offset)) continue;
            Assert.Equal(0u, before[offset / 4]);
            machine.Write(offset, 0xffff_ffff);
            machine.Write(offset, 0x5555_5555);
            places++;
        }

        Assert.True(places > 0);
        Assert.Equal(before, machine.ReadAllRegisters());
    }

    // Every register that can holds something, so that a write that goes astray shows.
    private void FillRegisters()
    {
        foreach (var (offset, bits) in RegisterMap.Wide) machine.WriteWhole(offset, 0x0000_1234_5678_9abf & bits);
        foreach (var (offset, bits) in RegisterMap.Narrow) machine.Write(offset, 0x1234_0003 & bits);
        machine.Write(RegisterOffset.GBPA, 0x8010_1000);
        machine.EnableInterrupts(InterruptEnables.PRIQ_IRQEN);
        machine.Write(RegisterOffset.CR0, (uint)ControlBits.PageRequestQueue);
    }

    private void GiveQueuesTheirLargestSize()
    {
        machine.WriteWhole(RegisterOffset.CMDQ_BASE, 19);
        machine.WriteWhole(RegisterOffset.EVENTQ_BASE, 19);
        machine.WriteWhole(RegisterOffset.PRIQ_BASE, 19);
    }
}
