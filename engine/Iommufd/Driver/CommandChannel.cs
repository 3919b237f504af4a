using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd.Submission;
using Smmu.Fast.Tables;

namespace Smmu.Fast.Iommufd.Driver;

/// <summary>The driver's way to the Command queue: what it cannot go on without is an exception.</summary>
internal sealed class CommandChannel(CommandSubmitter submitter)
{
    private long invalidationTimeouts;

    /// <summary>CMD_SYNCs that told that an endpoint had not answered an ATC invalidation.</summary>
    public long AtcTimeouts => Volatile.Read(ref invalidationTimeouts);

    /// <summary>Submits commands of the driver's own.</summary>
    /// <exception cref="TimeoutException">They are not complete in time: memory must not be let go of.</exception>
    /// <exception cref="InvalidOperationException">The SMMU cannot read its queue, or refused a command.</exception>
    public void Submit(ReadOnlySpan<Command> commands, bool sync = true)
    {
        CommandResult result = submitter.Submit(commands, sync);
        if (!result.IsSuccess) Judge(in result);
    }

    /// <summary>Invalidates all of a VMID and waits.</summary>
    public void InvalidateAll(Vmid vmid) => Submit([Command.TlbiS12Vmall(vmid)]);

    private void Judge(in CommandResult result)
    {
        if (result.Status == SubmissionStatus.TimedOut) throw new TimeoutException(
            "The SMMU has not completed an invalidation in time, so memory may still be reached: end the accesses that its "
            + "CMD_SYNC waits for, or allow more time (SmmuDriverOptions.Submission).");
        if (result.Error != CommandError.AtcInvalidationSync) throw new InvalidOperationException(
            $"The SMMU refused a command of its driver ({result.Status}, {result.Error}): nobody else may write its registers or queues.");
        Interlocked.Increment(ref invalidationTimeouts);
    }
}

/// <summary>Makes the SMMU forget the STE of a stream.</summary>
internal readonly struct StreamSynchronization(CommandChannel channel, StreamId stream) : IEntrySynchronization
{
    /// <inheritdoc/>
    public void Synchronize(bool leaf) => channel.Submit([Command.CfgiSte(stream, leaf)]);
}

/// <summary>Makes the SMMU forget a CD in the table of a stream.</summary>
internal readonly struct SubstreamSynchronization(CommandChannel channel, StreamId stream, SubstreamId substream) : IEntrySynchronization
{
    /// <inheritdoc/>
    public void Synchronize(bool leaf) => channel.Submit([Command.CfgiCd(stream, substream, leaf)]);
}

/// <summary>For entries that no stream leads to.</summary>
internal readonly struct NoSynchronization : IEntrySynchronization
{
    /// <inheritdoc/>
    public void Synchronize(bool leaf)
    {
    }
}
