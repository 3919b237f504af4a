using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Queues;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Registers;

/// <summary>Where the registers of Enhanced Command queues lie, what they hold, and when they can be written (IHI 0070, 6.3).</summary>
public class EnhancedCommandQueueRegisterTests
{
    private const uint Enable = EnhancedQueueScene.Enable;
    private const uint Indexes = 0xf_ffff;

    [Fact]
    [Rule("ECMDQ-01")]
    [Rule("ECMDQ-02")]
    [Rule("ID-74")]
    [Rule("RR-01")]
    public void TheIdentificationTellsOfQueuesOnlyWhereThereAreAny()
    {
        using var scene = new EnhancedQueueScene(pagesLog2: 3, queuesLog2: 5);
        Assert.Equal(0x0305_0000u, scene.Machine.Read(RegisterOffset.IDR6));
        Assert.NotEqual(0u, scene.Machine.Read(RegisterOffset.IDR1) & (1u << 31));
        Assert.Empty(scene.Smmu.Features.FindContradictions());
        foreach (var (field, value) in new[] { (SmmuFeatureField.COHACC, 0u), (SmmuFeatureField.MSI, 0u), (SmmuFeatureField.QUEUES_PRESET, 1u) })
        {
            Assert.Single(scene.Smmu.Features.With(field, value).FindContradictions(), sentence => sentence.Contains("ECMDQ"));
        }

        Assert.NotEmpty(EnhancedQueueScene.With(9, 0).FindContradictions());
        Assert.NotEmpty(EnhancedQueueScene.With(0, 9).FindContradictions());

        using var plain = new GuestMachine(scene.Smmu.Features.With(SmmuFeatureField.ECMDQ, 0));
        Assert.Equal(0u, plain.Read(RegisterOffset.IDR6));
        Assert.Equal(0u, plain.Read(RegisterOffset.CMDQ_CONTROL_PAGE_BASE));
        Assert.Equal(0u, plain.Read(RegisterOffset.CMDQ_CONTROL_PAGE_CFG));
        plain.Write(EnhancedQueueScene.FirstPage + EnhancedCommandQueueOffset.ECMDQ_PROD, Enable);
        Assert.Equal(0u, plain.Read(EnhancedQueueScene.FirstPage + EnhancedCommandQueueOffset.ECMDQ_PROD));
    }

    [Fact]
    [Rule("ECMDQ-03")]
    [Rule("ECMDQ-04")]
    [Rule("MAP-05")]
    [Rule("RR-02")]
    public void ControlPagesFollowOneAnotherAndAreOnForGood()
    {
        using var scene = new EnhancedQueueScene(pagesLog2: 2, queuesLog2: 0);
        for (uint page = 0; page < 4; page++)
        {
            uint offset = page * RegisterOffset.CMDQ_CONTROL_PAGE_STRIDE;
            const ulong Preset64K = 0b011;
            scene.Smmu.WriteRegister64(RegisterOffset.CMDQ_CONTROL_PAGE_BASE + offset, 0);
            scene.Machine.Write(RegisterOffset.CMDQ_CONTROL_PAGE_CFG + offset, 0);
            Assert.Equal(
                (EnhancedQueueScene.FirstPage + (page * 0x1_0000UL)) | Preset64K,
                scene.Smmu.ReadRegister64(RegisterOffset.CMDQ_CONTROL_PAGE_BASE + offset));
            Assert.Equal(1u, scene.Machine.Read(RegisterOffset.CMDQ_CONTROL_PAGE_CFG + offset));
            Assert.Equal(1u, scene.Machine.Read(RegisterOffset.CMDQ_CONTROL_PAGE_STATUS + offset));
            Assert.Equal(0u, scene.Machine.Read(RegisterOffset.CMDQ_CONTROL_PAGE_STATUS + 4 + offset));
        }

        const uint Beyond = 4 * RegisterOffset.CMDQ_CONTROL_PAGE_STRIDE;
        Assert.Equal(0UL, scene.Smmu.ReadRegister64(RegisterOffset.CMDQ_CONTROL_PAGE_BASE + Beyond));
        Assert.Equal(0u, scene.Machine.Read(RegisterOffset.CMDQ_CONTROL_PAGE_CFG + Beyond));
    }

    [Fact]
    [Rule("MAP-05")]
    public void ControlPagesGoRoundThePageOfVatos()
    {
        using var scene = new EnhancedQueueScene(
            features: SmmuFeatures.Default.With(SmmuFeatureField.ATOS, 1).With(SmmuFeatureField.VATOS, 1).With(SmmuFeatureField.BA_VATOS, 2));
        Assert.Equal(0x5_0000u, scene.Registers(0));
        scene.SetUp(7);
        scene.Submit(7, scene.Mark(0));
        Assert.Equal(1u, scene.MarkIn(0));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 3)]
    [InlineData(0, 8)]
    [Rule("ECMDQ-05")]
    [Rule("MAP-07")]
    public void QueuesStandEvenlyOverTheirPagesWithThreeRegistersEach(int pagesLog2, int queuesLog2)
    {
        using var scene = new EnhancedQueueScene(pagesLog2, queuesLog2);
        int queues = 1 << (pagesLog2 + queuesLog2);
        uint stride = 0x1_0000u >> queuesLog2;
        for (int queue = 0; queue < queues; queue++)
        {
            uint registers = EnhancedQueueScene.FirstPage + ((uint)queue * stride);
            scene.Smmu.WriteRegister64(registers, 0x4000_0000UL + ((ulong)queue << 12));
            scene.Machine.Write(registers + 8, (uint)queue);
            scene.Machine.Write(registers + 0xc, (uint)queue & 1);
            scene.Machine.Write(registers + 0x10, 0xffff_ffff);
            scene.Machine.Write(registers + stride - 4, stride > 0x10 ? 0xffff_ffff : 0);
        }

        for (int queue = 0; queue < queues; queue++)
        {
            uint registers = EnhancedQueueScene.FirstPage + ((uint)queue * stride);
            Assert.Equal(0x4000_0000UL + ((ulong)queue << 12), scene.Smmu.ReadRegister64(registers));
            Assert.Equal((uint)queue << 12, scene.Machine.Read(registers) & 0xfff_ffff);
            Assert.Equal(0u, scene.Machine.Read(registers + 4));
            Assert.Equal((uint)queue, scene.Machine.Read(registers + 8));
            Assert.Equal((uint)queue & 1, scene.Machine.Read(registers + 0xc));
            Assert.Equal(0u, scene.Machine.Read(registers + 0x10));
            Assert.Equal(0u, scene.Machine.Read(registers + stride - 4));
        }

        uint end = EnhancedQueueScene.FirstPage + ((uint)queues * stride);
        scene.Smmu.WriteRegister64(end, ulong.MaxValue);
        Assert.Equal(0UL, scene.Smmu.ReadRegister64(end));
    }

    [Fact]
    [Rule("ECMDQ-06")]
    [Rule("RR-03")]
    public void TheBaseHasTheFieldsOfTheCommandQueueAndIsFixedWhileTheQueueIsOn()
    {
        using var scene = new EnhancedQueueScene(features: SmmuFeatures.Default.With(SmmuFeatureField.CMDQS, 4));
        scene.WriteBase(0, ulong.MaxValue);
        Assert.Equal((1UL << 62) | 0xffff_ffff_ffff, scene.Base(0));
        scene.Machine.Write(scene.Registers(0) + 4, 0x12);
        scene.Machine.Write(scene.Registers(0), 0x4000_0003);
        Assert.Equal(0x12_4000_0003UL, scene.Base(0));

        // LOG2SIZE above IDR1.CMDQS acts as it, and the address is rounded down to the size.
        ulong memory = scene.Machine.Allocate(1 << 12, 1 << 12);
        scene.SetUp(0, log2: 4, address: memory);
        scene.WriteProducer(0, 0);
        scene.WriteBase(0, (memory + 0xe0) | 9);
        scene.WriteProducer(0, Enable);
        Command[] marks = [.. Enumerable.Range(0, 16).Select(place => scene.Mark(place))];
        scene.Submit(0, marks);
        Assert.Equal(16u, scene.ReadIndex(0));
        Assert.All(Enumerable.Range(0, 16), place => Assert.Equal(1u, scene.MarkIn(place)));

        scene.WriteBase(0, 0x5000_0000);
        Assert.Equal((memory + 0xe0) | 9, scene.Base(0));
        scene.WriteProducer(0, 16);
        scene.WriteBase(0, 0x5000_0000);
        Assert.Equal(0x5000_0000UL, scene.Base(0));
    }

    [Fact]
    [Rule("ECMDQ-07")]
    [Rule("ECMDQ-09")]
    [Rule("RR-04")]
    public void IndexesErrorsAndEnablesHaveTheirPlaces()
    {
        using var scene = new EnhancedQueueScene();
        scene.WriteBase(1, 19);
        scene.WriteProducer(1, ~Enable);
        Assert.Equal(0x008f_ffffu, scene.Producer(1));
        scene.WriteConsumer(1, uint.MaxValue);
        Assert.Equal(0x078f_ffffu, scene.Consumer(1));   // ENACK is not for software.

        scene.WriteConsumer(1, 0);
        scene.WriteProducer(1, 0);
        scene.SetUp(1, log2: 1);
        Assert.Equal(Enable, scene.Consumer(1));
        scene.Submit(1, Command.Sync(), Command.Sync());
        Assert.Equal(Enable | 2, scene.Producer(1));
        Assert.Equal(Enable | 2, scene.Consumer(1));   // The wrap bit is the one above the index.
        scene.WriteConsumer(1, 1);
        Assert.Equal(Enable | 2, scene.Consumer(1));
        scene.WriteProducer(1, 2);
        scene.WriteConsumer(1, 1);
        Assert.Equal(1u, scene.Consumer(1));
    }

    [Fact]
    [Rule("ECMDQ-08")]
    public void AQueueRunsWhileItIsEnabledAndKeepsItsIndexesOtherwise()
    {
        using var scene = new EnhancedQueueScene();
        scene.SetUp(0);
        scene.WriteProducer(0, 0);
        Assert.Equal(0u, scene.Consumer(0));
        scene.Submit(0, scene.Mark(0), scene.Mark(1));
        Assert.Equal((2u, 0u), (scene.Producer(0), scene.Consumer(0)));
        Assert.Equal(0u, scene.MarkIn(0));

        scene.WriteProducer(0, Enable | 2);
        Assert.Equal((Enable | 2, Enable | 2), (scene.Producer(0), scene.Consumer(0)));
        Assert.Equal(1u, scene.MarkIn(1));
    }

    [Fact]
    [Rule("ECMDQ-08")]
    [Rule("ECMDQ-10")]
    public void ADisableIsAcknowledgedWhenTheHostHasReadWhatWasUnderWay()
    {
        var bus = new HookedBus();
        using var scene = new EnhancedQueueScene(bus: bus);
        scene.SetUp(2, log2: 2, address: HookedBus.Base);
        scene.Store(2, 0, scene.Mark(0));
        scene.Store(2, 1, scene.Mark(1));
        uint during = 0;
        uint stubborn = 0;
        bus.AfterRead = place =>
        {
            bus.AfterRead = null;
            scene.WriteProducer(2, 2);                       // EN = 0 while a command is being read.
            during = scene.Consumer(2);
            scene.WriteProducer(2, Enable | 1);              // PROD, CONS and BASE take no writes in between.
            scene.WriteConsumer(2, 3);
            scene.WriteBase(2, 0);
            stubborn = scene.Producer(2);
            return true;
        };

        scene.WriteProducer(2, Enable | 2);

        Assert.Equal(Enable, during);
        Assert.Equal(2u, stubborn);
        Assert.Equal(0u, scene.Consumer(2));   // What was read is not executed.
        Assert.Equal((0u, 0u), (scene.MarkIn(0), scene.MarkIn(1)));
        Assert.Equal(HookedBus.Base | 2, scene.Base(2));

        scene.WriteProducer(2, Enable | 2);
        Assert.Equal(Enable | 2, scene.Consumer(2));
        Assert.Equal((1u, 1u), (scene.MarkIn(0), scene.MarkIn(1)));
    }

    [Fact]
    [Rule("ECMDQ-10")]
    public void ADisableIsAcknowledgedWhateverTheStateOfAnError()
    {
        using var scene = new EnhancedQueueScene();
        scene.SetUp(0);
        scene.Submit(0, Command.Sync(), Scenes.IllegalCommand, scene.Mark(0));
        Assert.True(scene.HasError(0));
        scene.WriteProducer(0, scene.Producer(0) & ~Enable);
        Assert.Equal(EnhancedQueueScene.ErrorFlag | (1 << 24) | 1, scene.Consumer(0));
        Assert.Equal(0u, scene.MarkIn(0));
    }

    [Fact]
    [Rule("ECMDQ-17")]
    public void QueueAttributesAreFixedWhileAnyQueueIsOn()
    {
        const uint QueueAttributes = 0x3f;
        using var scene = new EnhancedQueueScene();
        scene.Machine.Enable(ControlBits.None);
        scene.Machine.Write(RegisterOffset.CR1, 0);
        scene.SetUp(5);
        scene.Machine.Write(RegisterOffset.CR1, uint.MaxValue);
        Assert.Equal(0u, scene.Machine.Read(RegisterOffset.CR1) & QueueAttributes);
        Assert.NotEqual(0u, scene.Machine.Read(RegisterOffset.CR1));   // TABLE_* are none of theirs.

        scene.WriteProducer(5, 0);
        scene.Machine.Write(RegisterOffset.CR1, uint.MaxValue);
        Assert.Equal(QueueAttributes, scene.Machine.Read(RegisterOffset.CR1) & QueueAttributes);
    }

    [Fact]
    public void AResetTurnsAllQueuesOff()
    {
        using var scene = new EnhancedQueueScene();
        scene.SetUp(0);
        scene.SetUp(7);
        scene.Submit(7, Scenes.IllegalCommand);
        scene.Smmu.Reset();
        Assert.Equal((0u, 0u, 0UL), (scene.Producer(0), scene.Consumer(0), scene.Base(0)));
        Assert.Equal((0u, 0u, 0UL), (scene.Producer(7), scene.Consumer(7), scene.Base(7)));
        Assert.Equal(GlobalErrors.None, scene.Machine.ActiveErrors());
        scene.SetUp(7);
        scene.Submit(7, scene.Mark(0));
        Assert.Equal(1u, scene.MarkIn(0));
    }

    [Fact]
    public void NoWriteToTheirPagesHarmsTheDevice()
    {
        var random = new Random(0x6563_6d64);
        using var scene = new EnhancedQueueScene(pagesLog2: 1, queuesLog2: 3);
        for (int i = 0; i < 20_000; i++)
        {
            uint offset = EnhancedQueueScene.FirstPage + (uint)random.Next(0x2_0000);
            if (random.Next(4) != 0) offset &= ~0x1fffu;
            offset |= (uint)random.Next(0x14);
            ulong value = (ulong)random.NextInt64() >> random.Next(64);
            if (random.Next(3) == 0) value |= Enable;
            if (random.Next(2) == 0) value = (value & ~(ulong)Indexes) | GuestMachine.RamBase | (uint)random.Next(9);
            if (random.Next(2) == 0) scene.Machine.Write(offset, (uint)value);
            else scene.Smmu.WriteRegister64(offset & ~7u, value);
            scene.Machine.Read(offset & ~3u);
            scene.Machine.AcknowledgeErrors();
        }

        scene.Smmu.Reset();
        scene.SetUp(3);
        scene.Submit(3, scene.Mark(0));
        Assert.Equal(1u, scene.MarkIn(0));
        Assert.False(scene.Smmu.HasPendingWork);
    }
}
