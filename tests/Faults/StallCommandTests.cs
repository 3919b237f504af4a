using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using Smmu.Fast.Tests.Streams;

namespace Smmu.Fast.Tests.Faults;

/// <summary>CMD_RESUME and CMD_STALL_TERM.</summary>
public class StallCommandTests
{
    private static readonly StreamId First = new(1);
    private static readonly StreamId Second = new(2);

    [Theory]
    [InlineData(false, true, StallAnswer.Abort)]
    [InlineData(false, false, StallAnswer.ReadZeroWriteIgnored)]
    [InlineData(true, true, StallAnswer.Abort)]
    [InlineData(true, false, StallAnswer.Abort)]
    [Rule("CMD-RES-01")]
    [Rule("CMD-RES-03")]
    public void ATerminationAbortsUnlessItMayAndShallReadAsZero(bool abortOnly, bool abort, StallAnswer expected)
    {
        using var scene = new StallScene(features: StreamScene.Everything.With(SmmuFeatureField.TERM_MODEL, abortOnly ? 1u : 0));
        scene.Attach(1);
        using var port = scene.Open(1);
        var (token, record) = scene.Stall(port);

        scene.Send(Command.ResumeTerminate(First, record.StallTag, abort));

        scene.AssertEnded(token, expected);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [Rule("CMD-RES-01")]
    [Rule("CMD-RES-02")]
    public void ARetryIgnoresAb(uint ab)
    {
        using var scene = new StallScene();
        scene.Attach(1);
        using var port = scene.Open(1);
        var (token, record) = scene.Stall(port);
        var retry = Command.ResumeRetry(First, record.StallTag);

        scene.Send(new Command(retry.Word0 | (ab << 13), retry.Word1));

        scene.AssertEnded(token, StallAnswer.Retry);
    }

    [Fact]
    [Rule("CMD-RES-04")]
    public void AStage2StallCanBeTerminatedWithoutAnAbort()
    {
        using var scene = new StallScene();
        var stage2 = scene.Streams.NewIntermediateSpace();
        scene.Streams.SetStream(1, StreamScene.Stage2(stage2).With(StreamTableEntryField.S2S, 1));
        using var port = scene.Open(1);
        var (token, record) = scene.Stall(port);
        Assert.True(record.S2);

        scene.Send(Command.ResumeTerminate(First, record.StallTag, abort: false));

        scene.AssertEnded(token, StallAnswer.ReadZeroWriteIgnored);
    }

    [Fact]
    [Rule("CMD-RES-05")]
    [Rule("CMD-RES-06")]
    public void AnAnswerEndsOnlyTheAccessThatTagAndStreamNameAndOnlyOnce()
    {
        using var scene = new StallScene();
        scene.Attach(1);
        scene.Attach(2);
        using var port = scene.Open(1);
        using var other = scene.Open(2);
        var (token, record) = scene.Stall(port);
        var (otherToken, otherRecord) = scene.Stall(other);

        scene.Send(
            Command.ResumeRetry(Second, record.StallTag),
            Command.ResumeRetry(First, otherRecord.StallTag),
            Command.ResumeRetry(First, ushort.MaxValue),
            Command.ResumeRetry(new StreamId(uint.MaxValue), record.StallTag));
        scene.AssertNoneEnded();

        scene.Send(Command.ResumeRetry(First, record.StallTag));
        scene.AssertEnded(token, StallAnswer.Retry);
        scene.Send(Command.ResumeRetry(First, record.StallTag), Command.ResumeTerminate(First, record.StallTag));
        scene.AssertNoneEnded();
        scene.Send(Command.ResumeTerminate(Second, otherRecord.StallTag));
        scene.AssertEnded(otherToken, StallAnswer.Abort);
    }

    [Fact]
    [Rule("CMD-RES-05")]
    public void AStaleAnswerDoesNotEndTheAccessThatHasTheTagNowUnderAnotherStream()
    {
        using var scene = new StallScene(stallMax: 1);
        scene.Attach(1);
        scene.Attach(2);
        using var port = scene.Open(1);
        using var other = scene.Open(2);
        var (_, record) = scene.Stall(port);
        scene.Send(Command.ResumeTerminate(First, record.StallTag));
        scene.TakeEnds();
        var (token, again) = scene.Stall(other);
        Assert.Equal(record.StallTag, again.StallTag);

        scene.Send(Command.ResumeTerminate(First, record.StallTag));
        scene.AssertNoneEnded();
        scene.Send(Command.ResumeTerminate(Second, record.StallTag));
        scene.AssertEnded(token, StallAnswer.Abort);
    }

    [Fact]
    [Rule("CMD-RES-09")]
    [Rule("CMD-RES-10")]
    [Rule("CMD-RES-11")]
    public void StallTermAbortsAllStallsOfItsStreamAndNoLaterOnes()
    {
        using var scene = new StallScene();
        scene.Attach(1);
        scene.Attach(2);
        using var port = scene.Open(1);
        using var other = scene.Open(2);
        scene.Send(Command.StallTerm(First));
        var (first, _) = scene.Stall(port);
        var (second, _) = scene.Stall(port, StallScene.Iova + 0x1000, AccessKind.Write);
        var (otherToken, otherRecord) = scene.Stall(other);
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.Smmu);
        uint unrecorded = StallScene.StallWithoutRecord(port);

        scene.Send(Command.StallTerm(First));
        Assert.Equal(
            [(first, StallAnswer.Abort), (second, StallAnswer.Abort), (unrecorded, StallAnswer.Abort)],
            scene.TakeEnds().OrderBy(end => end.Token & 0xffff));

        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);
        scene.Streams.AssertNoEvent();
        scene.AssertNoneEnded();
        scene.Stall(port);
        scene.AssertNoneEnded();
        scene.Send(Command.ResumeTerminate(Second, otherRecord.StallTag));
        scene.AssertEnded(otherToken, StallAnswer.Abort);
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(1, false)]
    [InlineData(2, true)]
    [Rule("CMD-RES-08")]
    public void TheCommandsAreIllegalWhereNothingCanStall(uint model, bool legal)
    {
        foreach (var command in (Command[])
            [Command.ResumeRetry(First, 0), Command.ResumeTerminate(First, 0), Command.StallTerm(First)])
        {
            using var scene = new StreamScene(StreamScene.Everything.With(SmmuFeatureField.STALL_MODEL, model));
            scene.Machine.SubmitAndSync(command);
            Assert.Equal(legal, scene.Machine.IsCommandQueueEmpty);
            const uint CommandError = 1;
            Assert.Equal(legal ? 0 : CommandError, scene.Machine.Read(RegisterOffset.GERROR));
            Assert.Equal(legal ? 0u : 1, scene.Machine.Read(RegisterOffset.CMDQ_CONS) >> 24);
        }
    }
}
