using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using Smmu.Fast.Tests.Streams;
using static Smmu.Fast.Tests.Faults.StallScene;

namespace Smmu.Fast.Tests.Faults;

/// <summary>An access that stalls waits, with a record, until software answers or the SMMU is disabled.</summary>
public class StallTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Rule("FLT-14")]
    [Rule("EVT-30")]
    public void AStallGivesNoAnswerToTheClientAndIsRecordedWhateverRSays(bool record)
    {
        using var scene = new StallScene();
        scene.Attach(1, record: record);
        using var port = scene.Open(1);

        var result = port.Translate(Iova + 0x123, AccessKind.Write);

        Assert.Equal((TranslationOutcome.Stalled, EventType.Translation), (result.Outcome, result.Event));
        Assert.False(result.IsSuccess);
        var taken = scene.Streams.TakeOnlyEvent();
        Assert.Equal((true, EventType.Translation, Iova + 0x123), (taken.Stall, taken.Type, taken.InputAddress));
        Assert.False(taken.RnW);
        scene.AssertNoneEnded();
    }

    [Fact]
    [Rule("FLT-14")]
    public void AReadOfAPortStopsAtTheStalledPageAndGoesOnThereAfterwards()
    {
        using var scene = new StallScene();
        var space = scene.Attach(1);
        space.Map(Iova, Output);
        scene.Machine.Write64(Output + 0xff8, 0x1111_1111_1111_1111);
        scene.Machine.Write64(Output + 0x1000, 0x2222_2222_2222_2222);
        using var port = scene.Open(1);
        byte[] bytes = new byte[16];

        var first = port.ReadSome(Iova + 0xff8, bytes);
        Assert.Equal((8, false, TranslationOutcome.Stalled), (first.Bytes, first.IsComplete, first.Last.Outcome));

        space.Map(Iova + 0x1000, Output + 0x1000);
        scene.Send(Command.ResumeRetry(new StreamId(1), scene.Streams.TakeOnlyEvent().StallTag));
        scene.AssertEnded(first.Last.StallToken, StallAnswer.Retry);
        var rest = port.ReadSome(Iova + 0x1000, bytes.AsSpan(first.Bytes));

        Assert.Equal((8, true), (rest.Bytes, rest.IsComplete));
        Assert.Equal([.. Enumerable.Repeat((byte)0x11, 8), .. Enumerable.Repeat((byte)0x22, 8)], bytes);
    }

    [Fact]
    [Rule("FLT-15")]
    [Rule("CMD-RES-07")]
    public void ATagStaysTakenUntilItsRecordIsAnsweredInWhateverOrder()
    {
        using var scene = new StallScene(stallMax: 8);
        scene.Attach(1);
        scene.Attach(2);
        using var port = scene.Open(1);
        using var other = scene.Open(2);
        var held = new Dictionary<ushort, uint>();
        for (ulong page = 0; page < 4; page++)
        {
            var (token, record) = scene.Stall(port, Iova + (page << 12));
            Assert.True(held.TryAdd(record.StallTag, token), "A tag names two accesses.");
        }

        foreach (var (tag, token) in held.Reverse())
        {
            for (int i = 0; i < 40; i++)
            {
                var (_, record) = scene.Stall(other);
                Assert.False(held.ContainsKey(record.StallTag), "A tag that waits for its answer names another access.");
                scene.Send(Command.ResumeTerminate(new StreamId(2), record.StallTag));
            }

            scene.TakeEnds();
            scene.Send(Command.ResumeRetry(new StreamId(1), tag));
            scene.AssertEnded(token, StallAnswer.Retry);
            held.Remove(tag);
        }
    }

    [Fact]
    [Rule("FLT-20")]
    [Rule("FLT-19")]
    public void OthersOfTheStreamGoOnBesideAStalledAccessAndEachStallHasItsRecord()
    {
        using var scene = new StallScene();
        var space = scene.Attach(1);
        space.Map(Iova + 0x1000, Output);
        using var port = scene.Open(1);

        var (first, record) = scene.Stall(port);
        Assert.True(port.Translate(Iova + 0x1000, AccessKind.Read).IsSuccess);
        var (second, again) = scene.Stall(port);

        Assert.NotEqual(first, second);
        Assert.NotEqual(record.StallTag, again.StallTag);
    }

    [Fact]
    [Rule("FLT-17")]
    [Rule("CMD-RES-02")]
    public void ARetriedAccessEndsByTheConfigurationOfTheMoment()
    {
        using var scene = new StallScene();
        scene.Attach(1);
        using var port = scene.Open(1);
        var (token, record) = scene.Stall(port);
        var outcomes = new List<TranslationOutcome>();
        scene.Ended = (_, _) => outcomes.Add(port.Translate(Iova, AccessKind.Read).Outcome);

        scene.Attach(1, stall: false, record: true);
        scene.Send(Command.ResumeRetry(new StreamId(1), record.StallTag));

        scene.AssertEnded(token, StallAnswer.Retry);
        Assert.Equal([TranslationOutcome.Faulted], outcomes);
        Assert.False(scene.Streams.TakeOnlyEvent().Stall);
    }

    [Fact]
    [Rule("FLT-18")]
    [Rule("CMD-CFGI-19")]
    [Rule("CMD-SYNC-19")]
    public void NothingRetriesAStallThatIsOnRecordButItsAnswer()
    {
        using var scene = new StallScene();
        var space = scene.Attach(1);
        using var port = scene.Open(1);
        var (token, record) = scene.Stall(port);

        space.Map(Iova, Output);
        scene.Streams.Forget();
        scene.Machine.Write(RegisterOffset.EVENTQ_CONS, scene.Machine.Read(RegisterOffset.EVENTQ_CONS));
        scene.Machine.Smmu.RunPending();
        scene.AssertNoneEnded();

        TranslationResult retried = default;
        scene.Ended = (_, _) => retried = port.Translate(Iova, AccessKind.Read);
        scene.Send(Command.ResumeRetry(new StreamId(1), record.StallTag));
        scene.AssertEnded(token, StallAnswer.Retry);
        Assert.Equal(Output, retried.Address.Value);
    }

    [Fact]
    [Rule("FLT-21")]
    public void DisablingEndsAllStallsWithAnAbortAndFreesTheirTags()
    {
        using var scene = new StallScene(stallMax: 2);
        scene.Attach(1);
        using var port = scene.Open(1);
        var (token, _) = scene.Stall(port);

        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue);
        scene.AssertEnded(token, StallAnswer.Abort);
        Assert.Equal(TranslationOutcome.DeviceBypassed, port.Translate(Iova, AccessKind.Read).Outcome);
        scene.Streams.AssertNoEvent();

        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);
        scene.Stall(port);
    }

    [Fact]
    [Rule("FLT-21")]
    public void AResetEndsAllStallsToo()
    {
        using var scene = new StallScene();
        scene.Attach(1);
        using var port = scene.Open(1);
        var (token, _) = scene.Stall(port);

        scene.Machine.Smmu.Reset();

        scene.AssertEnded(token, StallAnswer.Abort);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Rule("FLT-23")]
    public void AStallOfAFetchIsResolvedByStage2AndARetryAlone(bool ofTable)
    {
        using var scene = new StallScene();
        var streams = scene.Streams;
        var stage2 = streams.NewIntermediateSpace();
        var space = streams.NewSpace();
        space.Map(Iova, Iova);
        stage2.Map(Iova, Output, StreamScene.Stage2ReadWrite);
        ulong context = scene.Machine.Allocate(4096);
        scene.Machine.SetContext(context, space.Descriptor());
        if (ofTable) stage2.Map(context, context, StreamScene.Stage2ReadWrite);
        streams.SetStream(1, StreamScene.Nested(context, stage2).With(StreamTableEntryField.S2S, 1));
        using var port = scene.Open(1);

        var (_, record) = scene.Stall(port);
        Assert.Equal(ofTable ? FaultClass.TranslationTable : FaultClass.ContextDescriptor, record.Class);

        // The whole of RAM, so that every table is reached: nothing is invalidated.
        for (ulong at = 0; at < 4 << 20; at += 4096)
        {
            stage2.Map(GuestMachine.RamBase + at, GuestMachine.RamBase + at, StreamScene.Stage2ReadWrite);
        }

        TranslationResult retried = default;
        scene.Ended = (_, _) => retried = port.Translate(Iova, AccessKind.Read);
        scene.Send(Command.ResumeRetry(new StreamId(1), record.StallTag));
        Assert.Equal(Output, retried.Address.Value);
    }

    [Fact]
    [Rule("FLT-24")]
    public void AClientThatCannotWaitIsAbortedAndItsRecordShowsNoStall()
    {
        using var scene = new StallScene();
        scene.Attach(1);
        using var port = scene.Machine.Smmu.OpenPort(new StreamId(1));

        Assert.Equal(TranslationOutcome.Faulted, port.Translate(Iova, AccessKind.Read).Outcome);
        Assert.False(scene.Streams.TakeOnlyEvent().Stall);
        scene.Streams.AssertFaults(EventType.Translation, 1, Iova);
    }

    [Fact]
    [Rule("FLT-07")]
    public void EachStageActsOnItsOwnFaultsOnly()
    {
        using var scene = new StallScene();
        var streams = scene.Streams;
        var stage2 = streams.NewIntermediateSpace();
        stage2.Map(GuestMachine.RamBase, GuestMachine.RamBase, StreamScene.Stage2ReadWrite, level: 2);
        stage2.Map(GuestMachine.RamBase + (2 << 20), GuestMachine.RamBase + (2 << 20), StreamScene.Stage2ReadWrite, level: 2);
        var space = streams.NewSpace();
        space.Map(Iova, Iova);
        ulong terminating = streams.NewContext(space.Descriptor());
        ulong stalling = streams.NewContext(space.Descriptor().With(ContextDescriptorField.S, 1));
        const ulong Stage1Fault = Iova + 0x1000;

        streams.SetStream(1, StreamScene.Nested(terminating, stage2).With(StreamTableEntryField.S2S, 1));
        streams.SetStream(2, StreamScene.Nested(stalling, stage2));
        using var first = scene.Open(1);
        using var second = scene.Open(2);

        Assert.Equal(TranslationOutcome.Faulted, first.Translate(Stage1Fault, AccessKind.Read).Outcome);
        Assert.False(streams.TakeOnlyEvent().Stall);
        Assert.True(scene.Stall(first).Record.S2);
        Assert.False(scene.Stall(second, Stage1Fault).Record.S2);
        Assert.Equal(TranslationOutcome.Faulted, second.Translate(Iova, AccessKind.Read).Outcome);
        Assert.False(streams.TakeOnlyEvent().Stall);
    }

    [Fact]
    [Rule("ID-70")]
    public void AFullTableAbortsAndNoClientTakesMoreThanItLeavesFree()
    {
        using var scene = new StallScene(stallMax: 8);
        scene.Attach(1);
        scene.Attach(2);
        using var greedy = scene.Open(1);
        using var modest = scene.Open(2);

        int stalled = 0;
        for (; stalled < 100 && greedy.Translate(Iova, AccessKind.Read).Outcome == TranslationOutcome.Stalled; stalled++)
        {
            Assert.True(scene.Streams.TakeOnlyEvent().Stall);
        }

        Assert.Equal(4, stalled);
        Assert.False(scene.Streams.TakeOnlyEvent().Stall);
        scene.Stall(modest);
    }

    [Fact]
    public void AClosedPortHearsNoMoreButItsTagsStayTakenUntilTheyAreAnswered()
    {
        using var scene = new StallScene(stallMax: 1);
        scene.Attach(1);
        var port = scene.Open(1);
        var (_, record) = scene.Stall(port);
        port.Dispose();

        using var next = scene.Open(1);
        Assert.Equal(TranslationOutcome.Faulted, next.Translate(Iova, AccessKind.Read).Outcome);
        scene.Streams.TakeOnlyEvent();

        scene.Send(Command.ResumeRetry(new StreamId(1), record.StallTag));
        scene.AssertNoneEnded();
        scene.Stall(next);
    }
}
