using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Smmu.Fast.Perf.Aims;

namespace Smmu.Fast.Perf.Running;

/// <summary>Figures for readers (Markdown) and for programs (JSON): first the aims, then all that was measured.</summary>
internal sealed class ResultPage(
    Dictionary<string, Result> results, MachineProperties machine, ReportOptions options, string command)
{
    private static readonly JsonSerializerOptions json = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private readonly Explanations explanations = Explanations.Load();
    private readonly Verdict[] verdicts =
        [.. AimTable.All.Select(aim => Verdict.Of(aim, results)).Where(verdict => verdict is not null).Select(verdict => verdict!)];

    /// <summary>Writes the page.</summary>
    public void Write(TextWriter output)
    {
        output.WriteLine("# Results");
        output.WriteLine();
        output.WriteLine("Written by the program; [README.md](README.md) says what the columns mean.");
        output.WriteLine();
        output.WriteLine($"    dotnet run -c Release --project perf -- {command}");
        output.WriteLine();
        foreach (string line in machine.ToLines()) output.WriteLine($"* {line}");
        output.WriteLine($"* {Child.Clock}");
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"* medians of {options.Runs} {(options.Runs == 1 ? "run" : "runs")}, {machine.Seconds / 60:F0} minutes in all"));
        WriteAims(output);
        WriteRows(output);
        WriteCounts(output);
        if (explanations.Dropped.Length == 0) return;
        output.WriteLine();
        output.WriteLine("## Tried and dropped");
        output.WriteLine();
        output.WriteLine(explanations.Dropped);
    }

    /// <summary>How many aims are met, in a line.</summary>
    public void WriteVerdict(TextWriter output) => output.WriteLine(
        $"{verdicts.Count(verdict => verdict.IsMet)} of {verdicts.Length} aims are met; without an explanation: "
        + $"{verdicts.Count(verdict => !verdict.IsMet && explanations.Of(verdict.Aim) is null)}");

    /// <summary>All of it for programs.</summary>
    public string ToJson() => JsonSerializer.Serialize(
        new
        {
            command,
            machine,
            options.Runs,
            aims = verdicts.Select(verdict => new
            {
                verdict.Aim.Name,
                verdict.IsMet,
                explained = explanations.Of(verdict.Aim),
                parts = verdict.Parts.Select(part => new
                {
                    part.Part.Label,
                    part.Ours,
                    part.Floor,
                    part.Textbook,
                    part.Limit,
                    beside = part.Part.Beside.Zip(part.Beside).ToDictionary(pair => pair.First.Label, pair => pair.Second),
                    part.Part.Qemu7,
                    part.Part.Qemu10,
                    unit = part.Part.Unit.Length == 0 ? "ns" : part.Part.Unit,
                    part.IsMet,
                }),
            }),
            figures = results.Values.Select(result => new
            {
                result.Figure.Key,
                result.Figure.Operation,
                result.Figure.Load,
                unit = result.Figure.Unit.Length == 0 ? "ns" : result.Figure.Unit,
                value = Math.Round(result.Value, 4),
                runs = result.Runs.Select(run => Math.Round(run, 4)),
                bytes = result.Figure.Bytes,
            }),
        },
        json) + "\n";

    private void WriteAims(TextWriter output)
    {
        if (verdicts.Length == 0) return;
        output.WriteLine();
        output.WriteLine("## Aims");
        output.WriteLine();
        WriteVerdict(output);
        output.WriteLine();
        output.WriteLine("| operation | ours | floor | textbook | aim | met | QEMU 7.2 | QEMU 10.2 | times QEMU 10.2 | explained by |");
        output.WriteLine("|---|--:|--:|--:|--:|---|--:|--:|--:|---|");
        foreach (var verdict in verdicts)
        {
            string explained = verdict.IsMet ? "" : explanations.Of(verdict.Aim) ?? "not yet";
            output.WriteLine($"| {verdict.Aim.Name} | {verdict.Join(part => part.Describe())} "
                + $"| {verdict.Join(part => part.Show(part.Floor))} | {verdict.Join(part => part.Show(part.Textbook))} "
                + $"| {verdict.Join(part => part.ShowLimit())} | {verdict.Answer} "
                + $"| {verdict.Join(part => part.Show(part.Part.Qemu7))} | {verdict.Join(part => part.Show(part.Part.Qemu10))} "
                + $"| {verdict.Join(part => part.Part.Qemu10 is { } peer ? Numbers.Times(peer / part.Ours) : "")} | {explained} |");
        }
    }

    private void WriteRows(TextWriter output)
    {
        var rows = results.Values.Where(result => result.Figure.Unit.Length == 0 && !result.Figure.IsYardstick).ToArray();
        if (rows.Length == 0) return;
        output.WriteLine();
        output.WriteLine("## All that was timed");
        output.WriteLine();
        output.WriteLine("| operation | load | floor | textbook | Smmu.Fast | M/s | times textbook | runs from to | bytes allocated |");
        output.WriteLine("|---|---|--:|--:|--:|--:|--:|--:|--:|");
        foreach (var operation in rows.GroupBy(row => (ClassOf(row), row.Figure.Operation)))
        {
            foreach (var row in operation)
            {
                double? textbook = ValueOf(row.Figure.TextbookKey);
                string times = textbook is { } other ? Numbers.Times(other / row.Value) : "";
                output.WriteLine($"| {row.Figure.Operation} | {row.Figure.Load} | {Numbers.Time(ValueOf(row.Figure.FloorKey))} "
                    + $"| {Numbers.Time(textbook)} | {Numbers.Time(row.Value)} | {Numbers.Plain(1e3 / row.Value)} | {times} "
                    + $"| {Numbers.Plain(row.Runs.Min())} - {Numbers.Plain(row.Runs.Max())} | {row.Figure.Bytes} |");
            }
        }
    }

    private void WriteCounts(TextWriter output)
    {
        var counts = results.Values.Where(result => result.Figure.Unit.Length > 0).ToArray();
        if (counts.Length == 0) return;
        output.WriteLine();
        output.WriteLine("## All that was counted");
        output.WriteLine();
        output.WriteLine("| what | of | count |");
        output.WriteLine("|---|---|--:|");
        foreach (var count in counts)
        {
            output.WriteLine($"| {count.Figure.Operation} | {count.Figure.Load} | {Numbers.Of(count.Value, count.Figure.Unit)} |");
        }
    }

    private double? ValueOf(string key) => results.TryGetValue(key, out var result) ? result.Value : null;

    private static string ClassOf(Result row) => row.Figure.Key.Split('.')[0];
}
