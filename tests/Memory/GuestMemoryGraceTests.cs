using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Tests.Memory;

/// <summary>Who keeps host pointers attaches an epoch; what revokes them returns when no scope can use them.</summary>
public sealed unsafe class GuestMemoryGraceTests : IDisposable
{
    private const ulong Page = GuestMemory.PageBytes;
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(60);

    private readonly GuestMemory memory = new();
    private readonly GuestRegion region;
    private readonly TestEpoch epoch = new();

    public GuestMemoryGraceTests()
    {
        region = memory.AddOwned(0, Page);
        memory.Attach(epoch.Epoch);
    }

    public void Dispose()
    {
        memory.Dispose();
        epoch.Dispose();
    }

    public static TheoryData<string> Changes => ["Remove", "MakeReadOnly", "MakeWritable", "Watch", "StopWatching"];

    [Theory]
    [MemberData(nameof(Changes))]
    public void AChangeReturnsOnlyWhenTheScopesBeforeItHaveEnded(string change)
    {
        Worker? waiting = null;
        epoch.Inside(() =>
        {
            ulong generation = memory.Generation;
            Assert.True(memory.TryGetHostSpan(0, write: true, out byte* pointer, out _));
            waiting = new Worker(() => Apply(change));
            Assert.True(SpinWait.SpinUntil(() => memory.Generation != generation, Long));
            Assert.False(waiting.EndsWithin(50));   // Published, but not over.
            Assert.Equal(change != "Remove", memory.TryRead64(0, out _));
            *(ulong*)pointer = 5;                   // Still ours.
        });
        waiting!.Join();
        memory.Detach(epoch.Epoch);
    }

    [Theory]
    [MemberData(nameof(Changes))]
    public void AChangeFromWithinAScopeIsRefusedAndChangesNothing(string change)
    {
        epoch.Inside(() =>
        {
            ulong generation = memory.Generation;
            Assert.Throws<InvalidOperationException>(() => Apply(change));
            Assert.Equal(generation, memory.Generation);
            Assert.True(memory.TryWrite64(0, 1));
        });
        Assert.False(region.IsReadOnly || region.IsWatched);
        Apply(change);
        memory.Detach(epoch.Epoch);
    }

    [Fact]
    public void AChangeReturnsOnlyWhenWhoeverIsBehindAnAttachedGateHasLeft()
    {
        using var gated = new TestEpoch();
        var gate = new ControlGate();
        memory.Attach(gated.Epoch, gate);
        gate.Enter();
        Assert.True(memory.FindBehindGate(8, 16) != null);
        Assert.True(memory.FindBehindGate(Page - 8, 16) == null);
        ulong generation = memory.Generation;
        var waiting = new Worker(() => memory.Remove(region));
        bool isPublished = SpinWait.SpinUntil(() => memory.Generation != generation, Long);
        bool isOverTooEarly = waiting.EndsWithin(50);
        gate.Exit();
        waiting.Join();
        memory.Detach(gated.Epoch);
        memory.Detach(epoch.Epoch);
        Assert.True(isPublished);
        Assert.False(isOverTooEarly);
    }

    [Fact]
    public void AChangeReturnsOnlyWhenAccessesOutsideOfScopesHaveEnded()
    {
        ulong generation = memory.Generation;
        var access = ThreadAccess.Enter();
        var waiting = new Worker(() => memory.Remove(region));
        bool isPublished = SpinWait.SpinUntil(() => memory.Generation != generation, Long);
        bool isOverTooEarly = waiting.EndsWithin(50);
        access.Exit();
        Assert.True(isPublished);
        Assert.False(isOverTooEarly);
        waiting.Join();
        memory.Detach(epoch.Epoch);
    }

    [Fact]
    public void AdditionsDoNotWaitForScopes()
    {
        epoch.Inside(() =>
        {
            for (ulong i = 1; i < 8; i++) memory.AddOwned(i * Page, Page);
            Assert.True(memory.TryWrite64(7 * Page, 1));
        });
        memory.AddOwned(8 * Page, Page);
        Assert.True(memory.TryRead64(7 * Page, out ulong value));
        Assert.Equal(1UL, value);
        memory.Detach(epoch.Epoch);
    }

    [Fact]
    public void AChangeThatWaitsHoldsUpNeitherAccessesNorOtherChanges()
    {
        Worker? waiting = null;
        epoch.Inside(() =>
        {
            ulong generation = memory.Generation;
            var other = memory.AddOwned(Page, Page);
            waiting = new Worker(() => memory.Remove(region));
            Assert.True(SpinWait.SpinUntil(() => memory.Generation != generation, Long));
            memory.AddOwned(0, Page);
            Assert.True(memory.TryWrite64(0, 9));
            Assert.Throws<InvalidOperationException>(() => memory.HarvestDirty(other, new ulong[1]));
            Assert.Throws<InvalidOperationException>(() => memory.HarvestDirty(region, new ulong[1]));
            Assert.False(waiting.IsOver);
        });
        waiting!.Join();
        Assert.True(memory.TryRead64(0, out ulong value));
        Assert.Equal(9UL, value);
        memory.Detach(epoch.Epoch);
    }

    [Fact]
    public void AMemoryInUseIsNotDisposed()
    {
        var inUse = Assert.Throws<InvalidOperationException>(memory.Dispose);
        Assert.Contains("SmmuDevice", inUse.Message);
        Assert.True(memory.TryRead64(0, out _));
        memory.Detach(epoch.Epoch);
        memory.Dispose();
    }

    [Fact]
    public void AnEpochIsAttachedOnceAndDetachedOnce()
    {
        Assert.Throws<InvalidOperationException>(() => memory.Attach(epoch.Epoch));
        memory.Detach(epoch.Epoch);
        Assert.Throws<InvalidOperationException>(() => memory.Detach(epoch.Epoch));
        epoch.Inside(() => Apply("MakeReadOnly"));   // Nobody asks it any more.
        memory.Dispose();
        Assert.Throws<ObjectDisposedException>(() => memory.Attach(epoch.Epoch));
    }

    private void Apply(string change)
    {
        switch (change)
        {
            case "Remove": memory.Remove(region); break;
            case "MakeReadOnly": memory.MakeReadOnly(region); break;
            case "MakeWritable": memory.MakeWritable(region); break;
            case "Watch": memory.Watch(region); break;
            default: memory.StopWatching(region); break;
        }
    }
}
