using System.Reflection;
using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Formats;

/// <summary>Views of registers read and write exactly the bits of their fields.</summary>
public class RegisterViewTests
{
    [Fact]
    [Rule("CTL-01")]
    public void ControlRegister0HasItsFields() => AssertView(static value => new ControlRegister0((uint)value), """
        [0] SMMUEN; [1] PRIQEN; [2] EVENTQEN; [3] CMDQEN; [4] ATSCHK; [5] SIF; [8:6] VMW; [9] NSSTALLD; [10] DPT_WALK_EN
        """);

    [Fact]
    [Rule("CTL-35")]
    public void ControlRegister1HasItsFields()
    {
        AssertView(static value => new ControlRegister1((uint)value), """
            [1:0] QUEUE_IC; [3:2] QUEUE_OC; [5:4] QUEUE_SH; [7:6] TABLE_IC; [9:8] TABLE_OC; [11:10] TABLE_SH
            """);
        var queues = new ControlRegister1 { QUEUE_IC = 3, QUEUE_OC = 3, QUEUE_SH = 3 };
        var tables = new ControlRegister1 { TABLE_IC = 3, TABLE_OC = 3, TABLE_SH = 3 };
        Assert.Equal(ControlRegister1.QueueMask, queues.Value);
        Assert.Equal(ControlRegister1.TableMask, tables.Value);
    }

    [Fact]
    [Rule("CTL-41")]
    public void ControlRegister2HasItsFields() => AssertView(
        static value => new ControlRegister2((uint)value), "[0] E2H; [1] RECINVSID; [2] PTM; [3] REC_CFG_ATS");

    [Fact]
    [Rule("CTL-47")]
    public void GlobalBypassAttributesHaveTheirFields() => AssertView(static value => new GlobalBypassAttributes((uint)value), """
        [3:0] MemAttr; [4] MTCFG; [11:8] ALLOCCFG; [13:12] SHCFG; [15:14] NSCFG; [17:16] PRIVCFG; [19:18] INSTCFG; [20] ABORT;
        [31] Update
        """);

    [Fact]
    [Rule("RQ-01")]
    public void StreamTableBaseHasItsFields() => AssertView(
        static value => new StreamTableBase(value), "[55:6] ADDR; [62] RA", "ADDR");

    [Fact]
    [Rule("RQ-08")]
    public void StreamTableBaseConfigurationHasItsFields() => AssertView(
        static value => new StreamTableBaseConfiguration((uint)value), "[5:0] LOG2SIZE; [10:6] SPLIT; [17:16] FMT");

    [Fact]
    [Rule("RQ-17")]
    [Rule("RQ-18")]
    public void QueueBaseHasItsFields() => AssertView(
        static value => new QueueBase(value), "[4:0] LOG2SIZE; [55:5] ADDR; [62] AllocateHint", "ADDR");

    [Fact]
    public void CommandQueueConsumerHasItsFields() => AssertView(
        static value => new CommandQueueConsumer((uint)value), "[19:0] RD; [30:24] ERR");

    [Fact]
    public void OutputQueueIndexHasItsFields() => AssertView(
        static value => new OutputQueueIndex((uint)value), "[19:0] Pointer; [31] OverflowFlag");

    [Fact]
    public void InterruptConfigurationHasItsFields()
    {
        AssertView(static value => new InterruptAddress(value), "[55:2] ADDR", "ADDR");
        AssertView(static value => new InterruptAttributes((uint)value), "[3:0] MemAttr; [5:4] SH; [31] LO");
    }

    [Fact]
    public void InterruptEnablesAreTheBitsOfTheArchitecture() => Assert.Equal(
        [0u, 1u, 2u, 4u],
        new[]
        {
            InterruptEnables.None, InterruptEnables.GERROR_IRQEN, InterruptEnables.PRIQ_IRQEN, InterruptEnables.EVENTQ_IRQEN,
        }.Select(static flag => (uint)flag));

    [Fact]
    public void GlobalErrorsAreTheBitsOfTheArchitecture()
    {
        (GlobalErrors Error, int Bit)[] expected =
        [
            (GlobalErrors.CMDQ_ERR, 0), (GlobalErrors.EVENTQ_ABT_ERR, 2), (GlobalErrors.PRIQ_ABT_ERR, 3),
            (GlobalErrors.MSI_CMDQ_ABT_ERR, 4), (GlobalErrors.MSI_EVENTQ_ABT_ERR, 5), (GlobalErrors.MSI_PRIQ_ABT_ERR, 6),
            (GlobalErrors.MSI_GERROR_ABT_ERR, 7), (GlobalErrors.SFM_ERR, 8), (GlobalErrors.CMDQP_ERR, 9),
            (GlobalErrors.DPT_ERR, 10),
        ];
        Assert.All(expected, static pair => Assert.Equal(1u << pair.Bit, (uint)pair.Error));
        Assert.Equal(expected.Length + 1, Enum.GetValues<GlobalErrors>().Length);
    }

    [Fact]
    public void CommandErrorsAreTheCodesOfTheArchitecture() => Assert.Equal(
        (0, 1, 2, 3),
        ((int)CommandError.None, (int)CommandError.Illegal, (int)CommandError.Abort, (int)CommandError.AtcInvalidationSync));

    [Theory]
    [InlineData(0, 0, 0, 6)]
    [InlineData(0, 0, 7, 13)]
    [InlineData(0, 0, 16, 22)]
    [InlineData(0, 0, 63, 69)]
    [InlineData(2, 8, 16, 22)]
    [InlineData(1, 6, 6, 6)]
    [InlineData(1, 6, 16, 13)]
    [InlineData(1, 8, 16, 11)]
    [InlineData(1, 10, 16, 9)]
    [InlineData(1, 7, 16, 13)]
    [InlineData(1, 10, 8, 6)]
    [InlineData(1, 6, 63, 60)]
    public void TheStreamTableIsAlignedToItsSize(byte format, byte split, byte log2Size, int bits)
    {
        var table = new StreamTableBase { ADDR = 0x00ff_ffff_ffff_ffc0 };
        var configuration = new StreamTableBaseConfiguration { FMT = format, SPLIT = split, LOG2SIZE = log2Size };

        ulong expected = bits >= 56 ? 0 : 0x00ff_ffff_ffff_ffc0UL >> bits << bits;
        Assert.Equal(expected, table.AlignedAddress(configuration));
    }

    [Theory]
    [InlineData(20, 16, 16)]
    [InlineData(8, 16, 8)]
    [InlineData(63, 32, 32)]
    public void TheStreamTableCoversAtMostWhatTheSmmuHas(byte log2Size, int sidSize, int bits) =>
        Assert.Equal(bits, new StreamTableBaseConfiguration { LOG2SIZE = log2Size }.StreamIdBits(sidSize));

    [Theory]
    [InlineData(0, 19, 4, 0, 5)]
    [InlineData(0, 19, 5, 0, 5)]
    [InlineData(1, 19, 4, 1, 5)]
    [InlineData(8, 19, 4, 8, 12)]
    [InlineData(8, 19, 5, 8, 13)]
    [InlineData(31, 19, 5, 19, 24)]
    [InlineData(10, 7, 4, 7, 11)]
    public void AQueueIsCappedAndAlignedToItsSize(byte log2Size, int limit, int entryLog2, int effective, int bits)
    {
        var queue = new QueueBase { LOG2SIZE = log2Size, ADDR = 0x00ff_ffff_ffff_ffe0 };

        Assert.Equal(effective, queue.EffectiveLog2(limit));
        Assert.Equal(0x00ff_ffff_ffff_ffe0UL >> bits << bits, queue.AlignedAddress(limit, entryLog2));
        Assert.Equal(log2Size, queue.LOG2SIZE);
    }

    [Fact]
    public void AFieldRefusesWhatItCannotHold()
    {
        Assert.Throws<ArgumentOutOfRangeException>(static () => new ControlRegister0 { VMW = 8 });
        Assert.Throws<ArgumentOutOfRangeException>(static () => new QueueBase { ADDR = 0x10 });
    }

    private static void AssertView<T>(Func<ulong, T> create, string map, params string[] addresses)
        where T : struct
    {
        List<FieldMap> fields = FieldMap.Parse(map);
        Assert.NotEmpty(fields);
        PropertyInfo value = typeof(T).GetProperty("Value")!;
        int width = value.PropertyType == typeof(ulong) ? 64 : 32;
        for (int bit = 0; bit < width; bit++)
        {
            object view = create(1UL << bit);
            foreach (FieldMap field in fields)
            {
                ulong expected = bit < field.Low || bit > field.High ? 0
                    : 1UL << (addresses.Contains(field.Name) ? bit : bit - field.Low);
                Assert.Equal(expected, FieldMap.Number(view, field.Name));
            }
        }

        foreach (FieldMap field in fields)
        {
            PropertyInfo property = typeof(T).GetProperty(field.Name)!;
            ulong mask = (ulong.MaxValue >> (63 - field.High)) & (ulong.MaxValue << field.Low);
            object all = property.GetValue(create(mask))!;
            object none = property.GetValue(create(0))!;

            object view = create(0);
            property.SetValue(view, all);
            Assert.Equal(mask, FieldMap.Number(view, "Value"));

            view = create(width == 64 ? ulong.MaxValue : uint.MaxValue);
            property.SetValue(view, none);
            Assert.Equal((width == 64 ? ulong.MaxValue : uint.MaxValue) & ~mask, FieldMap.Number(view, "Value"));
        }
    }
}
