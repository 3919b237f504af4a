using Smmu.Fast.Formats;

namespace Smmu.Fast.Comparison.Machine;

/// <summary>Changes scripts that have reached something, so that they may reach more.</summary>
internal sealed class ScriptMutator(Random random)
{
    private const int MostSteps = 400;

    /// <summary>Changes a script.</summary>
    /// <param name="script">A script.</param>
    /// <param name="other">Another one, whose steps may come in.</param>
    public Script Mutate(Script script, Script other)
    {
        var steps = script.Steps.ToList();
        for (int i = random.Next(1, 6); i > 0 && steps.Count != 0; i--)
        {
            int at = random.Next(steps.Count);
            switch (random.Next(9))
            {
                case 0:
                    steps.RemoveAt(at);
                    break;
                case 1:
                    steps.Insert(random.Next(steps.Count), steps[at]);
                    break;
                case 2:
                    int to = random.Next(steps.Count);
                    (steps[at], steps[to]) = (steps[to], steps[at]);
                    break;
                case 3 when other.Steps.Count != 0:
                    int from = random.Next(other.Steps.Count);
                    steps.InsertRange(at, other.Steps.Skip(from).Take(random.Next(1, 6)).Where(Fits));
                    break;
                case 4:
                    steps.Insert(at, new PlainStep((PlainAction)random.Next(5)));
                    break;
                default:
                    steps[at] = Change(steps[at]);
                    break;
            }
        }

        bool cached = random.Next(20) == 0 ? !script.CachesEnabled : script.CachesEnabled;
        return script with { CachesEnabled = cached, Steps = steps.Count > MostSteps ? steps[..MostSteps] : steps };

        // Where their memory is another one, stores of the one script make no sense in the other.
        bool Fits(ScriptStep step) => step is not (StoreStep or StructureStep) || script.Memory.SequenceEqual(other.Memory);
    }

    private ScriptStep Change(ScriptStep step) => step switch
    {
        StoreStep store => store with { Words = [.. Change(store.Words)] },
        StructureStep structure => structure with { Values = [.. Change(structure.Values)] },
        WriteStep write => write with { Value = Limit(Flip(write.Value), write.IsWide) },
        CommandStep command => command with { Command = Change(command.Command), Publishes = command.Publishes || random.Next(2) == 0 },
        TranslateStep access => Change(access),
        ResumeStep resume => resume with { Answer = (ResumeAnswer)random.Next(3) },
        _ => step,
    };

    private TranslateStep Change(TranslateStep access) => random.Next(4) switch
    {
        0 => access with { Addresses = [.. Change(access.Addresses)] },
        1 => access with { Kind = access.Kind ^ (random.Next(2) == 0 ? AccessKind.Privileged : AccessKind.Instruction) },
        2 => access with { Kind = (access.Kind & ~AccessKind.Atomic) | (AccessKind)random.Next(1, 4) },
        _ when access.Addresses.Count == 1 => access with { Route = (AccessRoute)random.Next(4) },
        _ => access,
    };

    private Command Change(Command command) => random.Next(3) switch
    {
        0 => new Command(command.Word0 ^ (1UL << random.Next(64)), command.Word1),
        1 => new Command(command.Word0, command.Word1 ^ (1UL << random.Next(64))),
        _ => new Command((command.Word0 & ~0xffUL) | (uint)random.Next(0x50), command.Word1),
    };

    private IEnumerable<ulong> Change(IReadOnlyList<ulong> values)
    {
        int at = random.Next(values.Count);
        return values.Select((value, index) => index == at ? Flip(value) : value);
    }

    private IEnumerable<FieldValue> Change(IReadOnlyList<FieldValue> values)
    {
        int at = random.Next(values.Count);
        return values.Select((value, index) => index == at ? Change(value) : value);
    }

    private FieldValue Change(FieldValue value)
    {
        int bit = random.Next(value.Field.High - value.Field.Low + 1) + (value.Field.IsAddress ? value.Field.Low & 63 : 0);
        return value with { Value = value.Value ^ (1UL << bit) };
    }

    private ulong Flip(ulong value) => random.Next(6) switch
    {
        0 => value + 1,
        1 => value - 1,
        2 => 0,
        _ => value ^ (1UL << random.Next(64)),
    };

    private static ulong Limit(ulong value, bool isWide) => isWide ? value : (uint)value;
}
