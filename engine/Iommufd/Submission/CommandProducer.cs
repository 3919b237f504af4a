using Smmu.Fast.Formats;

namespace Smmu.Fast.Iommufd.Submission;

/// <summary>One source of commands: its commands run in the order of its calls. Serves one thread at a time.</summary>
public sealed class CommandProducer
{
    private readonly CommandSubmitter submitter;

    private bool isBusy;
    private long firstPosition;    // Of the submission under way.
    private long failedPosition;
    private int failedIndex;
    private int failures;
    private CommandError error;

    internal CommandProducer(CommandSubmitter submitter) => this.submitter = submitter;

    /// <summary>True for producers of that submitter.</summary>
    internal bool IsOf(CommandSubmitter other) => submitter == other;

    /// <inheritdoc cref="CommandSubmitter.Submit"/>
    /// <exception cref="InvalidOperationException">
    /// Another call of this producer is under way; or the thread is inside a callback of the SMMU that runs commands of this
    /// queue, which cannot wait for itself.
    /// </exception>
    public CommandResult Submit(ReadOnlySpan<Command> commands, bool sync = true)
    {
        Enter();
        try
        {
            return submitter.SubmitFor(this, commands, sync);
        }
        finally
        {
            Volatile.Write(ref isBusy, false);
        }
    }

    /// <summary>Takes note of where a submission begins.</summary>
    internal void Begin(long position) => firstPosition = position;

    /// <summary>
    /// Takes note of a command that was refused. Comes from whoever serves the queue, before the queue goes on: who has seen
    /// the queue pass the command sees it.
    /// </summary>
    internal void Tell(long position, int index, CommandError reason)
    {
        if (failures++ != 0) return;
        failedPosition = position;
        failedIndex = index;
        error = reason;
    }

    /// <summary>Hands out, once, what was refused; to be called when all that was submitted has been passed.</summary>
    internal CommandResult Take()
    {
        if (failures == 0) return default;
        int index = failedPosition < firstPosition ? -1 : failedIndex;
        var result = new CommandResult(SubmissionStatus.Refused, error, index, failures);
        failures = 0;
        return result;
    }

    // No locked operation: two threads in one producer are misuse, which this sees nearly always.
    private void Enter()
    {
        if (Volatile.Read(ref isBusy)) throw new InvalidOperationException(
            "The producer is in use: open one for each thread, and submit nothing from inside a callback of the SMMU that runs "
            + "commands of the same queue.");
        isBusy = true;
    }
}
