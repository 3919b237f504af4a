using System.Text.RegularExpressions;
using Smmu.Fast.Comparison.Machine;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Props.Machine;

/// <summary>
/// A device that is saved at any step of a program, and another one that goes on with what was saved, are to everybody one
/// device: the rest of the program has the same answers, records, interrupts and words in memory, and in the end all registers
/// and what would be saved are the same.
/// </summary>
/// <remarks>
/// Which tag a stall gets is the SMMU's own business (IHI 0070, 3.12.2) and no part of what is saved, so tags are not compared.
/// Without caches, so that nothing that an SMMU may know or not know makes a difference; with caches
/// the Oracle judges.
/// </remarks>
public partial class SaveRestoreProperties
{
    private const int Programs = 600;
    private const ulong MostStalls = 256;
    private const uint RegisterBytes = 2 * RegisterOffset.PageSize;

    [Fact]
    public void ADeviceThatIsReplacedInTheMiddleOfAProgramIsNotMissed()
    {
        int compared = 0, stalled = 0;
        for (int i = 0; i < TestScale.Of(Programs); i++)
        {
            var script = Uncached(i);
            if (IsOpen(script) || Run(script, []) is not { } whole || whole.HasRetries) continue;
            int at = Cases.RandomOf(i).Next(1, script.Steps.Count);
            var inParts = Run(With(script, at, PlainAction.Restore), [at]);

            Assert.True(inParts is not null, $"Program {i} of seed {Cases.Seed} has another end when it is saved before step {at + 1}.");
            AssertAlike(whole, inParts, $"Program {i} of seed {Cases.Seed}, saved before step {at + 1}");
            compared++;
            if (whole.HasStalls) stalled++;
        }

        Assert.True(compared * 2 >= TestScale.Of(Programs), $"Only {compared} programs could be compared, {stalled} with stalls.");
        Assert.True(stalled * 20 > compared, $"Only {stalled} of {compared} programs had stalls.");
    }

    [Fact]
    public void WithCachesNoAnswerBecomesWrong()
    {
        using var runner = new MachineRunner(new MachineOptions());
        for (int i = 0; i < TestScale.Of(Programs); i++)
        {
            var random = Cases.RandomOf(i);
            var script = ProgramGenerator.Next(random);
            for (int saves = random.Next(1, 4); saves > 0; saves--)
            {
                script = With(script, random.Next(1, script.Steps.Count), PlainAction.Restore);
            }

            var difference = runner.Run(script);
            Assert.True(difference is null, $"Program {i} of seed {Cases.Seed}: {difference}\n{script}");
        }
    }

    [Fact]
    public void ADeviceThatForgetsEverythingIsMissed()
    {
        const int Tries = 40;
        int seen = 0;
        for (int i = 0; i < Tries; i++)
        {
            var script = Uncached(i);
            if (Run(script, []) is not { } whole) continue;
            int at = script.Steps.Count / 2;
            var inParts = Run(With(script, at, PlainAction.Reset), [at]);
            if (inParts is null || Record.Exception(() => AssertAlike(whole, inParts, "")) is not null) seen++;
        }

        Assert.True(seen > Tries / 2, $"Only {seen} of {Tries} programs show it.");
    }

    // With room for all stalls: how many of them a port may have is between the host and its clients, and ports are not saved.
    private static Script Uncached(int round)
    {
        var script = ProgramGenerator.Next(Cases.RandomOf(round));
        bool mayStall = script.Features.STALL_MODEL != 1;
        return script with
        {
            CachesEnabled = false,
            Features = mayStall ? script.Features.With(SmmuFeatureField.STALL_MAX, MostStalls) : script.Features,
        };
    }

    private static Script With(Script script, int at, PlainAction action) => script with
    {
        Steps = [.. script.Steps.Take(at), new PlainStep(action), .. script.Steps.Skip(at)],
    };

    /// <summary>What a program shows: what each step did, and how the device is left. Null when the program does not reach its end.</summary>
    /// <param name="script">The program.</param>
    /// <param name="leftOut">Steps that are not to be told of.</param>
    private static Showing? Run(Script script, IReadOnlyCollection<int> leftOut)
    {
        List<string> lines = [];
        uint[] registers = new uint[RegisterBytes / sizeof(uint)];
        byte[]? state = null;
        int step = -1;
        using var runner = new MachineRunner(new MachineOptions { Trace = Hear, AtEnd = Look });
        return runner.Run(script) is null ? new Showing(lines, registers, state!) : null;

        void Hear(string line)
        {
            if (!line.StartsWith(' ')) step++;
            if (!leftOut.Contains(step)) lines.Add(Tags().Replace(line, ""));
        }

        void Look(SmmuDevice device)
        {
            for (int i = 0; i < registers.Length; i++) registers[i] = device.ReadRegister32((uint)i * sizeof(uint));
            state = device.Save();
        }
    }

    private static void AssertAlike(Showing whole, Showing inParts, string name)
    {
        for (int i = 0; i < Math.Max(whole.Answers.Count, inParts.Answers.Count); i++)
        {
            string one = whole.Answers.ElementAtOrDefault(i) ?? "nothing";
            string other = inParts.Answers.ElementAtOrDefault(i) ?? "nothing";
            Assert.True(one == other, $"{name}:\n  {one}\n  {other}");
        }

        for (int i = 0; i < whole.Registers.Length; i++)
        {
            Assert.True(whole.Registers[i] == inParts.Registers[i], $"{name}: register 0x{i * sizeof(uint):x} ends as 0x{whole.Registers[i]:x} and 0x{inParts.Registers[i]:x}");
        }

        if (whole.HasStalls) return;
        Assert.True(whole.State.AsSpan().SequenceEqual(inParts.State), $"{name}: what would be saved at the end differs.");
    }

    // Commands that name a tag outright, and errors that software makes active itself (6.3.20): what follows is left open.
    private static bool IsOpen(Script script) => script.Steps.Any(step => step
        is CommandStep { Command.Opcode: CommandOpcode.Resume } or WriteStep { Offset: RegisterOffset.GERRORN });

    [GeneratedRegex(@" with tag 0x[0-9a-f]+ \[[0-9a-f ]+\]| STAG=[0-9a-fx]+")]
    private static partial Regex Tags();

    private sealed record Showing(IReadOnlyList<string> Answers, uint[] Registers, byte[] State)
    {
        /// <summary>Stalls were retried: several at once, in any order.</summary>
        public bool HasRetries { get; } = Answers.Any(line => line.Contains("retry of", StringComparison.Ordinal));

        public bool HasStalls { get; } = Answers.Any(line => line.Contains("stalled", StringComparison.Ordinal));
    }
}
