using Smmu.Fast.Commands;
using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;
using Smmu.Fast.Queues;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Streams;
using Smmu.Fast.Tests.Memory;
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

    [Fact]
    [Rule("CMD-SYNC-11")]
    public void WhoIsAloneCompletesASyncAtOnceAndCountsAsAloneNoLonger()
    {
        Publish(1);
        consumer.SetEnabled(true);
        Assert.True(consumer.ConsumeAtOnce());
        Assert.Equal(1u, reader.ConsumerRegister);
        Assert.False(caches.IsAlone);
    }

    [Fact]
    [Rule("CMD-SYNC-11")]
    public void AnotherThreadInsideOfAScopeKeepsASyncFromCompletingAtOnce()
    {
        var slot = epoch.TryClaim();
        Publish(1);
        consumer.SetEnabled(true);
        using var isInside = new ManualResetEventSlim();
        using var mayLeave = new ManualResetEventSlim();
        var other = new Worker(() =>
        {
            epoch.Enter(slot);
            isInside.Set();
            mayLeave.Wait();
            epoch.Exit(slot);
            TranslationEpoch.Park(slot);
        });
        isInside.Wait();
        bool isDone = consumer.ConsumeAtOnce();
        uint consumed = reader.ConsumerRegister;
        mayLeave.Set();
        other.Join();

        Assert.False(isDone);
        Assert.Equal(0u, consumed);
        Assert.True(consumer.ConsumeAtOnce());
        Assert.Equal(1u, reader.ConsumerRegister);
    }

    [Theory]
    [Rule("CMD-SYNC-05")]
    [InlineData(0x1000, 7)]   // A message.
    [InlineData(0, 0)]        // Address 0 is none.
    public void AMessageAtOnceGoesWhereItsAddressSays(ulong address, uint expected)
    {
        memory.AddOwned(0, 2 * GuestMemory.PageBytes);   // The largest region.
        Publish(Command.SyncWithMsi(new PhysicalAddress(address), 7));
        consumer.SetEnabled(true);
        Assert.True(consumer.ConsumeAtOnce());
        Assert.True(memory.TryRead64(address, out ulong word));
        Assert.Equal(expected, (uint)word);
    }

    [Fact]
    [Rule("CMD-SYNC-06")]
    public void AMessageAtOnceDoesNotGoBeyondTheOutputSize()
    {
        const ulong BeyondOutput = 1UL << 50;
        memory.AddOwned(BeyondOutput, 2 * GuestMemory.PageBytes);   // The largest region, for whoever gets there.
        Publish(Command.SyncWithMsi(new PhysicalAddress(BeyondOutput + 64), 7));
        consumer.SetEnabled(true);
        Assert.False(consumer.ConsumeAtOnce());   // Nothing is at 64: another way finds out.
        Assert.True(memory.TryRead64(BeyondOutput + 64, out ulong word));
        Assert.Equal(0UL, word);
    }

    private void Publish(Command command)
    {
        Assert.True(memory.TryWrite64(Queue, command.Word0));
        Assert.True(memory.TryWrite64(Queue + 8, command.Word1));
        reader.WriteProducer(1);
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
