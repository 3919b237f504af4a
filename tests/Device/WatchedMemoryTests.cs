using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Tests.Device;

/// <summary>What devices store by DMA is seen by whoever watches the memory, however warm the port is.</summary>
public class WatchedMemoryTests
{
    private const ulong Iova = 0x20_0000;

    [Fact]
    public void AWarmPortMarksThePagesItWritesFromTheBeginningOfTheWatch()
    {
        using var machine = new GuestMachine();
        machine.Start();
        var space = new Stage1Space(machine, asid: 5);
        ulong page = machine.Allocate(4096);
        space.Map(Iova, page);
        machine.AttachStage1(3, space);
        using var port = machine.Smmu.OpenPort(new StreamId(3));
        for (int i = 0; i < 3; i++) Assert.True(port.Write(Iova, [1, 2, 3, 4, 5, 6, 7, 8]));

        ulong[] marks = new ulong[machine.RamRegion.DirtyBitmapWords];
        int index = (int)((page - GuestMachine.RamBase) / 4096);
        machine.Memory.Watch(machine.RamRegion);
        Assert.Equal(0, machine.Memory.HarvestDirty(machine.RamRegion, marks));
        for (int i = 0; i < 2; i++)
        {
            Assert.True(port.Write(Iova + 8, [1, 2, 3, 4, 5, 6, 7, 8]));
            Assert.Equal(1, machine.Memory.HarvestDirty(machine.RamRegion, marks));
            Assert.Equal(1UL << (index % 64), marks[index / 64]);
        }
    }
}
