using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Smmu.Fast.Scenarios.Virtualization;
using Spectre.Console;

namespace Smmu.Fast.Cli;

/// <summary>smmu demo nested: virtual machines with nested guests at work, live.</summary>
internal static class DemoCommand
{
    private const int DefaultRounds = 20_000;
    private const int MostRounds = 100_000_000;
    private static readonly TimeSpan Refresh = TimeSpan.FromMilliseconds(200);

    public static Command Create(Terminal terminal)
    {
        Option<int?> rounds = Arguments.Number("--rounds", $"What each machine does; {DefaultRounds} unless given.", MostRounds);
        Option<int?> seed = Arguments.Number("--seed", "Seed of random choices; 1 unless given.", int.MaxValue);
        var nested = new Command(
            "nested", "A host with three virtual machines: nested guests, a command queue of a guest's own, remapping, dirty tracking.") { rounds, seed };
        nested.SetAction((parsed, cancellation) => Task.Run(
            () => Run(terminal, parsed.GetValue(rounds) ?? DefaultRounds, parsed.GetValue(seed) ?? 1, cancellation), cancellation));
        return new Command("demo", "Show the façade at work.") { nested };
    }

    private static int Run(Terminal terminal, int rounds, int seed, CancellationToken cancellation)
    {
        using var demonstration = new NestedDemonstration();
        using var stop = cancellation.Register(demonstration.Stop);
        var clock = Stopwatch.StartNew();
        demonstration.Start(rounds, seed);
        if (terminal.IsInteractive) Watch(terminal, demonstration, clock);
        demonstration.Join();
        cancellation.ThrowIfCancellationRequested();
        if (!terminal.IsInteractive) terminal.CreateConsole().Write(TableOf(terminal, demonstration, clock));
        terminal.Output.WriteLine("every byte was where it belongs");
        return CommandLine.Agree;
    }

    private static void Watch(Terminal terminal, NestedDemonstration demonstration, Stopwatch clock) =>
        terminal.CreateConsole().Live(TableOf(terminal, demonstration, clock)).Start(context =>
        {
            while (demonstration.IsRunning)
            {
                Thread.Sleep(Refresh);
                context.UpdateTarget(TableOf(terminal, demonstration, clock));
            }

            context.UpdateTarget(TableOf(terminal, demonstration, clock));
        });

    private static Table TableOf(Terminal terminal, NestedDemonstration demonstration, Stopwatch clock)
    {
        Table table = terminal.CreateTable(string.Create(CultureInfo.InvariantCulture, $"one SMMU, three guests, {clock.Elapsed.TotalSeconds:F1} s"));
        foreach (string column in (string[])[
            "machine", "what is special", "objects", "VMID", "DMA bytes", "maps", "invalidations", "own queue", "remaps", "dirty pages", "faults"])
        {
            table.AddColumn(column);
        }

        foreach (DemonstrationMachine machine in demonstration.Machines)
        {
            table.AddRow(
                machine.Name, machine.Story, machine.Objects, Number(machine.Vmid), Number(machine.DmaBytes), Number(machine.Maps),
                Number(machine.Invalidations), Number(machine.OwnCommands), Number(machine.Remaps), Number(machine.DirtyPages),
                Number(machine.GuestFaults));
        }

        var statistics = demonstration.Statistics;
        table.Caption = new TableTitle(string.Create(
            CultureInfo.InvariantCulture,
            $"the SMMU: {statistics.Walks:N0} walks, {statistics.DescriptorReads:N0} descriptors; {demonstration.HostEvents:N0} faults were the host's"));
        return table;
    }

    private static string Number(long value) => value.ToString("N0", CultureInfo.InvariantCulture);
}
