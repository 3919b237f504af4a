using System.Globalization;
using Smmu.Fast.Scenarios.Recordings;
using Smmu.Fast.Scenarios.Snapshots;
using Spectre.Console;

namespace Smmu.Fast.Cli;

/// <summary>Shows what a replay came to, for people.</summary>
internal sealed class ReplayTables(Terminal terminal)
{
    private const double BytesPerMebibyte = 1 << 20;

    public void Write(IAnsiConsole console, ReplayReport report)
    {
        var table = CreateTable($"{report.File} ({Mode(report.Options)})");
        Add(table, "translations", Number(report.Translations));
        foreach (var (status, count) in report.TranslationsByStatus) Add(table, $"  {Lower(status)}", Number(count));
        Add(table, "agreements", Number(report.Agreements));
        AddDifferences(table, report.Differences, report.DifferencesByKind);
        Add(table, "register reads compared", Number(report.RegisterReads));
        Add(table, "event records compared", Number(report.Events));
        Add(table, "interrupts compared", Number(report.Interrupts));
        Add(table, "commands compared", Number(report.Commands.Values.Sum()));
        foreach (var (command, count) in report.Commands.OrderByDescending(pair => pair.Value))
            Add(table, $"  {command}", Number(count));
        AddStatistics(table, report.Statistics);
        Add(table, "records, boots", $"{Number(report.Records)}, {report.Boots}");
        Add(table, "recording in memory", Invariant($"{report.ContentBytes / BytesPerMebibyte:0.0} MiB"));
        Add(table, "whole replay", Milliseconds(report.Elapsed));
        Add(table, "translation part", Milliseconds(report.TranslationTime));
        Add(table, "translations a second", Number((long)report.TranslationsPerSecond));
        console.Write(table);
        if (report.Streams.Count > 0) WriteStreams(console, report);
        WriteDetails(console, report.Details, "record", report.Differences);
    }

    public void Write(IAnsiConsole console, SnapshotReport report)
    {
        var table = CreateTable($"{report.File} ({Mode(report.Options)})");
        Add(table, "leaves", Number(report.Maps));
        Add(table, "addresses just outside", Number(report.OutsideAddresses));
        Add(table, "stream configurations", Number(report.Streams));
        Add(table, "translations", Number(report.Translations));
        Add(table, "agreements", Number(report.Agreements));
        AddDifferences(table, report.Differences, report.DifferencesByKind);
        AddStatistics(table, report.Statistics);
        Add(table, "whole check", Milliseconds(report.Elapsed));
        console.Write(table);
        WriteDetails(console, report.Details, "line", report.Differences);
    }

    private Table CreateTable(string title) => terminal.CreateTable(title)
        .AddColumn("measure")
        .AddColumn(new TableColumn("value").RightAligned());

    private void AddDifferences(Table table, long count, IReadOnlyDictionary<DifferenceKind, long> byKind)
    {
        string text = Number(count);
        var style = new Style(count == 0 ? Color.Green : Color.Red);
        table.AddRow(new Text("differences"), new Text(text, style));
        foreach (var (kind, number) in byKind) Add(table, $"  {Lower(kind)}", Number(number));
    }

    private static void AddStatistics(Table table, in ReplayStatistics statistics)
    {
        Add(table, "TLB hits", Rate(statistics.TlbHits, statistics.TlbLookups));
        Add(table, "walk cache hits", Rate(statistics.WalkCacheHits, statistics.WalkCacheLookups));
        Add(table, "configuration cache hits", Rate(statistics.ConfigurationHits, statistics.ConfigurationLookups));
        Add(table, "walks, descriptors read", Invariant($"{statistics.Walks:n0}, {statistics.DescriptorReads:n0}"));
    }

    private void WriteStreams(IAnsiConsole console, ReplayReport report)
    {
        var table = terminal.CreateTable("streams").AddColumns("boot", "StreamID", "device");
        foreach (string title in (string[])["translations", "faults", "disagreements"])
            table.AddColumn(new TableColumn(title).RightAligned());
        foreach (var stream in report.Streams)
        {
            table.AddRow(
                new Text($"{stream.Boot}"), new Text($"0x{stream.Stream:x}"), new Text(stream.Device),
                new Text(Number(stream.Translations)), new Text(Number(stream.Faults)), new Text(Number(stream.Disagreements)));
        }

        console.Write(table);
    }

    private void WriteDetails(IAnsiConsole console, IReadOnlyList<Difference> details, string place, long count)
    {
        if (details.Count == 0) return;
        string title = details.Count == count ? "differences" : $"the first {details.Count} differences of {Number(count)}";
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

    private static void Add(Table table, string name, string value) => table.AddRow(new Text(name), new Text(value));

    private static string Mode(ReplayTargetOptions options) =>
        $"{(options.CachesEnabled ? "caches on" : "caches off")}, {(options.OneOff ? "one-off" : "a port for each stream")}";

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
