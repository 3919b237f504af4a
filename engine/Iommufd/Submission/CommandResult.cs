using Smmu.Fast.Formats;

namespace Smmu.Fast.Iommufd.Submission;

/// <summary>How a submission ended.</summary>
public enum SubmissionStatus : byte
{
    /// <summary>The SMMU has consumed all of it, its CMD_SYNC last, and refused nothing.</summary>
    Completed,

    /// <summary>It was submitted without a CMD_SYNC and is before the SMMU. What it refuses, the producer hears of with its
    /// next CMD_SYNC.</summary>
    Published,

    /// <summary>The SMMU has consumed all of it but for what it refused; <see cref="CommandResult.Error"/> says why.</summary>
    Refused,

    /// <summary>Time is up. What was published will still be run; what it refuses, a later CMD_SYNC of the producer tells.</summary>
    TimedOut,

    /// <summary>The SMMU cannot read the memory of the queue, which is of no use any more.</summary>
    Broken,
}

/// <summary>What became of a submission.</summary>
/// <param name="Status">How it ended.</param>
/// <param name="Error">Why the first command that was refused was: CMDQ_CONS.ERR (IHI 0070, 7.1).</param>
/// <param name="FailedIndex">
/// Which one that was: the index among the commands given, their number for the CMD_SYNC behind them, or -1 for a command
/// that the same producer had submitted without a CMD_SYNC before.
/// </param>
/// <param name="Failures">How many were refused, those of earlier submissions without CMD_SYNC included.</param>
public readonly record struct CommandResult(SubmissionStatus Status, CommandError Error, int FailedIndex, int Failures)
{
    /// <summary>True when nothing went wrong so far.</summary>
    public bool IsSuccess => Status <= SubmissionStatus.Published;
}
