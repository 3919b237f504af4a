using Smmu.Fast.Oracle;

namespace Smmu.Fast.Tests.Oracle;

/// <summary>The Event queue and the Command queue: 3.5, 4.1, 4.7.3, 7.1, 7.2 and 7.4.</summary>
public class OracleQueueTests
{
    private const uint CommandProducer = 0x98;
    private const uint CommandConsumer = 0x9C;
    private const uint Gerror = 0x60;
    private const uint GerrorAcknowledge = 0x64;
    private const uint EventProducer = 0x100A8;
    private const uint EventConsumer = 0x100AC;
    private readonly OracleScene scene = new();

    [Fact]
    public void RecordsLieInTheQueueOneAfterTheOther()
    {
        scene.EventOf(0, OracleScene.Read, streamId: 1);
        var second = scene.EventOf(0, OracleScene.Read, streamId: 2);

        Assert.Equal(2UL, scene.Smmu.ReadRegister(EventProducer));
        Assert.Equal(1UL << 32 | 0x04, scene.Memory[OracleScene.EventQueue]);
        Assert.Equal(second.Word0, scene.Memory[OracleScene.EventQueue + 32]);
    }

    [Fact]
    public void AFullQueueOverflowsOnceUntilItIsAcknowledged()
    {
        for (int i = 0; i < 6; i++) scene.EventOf(0, OracleScene.Read);
        Assert.Equal(0x8000_0004UL, scene.Smmu.ReadRegister(EventProducer));

        scene.Smmu.WriteRegister(EventConsumer, 1);
        scene.EventOf(0, OracleScene.Read, streamId: 9);
        Assert.Equal(0x8000_0005UL, scene.Smmu.ReadRegister(EventProducer));
        Assert.Equal(9UL << 32 | 0x04, scene.Memory[OracleScene.EventQueue]);

        scene.Smmu.WriteRegister(EventConsumer, 0x8000_0001);
        scene.EventOf(0, OracleScene.Read);

        Assert.Equal(0x0000_0005UL, scene.Smmu.ReadRegister(EventProducer));
    }

    [Fact]
    public void AStallRecordWaitsForRoomAndNeverOverflows()
    {
        for (int i = 0; i < 4; i++) scene.EventOf(0, OracleScene.Read);
        scene.Store(OracleScene.Stage1Ste());
        OracleScene.Cd().Set(44).StoreTo(scene.Memory, OracleScene.Context);

        Assert.Equal(OracleOutcome.Stalled, scene.Translate(0x123, OracleScene.Read with { StallTag = 7 }).Outcome);
        Assert.Equal(4UL, scene.Smmu.ReadRegister(EventProducer));
        scene.Smmu.WriteRegister(EventConsumer, 1);

        Assert.Equal(5UL, scene.Smmu.ReadRegister(EventProducer));
        Assert.Equal(0x123UL, scene.Memory[OracleScene.EventQueue + 16]);
    }

    [Fact]
    public void AnAbortedWriteOfARecordStopsTheQueue()
    {
        scene.Memory.AbortWritesOf(OracleScene.EventQueue + 8);
        scene.EventOf(0, OracleScene.Read);
        scene.EventOf(0, OracleScene.Read);

        Assert.Equal((0UL, 1UL << 2), (scene.Smmu.ReadRegister(EventProducer), scene.Smmu.ReadRegister(Gerror)));
    }

    [Fact]
    public void ASyncStoresItsMessageAfterTheConsumerPassedIt()
    {
        Put(0, 0x30, 0);
        Put(1, 0x46 | 0b01 << 12 | 0xCAFE_F00DUL << 32, OracleScene.CommandQueue + 0x14);
        uint kept = 0x46 | 0b01 << 12;

        scene.Smmu.WriteRegister(CommandProducer, 2);

        Assert.Equal(2UL, scene.Smmu.ReadRegister(CommandConsumer));
        Assert.Equal(0xCAFE_F00DUL << 32 | kept, scene.Memory[OracleScene.CommandQueue + 0x10]);
        Assert.Equal([0x30, 0x46], scene.Smmu.ConsumedCommands.Select(command => command.Opcode));
    }

    [Fact]
    public void AnIllegalCommandStopsTheQueueUntilItIsAcknowledged()
    {
        Put(0, 0x03, 0);
        Put(1, 0xFF, 0);
        scene.Smmu.WriteRegister(CommandProducer, 3);
        Assert.Equal((0x0100_0001UL, 1UL), (scene.Smmu.ReadRegister(CommandConsumer), scene.Smmu.ReadRegister(Gerror)));

        Put(1, 0x46, 0);
        Put(2, 0x46, 0);
        scene.Smmu.WriteRegister(GerrorAcknowledge, 1);

        Assert.Equal(3UL, scene.Smmu.ReadRegister(CommandConsumer) & 0xFFFFF);
    }

    [Fact]
    public void AnAbortedFetchIsReported()
    {
        scene.Memory.AbortReadsOf(OracleScene.CommandQueue);

        scene.Smmu.WriteRegister(CommandProducer, 1);

        Assert.Equal(0x0200_0000UL, scene.Smmu.ReadRegister(CommandConsumer));
    }

    [Theory]
    [InlineData(0x00UL, 0UL)]
    [InlineData(0x03UL | 1 << 10, 0UL)]          // SSec.
    [InlineData(0x46UL | 0b11 << 12, 0UL)]       // CS 11.
    [InlineData(0x12UL, 0b01UL << 10)]           // TG without NUM, SCALE and TTL.
    [InlineData(0x2AUL, 0b10UL << 10 | 0b01 << 8)]   // TTL 01 of 16KB without DS.
    [InlineData(0x40UL, 0UL)]                    // ATS is absent.
    [InlineData(0x41UL, 0UL)]                    // PRI is absent.
    [InlineData(0x07UL, 0UL)]
    [InlineData(0x18UL, 0UL)]
    [InlineData(0x50UL, 0UL)]
    [InlineData(0x70UL, 0UL)]
    [InlineData(0x80UL, 0UL)]
    public void IllegalCommandsAreTold(ulong word0, ulong word1)
    {
        Put(0, word0, word1);

        scene.Smmu.WriteRegister(CommandProducer, 1);

        Assert.Equal(0x0100_0000UL, scene.Smmu.ReadRegister(CommandConsumer));
        Assert.Empty(scene.Smmu.ConsumedCommands);
    }

    [Theory]
    [InlineData(0x01UL, 0UL)]
    [InlineData(0x04UL, 31UL)]
    [InlineData(0x06UL, 0UL)]
    [InlineData(0x12UL | 1 << 12, 0b01UL << 10)]
    [InlineData(0x22UL, 0b01UL << 10 | 0b11 << 8)]
    [InlineData(0x28UL, 0UL)]
    [InlineData(0x44UL, 7UL)]
    [InlineData(0x45UL, 0UL)]
    public void LegalCommandsAreConsumed(ulong word0, ulong word1)
    {
        Put(0, word0, word1);

        scene.Smmu.WriteRegister(CommandProducer, 1);

        Assert.Equal(1UL, scene.Smmu.ReadRegister(CommandConsumer));
    }

    [Fact]
    public void TheCapacityOfARingIsItsMost()
    {
        for (ulong i = 0; i < 4; i++) Put(i, 0x30, 0);
        scene.Smmu.WriteRegister(CommandProducer, 5);   // Five commands in a ring of four: nothing is consumed.
        Assert.Equal(0UL, scene.Smmu.ReadRegister(CommandConsumer));

        scene.Smmu.WriteRegister(CommandProducer, 4);

        Assert.Equal(4UL, scene.Smmu.ReadRegister(CommandConsumer));
    }

    [Fact]
    public void GuardedRegistersKeepTheirValues()
    {
        scene.Smmu.WriteRegister(0x80, 0);
        scene.Smmu.WriteRegister(0x90, 0);
        scene.Smmu.WriteRegister32(0xA0, 0);

        Assert.Equal(OracleScene.StreamTable, scene.Smmu.ReadRegister(0x80));
        Assert.Equal(OracleScene.CommandQueue | 2, scene.Smmu.ReadRegister(0x90));
        Assert.Equal(OracleScene.EventQueue | 2, scene.Smmu.ReadRegister(0xA0));
        Assert.Equal(0b1101UL, scene.Smmu.ReadRegister(0x24));
    }

    private void Put(ulong index, ulong word0, ulong word1)
    {
        scene.Memory[OracleScene.CommandQueue + 16 * index] = word0;
        scene.Memory[OracleScene.CommandQueue + 16 * index + 8] = word1;
    }
}
