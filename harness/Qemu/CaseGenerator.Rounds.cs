using Smmu.Fast.Formats;

namespace Smmu.Fast.Qemu;

/// <content>Accesses, and what software changes between them.</content>
internal sealed partial class CaseGenerator
{
    private static readonly CommandOpcode[] opcodes = Enum.GetValues<CommandOpcode>();
    private readonly HashSet<ulong> changedSlots = [];
    private bool isEnabled = true;

    private void MakeRounds()
    {
        int rounds = random.Next(2, MostRounds + 1);
        for (int round = 0; round < rounds; round++)
        {
            if (round > 0) MakeChange();
            MakeAccesses();
        }

        if (Chance(12)) MakeCommandMistake();
    }

    private void MakeAccesses()
    {
        int count = random.Next(3, 8);
        for (int i = 0; i < count; i++)
        {
            int device = Chance(97) ? PickFrom([.. entries.Keys]) : random.Next(MachineMap.Streams.Length);
            var context = attached.GetValueOrDefault(device) ?? PickFrom(contexts);
            steps.Add(new AccessStep(device, MakeAddress(device, context) & ~3UL, Chance(45)));
        }
    }

    private ulong MakeAddress(int device, GeneratedContext context)
    {
        // Untranslated, or perhaps so: addresses must not lie below RAM.
        if (!isEnabled || attached.GetValueOrDefault(device) is null) return Chance(90)
            ? MachineMap.Outputs + (ulong)random.NextInt64((long)MachineMap.OutputBytes)
            : MachineMap.Hole | ((ulong)random.Next(1 << 16) << Pick(0, 28, 32, 48));

        var range = context.Lower is { } lower && Chance(98) ? lower : PickFrom([.. context.Ranges]);
        int shape = random.Next(100);
        ulong address = range.Leaves.Count > 0 && shape < 88 ? InLeaf(PickFrom(range.Leaves)) : shape switch
        {
            < 90 => range.First - 4,
            < 92 => range.IsUpper ? range.First : (1UL << (64 - range.SizeOffset)) - 4,
            < 94 => range.IsUpper ? ulong.MaxValue - 7 : 1UL << (64 - range.SizeOffset),
            < 96 => 1UL << random.Next(20, 49),
            < 98 => RandomAddress(range),
            _ => (ulong)random.NextInt64() << 1,
        };
        bool isTagged = range.IsUpper ? context.Descriptor.TBI1 : context.Descriptor.TBI0;
        return Chance(isTagged ? 4 : 1) ? (address & ~(0xffUL << 56)) | ((ulong)random.Next(256) << 56) : address;
    }

    private ulong InLeaf(GeneratedLeaf leaf)
    {
        ulong size = Math.Min(1UL << leaf.SizeLog2, MachineMap.OutputBytes);
        return leaf.Iova + random.Next(6) switch
        {
            0 => 0,
            1 => size - 4,
            2 when leaf.SizeLog2 > 12 => ((ulong)random.NextInt64((long)size) & ~0xfffUL) + (Chance(50) ? 0 : 0xffcUL),
            _ => (ulong)random.NextInt64((long)size),
        };
    }

    private void MakeChange()
    {
        switch (random.Next(16))
        {
            case < 8: ChangeLeaf(); break;
            case 8 or 9: ChangeContext(); break;
            case 10 or 11: ChangeStream(); break;
            case 12 or 13: MakeRandomCommands(); break;
            case 14: Toggle(); break;
            default: break;
        }
    }

    private void ChangeLeaf()
    {
        var context = PickFrom(contexts);
        var range = context.Lower ?? context.Upper!;
        var leaves = range.Leaves.Where(leaf => !leaf.IsContiguous).ToList();
        if (leaves.Count == 0) return;
        var leaf = PickFrom(leaves);
        bool wasInvalid = words.TryGetValue(leaf.Slot, out ulong old) && (old & 1) == 0;
        ulong fresh = random.Next(5) switch
        {
            0 => leaf.Descriptor & ~1UL,
            1 => leaf.Descriptor ^ (1UL << 7),
            2 => leaf.Descriptor,
            _ => MakeLeaf(context, range, leaf.Level),
        };
        var store = new StoreStep(leaf.Slot, fresh, Step.Text($"descriptor of level {leaf.Level} for 0x{leaf.Iova:x}"));

        // Only what was never valid in this case is surely uncached.
        bool needsNothing = wasInvalid && !range.IsBroken && !changedSlots.Contains(leaf.Slot) && (fresh & 1) != 0;
        changedSlots.Add(leaf.Slot);
        Change(
            needsNothing ? "make an invalid descriptor valid" : "change a leaf and invalidate it",
            needsNothing ? [store] : [store, Invalidate(context, range, leaf)]);
    }

    private CommandsStep Invalidate(GeneratedContext context, TableBuilder range, GeneratedLeaf leaf)
    {
        var asid = new Asid(context.Asid);
        var vmid = new Vmid((ushort)random.Next(4));
        ulong inLeaf = (leaf.Iova + (ulong)random.NextInt64(1L << leaf.SizeLog2)) & ~0xfffUL;
        int code = (range.GranuleLog2 - 10) / 2;
        ulong pages = 1UL << (leaf.SizeLog2 - range.GranuleLog2);
        var byLevel = new InvalidationRange((byte)code, 0, 0, (byte)leaf.Level);
        Command command = (range.IsBroken ? 8 : random.Next(9)) switch   // Broken tables may map in several places.
        {
            0 => Command.TlbiNhVa(vmid, asid, inLeaf, leaf: true),
            1 => Command.TlbiNhVaa(vmid, inLeaf, leaf: Chance(50)),
            2 => Command.TlbiNhVa(vmid, asid, inLeaf, leaf: false),
            3 => Command.TlbiNhVa(vmid, asid, leaf.Iova, leaf: true, byLevel),
            4 => Command.TlbiNhVa(vmid, asid, leaf.Iova, leaf: true, RangeOf(pages, code)),
            5 => Command.TlbiNhVaa(vmid, leaf.Iova, leaf: true, RangeOf(pages, code)),
            6 when !context.MayBeGlobal => Command.TlbiNhAsid(vmid, asid),
            7 => Command.TlbiNhAll(vmid),
            _ => Command.TlbiNsnhAll(),
        };
        return new CommandsStep([command, Command.Sync()]);
    }

    // A range that covers a power of two of pages, and perhaps more.
    private InvalidationRange RangeOf(ulong pages, int code)
    {
        int log2 = System.Numerics.BitOperations.Log2(pages);
        int scale = Math.Min(log2, 31);
        int number = random.Next(pages == 1 ? 1 : 0, 32);
        return new InvalidationRange((byte)code, (byte)number, (byte)scale, 0);
    }

    private void ChangeContext()
    {
        var context = PickFrom(contexts);
        var descriptor = MakeDescriptor(context);
        context.Descriptor = descriptor;
        var commands = new List<Command>();
        if (Chance(30)) commands.Add(Command.CfgiAll());
        else
        {
            foreach (int device in entries.Keys) commands.Add(Chance(60)
                ? Command.CfgiCd(MachineMap.Streams[device], leaf: Chance(50))
                : Command.CfgiCdAll(MachineMap.Streams[device]));
        }

        bool byAsid = !context.MayBeGlobal && Chance(50);
        commands.Add(byAsid ? Command.TlbiNhAsid(default, new Asid(context.Asid)) : Command.TlbiNsnhAll());
        commands.Add(Command.Sync());
        Change("change a CD and invalidate it", [.. Stores(context.Address, descriptor), new CommandsStep(commands)]);
    }

    private void ChangeStream()
    {
        int device = PickFrom([.. entries.Keys]);
        entries[device] = MakeEntry(device);
        var stream = MachineMap.Streams[device];
        Command command = random.Next(4) switch
        {
            0 => Command.CfgiSteRange(new StreamId(stream.Value), (byte)random.Next(0, 8)),
            1 => Command.CfgiAll(),
            _ => Command.CfgiSte(stream, leaf: true),
        };
        Change(
            "change an STE and invalidate it",
            [.. Stores(EntryAddress(device), entries[device], device), new CommandsStep([command, Command.Sync()])]);
    }

    private void Toggle()
    {
        isEnabled = !isEnabled;
        var parts = new List<Step> { new RegisterStep(RegisterOffset.CR0, isEnabled ? 0xdu : 0xcu, false, "CR0: SMMUEN") };
        if (!isEnabled && Chance(15)) parts.Add(new RegisterStep(RegisterOffset.GBPA, 0x8010_1000, false, "GBPA: abort"));
        if (isEnabled) parts.Add(new CommandsStep([Command.CfgiAll(), Command.TlbiNsnhAll(), Command.Sync()]));
        Change(isEnabled ? "enable translation" : "disable translation", parts);
    }

    private void MakeRandomCommands()
    {
        int count = random.Next(1, 6);
        var commands = new List<Command>();
        for (int i = 0; i < count; i++) commands.Add(MakeCommand(Pick<CommandOpcode>(
            CommandOpcode.PrefetchConfig, CommandOpcode.PrefetchAddress, CommandOpcode.CfgiSte, CommandOpcode.CfgiSteRange,
            CommandOpcode.CfgiCd, CommandOpcode.CfgiCdAll, CommandOpcode.TlbiNhAll, CommandOpcode.TlbiNhAsid,
            CommandOpcode.TlbiNhVa, CommandOpcode.TlbiNhVaa, CommandOpcode.TlbiNsnhAll, CommandOpcode.Sync)));
        commands.Add(Command.Sync());
        Change("commands that change nothing", [new CommandsStep(commands), new RecoverStep()]);
    }

    private void MakeCommandMistake()
    {
        if (Chance(15))
        {
            const uint Log2 = 6;
            Change(
                "a Command queue where nothing is",
                [
                    new RegisterStep(RegisterOffset.CR0, 5, false, "CR0: CMDQEN off"),
                    new RegisterStep(RegisterOffset.CMDQ_BASE, MachineMap.Hole | Log2, true, "CMDQ_BASE"),
                    new RegisterStep(RegisterOffset.CMDQ_CONS, 0, false, "CMDQ_CONS"),
                    new RegisterStep(RegisterOffset.CMDQ_PROD, 3, false, "CMDQ_PROD"),
                    new RegisterStep(RegisterOffset.CR0, 0xd, false, "CR0"),
                ]);
            return;
        }

        var commands = new List<Command>();
        for (int i = random.Next(1, 4); i > 0; i--) commands.Add(MakeCommand(Chance(80)
            ? PickFrom(opcodes)
            : (CommandOpcode)random.Next(256)));
        commands.Add(Command.Sync());
        Change("commands, some of them illegal", [new CommandsStep(commands), new RecoverStep()]);
        MakeAccesses();
    }

    private Command MakeCommand(CommandOpcode opcode)
    {
        ulong word0 = (ulong)random.NextInt64() << 1;
        ulong word1 = (ulong)random.NextInt64() << 1;
        if (Chance(70)) word0 &= ~(0xfc00UL);                                // Without SSec and what is beside it.
        if (Chance(60)) word1 &= ~0xfffUL;                                   // A plain address.
        if (opcode == CommandOpcode.Sync && Chance(90)) word0 &= ~(1UL << 13);   // CS of 0b11 is reserved.
        return new Command((word0 & ~0xffUL) | (byte)opcode, word1);
    }

    private void Change(string title, IReadOnlyList<Step> parts) => steps.Add(new ChangeStep(title, parts));

    private static IEnumerable<Step> Stores(ulong address, ContextDescriptor descriptor)
    {
        var parts = new ulong[8];
        descriptor.CopyTo(parts);
        return parts.Select((part, i) => new StoreStep(address + ((ulong)i * 8), part, $"CD, word {i}"));
    }

    private static IEnumerable<Step> Stores(ulong address, StreamTableEntry entry, int device)
    {
        var parts = new ulong[8];
        entry.CopyTo(parts);
        return parts.Select((part, i) => new StoreStep(
            address + ((ulong)i * 8), part, Step.Text($"STE of stream 0x{MachineMap.Streams[device].Value:x}, word {i}")));
    }
}
