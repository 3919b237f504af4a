using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Tests.Faults.StallScene;

namespace Smmu.Fast.Tests.Faults;

/// <summary>The record of a stall is never lost: an access that finds the Event queue closed is retried when it opens.</summary>
public class StallRecordTests
{
    private const uint OverflowFlag = 1u << 31;
    private const uint EventQueueAbort = 1 << 2;

    [Fact]
    [Rule("FLT-16")]
    [Rule("QUE-24")]
    [Rule("CMD-SYNC-15")]
    public void AStallThatFindsTheQueueFullWaitsForRoomAndIsNoOverflow()
    {
        using var scene = new StallScene();
        scene.Attach(1);
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.Smmu);
        scene.Machine.SetUpEventQueue(log2Entries: 1);
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);
        using var port = scene.Open(1);
        StallWithoutRecord(port);
        StallWithoutRecord(port);
        uint third = StallWithoutRecord(port, Iova + 0x3000);
        uint fourth = StallWithoutRecord(port, Iova + 0x4000);

        Assert.Equal(0u, scene.Machine.Read(RegisterOffset.EVENTQ_PROD) & OverflowFlag);
        Assert.Equal(0UL, scene.Machine.Smmu.GetStatistics().EventsLost);
        scene.Streams.Forget();
        scene.AssertNoneEnded();

        // One place comes free, so one of the two is retried, and stalls with a record.
        uint? again = null;
        scene.Ended = (token, _) => again ??= StallWithoutRecord(port, token == third ? Iova + 0x3000 : Iova + 0x4000);
        Assert.True(scene.Machine.TryTakeEvent(out _));
        var (ended, answer) = Assert.Single(scene.TakeEnds());
        Assert.Equal(StallAnswer.Retry, answer);
        Assert.Contains(ended, (uint[])[third, fourth]);

        Assert.True(scene.Machine.TryTakeEvent(out _));
        Assert.True(scene.Machine.TryTakeEvent(out var record));
        Assert.Equal((true, StallTable.TagOf(again!.Value)), (record.Stall, record.StallTag));
        Assert.Single(scene.TakeEnds());   // The other one, too.
        Assert.False(scene.Machine.Smmu.HasPendingWork);
    }

    [Fact]
    [Rule("FLT-22")]
    [Rule("FLT-16")]
    public void ClearingEventqenLeavesStallsAndThoseThatComeWaitForIt()
    {
        using var scene = new StallScene();
        scene.Attach(1);
        using var port = scene.Open(1);
        var (first, record) = scene.Stall(port);

        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.Smmu);
        scene.AssertNoneEnded();
        uint second = StallWithoutRecord(port);
        scene.AssertNoneEnded();
        Assert.Equal(0UL, scene.Machine.Smmu.GetStatistics().EventsLost);

        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);
        scene.AssertEnded(second, StallAnswer.Retry);
        scene.Streams.AssertNoEvent();
        scene.Send(Command.ResumeTerminate(new StreamId(1), record.StallTag));
        scene.AssertEnded(first, StallAnswer.Abort);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Rule("FLT-25")]
    public void AfterAnAbortOfTheQueueStallsEndWithoutTheirRecords(bool disables)
    {
        using var scene = new StallScene();
        scene.Attach(1);
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.Smmu);
        scene.Machine.SetUpEventQueue(log2Entries: 2, address: Tests.Streams.StreamScene.Nowhere);
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);
        using var port = scene.Open(1);

        uint first = StallWithoutRecord(port);
        uint second = StallWithoutRecord(port);
        Assert.Equal(EventQueueAbort, scene.Machine.Read(RegisterOffset.GERROR) & EventQueueAbort);
        scene.AssertNoneEnded();
        if (disables) scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue);
        else scene.Send(Command.StallTerm(new StreamId(1)));

        Assert.Equal(
            [(first, StallAnswer.Abort), (second, StallAnswer.Abort)], scene.TakeEnds().OrderBy(end => end.Token & 0xffff));
        scene.Machine.Write(RegisterOffset.GERRORN, scene.Machine.Read(RegisterOffset.GERROR));
        scene.AssertNoneEnded();
    }

    [Fact]
    [Rule("FLT-25")]
    [Rule("FLT-16")]
    public void AnAcknowledgedAbortLetsStallsWithoutARecordBeRetried()
    {
        using var scene = new StallScene();
        scene.Attach(1);
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.Smmu);
        scene.Machine.SetUpEventQueue(log2Entries: 2, address: Tests.Streams.StreamScene.Nowhere);
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);
        using var port = scene.Open(1);

        uint token = StallWithoutRecord(port);
        scene.Machine.Write(RegisterOffset.GERRORN, scene.Machine.Read(RegisterOffset.GERROR));

        scene.AssertEnded(token, StallAnswer.Retry);
    }
}
