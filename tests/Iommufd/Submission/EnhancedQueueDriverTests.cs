using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd.Submission;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Registers;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Iommufd.Submission;

/// <summary>A machine whose Enhanced Command queues have a driver.</summary>
internal sealed class EnhancedDriverScene : IDisposable
{
    public EnhancedDriverScene(int queuesLog2 = 1, int log2 = 3)
    {
        Main = new SubmissionScene(features: EnhancedQueueScene.With(1, queuesLog2 - 1));
        ulong bytes = EnhancedQueueDriver.BytesFor(Main.Smmu, log2);
        Driver = new EnhancedQueueDriver(Main.Smmu, Main.Machine.Allocate(bytes), log2, SubmissionScene.Patient);
    }

    /// <summary>The machine, and its Command queue.</summary>
    public SubmissionScene Main { get; }

    public EnhancedQueueDriver Driver { get; }

    public void Dispose()
    {
        Driver.Dispose();
        Main.Dispose();
    }
}

/// <summary>Enhanced Command queues in the hands of a driver: one for each VM, or one for each thread.</summary>
public class EnhancedQueueDriverTests
{
    [Fact]
    [Rule("ECMDQ-12")]
    public void AVmHasAQueueForItselfAndItsErrorsToo()
    {
        using var scene = new EnhancedDriverScene(queuesLog2: 2);
        var first = scene.Driver.TryTake()!;
        var second = scene.Driver.TryTake()!;
        Assert.NotSame(first, second);
        for (int round = 0; round < 3; round++)
        {
            Assert.Equal(
                new CommandResult(SubmissionStatus.Refused, CommandError.Illegal, 1, 1),
                first.Submit([SubmissionScene.Numbered(1, round), SubmissionScene.Illegal]));
            Assert.Equal(SubmissionStatus.Completed, second.Submit([SubmissionScene.Numbered(2, round)]).Status);
        }

        Assert.Equal([0, 1, 2], scene.Main.Endpoints.Heard.Where(command => command.Producer == 1).Select(command => command.Number));
        Assert.Equal(3, scene.Main.Endpoints.Heard.Count(command => command.Producer == 2));
        Assert.True(scene.Main.Submitter.Submit([]).IsSuccess);
    }

    [Fact]
    public void QueuesRunOutComeBackAndStartAnew()
    {
        using var scene = new EnhancedDriverScene(queuesLog2: 2);
        Assert.Equal(4, scene.Driver.Count);
        var queues = Enumerable.Range(0, 4).Select(_ => scene.Driver.TryTake()!).ToArray();
        Assert.All(queues, Assert.NotNull);
        Assert.Null(scene.Driver.TryTake());
        Assert.Throws<InvalidOperationException>(() => scene.Driver.Submit([]));

        queues[2].Submit([SubmissionScene.Illegal]);   // Leaves ERR at 1, which the next owner must not see.
        scene.Driver.Return(queues[2]);
        Assert.Throws<ArgumentException>(() => scene.Driver.Return(queues[2]));
        Assert.Throws<ObjectDisposedException>(() => queues[2].Submit([]));
        var anew = scene.Driver.TryTake()!;
        for (int i = 0; i < 20; i++) Assert.Equal(SubmissionStatus.Completed, anew.Submit([SubmissionScene.Numbered(1, i)]).Status);

        scene.Driver.Return(anew);
        Assert.Equal(SubmissionStatus.Completed, scene.Driver.Submit([SubmissionScene.Numbered(1, 20)]).Status);
        Assert.Null(scene.Driver.TryTake());           // A thread has it now.
        Assert.Equal(21, scene.Main.Endpoints.Heard.Length);
    }

    [Fact]
    public void ThreadsGetQueuesOfTheirOwnWhileThereAreSome()
    {
        using var scene = new EnhancedDriverScene(queuesLog2: 2);
        var taken = scene.Driver.TryTake()!;
        for (int i = 0; i < 6; i++)
        {
            int number = i;
            var thread = new Thread(() => scene.Driver.Submit([SubmissionScene.Numbered(1, number)]));
            thread.Start();
            thread.Join();
        }

        // Six calls over three queues; the taken one has seen nothing.
        var registers = Enumerable.Range(0, 4).Select(queue => 0x2_0000u + (uint)((queue >> 1) * 0x1_0000) + (uint)((queue & 1) * 0x8000));
        Assert.Equal([0u, 4u, 4u, 4u], registers.Select(queue => scene.Main.Machine.Read(queue + 8) & 0xfffff));
        scene.Driver.Return(taken);
        Assert.Equal(6, scene.Main.Endpoints.Heard.Length);
    }

    [Fact]
    public void DisposalSwitchesTheQueuesOff()
    {
        using var scene = new EnhancedDriverScene();
        scene.Driver.Submit([]);
        Assert.NotEqual(0u, scene.Main.Machine.Read(0x2_000c) & EnhancedQueueScene.Enable);
        scene.Driver.Dispose();
        scene.Driver.Dispose();
        Assert.Equal(0u, scene.Main.Machine.Read(0x2_000c) & EnhancedQueueScene.Enable);
        Assert.Throws<ObjectDisposedException>(() => scene.Driver.TryTake());
    }

    [Fact]
    public void MisuseHasAReason()
    {
        using var plain = new GuestMachine();
        Assert.Contains("IDR1.ECMDQ", Assert.Throws<ArgumentException>(() => new EnhancedQueueDriver(plain.Smmu, 0, 3)).Message);
        using var scene = new EnhancedQueueScene();
        ulong memory = scene.Machine.Allocate(EnhancedQueueDriver.BytesFor(scene.Smmu, 3));
        Assert.Throws<ArgumentOutOfRangeException>(() => new EnhancedQueueDriver(scene.Smmu, memory, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new EnhancedQueueDriver(scene.Smmu, memory, 20));
        Assert.Throws<ArgumentException>(() => new EnhancedQueueDriver(scene.Smmu, memory + 64, 3));
        scene.SetUp(1);
        Assert.Contains("queue 1", Assert.Throws<InvalidOperationException>(() => new EnhancedQueueDriver(scene.Smmu, memory, 3)).Message);
    }
}
