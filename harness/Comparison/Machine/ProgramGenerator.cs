using Smmu.Fast.Formats;

namespace Smmu.Fast.Comparison.Machine;

/// <summary>Makes scripts: a legal scene, then a driver, clients and a host who do all that can be done, some of it wrongly.</summary>
internal sealed partial class ProgramGenerator
{
    private const uint QueuesEnabled = 0b1100;
    private const uint AllEnabled = 0b1101;
    private const ulong Scratch = 0x4000_0800;   // Between the queues: messages may go here.
    private const ulong GbpaUpdate = 1UL << 31;

    private readonly Random random;
    private readonly Scene scene;
    private readonly MutationGenerator mutations;
    private readonly SmmuFeatures features;
    private readonly CommandMaker commands;
    private readonly List<ScriptStep> steps = [];
    private readonly Dictionary<ulong, ulong> words;
    private readonly List<(ulong Address, ulong Value)> undo = [];
    private readonly List<ulong> hot = [];
    private readonly int commandLog2;
    private readonly int eventLog2;
    private SceneClient client;

    private ProgramGenerator(Random random)
    {
        this.random = random;
        scene = SceneGenerator.Next(random);
        mutations = new MutationGenerator(scene, random);
        if (!Chance(4)) TellApart();
        features = Features();
        words = new Dictionary<ulong, ulong>(scene.Image.Words);
        client = scene.Clients[0];
        commands = new CommandMaker(random, features, scene, words);
        commandLog2 = random.Next(2, CaseImage.CommandQueueLog2 + 1);
        eventLog2 = Chance(3) ? random.Next(3) : random.Next(3, CaseImage.EventQueueLog2 + 1);
    }

    /// <summary>Makes a script.</summary>
    public static Script Next(Random random)
    {
        var generator = new ProgramGenerator(random);
        generator.Build();
        return new Script(generator.features, !generator.Chance(8), TwinMemory.Stretches, generator.steps);
    }

    /// <summary>The memory of a scene as steps: structures by their fields, all else by words.</summary>
    public static IEnumerable<ScriptStep> ImageOf(CaseImage image)
    {
        var left = new SortedDictionary<ulong, ulong>(image.Words);
        foreach (var place in image.Places)
        {
            bool isContext = place.Kind == PlaceKind.ContextDescriptor;
            if (!isContext && place.Kind != PlaceKind.StreamTableEntry) continue;
            if (StructureAt(place.Address, isContext, address => image.Get(address)) is not { } step) continue;
            for (ulong i = 0; i < 64; i += sizeof(ulong)) left.Remove(place.Address + i);
            if (step.Values.Count != 0) yield return step;
        }

        var run = new List<ulong>();
        ulong first = 0;
        foreach (var (address, value) in left)
        {
            if (run.Count != 0 && (address != first + ((ulong)run.Count * sizeof(ulong)) || run.Count == 8))
            {
                yield return new StoreStep(first, [.. run]);
                run.Clear();
            }

            if (run.Count == 0) first = address;
            if (value != 0) run.Add(value);
            else if (run.Count != 0) run.Add(0);
        }

        if (run.Count != 0) yield return new StoreStep(first, run);
    }

    // Null when the fields do not say it all.
    private static StructureStep? StructureAt(ulong address, bool isContext, Func<ulong, ulong> load)
    {
        var fields = isContext ? ContextDescriptor.Fields : StreamTableEntry.Fields;
        Span<ulong> all = stackalloc ulong[8];
        Span<ulong> said = stackalloc ulong[8];
        for (int i = 0; i < all.Length; i++) all[i] = load(address + ((ulong)i * sizeof(ulong)));
        said.Clear();
        var values = new List<FieldValue>();
        foreach (var field in fields)
        {
            ulong value = field.Get(all);
            if (value == 0 || field.Get(said) == value) continue;
            field.Set(said, value);
            values.Add(new FieldValue(field, value));
        }

        return said.SequenceEqual(all) ? new StructureStep(isContext, address, values) : null;
    }

    private void Build()
    {
        steps.AddRange(ImageOf(scene.Image));
        SetUp();
        NewFocus();
        for (int i = random.Next(12, 60); i > 0; i--) Act();
    }

    // Tags of their own for what scenes leave under one, and something by which an answer for the one is none for the other.
    private void TellApart()
    {
        ushort tag = (ushort)random.Next(100);
        foreach (var place in scene.Image.Places.Where(place => place.Kind == PlaceKind.ContextDescriptor))
        {
            Set(place.Address, 0xffffUL << 48, (ulong)tag++ << 48);
            if (Chance(2)) Set(place.Address + 24, 0xffff_ff00UL, (ulong)random.NextInt64(1L << 32));
            if (Chance(6)) Set(place.Address, 1UL << 14, ulong.MaxValue);
        }

        if (!scene.Features.S2P) return;
        foreach (ulong address in scene.StreamEntries.Values)
        {
            Set(address + 16, 0xffff, tag++);
            if (Chance(6)) Set(address + 24, 1UL << random.Next(13, 20), ulong.MaxValue);
        }

        void Set(ulong address, ulong mask, ulong value) =>
            scene.Image.Set(address, (scene.Image.Get(address) & ~mask) | (value & mask));
    }

    private SmmuFeatures Features()
    {
        var chosen = scene.Features;
        if (chosen.STALL_MODEL != 1 && chosen.STALL_MAX != 0 && !Chance(3)) chosen = chosen.With(SmmuFeatureField.STALL_MAX, (ulong)random.Next(1, 9));
        if (Chance(6)) chosen = chosen.With(SmmuFeatureField.CMDQS, (ulong)random.Next(1, 6));
        if (Chance(6)) chosen = chosen.With(SmmuFeatureField.EVENTQS, (ulong)random.Next(6));
        if (Chance(4)) chosen = chosen.With(SmmuFeatureField.MSI, 0);
        if (Chance(3)) chosen = chosen.With(SmmuFeatureField.SEV, 0);
        if (Chance(3)) chosen = chosen.With(SmmuFeatureField.VMW, 0);
        return chosen.FindContradictions().Count == 0 ? chosen : scene.Features;
    }

    // What a driver does first, and again after it has lost its way.
    private void SetUp()
    {
        Write(RegisterOffset.CR0, 0);
        if (Chance(2))
        {
            Write(RegisterOffset.IRQ_CTRL, 0);
            if (Chance(2)) Wide(RegisterOffset.EVENTQ_IRQ_CFG0, MessageAddress());
            if (Chance(2)) Wide(RegisterOffset.GERROR_IRQ_CFG0, MessageAddress());
            Write(RegisterOffset.EVENTQ_IRQ_CFG1, (ulong)random.Next(1, 1000));
            Write(RegisterOffset.IRQ_CTRL, (ulong)random.Next(8));
        }

        Wide(RegisterOffset.CMDQ_BASE, CaseImage.CommandQueue | (uint)commandLog2 | (Chance(2) ? 1UL << 62 : 0));
        Wide(RegisterOffset.EVENTQ_BASE, CaseImage.EventQueue | (uint)eventLog2);
        ulong start = Chance(3) ? (ulong)random.Next(2 << Math.Min(commandLog2, features.CommandQueueLog2)) : 0;
        Write(RegisterOffset.CMDQ_PROD, start);
        Write(RegisterOffset.CMDQ_CONS, start);
        Write(RegisterOffset.EVENTQ_PROD, 0);
        Write(RegisterOffset.EVENTQ_CONS, 0);
        foreach (var (offset, value) in scene.Registers)
        {
            if (ScriptNames.IsWide(offset)) Wide(offset, value);
            else Write(offset, value);
        }

        steps.Add(new PlainStep(PlainAction.Recover));
        Write(RegisterOffset.CR0, QueuesEnabled);
        Issue([.. commands.Everything(), Command.Sync()]);
        if (scene.IsEnabled || !Chance(3)) Write(RegisterOffset.CR0, AllEnabled | (Chance(6) && features.VMW ? (ulong)random.Next(8) << 6 : 0));
    }

    private void NewFocus()
    {
        client = scene.Clients[Chance(2) ? 0 : random.Next(scene.Clients.Count)];
        hot.Clear();
        for (int i = 0; i < 3; i++) hot.Add(client.Addresses[random.Next(client.Addresses.Count)]);
        hot.Add(Chance(2) ? hot[0] ^ (1UL << random.Next(12, 24)) : client.Addresses[random.Next(client.Addresses.Count)]);
    }

    private void Act()
    {
        switch (random.Next(100))
        {
            case < 50:
                Accesses();
                break;
            case < 58 when scene.Leaves.Count != 0:
                Remap();
                break;
            case < 70:
                Edit();
                break;
            case < 78:
                Commands();
                break;
            case < 82:
                steps.Add(new PlainStep(PlainAction.Consume));
                break;
            case < 88:
                steps.Add(new ResumeStep(Chance(2), (ResumeAnswer)random.Next(3)));
                break;
            case < 90:
                NewFocus();
                break;
            case < 92:
                steps.Add(new PlainStep(PlainAction.Recover));
                break;
            case < 98:
                Registers();
                break;
            default:
                Host();
                break;
        }
    }

    private void Accesses()
    {
        for (int i = random.Next(1, 5); i > 0; i--)
        {
            if (Chance(8)) NewFocus();
            var route = random.Next(10) switch { < 3 => AccessRoute.OneOff, < 6 => AccessRoute.Port, < 9 => AccessRoute.WaitingPort, _ => AccessRoute.Batch };
            int count = route == AccessRoute.Batch ? random.Next(1, 6) : 1;
            steps.Add(new TranslateStep(client.Stream, client.Substream, Kind(), route, [.. Enumerable.Range(0, count).Select(_ => Address())]));
        }
    }

    private AccessKind Kind()
    {
        var kind = random.Next(4) switch { 0 => AccessKind.Write, 1 when Chance(2) => AccessKind.Atomic, _ => AccessKind.Read };
        if (Chance(4)) kind |= AccessKind.Privileged;
        if (Chance(8)) kind |= AccessKind.Instruction;
        return kind;
    }

    private ulong Address()
    {
        ulong address = Chance(5) ? client.Addresses[random.Next(client.Addresses.Count)] : hot[random.Next(hot.Count)];
        return random.Next(30) switch
        {
            0 => address ^ (1UL << random.Next(64)),
            1 => address ^ ((ulong)random.Next(256) << 56),
            2 or 3 => address ^ (ulong)random.Next(0x1_0000),
            _ => address,
        };
    }

    private void Edit()
    {
        bool isUndo = undo.Count != 0 && !Chance(3);
        Mutation? mutation = null;
        if (isUndo)
        {
            var (address, value) = undo[^1];
            undo.RemoveAt(undo.Count - 1);
            mutation = new Mutation("undo", false, address, ulong.MaxValue, value);
        }

        mutation ??= mutations.Next(registersToo: false);
        ulong before = words.GetValueOrDefault(mutation.Address);
        ulong after = mutation.Apply(before);
        if (!isUndo) undo.Add((mutation.Address, before));
        var place = PlaceOf(mutation.Address);
        Store(mutation.Address, before, after, place);
        if (Chance(4)) Accesses();
        Issue(commands.InvalidationOf(place, hot[random.Next(hot.Count)]));
        if (!Chance(3)) Accesses();
    }

    private void Store(ulong address, ulong before, ulong after, Place? place)
    {
        words[address] = after;
        if (place is { Kind: PlaceKind.StreamTableEntry or PlaceKind.ContextDescriptor } structure)
        {
            bool isContext = structure.Kind == PlaceKind.ContextDescriptor;
            var fields = isContext ? ContextDescriptor.Fields : StreamTableEntry.Fields;
            int word = (int)(address - structure.Address) / sizeof(ulong);
            Span<ulong> old = stackalloc ulong[8];
            Span<ulong> wanted = stackalloc ulong[8];
            old.Clear();
            wanted.Clear();
            (old[word], wanted[word]) = (before, after);
            var values = new List<FieldValue>();
            foreach (var field in fields)
            {
                if (field.Get(old) == field.Get(wanted)) continue;
                values.Add(new FieldValue(field, field.Get(wanted)));
                field.Set(old, field.Get(wanted));
            }

            if (values.Count != 0 && old.SequenceEqual(wanted))
            {
                steps.Add(new StructureStep(isContext, structure.Address, values));
                return;
            }
        }

        steps.Add(new StoreStep(address, [after]));
    }

    private Place? PlaceOf(ulong address)
    {
        foreach (var place in scene.Image.Places)
        {
            ulong bytes = place.Kind is PlaceKind.StreamTableEntry or PlaceKind.ContextDescriptor ? 64UL : 8;
            if (address - place.Address < bytes) return place;
        }

        return null;
    }

    private void Issue(IReadOnlyList<Command> issued)
    {
        bool isEach = Chance(2);
        for (int i = 0; i < issued.Count; i++) steps.Add(new CommandStep(issued[i], isEach || i == issued.Count - 1));
    }

    private ulong MessageAddress() => random.Next(6) switch
    {
        0 => CaseImage.Nowhere,
        1 => 0,
        _ => Scratch + ((ulong)random.Next(64) * 4),
    };

    private void Write(uint offset, ulong value) => steps.Add(new WriteStep(offset, (uint)value, IsWide: false));

    private void Wide(uint offset, ulong value) => steps.Add(new WriteStep(offset, value, IsWide: true));

    private bool Chance(int one) => random.Next(one) == 0;
}
