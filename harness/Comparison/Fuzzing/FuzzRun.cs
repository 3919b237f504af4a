using System.Diagnostics;
using System.Globalization;
using Smmu.Fast.Comparison.Machine;

namespace Smmu.Fast.Comparison.Fuzzing;

/// <summary>The engine against the Oracle, until the time is up: single scenes, new scripts, and changes of scripts that have
/// reached something new. What fails is shrunk and saved.</summary>
internal static class FuzzRun
{
    private static readonly TimeSpan BetweenReports = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan BetweenSaves = TimeSpan.FromSeconds(10);

    /// <summary>Runs.</summary>
    /// <param name="options">What to do.</param>
    /// <param name="cancellation">Ends the run early; what was found is kept.</param>
    /// <exception cref="IOException">The folder cannot be used.</exception>
    /// <exception cref="ScriptException">A script of the corpus cannot be read.</exception>
    public static FuzzReport Run(FuzzOptions options, CancellationToken cancellation)
    {
        using var corpus = new Corpus(options.Folder, options.Seed);
        var watch = Stopwatch.StartNew();
        var failures = new List<FuzzFailure>();
        long taken = 0;
        long done = 0;
        long failed = 0;
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        ended.CancelAfter(options.Duration);
        var workers = Enumerable.Range(0, Math.Max(1, options.Threads)).Select(_ => Task.Factory.StartNew(
            Work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
        try
        {
            var saved = watch.Elapsed;
            while (!Task.WaitAll(workers, BetweenReports))
            {
                options.Progress?.Invoke(Status());
                if (watch.Elapsed - saved < BetweenSaves) continue;
                saved = watch.Elapsed;
                corpus.SaveState(Interlocked.Read(ref done));
            }
        }
        catch (AggregateException exception)
        {
            ended.Cancel();
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Capture(exception.Flatten().InnerExceptions[0]).Throw();
        }
        finally
        {
            corpus.SaveState(Interlocked.Read(ref done));
        }

        return new FuzzReport(Status(), corpus.Seed, failures, corpus.KeysByKind, cancellation.IsCancellationRequested);

        FuzzStatus Status()
        {
            var (keys, scripts) = corpus.Size;
            return new FuzzStatus(
                watch.Elapsed, Interlocked.Read(ref done), corpus.CasesBefore, keys, scripts, Interlocked.Read(ref failed));
        }

        void Work()
        {
            using var worker = new FuzzWorker(corpus, options);
            try
            {
                while (!ended.IsCancellationRequested)
                {
                    long index = corpus.CasesBefore + Interlocked.Increment(ref taken) - 1;
                    if (worker.Run(index) is { } failure)
                    {
                        bool isShown = Interlocked.Increment(ref failed) <= options.MaximumFailures;
                        if (isShown) Report(worker.Shrink(failure, Name(index), cancellation));
                    }

                    Interlocked.Increment(ref done);
                }
            }
            catch
            {
                ended.Cancel();   // The others need not go on either.
                throw;
            }
        }

        void Report(FuzzFailure failure)
        {
            corpus.SaveFailure(failure);
            lock (failures) failures.Add(failure);
        }
    }

    private static string Name(long index) => string.Create(CultureInfo.InvariantCulture, $"{index:d9}");
}
