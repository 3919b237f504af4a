using System.Globalization;
using BenchmarkDotNet.Environments;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Running;

/// <summary>Figures as Markdown: a row for each operation and load, with floor and textbook of the same run beside it.</summary>
internal sealed class ResultTable
{
    private const string FloorName = "Floor";
    private const string TextbookName = "Textbook";

    private readonly List<Row> rows = [];

    /// <summary>True when there is nothing to show.</summary>
    public bool IsEmpty => rows.Count == 0;

    /// <summary>Adds the rows of one class.</summary>
    public void Add(Summary summary)
    {
        var added = new List<Row>();
        foreach (var load in summary.Reports.Where(report => report.Success)
            .OrderBy(report => WorkingSetOf(report.BenchmarkCase)?.Pages)
            .ThenBy(report => WorkingSetOf(report.BenchmarkCase)?.Order)
            .GroupBy(report => LoadOf(report.BenchmarkCase)))
        {
            double? floor = MedianOf(load, FloorName);
            double? textbook = MedianOf(load, TextbookName);
            foreach (var report in load)
            {
                if (NameOf(report) is FloorName or TextbookName) continue;
                added.Add(new Row(
                    report.BenchmarkCase.Descriptor.WorkloadMethodDisplayInfo.Trim('\''),
                    load.Key,
                    floor,
                    textbook,
                    report.ResultStatistics!.Median,
                    report.GcStats.GetBytesAllocatedPerOperation(report.BenchmarkCase) ?? 0));
            }
        }

        rows.AddRange(added.GroupBy(row => row.Operation).SelectMany(operation => operation));
    }

    /// <summary>Writes the table, and what it was measured on.</summary>
    /// <param name="output">Takes the lines.</param>
    /// <param name="clock">What was measured.</param>
    /// <param name="arguments">How to get such a table.</param>
    public void Write(TextWriter output, string clock, string arguments)
    {
        var host = HostEnvironmentInfo.GetCurrent();
        output.WriteLine("# Results");
        output.WriteLine();
        output.WriteLine("Written by the program; [README.md](README.md) says what the columns mean.");
        output.WriteLine();
        output.WriteLine($"    dotnet run -c Release --project perf -- {arguments} > perf/RESULTS.md");
        output.WriteLine();
        foreach (string line in host.ToFormattedString()) output.WriteLine($"* {line}");
        output.WriteLine($"* {host.RuntimeVersion}, {host.Architecture}");
        if (SystemLoad() is { } load) output.WriteLine($"* load average {load} at the end: above 1, other work ran beside");
        output.WriteLine($"* {clock}, median of {QuickRun.Iterations} iterations");
        output.WriteLine();
        output.WriteLine("| operation | load | floor | textbook | Smmu.Fast | times textbook | bytes allocated |");
        output.WriteLine("|---|---|--:|--:|--:|--:|--:|");
        foreach (var row in rows)
        {
            string times = row.Textbook is { } textbook ? Number(textbook / row.Engine) + "x" : "";
            output.WriteLine(
                $"| {row.Operation} | {row.Load} | {Time(row.Floor)} | {Time(row.Textbook)} | {Time(row.Engine)} | {times} | {row.Allocated} |");
        }
    }

    private static string? SystemLoad()
    {
        const string File = "/proc/loadavg";
        return Path.Exists(File) ? System.IO.File.ReadAllText(File).Split(' ')[0] : null;
    }

    private static string NameOf(BenchmarkReport report) => report.BenchmarkCase.Descriptor.WorkloadMethod.Name;

    private static double? MedianOf(IEnumerable<BenchmarkReport> reports, string name) =>
        reports.FirstOrDefault(report => NameOf(report) == name)?.ResultStatistics!.Median;

    private static WorkingSet? WorkingSetOf(BenchmarkCase benchmark) =>
        benchmark.Parameters.Items.Select(item => item.Value).OfType<WorkingSet>().FirstOrDefault();

    private static string LoadOf(BenchmarkCase benchmark) => string.Join(", ", benchmark.Parameters.Items.Select(
        item => item.Value is WorkingSet or string or Enum
            ? item.Value.ToString()
            : string.Create(CultureInfo.InvariantCulture, $"{item.Name} {item.Value:N0}")));

    private static string Time(double? nanoseconds) => nanoseconds switch
    {
        null => "",
        < 1e4 => $"{Number(nanoseconds.Value)} ns",
        < 1e7 => $"{Number(nanoseconds.Value / 1e3)} µs",
        _ => $"{Number(nanoseconds.Value / 1e6)} ms",
    };

    // Three digits that mean something.
    private static string Number(double value) => value.ToString(
        value switch { < 10 => "0.00", < 100 => "0.0", _ => "#,##0" }, CultureInfo.InvariantCulture);

    private sealed record Row(
        string Operation, string Load, double? Floor, double? Textbook, double Engine, long Allocated);
}
