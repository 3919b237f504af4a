using Smmu.Fast.Comparison.Machine;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Comparison.Fuzzing;

/// <summary>Writes a single scene as a script.</summary>
internal static class SceneScript
{
    private const uint QueuesEnabled = 0b1100;

    public static Script Of(OracleCase scene)
    {
        var steps = new List<ScriptStep>(ProgramGenerator.ImageOf(scene.Scene.Image));
        var words = new Dictionary<ulong, ulong>(scene.Scene.Image.Words);
        foreach (var mutation in scene.Mutations.Where(mutation => !mutation.IsRegister)) Store(mutation);

        Write(RegisterOffset.CMDQ_BASE, CaseImage.CommandQueue | CaseImage.CommandQueueLog2);
        Write(RegisterOffset.EVENTQ_BASE, CaseImage.EventQueue | CaseImage.EventQueueLog2);
        foreach (var register in scene.Scene.Registers)
        {
            Write(register.Offset, scene.Mutations.Where(mutation => mutation.IsRegister && mutation.Address == register.Offset)
                .Aggregate(register.Value, (value, mutation) => mutation.Apply(value)));
        }

        Write(RegisterOffset.CR0, QueuesEnabled | (scene.Scene.IsEnabled ? 1u : 0));
        foreach (var step in scene.Steps)
        {
            if (step is AccessStep access)
            {
                steps.Add(new TranslateStep(
                    access.Stream, access.Substream, access.Kind, access.ByPort ? AccessRoute.Port : AccessRoute.OneOff, [access.Address]));
                continue;
            }

            Store(((EditStep)step).Mutation);
            steps.Add(new CommandStep(Command.CfgiAll(), Publishes: false));
            steps.Add(new CommandStep(Command.TlbiNsnhAll(), Publishes: false));
            if (scene.Scene.Features.Hyp) steps.Add(new CommandStep(Command.TlbiEl2All(), Publishes: false));
            steps.Add(new CommandStep(Command.Sync(), Publishes: true));
        }

        return new Script(scene.Scene.Features, scene.CachesEnabled, TwinMemory.Stretches, steps);

        void Store(Mutation mutation)
        {
            ulong value = mutation.Apply(words.GetValueOrDefault(mutation.Address));
            words[mutation.Address] = value;
            steps.Add(new StoreStep(mutation.Address, [value]));
        }

        void Write(uint offset, ulong value)
        {
            bool isWide = ScriptNames.IsWide(offset);
            steps.Add(new WriteStep(offset, isWide ? value : (uint)value, isWide));
        }
    }
}
