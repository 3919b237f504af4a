using System.CommandLine;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Smmu.Fast.Scenarios.Recordings;
using Spectre.Console;

namespace Smmu.Fast.Cli;

/// <summary>smmu info: what an SMMU of a feature set or a recording can do, and what the host offers.</summary>
internal static class InfoCommand
{
    public static Command Create(IReplayTargetSource source, Terminal terminal)
    {
        var file = new Argument<string?>("FILE")
        {
            Description = "A recording or a snapshot whose SMMU to show.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var features = new Option<string?>("--features") { Description = "A feature set of the engine." };
        features.AcceptOnlyFromAmong([.. source.FeatureSets]);
        var json = Arguments.Json();
        var command = new Command("info", "Show the features of an SMMU.") { file, features, json };
        command.Validators.Add(result =>
        {
            if (result.GetResult(features) is not null && result.GetResult(file) is { Tokens.Count: > 0 })
                result.AddError("Name a FILE or --features, not both.");
        });
        command.SetAction((parsed, cancellation) => Task.Run(
            () =>
            {
                string? path = parsed.GetValue(file);
                string set = parsed.GetValue(features) ?? source.FeatureSets[0];
                var (name, registers) = path is null
                    ? ($"feature set {set}", source.FeaturesOf(set))
                    : NamedRegisters(InputFile.Open(path));
                if (parsed.GetValue(json)) WriteJson(terminal, name, in registers);
                else Write(terminal, name, in registers);
                return CommandLine.Agree;
            },
            cancellation));
        return command;
    }

    private static (string Name, IdentificationRegisters Registers) NamedRegisters(InputFile file) =>
        (file.Name, file.Identification);

    private static void Write(Terminal terminal, string name, in IdentificationRegisters registers)
    {
        var console = terminal.CreateConsole();
        var fields = terminal.CreateTable(name).AddColumns("register", "field", "value", "meaning");
        foreach (var field in IdentificationFields.Of(in registers))
            fields.AddRow(field.Register, field.Name, $"0x{field.Value:x}", field.Meaning);
        console.Write(fields);

        var capacities = terminal.CreateTable("capacities").AddColumns("what", "how much");
        foreach (var (what, howMuch) in IdentificationFields.CapacitiesOf(in registers)) capacities.AddRow(what, howMuch);
        console.Write(capacities);

        var host = terminal.CreateTable("host").AddColumns("what", "value");
        host.AddRow("architecture", $"{RuntimeInformation.ProcessArchitecture}");
        host.AddRow("vectors in use", InstructionSet());
        host.AddRow("processors", $"{Environment.ProcessorCount}");
        host.AddRow("runtime", RuntimeInformation.FrameworkDescription);
        console.Write(host);
    }

    private static void WriteJson(Terminal terminal, string name, in IdentificationRegisters registers) =>
        JsonOutput.Write(terminal.Output, new
        {
            Name = name,
            Fields = IdentificationFields.Of(in registers),
            Capacities = IdentificationFields.CapacitiesOf(in registers).ToDictionary(pair => pair.What, pair => pair.HowMuch),
            Host = new
            {
                Architecture = $"{RuntimeInformation.ProcessArchitecture}",
                Vectors = InstructionSet(),
                Processors = Environment.ProcessorCount,
                Runtime = RuntimeInformation.FrameworkDescription,
            },
        });

    private static string InstructionSet() =>
        Vector512.IsHardwareAccelerated ? "512 bits"
        : Vector256.IsHardwareAccelerated ? "256 bits"
        : Vector128.IsHardwareAccelerated ? "128 bits"
        : "none: scalar code";
}
