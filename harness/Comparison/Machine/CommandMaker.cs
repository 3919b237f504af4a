using Smmu.Fast.Formats;

namespace Smmu.Fast.Comparison.Machine;

/// <summary>Makes commands that have to do with a scene: invalidations of what was changed, and others.</summary>
internal sealed class CommandMaker(Random random, SmmuFeatures features, Scene scene, IReadOnlyDictionary<ulong, ulong> words)
{
    private static readonly CommandOpcode[] Opcodes =
        [.. Enum.GetValues<CommandOpcode>().Where(opcode => new Command((ulong)opcode, 0).IsDefined)];

    private uint Stream => scene.Clients[random.Next(scene.Clients.Count)].Stream;

    /// <summary>What makes an SMMU forget all it knows, but for the CMD_SYNC.</summary>
    public IReadOnlyList<Command> Everything()
    {
        var issued = new List<Command> { Command.CfgiAll(), Command.TlbiNsnhAll() };
        if (features.Hyp) issued.Add(Command.TlbiEl2All());
        return issued;
    }

    /// <summary>What a driver issues after a change: the right thing, too little, or nothing.</summary>
    /// <param name="place">What was changed; null when nobody knows.</param>
    /// <param name="address">An address that clients use.</param>
    public IReadOnlyList<Command> InvalidationOf(Place? place, ulong address)
    {
        int choice = random.Next(8);
        if (choice == 0) return [];
        var issued = new List<Command>();
        if (choice <= 2 || place is null) issued.AddRange(Everything());
        else issued.AddRange(ScopedInvalidationOf(place.Value, address));
        if (choice == 7 && issued.Count > 1) issued.RemoveAt(random.Next(issued.Count));
        if (random.Next(8) != 0) issued.Add(Command.Sync());
        return issued;
    }

    /// <summary>The least that is due after a change of a leaf, in one of its forms.</summary>
    /// <param name="leaf">The leaf.</param>
    /// <param name="stream">A stream that uses it.</param>
    /// <param name="address">An address that it maps.</param>
    public IReadOnlyList<Command> ExactInvalidationOf(SceneLeaf leaf, uint stream, ulong address)
    {
        var vmid = VmidOf(stream);
        ulong page = address & ~0xfffUL;
        if (leaf.IsStage2)
        {
            var issued = new List<Command> { Command.TlbiS2Ipa(vmid, page & ((1UL << 52) - 1), random.Next(2) == 0) };
            if (features.S1P) issued.Add(random.Next(2) == 0 ? Command.TlbiNhAll(vmid) : Command.TlbiNhVaa(vmid, 0, false, new InvalidationRange(1, 31, 31, 0)));
            return issued;
        }

        bool isEl2 = features.Hyp && (words.GetValueOrDefault(scene.StreamEntries[stream] + 8) >> 30 & 3) == 2;
        var asid = AsidOf(scene.Image.Places.Find(place => place.Kind == PlaceKind.ContextDescriptor).Address);
        bool isLeaf = random.Next(2) == 0;
        return random.Next(4) switch
        {
            0 => [isEl2 ? Command.TlbiEl2Vaa(page, isLeaf) : Command.TlbiNhVaa(vmid, page, isLeaf)],
            1 => [isEl2 ? Command.TlbiEl2Asid(asid) : Command.TlbiNhAsid(vmid, asid)],
            2 => [isEl2 ? Command.TlbiEl2All() : Command.TlbiNhAll(vmid)],
            _ => [isEl2 ? Command.TlbiEl2Va(asid, page, isLeaf) : Command.TlbiNhVa(vmid, asid, page, isLeaf)],
        };
    }

    /// <summary>A CMD_SYNC that signals its completion somehow.</summary>
    public Command Sync(ulong address) => random.Next(5) switch
    {
        0 => Command.Sync(CompletionSignal.Event),
        1 => Command.SyncWithMsi(new PhysicalAddress(address & ~3UL), (uint)random.Next()),
        2 => Command.Sync(CompletionSignal.Interrupt),
        _ => Command.Sync(),
    };

    /// <summary>Any command: legal, nearly legal, or garbage.</summary>
    public Command Any()
    {
        if (random.Next(20) == 0) return new Command((ulong)random.NextInt64(), (ulong)random.NextInt64());
        var opcode = Opcodes[random.Next(Opcodes.Length)];
        Span<ulong> bits = [(ulong)opcode, 0];
        foreach (var field in new Command((ulong)opcode, 0).Fields) Set(bits, field, ValueOf(field));
        if (random.Next(6) == 0) bits[random.Next(2)] ^= 1UL << random.Next(64);
        return new Command(bits[0], bits[1]);
    }

    private IEnumerable<Command> ScopedInvalidationOf(Place place, ulong address)
    {
        uint stream = Stream;
        var vmid = VmidOf(stream);
        var asid = AsidOfAny();
        bool isLeaf = random.Next(2) == 0;
        switch (place.Kind)
        {
            case PlaceKind.StreamTableEntry or PlaceKind.Level1StreamTableDescriptor:
                foreach (var pair in scene.StreamEntries)
                {
                    if (pair.Value == place.Address) stream = pair.Key;
                }

                yield return random.Next(3) == 0
                    ? Command.CfgiSteRange(new StreamId(stream), (byte)random.Next(32))
                    : Command.CfgiSte(new StreamId(stream), isLeaf);
                if (features.S2P && random.Next(2) == 0) yield return Command.TlbiS12Vmall(VmidOf(stream));
                else if (random.Next(4) != 0) yield return Command.TlbiNsnhAll();
                if (features.Hyp && random.Next(2) == 0) yield return Command.TlbiEl2All();
                break;
            case PlaceKind.ContextDescriptor or PlaceKind.Level1ContextDescriptor when features.S1P:
                uint substream = scene.Clients[random.Next(scene.Clients.Count)].Substream ?? 0;
                yield return random.Next(3) switch
                {
                    0 => Command.CfgiCdAll(new StreamId(stream)),
                    1 => Command.CfgiSte(new StreamId(stream), leaf: true),
                    _ => Command.CfgiCd(new StreamId(stream), new SubstreamId(substream), isLeaf),
                };
                if (random.Next(4) != 0) yield return Stage1(vmid, asid, address, isLeaf: false);
                break;
            case PlaceKind.Stage2Descriptor when features.S2P:
                if (random.Next(2) == 0)
                {
                    yield return Command.TlbiS12Vmall(vmid);
                    break;
                }

                ulong intermediate = (random.Next(2) == 0 ? address : (ulong)random.NextInt64(1L << 48)) & ~0xfffUL & ((1UL << 52) - 1);
                yield return Command.TlbiS2Ipa(vmid, intermediate, isLeaf, Range());
                if (random.Next(2) == 0) yield return Command.TlbiS2Ipa(vmid, 0, leaf: false, new InvalidationRange(1, 31, 31, 0));
                if (features.S1P) yield return Command.TlbiNhAll(vmid);
                if (random.Next(2) == 0) yield return Command.CfgiAll();
                break;
            default:
                yield return Stage1(vmid, asid, address, isLeaf && place.Level == 3 && !place.IsTable);
                break;
        }
    }

    private Command Stage1(Vmid vmid, Asid asid, ulong address, bool isLeaf)
    {
        if (!features.S1P) return Command.TlbiNsnhAll();
        address &= ~0xfffUL;
        bool isEl2 = features.Hyp && random.Next(4) == 0;
        return random.Next(5) switch
        {
            0 => isEl2 ? Command.TlbiEl2Asid(asid) : Command.TlbiNhAsid(vmid, asid),
            1 => isEl2 ? Command.TlbiEl2All() : Command.TlbiNhAll(vmid),
            2 => isEl2 ? Command.TlbiEl2Vaa(address, isLeaf, Range()) : Command.TlbiNhVaa(vmid, address, isLeaf, Range()),
            _ => isEl2 ? Command.TlbiEl2Va(asid, address, isLeaf, Range()) : Command.TlbiNhVa(vmid, asid, address, isLeaf, Range()),
        };
    }

    private InvalidationRange Range()
    {
        if (!features.RIL || random.Next(2) == 0) return default;
        int scale = random.Next(3) == 0 ? random.Next(32) : random.Next(4);
        return new InvalidationRange((byte)random.Next(1, 4), (byte)random.Next(1, 32), (byte)scale, (byte)random.Next(4));
    }

    private ulong ValueOf(StructureField field)
    {
        ulong most = (1UL << Math.Min(63, field.High - field.Low + 1)) - 1;
        switch (field.Name)
        {
            case "StreamID":
                return random.Next(4) == 0 ? (ulong)random.NextInt64() & most : Stream;
            case "SubstreamID":
                return scene.Clients[random.Next(scene.Clients.Count)].Substream ?? (uint)random.Next(4);
            case "VMID":
                return random.Next(4) == 0 ? (ulong)random.Next(0x1_0000) : VmidOf(Stream).Value;
            case "ASID":
                return AsidOfAny().Value;
            case "Address":
                var client = scene.Clients[random.Next(scene.Clients.Count)];
                return client.Addresses[random.Next(client.Addresses.Count)];
            case "MSIAddress":
                return random.Next(4) switch { 0 => 0, 1 => CaseImage.Nowhere, _ => CaseImage.CommandQueue + 0x800 + ((ulong)random.Next(64) * 4) };
            case "SSec":
                return random.Next(12) == 0 ? 1UL : 0;
            case "CS":
                return random.Next(12) == 0 ? 3UL : (ulong)random.Next(3);
            case "TG" or "NUM" or "SCALE":
                return random.Next(2) == 0 ? 0 : (ulong)random.NextInt64() & most;
            default:
                return (ulong)random.NextInt64() & most;
        }
    }

    private static void Set(Span<ulong> bits, StructureField field, ulong value)
    {
        int low = field.Low & 63;
        ulong mask = (field.High - field.Low == 63 ? ulong.MaxValue : (1UL << (field.High - field.Low + 1)) - 1) << low;
        ulong placed = field.IsAddress ? value : value << low;
        bits[field.Low >> 6] = (bits[field.Low >> 6] & ~mask) | (placed & mask);
    }

    private Vmid VmidOf(uint stream) => new(scene.StreamEntries.TryGetValue(stream, out ulong entry)
        ? (ushort)words.GetValueOrDefault(entry + 16) : (ushort)random.Next(4));

    private Asid AsidOfAny()
    {
        var contexts = scene.Image.Places.Where(place => place.Kind == PlaceKind.ContextDescriptor).ToList();
        if (contexts.Count == 0) return new Asid((ushort)random.Next(4));
        return AsidOf(contexts[random.Next(contexts.Count)].Address);
    }

    private Asid AsidOf(ulong context) => new((ushort)(words.GetValueOrDefault(context) >> 48));
}
