using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;
using Smmu.Fast.Tests.Memory;

namespace Smmu.Fast.Tests.Foundation;

/// <summary>Whoever holds the gate and sees nobody inside of a scope stays alone until the gate opens.</summary>
public sealed unsafe class QuietEpochTests : IDisposable
{
    private static readonly TimeSpan WhileClosed = TimeSpan.FromMilliseconds(40);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly NativeBlock slots = NativeBlock.Of<EpochSlot>(4, EpochSlot.SizeBytes);
    private readonly ControlGate gate = new();
    private readonly TranslationEpoch epoch;
    private LatestCaller caller;

    public QuietEpochTests() => epoch = new TranslationEpoch((EpochSlot*)slots.Pointer, 4, gate);

    public void Dispose() => slots.Dispose();

    [Fact]
    public void APortThatBecomesActiveWhileTheGateIsClosedEntersNoScopeBeforeItOpens()
    {
        EpochSlot* slot = epoch.TryClaim();
        WaitsForTheGate(slot, () => epoch.Enter(slot), () =>
        {
            epoch.Exit(slot);
            TranslationEpoch.Release(slot);
        });
    }

    [Fact]
    public void AnAccessWithoutAPortThatBeginsWhileTheGateIsClosedEntersNoScopeBeforeItOpens()
    {
        EpochSlot* slot = epoch.TryClaim();
        WaitsForTheGate(
            slot,
            () =>
            {
                Assert.True(epoch.TryBorrow(slot, ThreadToken.Current));
                epoch.EnterBorrowed(slot);
            },
            () =>
            {
                epoch.Exit(slot);
                TranslationEpoch.Return(slot);
            });
    }

    [Fact]
    public void OthersThatAreActiveOrAScopeOfTheCallerEndTheQuiet()
    {
        EpochSlot* own = epoch.TryClaim();
        EpochSlot* foreign = epoch.TryClaim();
        Assert.True(IsQuiet());
        epoch.Enter(own);
        Assert.False(IsQuiet());
        epoch.Exit(own);
        Assert.True(IsQuiet());   // The caller's port at rest.

        new Worker(() =>
        {
            epoch.Enter(foreign);
            epoch.Exit(foreign);
        }).Join();
        Assert.False(IsQuiet());   // At rest too, but its thread could begin a scope at any moment.
        TranslationEpoch.Park(foreign);
        Assert.True(IsQuiet());
    }

    [Fact]
    public void ASlotThatIsInsideOrNotActiveHereIsNotEnteredTheQuickWay()
    {
        EpochSlot* slot = epoch.TryClaim();
        Assert.False(epoch.TryEnter(slot));   // Parked.
        epoch.Enter(slot);
        Assert.False(epoch.TryEnter(slot));   // Inside.
        epoch.Exit(slot);
        Assert.True(epoch.TryEnter(slot));
        Assert.True(TranslationEpoch.IsInside(slot));
        epoch.Exit(slot);
        bool isEntered = true;
        new Worker(() => isEntered = epoch.TryEnter(slot)).Join();
        Assert.False(isEntered);   // Another thread's.
    }

    private bool IsQuiet()
    {
        gate.Enter();
        bool isQuiet = epoch.IsQuiet(ref caller);
        gate.Exit();
        return isQuiet;
    }

    private void WaitsForTheGate(EpochSlot* slot, Action enter, Action leave)
    {
        gate.Enter();
        bool isAlone = epoch.IsQuiet(ref caller);
        var worker = new Worker(() =>
        {
            enter();
            leave();
        });
        bool wasActive = SpinWait.SpinUntil(() => Volatile.Read(ref slot->Owner) != 0 || worker.IsOver, Limit);
        bool hasEntered = SpinWait.SpinUntil(() => TranslationEpoch.IsInside(slot) || slot->Owner == 0, WhileClosed);
        gate.Exit();
        worker.Join();
        Assert.True(isAlone);
        Assert.True(wasActive);
        Assert.False(hasEntered);
    }
}
