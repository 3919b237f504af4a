using System.Runtime.InteropServices;
using Perfolizer.Horology;

namespace Smmu.Fast.Perf.Running;

/// <summary>
/// Processor time of the calling thread: what others do with the machine meanwhile does not count, as far as they leave
/// the caches alone. Linux only; elsewhere it is not available.
/// </summary>
internal sealed partial class ThreadClock : IClock
{
    private const int ThreadProcessorTime = 3;   // CLOCK_THREAD_CPUTIME_ID.
    private const long NanosecondsPerSecond = 1_000_000_000;

    /// <inheritdoc/>
    public string Title => "processor time of the thread";

    /// <inheritdoc/>
    public bool IsAvailable => OperatingSystem.IsLinux() && nint.Size == sizeof(long);

    /// <inheritdoc/>
    public Frequency Frequency => new(NanosecondsPerSecond);

    /// <inheritdoc/>
    public long GetTimestamp()
    {
        int error = GetTime(ThreadProcessorTime, out var time);
        if (error != 0) throw new InvalidOperationException("The system does not tell the processor time of a thread.");
        return (time.Seconds * NanosecondsPerSecond) + time.Nanoseconds;
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int GetTime(int clock, out TimeSpecification time);

    private readonly record struct TimeSpecification(long Seconds, long Nanoseconds);
}
