using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd.Submission;
using Smmu.Fast.Perf.Baselines;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Perf.Scenes;

/// <summary>
/// A machine for each way to submit commands: behind a lock, by many producers to one queue, and to Enhanced Command queues.
/// A submission that fails, or that waits for more than a second, ends the benchmark.
/// </summary>
internal sealed class SubmissionWorld : IDisposable
{
    private const int QueueLog2 = 8;
    private const int EnhancedQueuesLog2 = 6;

    private readonly GuestMachine lockedMachine = NewMachine();
    private readonly GuestMachine machine = NewMachine();
    private readonly GuestMachine messageMachine = NewMachine();
    private readonly GuestMachine enhancedMachine = NewMachine();
    private readonly LockedQueue locked;
    private readonly CommandSubmitter submitter;
    private readonly CommandSubmitter messages;
    private readonly EnhancedQueueDriver enhanced;

    public SubmissionWorld()
    {
        locked = new LockedQueue(lockedMachine);
        submitter = new CommandSubmitter(machine.Smmu);
        messages = new CommandSubmitter(messageMachine.Smmu, new SubmissionOptions { Completion = SyncCompletion.Message });
        ulong memory = enhancedMachine.Allocate(EnhancedQueueDriver.BytesFor(enhancedMachine.Smmu, QueueLog2));
        enhanced = new EnhancedQueueDriver(enhancedMachine.Smmu, memory, QueueLog2);
    }

    /// <summary>Commands that the SMMU behind <see cref="Submit"/> has consumed.</summary>
    public ulong Consumed => machine.Smmu.GetStatistics().CommandsConsumed;

    public void SubmitLocked(ReadOnlySpan<Command> commands) => locked.Submit(commands);

    public void Submit(ReadOnlySpan<Command> commands) => RequireDone(submitter.Submit(commands));

    public void SubmitWithMessage(ReadOnlySpan<Command> commands) => RequireDone(messages.Submit(commands));

    public void SubmitEnhanced(ReadOnlySpan<Command> commands) => RequireDone(enhanced.Submit(commands));

    /// <inheritdoc/>
    public void Dispose()
    {
        submitter.Dispose();
        messages.Dispose();
        enhanced.Dispose();
        lockedMachine.Dispose();
        machine.Dispose();
        messageMachine.Dispose();
        enhancedMachine.Dispose();
    }

    private static void RequireDone(CommandResult result)
    {
        if (result.Status != SubmissionStatus.Completed) TranslationScene.Require(false, $"a submission ended with {result}");
    }

    private static GuestMachine NewMachine()
    {
        var features = SmmuFeatures.Default.With(SmmuFeatureField.ECMDQ, 1)
            .With(SmmuFeatureField.CMDQ_CONTROL_PAGE_LOG2NUMQ, EnhancedQueuesLog2);
        var machine = new GuestMachine(features);
        machine.SetUpCommandQueue(QueueLog2);
        machine.Start();
        return machine;
    }
}
