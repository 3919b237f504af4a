using System.Globalization;
using Smmu.Fast.Scenarios.Recordings;
using Spectre.Console;

namespace Smmu.Fast.Cli;

/// <summary>Shows an explained access: a tree for people, nested objects for programs.</summary>
internal static class ExplanationTree
{
    public static void Write(Terminal terminal, Answer answer)
    {
        string substream = answer.Substream is { } value ? $", substream 0x{value:x}" : "";
        string place = answer.Records is { } records
            ? string.Create(CultureInfo.InvariantCulture, $"{answer.File} after {records:n0} records")
            : answer.File;
        var tree = terminal.CreateTree(
            $"{answer.Access} of 0x{answer.Address:x} by stream 0x{answer.Stream:x}{substream} ({place})");
        foreach (var step in answer.Translation.Steps) Add(tree, step);
        AddOutcome(tree, answer.Translation);
        terminal.CreateConsole().Write(tree);
    }

    public static object ToJson(Answer answer) => new
    {
        answer.File,
        answer.Records,
        Stream = JsonOutput.Hex(answer.Stream),
        Substream = answer.Substream is { } substream ? JsonOutput.Hex(substream) : null,
        InputAddress = JsonOutput.Hex(answer.Address),
        answer.Access,
        answer.Translation.Outcome,
        OutputAddress = answer.Translation.OutputAddress is { } address ? JsonOutput.Hex(address) : null,
        LeafSize = JsonOutput.Hex(answer.Translation.LeafSize),
        answer.Translation.Permissions,
        answer.Translation.Event,
        Steps = answer.Translation.Steps.Select(ToJson),
    };

    private static object ToJson(ExplainedStep step) => new
    {
        step.Kind,
        Address = step.Address is { } address ? JsonOutput.Hex(address) : null,
        Value = step.Value is { } value ? JsonOutput.Hex(value) : null,
        step.Title,
        step.Fields,
        Children = step.Children.Select(ToJson),
    };

    private static void Add(IHasTreeNodes parent, ExplainedStep step)
    {
        string address = step.Address is { } at ? $" at 0x{at:x}" : "";
        string value = step.Value is { } word ? $" = 0x{word:x}" : "";
        var node = parent.AddNode(new Text($"{step.Title}{address}{value}", new Style(decoration: Decoration.Bold)));
        foreach (var field in step.Fields) node.AddNode(new Text(Line(field)));
        foreach (var child in step.Children) Add(node, child);
    }

    private static void AddOutcome(Tree tree, ExplainedTranslation translation)
    {
        var color = translation.OutputAddress is null ? Color.Red : Color.Green;
        string address = translation.OutputAddress is { } value ? $": 0x{value:x}" : "";
        var node = tree.AddNode(new Text($"{translation.Outcome}{address}", new Style(color, decoration: Decoration.Bold)));
        if (translation.LeafSize != 0)
            node.AddNode(new Text($"leaf of 0x{translation.LeafSize:x} bytes, {translation.Permissions}"));
        if (translation.Event.Count == 0) return;
        var record = node.AddNode(new Text("event record"));
        foreach (var field in translation.Event) record.AddNode(new Text(Line(field)));
    }

    private static string Line(ExplainedField field) =>
        field.Meaning.Length == 0 ? $"{field.Name} = {field.Value}" : $"{field.Name} = {field.Value}: {field.Meaning}";
}
