using System.Globalization;
using Smmu.Fast.Scenarios.Recordings;
using Smmu.Fast.Scenarios.Snapshots;
using Spectre.Console;

namespace Smmu.Fast.Cli;

/// <summary>Shows what replays came to, for people: what a file holds, then a column for each way to translate.</summary>
internal sealed class ReplayTables(Terminal terminal, IAnsiConsole console)
{
    private const double BytesPerMebibyte = 1 << 20;

    /// <summary>One recording, replayed in one or more ways.</summary>
    public void Write(IReadOnlyList<ReplayReport> runs)
    {
        WriteContent(runs[0]);
        var table = CreateTable($"{runs[0].File}, replayed", runs.Select(run => run.Options.Mode));
        AddRow(table, "agreements", runs.Select(run => Number(run.Agreements)));
        AddDifferences(table, [.. runs.Select(run => (run.Differences, run.DifferencesByKind))]);
        AddStatistics(table, [.. runs.Select(run => run.Statistics)]);
        AddRow(table, "whole replay", runs.Select(run => Milliseconds(run.Elapsed)));
        AddRow(table, "translation part", runs.Select(run => Milliseconds(run.TranslationTime)));
        AddRow(table, "translations a second", runs.Select(run => Number((long)run.TranslationsPerSecond)));
        console.Write(table);
        if (runs[0].Streams.Count > 0) WriteStreams(runs);
        foreach (var run in runs) WriteDetails(run.Details, "record", run.Differences, run.Options.Mode);
    }

    /// <summary>One snapshot, checked in one or more ways.</summary>
    public void Write(IReadOnlyList<SnapshotReport> runs)
    {
        var first = runs[0];
        var content = CreateTable(first.File, ["value"]);
        AddRow(content, "leaves", [Number(first.Maps)]);
        AddRow(content, "addresses just outside", [Number(first.OutsideAddresses)]);
        AddRow(content, "stream configurations", [Number(first.Streams)]);
        AddRow(content, "translations", [Number(first.Translations)]);
        console.Write(content);

        var table = CreateTable($"{first.File}, checked", runs.Select(run => run.Options.Mode));
        AddRow(table, "agreements", runs.Select(run => Number(run.Agreements)));
        AddDifferences(table, [.. runs.Select(run => (run.Differences, run.DifferencesByKind))]);
        AddStatistics(table, [.. runs.Select(run => run.Statistics)]);
        AddRow(table, "whole check", runs.Select(run => Milliseconds(run.Elapsed)));
        console.Write(table);
        foreach (var run in runs) WriteDetails(run.Details, "line", run.Differences, run.Options.Mode);
    }

    /// <summary>All files in all ways, a line each.</summary>
    public void Write(IReadOnlyList<ReplaySummary> runs)
    {
        var table = terminal.CreateTable("all replays").AddColumns("file", "mode");
        foreach (string title in (string[])["translations", "differences", "time"])
            table.AddColumn(new TableColumn(title).RightAligned());
        foreach (var run in runs) Add(run.File, run.Mode, run.Translations, run.Differences, run.Elapsed);
        if (runs.Count > 1)
        {
            Add("total", "", runs.Sum(run => run.Translations), runs.Sum(run => run.Differences),
                runs.Aggregate(TimeSpan.Zero, (sum, run) => sum + run.Elapsed));
        }

        console.Write(table);

        void Add(string file, string mode, long translations, long differences, TimeSpan elapsed) => table.AddRow(
            new Text(file), new Text(mode), new Text(Number(translations)), DifferenceCount(differences),
            new Text(Milliseconds(elapsed)));
    }

    /// <summary>What every way to translate is asked alike.</summary>
    private void WriteContent(ReplayReport report)
    {
        var table = CreateTable(report.File, ["value"]);
        AddRow(table, "translations", [Number(report.Translations)]);
        foreach (var (status, count) in report.TranslationsByStatus) AddRow(table, $"  {Lower(status)}", [Number(count)]);
        AddRow(table, "register reads compared", [Number(report.RegisterReads)]);
        AddRow(table, "event records compared", [Number(report.Events)]);
        AddRow(table, "interrupts compared", [Number(report.Interrupts)]);
        AddRow(table, "commands compared", [Number(report.Commands.Values.Sum())]);
        foreach (var (command, count) in report.Commands.OrderByDescending(pair => pair.Value))
            AddRow(table, $"  {command}", [Number(count)]);
        if (report.ReservedRanges != 0)
            AddRow(table, "  carried out as recorded, CERROR_ILL if strict", [Number(report.ReservedRanges)]);
        AddRow(table, "records, boots", [$"{Number(report.Records)}, {report.Boots}"]);
        AddRow(table, "recording in memory", [Invariant($"{report.ContentBytes / BytesPerMebibyte:0.0} MiB")]);
        console.Write(table);
    }

    private void WriteStreams(IReadOnlyList<ReplayReport> runs)
    {
        var table = terminal.CreateTable("streams").AddColumns("boot", "StreamID", "device");
        foreach (string title in (string[])["translations", "faults", "disagreements"])
            table.AddColumn(new TableColumn(title).RightAligned());
        for (int index = 0; index < runs[0].Streams.Count; index++)
        {
            var stream = runs[0].Streams[index];
            table.AddRow(
                new Text($"{stream.Boot}"), new Text($"0x{stream.Stream:x}"), new Text(stream.Device),
                new Text(Number(stream.Translations)), new Text(Number(stream.Faults)),
                new Text(Number(runs.Sum(run => run.Streams[index].Disagreements))));
        }

        console.Write(table);
    }

    private void WriteDetails(IReadOnlyList<Difference> details, string place, long count, string mode)
    {
        if (details.Count == 0) return;
        string title = details.Count == count
            ? $"differences, {mode}"
            : $"the first {details.Count} differences of {Number(count)}, {mode}";
        var table = terminal.CreateTable(title)
            .AddColumns(place, "kind", "subject", "expected", "actual");
        foreach (var difference in details)
        {
            table.AddRow(
                new Text(difference.Place.ToString(CultureInfo.InvariantCulture)), new Text(Lower(difference.Kind)),
                new Text(difference.Subject), new Text(difference.Expected), new Text(difference.Actual));
        }

        console.Write(table);
    }

    private Table CreateTable(string title, IEnumerable<string> columns)
    {
        var table = terminal.CreateTable(title).AddColumn("measure");
        foreach (string column in columns) table.AddColumn(new TableColumn(column).RightAligned());
        return table;
    }

    private static void AddDifferences(
        Table table, IReadOnlyList<(long Count, IReadOnlyDictionary<DifferenceKind, long> ByKind)> runs)
    {
        table.AddRow([new Text("differences"), .. runs.Select(run => DifferenceCount(run.Count))]);
        foreach (var kind in runs.SelectMany(run => run.ByKind.Keys).Distinct().Order())
            AddRow(table, $"  {Lower(kind)}", runs.Select(run => Number(run.ByKind.GetValueOrDefault(kind))));
    }

    private static void AddStatistics(Table table, IReadOnlyList<ReplayStatistics> runs)
    {
        AddRow(table, "TLB hits", runs.Select(run => Rate(run.TlbHits, run.TlbLookups)));
        AddRow(table, "walk cache hits", runs.Select(run => Rate(run.WalkCacheHits, run.WalkCacheLookups)));
        AddRow(table, "configuration cache hits", runs.Select(run => Rate(run.ConfigurationHits, run.ConfigurationLookups)));
        AddRow(table, "walks", runs.Select(run => Invariant($"{run.Walks:n0}")));
        AddRow(table, "descriptors read", runs.Select(run => Invariant($"{run.DescriptorReads:n0}")));
    }

    private static void AddRow(Table table, string name, IEnumerable<string> values) =>
        table.AddRow([new Text(name), .. values.Select(value => new Text(value))]);

    private static Text DifferenceCount(long count) => new(Number(count), new Style(count == 0 ? Color.Green : Color.Red));

    private static string Rate(ulong hits, ulong lookups) => lookups == 0
        ? "no lookups"
        : Invariant($"{(double)hits / lookups:p2} of {lookups:n0}");

    private static string Number(long value) => value.ToString("n0", CultureInfo.InvariantCulture);

    private static string Milliseconds(TimeSpan time) => Invariant($"{time.TotalMilliseconds:n1} ms");

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);

    /// <summary>OutputAddress as "output address".</summary>
    private static string Lower<T>(T name) where T : struct, Enum => string.Concat($"{name}".Select((character, index) =>
        char.IsUpper(character) ? $"{(index == 0 ? "" : " ")}{char.ToLowerInvariant(character)}" : $"{character}"));
}
