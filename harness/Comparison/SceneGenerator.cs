using Smmu.Fast.Formats;

namespace Smmu.Fast.Comparison;

/// <summary>Makes scenes. Everything that a driver sets up in them is legal; what is not is a matter of mutations.</summary>
internal sealed partial class SceneGenerator
{
    private readonly Random random;
    private readonly SmmuFeatures features;
    private readonly Scene scene;
    private readonly StageGenerator stages;
    private readonly bool e2h;
    private Intermediate? intermediate;
    private bool hasFailed;

    private SceneGenerator(Random random, SmmuFeatures features)
    {
        (this.random, this.features) = (random, features);
        scene = new Scene(features);
        stages = new StageGenerator(scene, random);
        e2h = features.Hyp && Chance(2);
    }

    /// <summary>Makes a scene.</summary>
    public static Scene Next(Random random)
    {
        while (true)
        {
            var generator = new SceneGenerator(random, FeatureGenerator.Next(random));
            generator.Build();
            if (!generator.hasFailed) return generator.scene;
        }
    }

    private CaseImage Image => scene.Image;

    private void Build()
    {
        const uint WriteBackInnerShareable = 0xd75;
        scene.Registers.Add(new RegisterValue(RegisterOffset.CR1, WriteBackInnerShareable));
        scene.Registers.Add(new RegisterValue(RegisterOffset.CR2, (e2h ? 1UL : 0) | (Chance(4) ? 0UL : 2)));
        if (Chance(3)) scene.Registers.Add(new RegisterValue(RegisterOffset.GBPA, (1UL << 31) | GlobalBypass()));
        scene.IsEnabled = !Chance(40);

        var streams = StreamTable();
        var entry = Translating(streams[0]);
        if (hasFailed) return;
        Store(streams[0], entry);
        if (streams.Count == 1) return;

        Store(streams[1], Other(entry));
        scene.Clients.Add(new SceneClient(streams[1], null, scene.Clients[0].Addresses));
        if (!Chance(3)) return;
        uint stranger = (uint)random.NextInt64(1L << Math.Min(32, features.StreamIdBits + 1));
        scene.Clients.Add(new SceneClient(stranger, Chance(2) ? 0 : null, scene.Clients[0].Addresses));
    }

    private ulong GlobalBypass() => (ulong)random.Next(1 << 20) & 0xf_3f1f | (Chance(4) ? 1UL << 20 : 0);

    private void Store(uint stream, StreamTableEntry entry)
    {
        Span<ulong> words = stackalloc ulong[8];
        entry.CopyTo(words);
        Image.Set(scene.StreamEntries[stream], words);
        Image.Places.Add(new Place(PlaceKind.StreamTableEntry, scene.StreamEntries[stream]));
        scene.Notes.Add($"stream 0x{stream:x}, STE at 0x{scene.StreamEntries[stream]:x}: {entry}");
    }

    // The second stream: passes, is aborted, is invalid, or skips stage 1.
    private StreamTableEntry Other(StreamTableEntry entry) => random.Next(5) switch
    {
        0 => entry.With(StreamTableEntryField.Config, 0b100),
        1 => entry.With(StreamTableEntryField.Config, (ulong)random.Next(4)),
        2 => entry.With(StreamTableEntryField.V, 0),
        3 => entry.With(StreamTableEntryField.Config, features.S2P && intermediate is not null ? 0b110UL : 0b100),
        _ => entry.With(StreamTableEntryField.S1DSS, (ulong)random.Next(4)),
    };

    private List<uint> StreamTable()
    {
        bool isTwoLevel = features.ST_LEVEL != 0 && Chance(2);
        int log2Size = isTwoLevel
            ? random.Next(7, Math.Min(14, features.StreamIdBits) + 1)
            : Math.Min(random.Next(9), features.StreamIdBits);
        uint count = 1u << log2Size;
        var streams = new List<uint> { (uint)random.NextInt64(count) };
        if (count > 1) streams.Add(streams[0] ^ (uint)random.NextInt64(1, count));

        int split = 6 + (2 * random.Next(3));
        ulong bytes = isTwoLevel ? 8UL << Math.Max(0, log2Size - split) : 64UL << log2Size;
        ulong table = Take(Math.Max(64, bytes), Math.Max(64, bytes));
        scene.Registers.Add(new RegisterValue(RegisterOffset.STRTAB_BASE, table | (Chance(2) ? 1UL << 62 : 0)));
        scene.Registers.Add(new RegisterValue(
            RegisterOffset.STRTAB_BASE_CFG, (uint)log2Size | (isTwoLevel ? (1UL << 16) | ((ulong)split << 6) : 0)));
        foreach (uint stream in streams)
        {
            scene.StreamEntries[stream] = isTwoLevel ? SecondLevel(table, stream, split) : table + (stream * 64UL);
        }

        return streams;
    }

    private ulong SecondLevel(ulong table, uint stream, int split)
    {
        ulong slot = table + ((stream >> split) * 8UL);
        uint index = stream & ((1u << split) - 1);
        if (Image.Get(slot) == 0)
        {
            int indexBits = 32 - System.Numerics.BitOperations.LeadingZeroCount(index);
            int span = 1 + (Chance(2) ? split : Math.Min(split, indexBits));
            ulong bytes = 64UL << (span - 1);
            Image.Set(slot, Take(bytes, bytes) | (uint)span);
            Image.Places.Add(new Place(PlaceKind.Level1StreamTableDescriptor, slot));
        }

        return (Image.Get(slot) & ~0x3fUL) + (index * 64UL);
    }

    private ulong Take(ulong bytes, ulong alignment)
    {
        ulong? address = Image.Allocate(random, bytes, alignment, features.OutputAddressBits);
        hasFailed |= address is null;
        return address ?? CaseImage.Window.Base;
    }

    private bool Chance(int one) => random.Next(one) == 0;

    private ulong Below(int values) => (ulong)random.Next(values);
}
