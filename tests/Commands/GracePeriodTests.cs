using Smmu.Fast.Commands;
using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;
using Smmu.Fast.Queues;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Streams;
using Smmu.Fast.Tests.Repository;
using Smmu.Fast.Tlbs;

namespace Smmu.Fast.Tests.Commands;

/// <summary>Answers about grace periods reach the consumer late: the gate is open while somebody asks.</summary>
public sealed unsafe class GracePeriodTests : IDisposable
{
    private const ulong Queue = GuestMachine.RamBase;

    private readonly GuestMemory memory = new();
    private readonly NativeBlock slots = NativeBlock.Of<EpochSlot>(4, EpochSlot.SizeBytes);
    private readonly TranslationCaches caches = new(SmmuFeatures.Stage1Only, tlbEntries: 16, walkCacheEntries: 16);
    private readonly ConfigurationDates dates = new();
    private readonly TranslationEpoch epoch;
    private readonly CommandQueueReader reader;
    private readonly CommandConsumer consumer;

    public GracePeriodTests()
    {
        var features = SmmuFeatures.Stage1Only;
        memory.AddOwned(Queue, GuestMemory.PageBytes);
        epoch = new TranslationEpoch((EpochSlot*)slots.Pointer, 4);
        reader = new CommandQueueReader(memory, 8, features.OutputAddressBits);
        var context = new CommandContext(features, caches, dates, new StallTable(features));
        consumer = new CommandConsumer(reader, context, epoch, new EventQueueWriter(memory, 8, features.OutputAddressBits));
        reader.WriteBase(Queue | 4);
    }

    public void Dispose()
    {
        dates.Dispose();
        caches.Dispose();
        slots.Dispose();
        memory.Dispose();
    }

    [Fact]
    [Rule("CMD-SYNC-11")]
    public void TheAnswerForASyncThatWasDroppedIsNotTakenForTheNextOne()
    {
        var slot = epoch.TryClaim();
        int budget = 16;
        epoch.Enter(slot);
        Publish(1);
        consumer.SetEnabled(true);
        Assert.Equal(ConsumerStep.AskEpoch, consumer.Step(ref budget));
        ulong old = consumer.Grace;

        // Meanwhile software disables the queue and begins anew, and the SYNC asks for a grace period of its own.
        consumer.SetEnabled(false);
        consumer.SetEnabled(true);
        Assert.Equal(ConsumerStep.AskEpoch, consumer.Step(ref budget));
        Assert.NotEqual(old, consumer.Grace);

        consumer.AcceptEpoch(old, elapsed: true);
        Assert.Equal(ConsumerStep.AskEpoch, consumer.Step(ref budget));
        Assert.Equal(0u, reader.ConsumerRegister);
        consumer.AcceptEpoch(consumer.Grace, elapsed: true);
        consumer.Step(ref budget);
        Assert.Equal(1u, reader.ConsumerRegister);
        epoch.Exit(slot);
        TranslationEpoch.Release(slot);
    }

    private void Publish(int commands)
    {
        var sync = Command.Sync();
        for (int i = 0; i < commands; i++)
        {
            Assert.True(memory.TryWrite64(Queue + ((ulong)i * 16), sync.Word0));
            Assert.True(memory.TryWrite64(Queue + ((ulong)i * 16) + 8, sync.Word1));
        }

        reader.WriteProducer((uint)commands);
    }
}
