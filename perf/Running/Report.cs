using System.Diagnostics;

namespace Smmu.Fast.Perf.Running;

/// <summary>Measures, and writes down what came out.</summary>
internal static class Report
{
    private const int NotUnderstood = 2;

    /// <summary>One run; the page goes to standard output.</summary>
    public static int RunQuick(string[] arguments, TextWriter output, TextWriter progress)
    {
        if (!ReportOptions.TryParse(arguments, new ReportOptions { Runs = 1 }, progress, out var options)) return NotUnderstood;
        int code = Measure(options, $"--quick {string.Join(' ', arguments)}", progress, out var page);
        page?.Write(output);
        return code;
    }

    /// <summary>
    /// Three runs unless said otherwise; RESULTS.md and results.json are written. Where a part alone is asked for, they go to a
    /// folder that has to be named, so that the figures of all stay what they are.
    /// </summary>
    public static int Run(string[] arguments, TextWriter output, TextWriter progress)
    {
        if (!ReportOptions.TryParse(arguments, new ReportOptions(), progress, out var options)) return NotUnderstood;
        int code = Measure(options, $"report {string.Join(' ', arguments)}", progress, out var page);
        if (page is null) return code;
        bool isAll = options.Patterns.Length == 0 && options.Tier is null;
        string? folder = options.Folder ?? (isAll && code == 0 ? Folders.Sources : null);
        if (folder is null)
        {
            page.Write(output);
            return code;
        }

        Directory.CreateDirectory(folder);
        using (var file = new StreamWriter(Path.Combine(folder, "RESULTS.md")) { NewLine = "\n" }) page.Write(file);
        File.WriteAllText(Path.Combine(folder, "results.json"), page.ToJson());
        output.WriteLine($"RESULTS.md and results.json are in {folder}");
        page.WriteVerdict(output);
        return code;
    }

    private static int Measure(ReportOptions options, string command, TextWriter progress, out ResultPage? page)
    {
        var machine = MachineProperties.Read();
        long start = Stopwatch.GetTimestamp();
        var results = new Campaign(options, progress).Run(out int failures);
        page = null;
        if (results.Count == 0)
        {
            progress.WriteLine("failed: no benchmark has such a name, or none ran to its end");
            return 1;
        }

        var facts = machine with
        {
            Tier = options.Tier ?? machine.Tier,
            LoadAtEnd = MachineProperties.LoadNow(),
            Seconds = Stopwatch.GetElapsedTime(start).TotalSeconds,
        };
        page = new ResultPage(results, facts, options, command.Trim());
        return failures == 0 ? 0 : 1;
    }
}
