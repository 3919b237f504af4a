using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Props.Caching;

/// <summary>Two address spaces of one group, a stream and a port for each, and one mapping that changes.</summary>
internal sealed class InvalidationScene : IDisposable
{
    private const ulong LeafBits = (1UL << 10) | (0b11UL << 8) | (1UL << 6);
    private const ulong NotGlobal = 1UL << 11;

    private readonly GuestMachine machine = new(TwinWorld.Features);
    private readonly TablePool pool;
    private readonly GroupState group;
    private readonly DmaPort[] ports = new DmaPort[2];
    private readonly DmaBus bus;

    public InvalidationScene(StreamWorld world, HalfShape half)
    {
        pool = new TablePool(machine);
        var shape = new GroupShape(world, (ushort)(world == StreamWorld.NonSecureEl1 ? 5 : 0), Aset: false, IpsCode: 5, half, half, 2);
        group = new GroupState(shape);
        machine.SetUpStreamTable();
        for (int i = 0; i < 2; i++)
        {
            group.Spaces.Add(new SpaceState(group, i, (ushort)(0x101 + i), pool));
            var stream = new StreamState((uint)i, machine.Allocate(256, 256)) { Contexts = { [0] = group.Spaces[i] } };
            machine.SetContext(stream.ContextAddress(0), group.Spaces[i].Descriptor());
            machine.SetStream((uint)i, stream.Entry());
            ports[i] = machine.Smmu.OpenPort(stream.Id);
        }

        bus = machine.Smmu.OpenBus();
        machine.SetUpCommandQueue();
        machine.SetUpEventQueue();
        machine.Write(RegisterOffset.CR2, world == StreamWorld.NonSecureEl2E2h ? 1u : 0);
        machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);
    }

    /// <summary>Geometry and tags.</summary>
    public GroupShape Shape => group.Shape;

    /// <summary>ASID of the space whose mapping changes.</summary>
    public ushort Asid => group.Spaces[0].Asid;

    /// <summary>Maps a leaf, uses it, changes what it leads to, invalidates, and uses it again.</summary>
    /// <param name="target">Which leaf, and which descriptor on the way to it changes.</param>
    /// <param name="command">Supposed to be enough.</param>
    public void Check(InvalidationTarget target, Command command)
    {
        int sizeLog2 = Tree(0, target).Shape.EntryLog2(target.Level);
        ulong before = 4UL << sizeLog2;
        ulong after = 6UL << sizeLog2;
        Map(target, before);
        Expect(target, before, "before the change");

        Change(target, after);
        Expect(target, before, "without an invalidation: nothing was cached");

        machine.SubmitAndSync(command);
        Assert.True(machine.IsCommandQueueEmpty, $"{command} was refused.");
        Expect(target, after, $"after {command}");

        foreach (int space in SpacesOf(target)) Tree(space, target).Set(target.Place, 1, 0);
        machine.SubmitAndSync(Command.TlbiNsnhAll(), Command.TlbiEl2All());
        pool.FreeRetired();
    }

    /// <summary>First address of the leaf.</summary>
    public ulong AddressOf(InvalidationTarget target)
    {
        var tree = Tree(0, target);
        int sizeLog2 = tree.Shape.EntryLog2(target.Level);
        return tree.AddressOf(target.Place) >> sizeLog2 << sizeLog2;
    }

    public void Dispose() => machine.Dispose();

    private void Map(InvalidationTarget target, ulong output)
    {
        ulong descriptor = output | LeafBits | (target.IsGlobal ? 0 : NotGlobal) | (target.Level == 3 ? 0b11UL : 0b01);
        foreach (int space in SpacesOf(target)) Tree(space, target).Set(target.Place, target.Level, descriptor);
    }

    // A table that is replaced keeps its old leaf, so that a walk from it would find that.
    private void Change(InvalidationTarget target, ulong output)
    {
        if (target.ChangedLevel != target.Level)
        {
            foreach (int space in SpacesOf(target)) Tree(space, target).Set(target.Place, target.ChangedLevel, 0);
        }

        Map(target, output);
    }

    private void Expect(InvalidationTarget target, ulong output, string when)
    {
        ulong first = AddressOf(target);
        ulong last = (1UL << Tree(0, target).Shape.EntryLog2(target.Level)) - 1;
        foreach (int space in SpacesOf(target))
        {
            foreach (ulong offset in (ulong[])[0, last])
            {
                var byPort = ports[space].Translate(first + offset, AccessKind.Read);
                var oneOff = machine.Smmu.Translate(new StreamId((uint)space), null, first + offset, AccessKind.Read);
                Assert.True(byPort.Address.Value == output + offset, $"{target}, {when}, by a port: {byPort.Address} {byPort.Event}");
                var byBus = bus.Translate(new StreamId((uint)space), null, first + offset, AccessKind.Read);
                Assert.True(byBus.Address.Value == output + offset, $"{target}, {when}, by a bus: {byBus.Address} {byBus.Event}");
                Assert.True(oneOff.Address.Value == output + offset, $"{target}, {when}: {oneOff.Address} {oneOff.Event}");
            }
        }
    }

    private TableTree Tree(int space, InvalidationTarget target) => group.Spaces[space].Half(target.IsUpper);

    private static int[] SpacesOf(InvalidationTarget target) => target.IsGlobal ? [0, 1] : [0];
}

/// <summary>A leaf and the descriptor that changes.</summary>
/// <param name="IsUpper">Of TTB1.</param>
/// <param name="Place">Where.</param>
/// <param name="Level">Level of the leaf.</param>
/// <param name="ChangedLevel">Level of the descriptor that changes: the leaf, or a table above it.</param>
/// <param name="IsGlobal">nG = 0.</param>
internal readonly record struct InvalidationTarget(bool IsUpper, int Place, int Level, int ChangedLevel, bool IsGlobal);
