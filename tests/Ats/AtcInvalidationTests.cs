using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Queues;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Ats;

/// <summary>CMD_ATC_INV reaches endpoints, and CMD_SYNC waits for them (IHI 0070, 4.5.1, 4.7.3 and 3.9.1.4).</summary>
public class AtcInvalidationTests
{
    private static readonly StreamId Endpoint = new(0x1_2345);

    [Theory]
    [InlineData(0, 0x1234_5678_9abc_d000, 0x1234_5678_9abc_d000, 12)]
    [InlineData(1, 0x1234_5678_9abc_d000, 0x1234_5678_9abc_c000, 13)]
    [InlineData(9, 0xffff_5678_9abc_d000, 0xffff_5678_9aa0_0000, 21)]
    [InlineData(51, 0xffff_5678_9abc_d000, 0x8000_0000_0000_0000, 63)]
    [InlineData(52, 0xffff_5678_9abc_d000, 0, 64)]
    [Rule("CMD-ATC-01")]
    [Rule("CMD-ATC-02")]
    public void TheSpanIsAlignedToItsSize(byte size, ulong address, ulong first, byte log2)
    {
        using var scene = new AtsScene();
        Run(scene, Command.AtcInv(Endpoint, address, size));
        var invalidation = Assert.Single(scene.Endpoints.Invalidations);
        Assert.Equal(
            new AtcInvalidation(Endpoint, null, false, first, log2, invalidation.Token), invalidation);
        Assert.Equal(log2 == 64, invalidation.IsEverything);
        Assert.True(invalidation.Contains(first) && invalidation.Contains(address));
        Assert.True(invalidation.Contains(invalidation.LastAddress));
        Assert.Equal(log2 == 64, invalidation.Contains(first - 1));
        Assert.Equal(log2 == 64, invalidation.Contains(invalidation.LastAddress + 1));
    }

    [Fact]
    [Rule("CMD-ATC-03")]
    public void SpansBeyondEverythingAreIllegal()
    {
        using var scene = new AtsScene();
        scene.Machine.Submit(Command.AtcInv(Endpoint, 0, 53));
        AssertStoppedAt(scene, 0, CommandError.Illegal);
        Assert.Empty(scene.Endpoints.Invalidations);
    }

    [Fact]
    [Rule("CMD-ATC-01")]
    [Rule("CMD-ATC-04")]
    public void OnlyWithAPasidThereIsAGlobalInvalidation()
    {
        using var scene = new AtsScene();
        var substream = new SubstreamId(0xf_1234);
        Run(
            scene,
            Command.AtcInv(Endpoint, 0, 0, substream),
            Command.AtcInv(Endpoint, 0, 0, substream, global: true),
            Command.AtcInv(Endpoint, 0, 0, global: true),
            Command.AtcInv(Endpoint, 0, 0));
        Assert.Equal(
            [((SubstreamId?)substream, false), (substream, true), (null, false), (null, false)],
            scene.Endpoints.Invalidations.Select(invalidation => (invalidation.Substream, invalidation.Global)));
    }

    [Fact]
    [Rule("CMD-ATC-05")]
    public void WithoutPasidsInTheSystemACommandWithOneActsAsWithout()
    {
        using var scene = new AtsScene(
            AtsScene.Everything.With(SmmuFeatureField.SSIDSIZE, 0).With(SmmuFeatureField.CD2L, 0));
        Run(
            scene,
            Command.AtcInv(Endpoint, 0x5000, 0, new SubstreamId(1), global: true),
            Command.PriResp(Endpoint, 5, PageResponse.Success, new SubstreamId(1)));
        var invalidation = Assert.Single(scene.Endpoints.Invalidations);
        Assert.Equal(((SubstreamId?)null, false, 0x5000UL), (invalidation.Substream, invalidation.Global, invalidation.Address));
        Assert.Null(Assert.Single(scene.Endpoints.Responses).Substream);
    }

    [Fact]
    [Rule("CMD-ATC-06")]
    [Rule("CMD-PRIR-03")]
    [Rule("PRI-22")]
    public void WithoutTheFeaturesTheCommandsAreIllegal()
    {
        var none = AtsScene.Everything.With(SmmuFeatureField.ATS, 0).With(SmmuFeatureField.PRI, 0)
            .With(SmmuFeatureField.ATSRECERR, 0);
        foreach (var command in new[] { Command.AtcInv(Endpoint, 0, 0), Command.PriResp(Endpoint, 0, PageResponse.Success) })
        {
            using var scene = new AtsScene(none);
            scene.Machine.Submit(command);
            AssertStoppedAt(scene, 0, CommandError.Illegal);
        }
    }

    [Fact]
    [Rule("CMD-ATC-08")]
    [Rule("CMD-PRIR-05")]
    public void WithTranslationOffOrWithoutEndpointsTheCommandsAreConsumedForNothing()
    {
        using var off = new AtsScene(control: 0);
        Run(off, Command.AtcInv(Endpoint, 0, 0), Command.PriResp(Endpoint, 0, PageResponse.Success));
        Assert.Empty(off.Endpoints.Invalidations);
        Assert.Empty(off.Endpoints.Responses);
        off.Control(AtsScene.Translation);
        Run(off, Command.AtcInv(Endpoint, 0, 0));
        Assert.Single(off.Endpoints.Invalidations);

        using var alone = new AtsScene(endpoints: false);
        Run(alone, Command.AtcInv(Endpoint, 0, 0), Command.PriResp(Endpoint, 0, PageResponse.Success));
        Assert.Empty(alone.Endpoints.Invalidations);
        Assert.Equal(PageRequestOutcome.Answered, alone.Smmu.SubmitPageRequest(Endpoint, null, 0, 0, AccessKind.Read, true));
    }

    [Fact]
    [Rule("CMD-ATC-09")]
    public void CmdSyncWaitsForPendingInvalidations()
    {
        using var scene = new AtsScene();
        var pending = Postpone(scene);
        scene.Machine.Submit(
            Command.AtcInv(Endpoint, 0, 0), Command.AtcInv(Endpoint, 0x1000, 0), Command.Sync(), Command.TlbiNhAll(default));
        Assert.Equal(2, pending.Count);
        Assert.Equal(2u, Consumer(scene));
        Assert.False(scene.Smmu.HasPendingWork);   // Nothing that a call could do about it.

        Assert.True(scene.Smmu.CompleteInvalidation(pending[1]));
        Assert.Equal(2u, Consumer(scene));
        Assert.True(scene.Smmu.CompleteInvalidation(pending[0]));
        Assert.Equal(4u, Consumer(scene));
        Assert.False(scene.Smmu.CompleteInvalidation(pending[0]));
        Assert.False(scene.Smmu.CompleteInvalidation(0));
        Assert.Equal(GlobalErrors.None, scene.Errors);
    }

    [Fact]
    [Rule("CMD-ATC-09")]
    public void ACmdSyncThatIsPublishedLaterWaitsForThemToo()
    {
        using var scene = new AtsScene();
        var pending = Postpone(scene);
        scene.Machine.Submit(Command.AtcInv(Endpoint, 0, 0));
        Assert.Equal(1u, Consumer(scene));
        scene.Machine.Submit(Command.Sync());
        Assert.Equal(1u, Consumer(scene));

        Assert.True(scene.Smmu.CompleteInvalidation(Assert.Single(pending)));
        Assert.Equal(2u, Consumer(scene));
    }

    [Fact]
    [Rule("CMD-ATC-09")]
    public void WhatAnEndpointTookFromItsCacheBeforeTheCompletionIsCoveredByTheScopeItIsUsedIn()
    {
        using var scene = new AtsScene();
        var pending = Postpone(scene);
        using var port = scene.Smmu.OpenPort(Endpoint);
        scene.Machine.Submit(Command.AtcInv(Endpoint, 0, 0), Command.Sync());
        using (var scope = port.Enter())   // Begins after CMD_SYNC, but before the entry is gone.
        {
            Assert.True(scope.TranslateTranslated(0x4000_0000, AccessKind.Write).IsSuccess);
            scene.Smmu.CompleteInvalidation(pending[0]);
            Assert.Equal(1u, Consumer(scene));
        }

        Assert.Equal(2u, Consumer(scene));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Rule("CMD-ATC-10")]
    [Rule("GERR-06")]
    public void ATimeoutStopsTheNextCmdSyncAndNoOther(bool isLate)
    {
        using var scene = new AtsScene();
        ulong message = scene.Machine.Allocate(64);
        uint token = 0;
        scene.Endpoints.Answer = invalidation =>
        {
            token = invalidation.Token;
            return isLate ? AtcInvalidationAnswer.Pending : AtcInvalidationAnswer.TimedOut;
        };
        var space = scene.AttachStage1();
        space.Map(AtsScene.Iova, 0x4100_0000);
        scene.AssertGranted(AtsGrants.Read | AtsGrants.Write);
        space.Map(AtsScene.Iova, 0x4200_0000);
        uint before = Consumer(scene);
        scene.Machine.Submit(
            Command.TlbiNhAll(default), Command.AtcInv(Endpoint, 0, 0), Command.TlbiNhAll(default),
            Command.SyncWithMsi(new PhysicalAddress(message), 1));
        if (isLate)
        {
            Assert.Equal(GlobalErrors.None, scene.Errors);
            scene.Smmu.CompleteInvalidation(token, timedOut: true);
        }

        AssertStoppedAt(scene, before + 3, CommandError.AtcInvalidationSync);
        Assert.Equal(0u, scene.Machine.Read32(message));
        Assert.Equal(0x4200_0000UL, scene.Request().TranslatedAddress);   // The invalidations before it have taken effect.

        scene.Machine.Write(RegisterOffset.GERRORN, scene.Machine.Read(RegisterOffset.GERROR));
        Assert.Equal(1u, scene.Machine.Read32(message));
        Assert.True(scene.Machine.IsCommandQueueEmpty);
        Assert.Equal(GlobalErrors.None, scene.Errors);
    }

    [Fact]
    [Rule("CMD-ATC-11")]
    public void AnEndpointThatRefusesCompletesTheCommand()
    {
        using var scene = new AtsScene();
        scene.Endpoints.Answer = _ => AtcInvalidationAnswer.Completed;
        Run(scene, Command.AtcInv(Endpoint, 0, 0));
    }

    [Fact]
    public void NoMoreInvalidationsAreOutThanThereAreTags()
    {
        using var scene = new AtsScene();
        var pending = Postpone(scene);
        scene.Machine.SubmitAndSync([.. Enumerable.Repeat(Command.AtcInv(Endpoint, 0, 0), 40)]);
        Assert.Equal(32, pending.Count);
        Assert.Equal(32u, Consumer(scene));
        for (int i = 0; i < 40; i++)
        {
            Assert.True(pending.Count < 41);
            Assert.True(scene.Smmu.CompleteInvalidation(pending[i]));
            Assert.False(scene.Smmu.CompleteInvalidation(pending[i]));
        }

        Assert.Equal(40, pending.Distinct().Count());
        Assert.True(scene.Machine.IsCommandQueueEmpty);
    }

    [Fact]
    public void DisablingTheQueueForgetsTheWaitAndNotTheInvalidation()
    {
        using var scene = new AtsScene();
        var pending = Postpone(scene);
        scene.Machine.SubmitAndSync(Command.AtcInv(Endpoint, 0, 0));
        scene.Machine.Write(RegisterOffset.CR0, AtsScene.Translation);
        Assert.Equal(AtsScene.Translation, scene.Machine.Read(RegisterOffset.CR0ACK));
        scene.Control(AtsScene.Translation);
        Assert.Equal(1u, Consumer(scene));
        scene.Machine.Write(RegisterOffset.CR0, AtsScene.Translation);
        Assert.True(scene.Smmu.CompleteInvalidation(pending[0]));
        Assert.Equal(1u, Consumer(scene));
        scene.Control(AtsScene.Translation);
        Assert.Equal(2u, Consumer(scene));
    }

    [Fact]
    [Rule("CMD-ATC-10")]
    public void ATimeoutIsToldThoughLaterInvalidationsComplete()
    {
        const uint TimedOut = 3;
        using var scene = new AtsScene();
        var pending = Postpone(scene);
        scene.Machine.Submit(Command.AtcInv(Endpoint, 0, 0), Command.AtcInv(Endpoint, 0x1000, 0));
        scene.Smmu.CompleteInvalidation(pending[0], timedOut: true);
        scene.Smmu.CompleteInvalidation(pending[1]);

        scene.Machine.SubmitAndSync();

        Assert.Equal(TimedOut, scene.Machine.Read(RegisterOffset.CMDQ_CONS) >> 24);
    }

    [Fact]
    public void AResetForgetsInvalidationsAndWhatTimedOut()
    {
        using var scene = new AtsScene();
        var pending = Postpone(scene);
        scene.Machine.SubmitAndSync(Command.AtcInv(Endpoint, 0, 0), Command.AtcInv(Endpoint, 0, 0));
        scene.Smmu.CompleteInvalidation(pending[1], timedOut: true);
        scene.Smmu.Reset();
        Assert.False(scene.Smmu.CompleteInvalidation(pending[0]));
        scene.Machine.SetUpCommandQueue();
        scene.Control(AtsScene.Translation);
        scene.Machine.SubmitAndSync();
        Assert.True(scene.Machine.IsCommandQueueEmpty);
        scene.Machine.SubmitAndSync(Command.AtcInv(Endpoint, 0, 0));
        Assert.DoesNotContain(pending[2], pending[..2]);
        Assert.False(scene.Machine.IsCommandQueueEmpty);
    }

    [Fact]
    public void AnEndpointMayCompleteAndResetAndSubmitFromInside()
    {
        using var scene = new AtsScene();
        scene.Endpoints.Answer = invalidation =>
        {
            Assert.True(scene.Smmu.CompleteInvalidation(invalidation.Token));
            if (invalidation.Address == 0) scene.Machine.Submit(Command.AtcInv(Endpoint, 0x1000, 0), Command.Sync());
            Assert.Throws<InvalidOperationException>(scene.Smmu.Dispose);
            return AtcInvalidationAnswer.Pending;
        };
        Run(scene, Command.AtcInv(Endpoint, 0, 0));
        Assert.Equal(2, scene.Endpoints.Invalidations.Length);

        scene.Endpoints.Answer = _ =>
        {
            scene.Smmu.Reset();
            return AtcInvalidationAnswer.TimedOut;
        };
        scene.Machine.SubmitAndSync(Command.AtcInv(Endpoint, 0, 0));
        Assert.Equal(0u, scene.Machine.Read(RegisterOffset.CMDQ_CONS));
        Assert.Equal(GlobalErrors.None, scene.Errors);
    }

    [Fact]
    public void AnEndpointThatThrowsHasTimedOut()
    {
        using var scene = new AtsScene();
        scene.Endpoints.Answer = _ => throw new TimeoutException();
        Assert.Throws<TimeoutException>(() => scene.Machine.SubmitAndSync(Command.AtcInv(Endpoint, 0, 0)));
        Assert.True(scene.Smmu.HasPendingWork);
        scene.Smmu.RunPending();
        AssertStoppedAt(scene, 1, CommandError.AtcInvalidationSync);
    }

    [Fact]
    public void AfterDisposeNobodyWaitsForAnInvalidation()
    {
        var scene = new AtsScene();
        var pending = Postpone(scene);
        scene.Machine.SubmitAndSync(Command.AtcInv(Endpoint, 0, 0));
        scene.Dispose();
        Assert.False(scene.Smmu.CompleteInvalidation(pending[0]));
    }

    [Fact]
    public void CommandsOnTheBusReachEndpointsToo()
    {
        var bus = new HookedBus();
        using var scene = new AtsScene(bus: bus);
        var pending = Postpone(scene);
        scene.Machine.Write(RegisterOffset.CR0, AtsScene.Translation);
        scene.Machine.SetUpCommandQueue(log2Entries: 4, HookedBus.Base);
        scene.Control(AtsScene.Translation);
        scene.Machine.SubmitAndSync(Command.AtcInv(Endpoint, 0, 0));
        Assert.Equal(1u, Consumer(scene));
        scene.Smmu.CompleteInvalidation(pending[0]);
        Assert.True(scene.Machine.IsCommandQueueEmpty);
    }

    private static List<uint> Postpone(AtsScene scene)
    {
        var pending = new List<uint>();
        scene.Endpoints.Answer = invalidation =>
        {
            pending.Add(invalidation.Token);
            return AtcInvalidationAnswer.Pending;
        };
        return pending;
    }

    private static void Run(AtsScene scene, params ReadOnlySpan<Command> commands)
    {
        scene.Machine.SubmitAndSync(commands);
        Assert.Equal(GlobalErrors.None, scene.Errors);
        Assert.True(scene.Machine.IsCommandQueueEmpty);
    }

    private static uint Consumer(AtsScene scene) => scene.Machine.Read(RegisterOffset.CMDQ_CONS);

    private static void AssertStoppedAt(AtsScene scene, uint index, CommandError error)
    {
        Assert.Equal(GlobalErrors.CMDQ_ERR, scene.Errors);
        Assert.Equal(index | ((uint)error << 24), Consumer(scene));
    }
}
