using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd.Submission;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Device;
using Smmu.Fast.Tests.Memory;

namespace Smmu.Fast.Tests.Iommufd.Submission;

/// <summary>What a caller sees of submissions to an SMMU: results, errors, waiting, misuse.</summary>
public class CommandSubmitterTests
{
    [Theory]
    [InlineData(SyncCompletion.Consumer)]
    [InlineData(SyncCompletion.Message)]
    public void CommandsHaveRunWhenTheirSyncReturns(SyncCompletion completion)
    {
        using var scene = new SubmissionScene(log2: 2, SubmissionScene.Patient with { Completion = completion });
        for (int i = 0; i < 50; i++)
        {
            var result = scene.Submitter.Submit([SubmissionScene.Numbered(1, 2 * i), SubmissionScene.Numbered(1, (2 * i) + 1)]);
            Assert.Equal(new CommandResult(SubmissionStatus.Completed, CommandError.None, 0, 0), result);
            Assert.Equal((2 * i) + 2, scene.Endpoints.Heard.Length);
        }

        Assert.Equal(Enumerable.Range(0, 100).Select(number => (1, number)), scene.Endpoints.Heard);
    }

    [Fact]
    public void ASubmissionMayBeLargerThanTheQueue()
    {
        using var scene = new SubmissionScene(log2: 1);
        var commands = Enumerable.Range(0, 500).Select(number => SubmissionScene.Numbered(1, number)).ToArray();
        commands[321] = SubmissionScene.Illegal;
        var result = scene.Submitter.Submit(commands);
        Assert.Equal(new CommandResult(SubmissionStatus.Refused, CommandError.Illegal, 321, 1), result);
        Assert.Equal(Enumerable.Range(0, 500).Where(number => number != 321).Select(number => (1, number)), scene.Endpoints.Heard);
        Assert.True(scene.Submitter.Submit([]).IsSuccess);
    }

    [Fact]
    public void NothingIsPublishedForNothing()
    {
        using var scene = new SubmissionScene();
        uint before = scene.Machine.Read(RegisterOffset.CMDQ_PROD);
        Assert.Equal(SubmissionStatus.Published, scene.Submitter.Submit([], sync: false).Status);
        Assert.Equal(before, scene.Machine.Read(RegisterOffset.CMDQ_PROD));
    }

    [Fact]
    public void ABatchIsPublishedByOneWrite()
    {
        using var scene = new SubmissionScene(log2: 6);
        var seen = new List<uint>();
        scene.Endpoints.Answer = _ =>
        {
            seen.Add(scene.Machine.Read(RegisterOffset.CMDQ_PROD));
            return AtcInvalidationAnswer.Completed;
        };
        scene.Submitter.Submit([.. Enumerable.Range(0, 40).Select(number => SubmissionScene.Numbered(1, number))]);
        Assert.Equal(Enumerable.Repeat(41u, 40), seen);
    }

    [Fact]
    public void EveryRefusedCommandCountsAndTheFirstIsNamed()
    {
        using var scene = new SubmissionScene();
        var result = scene.Submitter.Submit(
            [SubmissionScene.Numbered(1, 0), SubmissionScene.Illegal, SubmissionScene.Numbered(1, 1), SubmissionScene.Illegal]);
        Assert.Equal(new CommandResult(SubmissionStatus.Refused, CommandError.Illegal, 1, 2), result);
        Assert.Equal([(1, 0), (1, 1)], scene.Endpoints.Heard);
        Assert.Equal(scene.Machine.Read(RegisterOffset.GERROR), scene.Machine.Read(RegisterOffset.GERRORN));
        Assert.True(scene.Submitter.Submit([]).IsSuccess);   // Told once.
    }

    [Fact]
    public void OtherErrorsAreLeftToOthers()
    {
        using var scene = new SubmissionScene();
        scene.Submitter.Submit([Command.SyncWithMsi(new PhysicalAddress(0x7_0000_0000), 1), SubmissionScene.Illegal]);
        Assert.Equal(
            (uint)GlobalErrors.MSI_CMDQ_ABT_ERR,
            scene.Machine.Read(RegisterOffset.GERROR) ^ scene.Machine.Read(RegisterOffset.GERRORN));
    }

    [Fact]
    public void AnErrorWithoutASyncIsToldByTheNextSyncOfTheSameProducer()
    {
        using var scene = new SubmissionScene();
        var one = scene.Submitter.OpenProducer();
        var other = scene.Submitter.OpenProducer();
        Assert.Equal(SubmissionStatus.Published, one.Submit([SubmissionScene.Illegal], sync: false).Status);
        Assert.Equal(SubmissionStatus.Completed, other.Submit([]).Status);
        Assert.Equal(new CommandResult(SubmissionStatus.Refused, CommandError.Illegal, -1, 2), one.Submit([SubmissionScene.Illegal]));
        Assert.Equal(SubmissionStatus.Completed, one.Submit([]).Status);
    }

    [Fact]
    public void ATimeoutOfAnInvalidationIsToldOfTheSync()
    {
        using var scene = new SubmissionScene();
        scene.Endpoints.Answer = _ => AtcInvalidationAnswer.TimedOut;
        var result = scene.Submitter.Submit([SubmissionScene.Numbered(1, 0), SubmissionScene.Numbered(1, 1)]);
        Assert.Equal(new CommandResult(SubmissionStatus.Refused, CommandError.AtcInvalidationSync, 2, 1), result);
        Assert.True(scene.Machine.IsCommandQueueEmpty);
    }

    [Theory]
    [InlineData(SyncCompletion.Consumer)]
    [InlineData(SyncCompletion.Message)]
    public void ASyncThatWaitsForAScopeTimesOutAndCompletesLater(SyncCompletion completion)
    {
        using var scene = new SubmissionScene(
            options: new SubmissionOptions { Timeout = TimeSpan.FromMilliseconds(20), Completion = completion });
        using var port = scene.Smmu.OpenPort(new StreamId(1));
        using (var holder = new ScopeHolder(port))
        {
            Assert.Equal(SubmissionStatus.TimedOut, scene.Submitter.Submit([SubmissionScene.Illegal]).Status);
            Assert.False(scene.Machine.IsCommandQueueEmpty);
        }

        Assert.True(scene.Machine.IsCommandQueueEmpty);
        Assert.Equal(-1, scene.Submitter.Submit([]).FailedIndex);
        Assert.Equal(SubmissionStatus.Completed, scene.Submitter.Submit([]).Status);
    }

    [Fact]
    public void WaitingForAScopeOfAnotherThreadEndsWithTheScope()
    {
        using var scene = new SubmissionScene();
        using var port = scene.Smmu.OpenPort(new StreamId(1));
        using var holder = new ScopeHolder(port);
        var status = SubmissionStatus.Broken;
        var worker = new Worker(() => status = scene.Submitter.Submit([SubmissionScene.Numbered(1, 0)]).Status);
        while (scene.Endpoints.Heard.Length == 0) Thread.Yield();
        Assert.False(worker.EndsWithin(milliseconds: 5));
        holder.Leave();
        worker.Join();
        Assert.Equal(SubmissionStatus.Completed, status);
    }

    [Fact]
    public void AnInvalidationThatEndsOnAnotherThreadLetsTheSyncReturn()
    {
        using var scene = new SubmissionScene();
        scene.Endpoints.Answer = invalidation =>
        {
            uint token = invalidation.Token;
            Task.Run(() => scene.Smmu.CompleteInvalidation(token));
            return AtcInvalidationAnswer.Pending;
        };
        for (int i = 0; i < 20; i++) Assert.Equal(SubmissionStatus.Completed, scene.Submitter.Submit([SubmissionScene.Numbered(1, i)]).Status);
    }

    [Fact]
    public void SubmittingFromInsideTheQueuesOwnCallbackIsRefusedWithAReason()
    {
        using var scene = new SubmissionScene();
        var producer = scene.Submitter.OpenProducer();
        var refusals = new List<string>();
        scene.Endpoints.Answer = _ =>
        {
            refusals.Add(Assert.Throws<InvalidOperationException>(() => scene.Submitter.Submit([])).Message);
            refusals.Add(Assert.Throws<InvalidOperationException>(() => producer.Submit([])).Message);
            return AtcInvalidationAnswer.Completed;
        };
        Assert.True(scene.Submitter.Submit([SubmissionScene.Numbered(1, 0)]).IsSuccess);
        Assert.Equal(2, refusals.Count);
        Assert.All(refusals, message => Assert.Contains("callback", message));
        scene.Endpoints.Answer = null;
        Assert.True(producer.Submit([SubmissionScene.Numbered(1, 1)]).IsSuccess);
        Assert.Equal([(1, 0), (1, 1)], scene.Endpoints.Heard);
    }

    [Fact]
    public void AnExceptionOfTheHostsOwnLeavesTheQueueUsable()
    {
        using var scene = new SubmissionScene();
        scene.Endpoints.Answer = _ => throw new FormatException("The host's own.");
        Assert.Throws<FormatException>(() => scene.Submitter.Submit([SubmissionScene.Numbered(1, 0)]));
        scene.Endpoints.Answer = null;
        var result = scene.Submitter.Submit([SubmissionScene.Numbered(1, 1)]);   // An endpoint that throws counts as timed out.
        Assert.Equal((CommandError.AtcInvalidationSync, -1), (result.Error, result.FailedIndex));
        Assert.True(scene.Submitter.Submit([SubmissionScene.Numbered(1, 2)]).IsSuccess);
        Assert.Equal([(1, 0), (1, 1), (1, 2)], scene.Endpoints.Heard);
    }

    [Fact]
    public void AQueueThatIsNotReadyIsNotTakenOver()
    {
        using var machine = new GuestMachine();
        Assert.Throws<InvalidOperationException>(() => new CommandSubmitter(machine.Smmu));
        machine.SetUpCommandQueue(3, 0x7_0000_0000);
        machine.Enable(ControlBits.CommandQueue);
        Assert.Contains("0x700000000", Assert.Throws<InvalidOperationException>(() => new CommandSubmitter(machine.Smmu)).Message);
        machine.Enable(ControlBits.None);
        machine.SetUpCommandQueue();
        machine.Enable(ControlBits.CommandQueue);
        machine.Submit(Command.Sync());
        Assert.Throws<InvalidOperationException>(() => new CommandSubmitter(machine.Smmu));
        Assert.Throws<ArgumentNullException>(() => new CommandSubmitter(null!));

        machine.Smmu.Reset();
        machine.SetUpCommandQueue();
        machine.Enable(ControlBits.CommandQueue);
        Assert.Throws<ArgumentException>(() => new CommandSubmitter(machine.Smmu, new SubmissionOptions { Timeout = TimeSpan.Zero }));
        var submitter = new CommandSubmitter(machine.Smmu);
        Assert.Equal(256, submitter.Capacity);
        var producer = submitter.OpenProducer();
        submitter.Dispose();
        submitter.Dispose();
        Assert.Throws<ObjectDisposedException>(() => submitter.Submit([]));
        Assert.Throws<ObjectDisposedException>(() => producer.Submit([]));
        Assert.Throws<ObjectDisposedException>(submitter.OpenProducer);

        using var mute = new GuestMachine(SmmuFeatures.Default.With(SmmuFeatureField.MSI, 0));
        mute.Start();
        Assert.Throws<ArgumentException>(() => new CommandSubmitter(mute.Smmu, new SubmissionOptions { Completion = SyncCompletion.Message }));
    }

    [Theory]
    [InlineData(SyncCompletion.Consumer)]
    [InlineData(SyncCompletion.Message)]
    public void ASubmissionAllocatesNothing(SyncCompletion completion)
    {
        using var scene = new SubmissionScene(options: SubmissionScene.Patient with { Completion = completion });
        var producer = scene.Submitter.OpenProducer();
        Command[] commands = [Command.TlbiNsnhAll(), Command.CfgiAll()];
        scene.Submitter.Submit(commands);
        producer.Submit(commands);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 200; i++)
        {
            scene.Submitter.Submit(commands);
            producer.Submit(commands, sync: i % 2 == 0);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
