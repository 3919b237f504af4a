using Smmu.Fast.Formats;
using Smmu.Fast.Memory;
using Smmu.Fast.Tables;
using Smmu.Fast.Tests.Streams;

namespace Smmu.Fast.Tests.Tables;

/// <summary>An SMMU with its caches on finds every stream and substream as it was last written, and never anything in between.</summary>
public sealed class TableWriterTests : IDisposable
{
    private const ulong PoolAddress = 0x1_0000_0000;
    private const ulong Page = 0x1000;

    private readonly StreamScene scene = new();
    private readonly FramePool pool;
    private readonly ulong free;

    public TableWriterTests()
    {
        pool = new FramePool(scene.Machine.Memory.AddOwned(PoolAddress, 16 << 20));
        free = pool.FreeBytes;
    }

    public void Dispose()
    {
        Assert.Equal(free, pool.FreeBytes);
        pool.Dispose();
        scene.Dispose();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(6)]
    [InlineData(8)]
    [InlineData(10)]
    public void StreamsAreFoundInEveryShapeOfTable(int split)
    {
        using var space = NewSpace(out ContextDescriptorTableWriter contexts);
        using (contexts)
        {
            using var streams = new StreamTableWriter(pool, 12, split);
            scene.UseTable(streams.Base.Value & ~(1UL << 62), streams.Configuration.Value);
            var invalidation = new StreamInvalidation(scene, 0);
            foreach (uint stream in new uint[] { 0, 63, 64, 1023, 1024, 4095 })
            {
                invalidation = new StreamInvalidation(scene, stream);
                var target = contexts.ApplyTo(Stage1Entry);
                EntryUpdateResult first = streams.Write(new StreamId(stream), in target, ref invalidation);
                Assert.Equal((PageTableStatus.Done, true), (first.Status, first.IsHitless));
                Assert.Equal(invalidation.Count, first.Synchronizations);
                scene.AssertReaches(0x9000, stream, Page);
                Assert.True(streams.TryRead(new StreamId(stream), out var read));
                Assert.Equal(target, read);
            }

            var bypass = Stage1Entry.With(StreamTableEntryField.Config, (ulong)StreamConfiguration.Bypass);
            Assert.True(streams.Write(new StreamId(4095), in bypass, ref invalidation).IsHitless);
            scene.AssertReaches(0x7000, 4095, 0x7000);
            scene.AssertAbortsSilently(4094);   // Nobody has written it.
            Assert.Equal(PageTableStatus.OutOfRange, streams.Write(new StreamId(4096), in bypass, ref invalidation).Status);
            Assert.False(streams.TryRead(new StreamId(4096), out _));
            scene.UseTable(scene.Machine.StreamTable, 8);
        }
    }

    [Fact]
    public void ASecondLevelIsMadeForTheFirstOfItsStreamsAndAnnouncedOnce()
    {
        using var streams = new StreamTableWriter(pool, 16, 8);
        scene.UseTable(streams.Base.Value & ~(1UL << 62), streams.Configuration.Value);
        ulong before = pool.FreeBytes;
        var invalidation = new StreamInvalidation(scene, 300);
        var bypass = Stage1Entry.With(StreamTableEntryField.Config, (ulong)StreamConfiguration.Bypass);

        scene.AssertFaults(EventType.BadStreamId, 300);
        Assert.False(streams.TryRead(new StreamId(300), out _));
        streams.Write(new StreamId(300), in bypass, ref invalidation);
        Assert.Equal(1, invalidation.NonLeafCount);
        Assert.Equal(before - (256 * 64), pool.FreeBytes);
        streams.Write(new StreamId(301), in bypass, ref invalidation);
        Assert.Equal(1, invalidation.NonLeafCount);
        scene.AssertReaches(0x7000, 300, 0x7000);
        scene.UseTable(scene.Machine.StreamTable, 8);
    }

    [Theory]
    [InlineData(0, ContextDescriptorTableFormat.Linear)]
    [InlineData(4, ContextDescriptorTableFormat.Linear)]
    [InlineData(12, ContextDescriptorTableFormat.TwoLevel4K)]
    [InlineData(5, ContextDescriptorTableFormat.TwoLevel4K)]
    [InlineData(12, ContextDescriptorTableFormat.TwoLevel64K)]
    public void SubstreamsAreFoundInEveryShapeOfTable(int bits, ContextDescriptorTableFormat format)
    {
        const uint Stream = 5;
        using var space = NewSpace(out ContextDescriptorTableWriter first);
        first.Dispose();
        using var contexts = new ContextDescriptorTableWriter(pool, bits, format);
        scene.SetStream(Stream, contexts.ApplyTo(Stage1Entry));
        uint last = (1u << bits) - 1;
        foreach (uint substream in new uint[] { 0, 1, 63, 64, 1024, 4095 })
        {
            if (substream > last) continue;
            uint? given = substream == 0 ? null : substream;   // CD 0 is for traffic without one (S1DSS).
            var invalidation = new ContextInvalidation(scene, Stream, substream);
            var target = ContextOf(space);
            EntryUpdateResult result = contexts.Write(new SubstreamId(substream), in target, ref invalidation);
            Assert.Equal((PageTableStatus.Done, false), (result.Status, result.IsHitless));
            Assert.Equal(invalidation.Count, result.Synchronizations);
            scene.AssertReaches(0x9000, Stream, Page, substream: given);

            Assert.True(contexts.Write(
                new SubstreamId(substream), target.With(ContextDescriptorField.ASID, 9), ref invalidation).IsHitless);
            scene.AssertReaches(0x9000, Stream, Page, substream: given);
            Assert.True(contexts.TryRead(new SubstreamId(substream), out var read) && read.ASID == new Asid(9));

            contexts.Write(new SubstreamId(substream), default, ref invalidation);
            scene.AssertFaults(EventType.BadContextDescriptor, Stream, Page, substream: given);
        }

        var none = new ContextInvalidation(scene, Stream, 0);
        Assert.Equal(PageTableStatus.OutOfRange, contexts.Write(new SubstreamId(last + 1), default, ref none).Status);
        Assert.Equal(0, none.Count);
    }

    [Fact]
    public void AnEntryIsNeverMissedWhileTheSmmuUsesIt()
    {
        const uint Stream = 7;
        using var space = NewSpace(out ContextDescriptorTableWriter contexts);
        using (contexts)
        {
            using var streams = new StreamTableWriter(pool, 8);
            scene.UseTable(streams.Base.Value & ~(1UL << 62), streams.Configuration.Value);
            var translated = contexts.ApplyTo(Stage1Entry).With(StreamTableEntryField.SHCFG, 0).With(StreamTableEntryField.S1CSH, 3);
            var bypass = Stage1Entry.With(StreamTableEntryField.Config, (ulong)StreamConfiguration.Bypass);
            var invalidation = new StreamInvalidation(scene, Stream);
            streams.Write(new StreamId(Stream), in bypass, ref invalidation);
            invalidation = invalidation with { MayReach = [Page, 0x9000] };
            for (int round = 0; round < 4; round++)
            {
                Assert.True(streams.Write(new StreamId(Stream), round % 2 == 0 ? translated : bypass, ref invalidation).IsHitless);
                scene.AssertReaches(round % 2 == 0 ? 0x9000 : Page, Stream, Page);
            }

            scene.UseTable(scene.Machine.StreamTable, 8);
        }
    }

    [Fact]
    public void APoolWithoutRoomForAFirstTableIsRefused()
    {
        using var memory = new GuestMemory();
        using var small = new FramePool(memory.AddOwned(0x8000_0000, GuestMemory.PageBytes));
        Assert.True(small.TryTake(FramePool.FrameLog2, out ulong frame));

        Assert.Throws<InvalidOperationException>(() => new PageTable(small, new PageTableOptions()));
        Assert.Throws<InvalidOperationException>(() => new ContextDescriptorTableWriter(small));
        small.Return(frame);
    }

    [Fact]
    public void APoolWithoutRoomIsAnswered()
    {
        using var memory = new Smmu.Fast.Memory.GuestMemory();
        using var small = new FramePool(memory.AddOwned(0, 0x2000));
        using var streams = new StreamTableWriter(small, 16, 10);
        using var contexts = new ContextDescriptorTableWriter(small, 16, ContextDescriptorTableFormat.TwoLevel64K);
        var streamInvalidation = new StreamInvalidation(scene, 0);
        var contextInvalidation = new ContextInvalidation(scene, 0, 0);
        Assert.Equal(PageTableStatus.OutOfFrames, streams.Write(default, default, ref streamInvalidation).Status);
        Assert.Equal(PageTableStatus.OutOfFrames, contexts.Write(default, default, ref contextInvalidation).Status);
        Assert.Equal(0, streamInvalidation.Count + contextInvalidation.Count);
        Assert.Throws<InvalidOperationException>(() => new StreamTableWriter(small, 16));
        Assert.Throws<InvalidOperationException>(() => new ContextDescriptorTableWriter(small, 16));
        Assert.Throws<ArgumentOutOfRangeException>(() => new StreamTableWriter(small, 16, 7));
        Assert.Throws<ArgumentOutOfRangeException>(() => new StreamTableWriter(small, 33));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ContextDescriptorTableWriter(small, 21));
        Assert.Throws<ArgumentException>(() => new ContextDescriptorTableWriter(small, 0, ContextDescriptorTableFormat.TwoLevel4K));
    }

    private static StreamTableEntry Stage1Entry => default(StreamTableEntry)
        .With(StreamTableEntryField.V, 1)
        .With(StreamTableEntryField.Config, (ulong)StreamConfiguration.Stage1)
        .With(StreamTableEntryField.S1DSS, 2)
        .With(StreamTableEntryField.SHCFG, 1);

    private static ContextDescriptor ContextOf(PageTable space) => space.ApplyTo(default(ContextDescriptor)
        .With(ContextDescriptorField.V, 1)
        .With(ContextDescriptorField.EPD1, 1)
        .With(ContextDescriptorField.A, 1)
        .With(ContextDescriptorField.R, 1)
        .With(ContextDescriptorField.ASID, 3)
        .With(ContextDescriptorField.MAIR0, 0xff));

    // A space in which one page leads to 0x9000, and a lone CD for it.
    private PageTable NewSpace(out ContextDescriptorTableWriter contexts)
    {
        var space = new PageTable(pool, new PageTableOptions());
        Assert.Equal(PageTableStatus.Done, space.Map(Page, 0x9000, Page, LeafAttributes.Stage1(LeafPermissions.Read)));
        contexts = new ContextDescriptorTableWriter(pool);
        var invalidation = new ContextInvalidation(scene, 0, 0);
        contexts.Write(default, ContextOf(space), ref invalidation);
        return space;
    }

    private record struct StreamInvalidation(StreamScene Scene, uint Stream) : IEntrySynchronization
    {
        public int Count { get; private set; }

        public int NonLeafCount { get; private set; }

        public ulong[]? MayReach { get; init; }

        public void Synchronize(bool leaf)
        {
            Count++;
            NonLeafCount += leaf ? 0 : 1;
            Scene.Machine.SubmitAndSync(Command.CfgiSte(new StreamId(Stream), leaf));
            Assert.True(Scene.Machine.IsCommandQueueEmpty);
            if (MayReach is null) return;
            var result = Scene.Access(Stream, Page);
            Assert.True(result.IsSuccess);
            Assert.Contains(result.Address.Value, MayReach);
        }
    }

    private record struct ContextInvalidation(StreamScene Scene, uint Stream, uint Substream) : IEntrySynchronization
    {
        public int Count { get; private set; }

        public void Synchronize(bool leaf)
        {
            Count++;
            Scene.Machine.SubmitAndSync(Command.CfgiCd(new StreamId(Stream), new SubstreamId(Substream), leaf));
            Assert.True(Scene.Machine.IsCommandQueueEmpty);
        }
    }
}
