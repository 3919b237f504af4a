using System.Buffers.Binary;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Comparison.Machine;

internal sealed partial class ProgramGenerator
{
    // A leaf is used, changed and invalidated by exactly what is due for it, and used again.
    private void Remap()
    {
        var leaf = scene.Leaves[random.Next(scene.Leaves.Count)];
        var first = scene.Clients[0];
        ulong size = 1UL << leaf.SizeLog2;
        ulong address = leaf.Input + ((ulong)random.NextInt64() & (size - 1));
        ulong used = leaf.IsStage2 && scene.Leaves.Exists(other => !other.IsStage2) ? hot[random.Next(hot.Count)] : address;
        Use(first, used);
        if (Chance(2)) Use(first, leaf.IsStage2 ? hot[random.Next(hot.Count)] : address ^ (1UL << random.Next(12, Math.Max(13, leaf.SizeLog2))));

        ulong before = words.GetValueOrDefault(leaf.Descriptor);
        ulong change = random.Next(5) switch
        {
            0 => 1,
            1 => (ulong)random.Next(1, 4) << 6,
            2 => 1UL << 10,
            3 => 1UL << 11,
            _ => 1UL << random.Next(Math.Min(leaf.SizeLog2, 46), 47),
        };
        if (IsBigEndian(leaf.Descriptor)) change = BinaryPrimitives.ReverseEndianness(change);
        steps.Add(new StoreStep(leaf.Descriptor, [before ^ change]));
        words[leaf.Descriptor] = before ^ change;
        if (Chance(4)) Use(first, used);
        Issue([.. commands.ExactInvalidationOf(leaf, first.Stream, address), Command.Sync()]);
        Use(first, used);
        if (scene.Clients.Count > 1 && Chance(2)) Use(scene.Clients[1], used);
        if (Chance(3)) return;
        steps.Add(new StoreStep(leaf.Descriptor, [before]));
        words[leaf.Descriptor] = before;
        if (!Chance(3)) Issue([.. commands.ExactInvalidationOf(leaf, first.Stream, address), Command.Sync()]);
        Use(first, used);
    }

    private void Use(SceneClient who, ulong address)
    {
        var route = Chance(3) ? AccessRoute.OneOff : AccessRoute.Port;
        var kind = Chance(4) ? Kind() : AccessKind.Read | AccessKind.Privileged;
        steps.Add(new TranslateStep(who.Stream, who.Substream, kind, route, [address]));
    }

    private bool IsBigEndian(ulong descriptor) => scene.Image.Places.Exists(place => place.Address == descriptor && place.IsBigEndian);
}
