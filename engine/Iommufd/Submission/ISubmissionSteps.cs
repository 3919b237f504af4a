using System.Diagnostics;

namespace Smmu.Fast.Iommufd.Submission;

/// <summary>What happens between the steps of a submission: nothing, or whatever a test wants to happen there.</summary>
internal interface ISubmissionSteps
{
    /// <summary>Stands before each step that other threads can see or be seen by.</summary>
    static abstract void Reach();

    /// <summary>Lets time pass.</summary>
    /// <param name="turns">How often that was so in a row, from 0 on.</param>
    static abstract void Pass(int turns);

    /// <summary>The time, in ticks of <see cref="Stopwatch.Frequency"/>.</summary>
    static abstract long Now { get; }
}

/// <summary>Threads of the real world.</summary>
/// <remarks>
/// Who waits spins for a microsecond or two, which is what the others need for some batches; then it leaves its processor
/// to them, and soon sleeps: where there are more producers than processors, those who run get everything done.
/// </remarks>
internal readonly struct RealSteps : ISubmissionSteps
{
    private const int Spins = 6;
    private const int Yields = 8;

    /// <inheritdoc/>
    public static long Now => Stopwatch.GetTimestamp();

    /// <inheritdoc/>
    public static void Reach()
    {
    }

    /// <inheritdoc/>
    public static void Pass(int turns)
    {
        if (turns < Spins) Thread.SpinWait(1 << turns);
        else if (turns < Spins + Yields) Thread.Yield();
        else Thread.Sleep(1);
    }
}
