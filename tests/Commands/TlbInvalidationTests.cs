using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Commands;

/// <summary>CMD_TLBI_NH_* and NSNH_ALL: what they must remove (IHI 0070, 4.4.2 and 4.4.4).</summary>
public class TlbInvalidationTests
{
    private const ushort Vmid = 7;
    private const ushort Asid = 5;
    private const ulong Iova = 0x4012_3000;
    private const ulong Old = 0x8000_0000;
    private const ulong New = 0xc000_0000;
    private const ulong Global = Stage1Space.ReadWrite & ~(1UL << 11);

    [Theory]
    [InlineData(Stage1Space.ReadWrite)]
    [InlineData(Global)]
    [Rule("CMD-TLBI-01")]
    public void AllOfAVmidGoGlobalsIncluded(ulong attributes)
    {
        using var scene = new CommandScene(CommandScene.TwoStages);
        var space = scene.Attach(1, Asid, Vmid);
        scene.MoveBehindCaches(space, 1, Iova, Old, New, attributes);

        scene.Run(Command.TlbiNhAll(new Vmid(Vmid)));

        Assert.Equal(New, scene.Output(1, Iova));
    }

    [Fact]
    [Rule("CMD-TLBI-01")]
    public void AllOfAVmidIncludesCombinedEntries()
    {
        using var scene = new CommandScene(CommandScene.TwoStages);
        var stage2 = new Stage2Space(scene.Machine, Vmid);
        stage2.Map(Old, Old);
        stage2.Map(New, New);
        var space = stage2.AttachNested(1, Asid);
        scene.MoveBehindCaches(space, 1, Iova, Old, New);

        scene.Run(Command.TlbiNhAll(new Vmid(Vmid)));

        Assert.Equal(New, scene.Output(1, Iova));
    }

    [Fact]
    [Rule("CMD-TLBI-02")]
    public void EntriesOfAnAsidGo()
    {
        using var scene = new CommandScene(CommandScene.TwoStages);
        var space = scene.Attach(1, Asid, Vmid);
        scene.MoveBehindCaches(space, 1, Iova, Old, New);
        scene.MoveBehindCaches(space, 1, Iova + 0x8000_0000, Old, New);

        scene.Run(Command.TlbiNhAsid(new Vmid(Vmid), new Asid(Asid)));

        Assert.Equal(New, scene.Output(1, Iova));
        Assert.Equal(New, scene.Output(1, Iova + 0x8000_0000));
    }

    [Theory]
    [InlineData(Asid, Stage1Space.ReadWrite)]
    [InlineData(Asid, Global)]
    [InlineData(Asid + 1, Global)]
    [Rule("CMD-TLBI-03")]
    [Rule("TAG-12")]
    public void EntryOfAnAddressGoesAndAGlobalOneForAnyAsid(ushort asid, ulong attributes)
    {
        using var scene = new CommandScene(CommandScene.TwoStages);
        var space = scene.Attach(1, Asid, Vmid);
        scene.MoveBehindCaches(space, 1, Iova, Old, New, attributes);

        scene.Run(Command.TlbiNhVa(new Vmid(Vmid), new Asid(asid), Iova));

        Assert.Equal(New, scene.Output(1, Iova));
    }

    [Theory]
    [InlineData(0UL)]
    [InlineData(0x1234UL)]
    [Rule("CMD-TLBI-04")]
    public void EntriesOfAnAddressGoForAllAsids(ulong whatLiesInThePlaceOfAsid)
    {
        using var scene = new CommandScene(CommandScene.TwoStages);
        var first = scene.Attach(1, Asid, Vmid);
        var second = scene.Attach(2, Asid + 1, Vmid);
        scene.MoveBehindCaches(first, 1, Iova, Old, New);
        scene.MoveBehindCaches(second, 2, Iova, Old, New);
        var command = Command.TlbiNhVaa(new Vmid(Vmid), Iova);

        scene.Run(new Command(command.Word0 | (whatLiesInThePlaceOfAsid << 48), command.Word1));

        Assert.Equal(New, scene.Output(1, Iova));
        Assert.Equal(New, scene.Output(2, Iova));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Rule("CMD-TLBI-05")]
    public void LeafEntryGoesWhateverLeafSays(bool leaf)
    {
        using var scene = new CommandScene();
        var space = scene.Attach(1, Asid);
        scene.MoveBehindCaches(space, 1, Iova, Old, New);

        scene.Run(Command.TlbiNhVa(default, new Asid(Asid), Iova, leaf));

        Assert.Equal(New, scene.Output(1, Iova));
    }

    [Theory]
    [InlineData(CommandOpcode.TlbiNhVa)]
    [InlineData(CommandOpcode.TlbiNhVaa)]
    [Rule("CMD-TLBI-05")]
    public void TablesOnTheWayGoUnlessOnlyLeavesAreMeant(CommandOpcode opcode)
    {
        using var scene = new CommandScene();
        var space = scene.Attach(1, Asid);
        space.Map(Iova, Old);
        Assert.Equal(Old, scene.Output(1, Iova));
        space.Map(Iova + 0x1000, Old + 0x1000);
        MoveTable(scene, space);
        Assert.Equal(Old + 0x1000, scene.Output(1, Iova + 0x1000));   // The control: the old table is still in use.

        scene.Run(opcode == CommandOpcode.TlbiNhVa
            ? Command.TlbiNhVa(default, new Asid(Asid), Iova, leaf: false)
            : Command.TlbiNhVaa(default, Iova, leaf: false));

        Assert.Equal(New, scene.Output(1, Iova));
        Assert.Equal(New + 0x2000, scene.Output(1, Iova + 0x2000));
    }

    [Theory]
    [InlineData(2, 0UL)]
    [InlineData(2, 0x1000UL)]
    [InlineData(2, 0x1f_f000UL)]
    [InlineData(1, 0x0UL)]
    [InlineData(1, 0x2345_6000UL)]
    [InlineData(1, 0x3fff_f000UL)]
    [Rule("CMD-TLBI-06")]
    public void BlockGoesWithAnyAddressInsideIt(int level, ulong offset)
    {
        const ulong Block = 0x40_0000_0000;
        const ulong To = 0x80_0000_0000;
        using var scene = new CommandScene();
        var space = scene.Attach(1, Asid);
        scene.MoveBehindCaches(space, 1, Block, Block, To, level: level);
        Assert.Equal(Block + 0x10_0000, scene.Output(1, Block + 0x10_0000));

        scene.Run(Command.TlbiNhVa(default, new Asid(Asid), Block + offset));

        Assert.Equal(To, scene.Output(1, Block));
        Assert.Equal(To + offset, scene.Output(1, Block + offset));
        Assert.Equal(To + 0x10_0000, scene.Output(1, Block + 0x10_0000));
    }

    [Fact]
    [Rule("CMD-TLBI-06")]
    [Rule("CMD-TLBI-38")]
    public void EachPageOfAContiguousRunGoesWithItsOwnCommand()
    {
        const ulong Contiguous = Stage1Space.ReadWrite | (1UL << 52);
        const ulong Run = Iova & ~0xffffUL;
        using var scene = new CommandScene();
        var space = scene.Attach(1, Asid);
        for (ulong page = 0; page < 16; page++) space.Map(Run + (page << 12), Old + (page << 12), Contiguous);
        for (ulong page = 0; page < 16; page++) Assert.Equal(Old + (page << 12), scene.Output(1, Run + (page << 12)));
        for (ulong page = 0; page < 16; page++) space.Map(Run + (page << 12), New + (page << 12), Contiguous);
        for (ulong page = 0; page < 16; page++) Assert.Equal(Old + (page << 12), scene.Output(1, Run + (page << 12)));

        for (ulong page = 0; page < 16; page++)
        {
            scene.Run(Command.TlbiNhVa(default, new Asid(Asid), Run + (page << 12)));
            Assert.Equal(New + (page << 12), scene.Output(1, Run + (page << 12)));
        }
    }

    [Fact]
    [Rule("CMD-TLBI-16")]
    public void EverythingBelowEl2GoesAtOnce()
    {
        using var scene = new CommandScene(CommandScene.TwoStages);
        var plain = scene.Attach(1, Asid, Vmid);
        scene.MoveBehindCaches(plain, 1, Iova, Old, New);
        scene.MoveBehindCaches(plain, 1, Iova + 0x1000, Old, New, Global);
        var alone = new Stage2Space(scene.Machine, Vmid + 1);
        scene.Machine.SetStream(2, alone.Alone());
        alone.Map(Old, Old);
        Assert.Equal(Old, scene.Output(2, Old));
        alone.Map(Old, New);
        Assert.Equal(Old, scene.Output(2, Old));
        var under = new Stage2Space(scene.Machine, Vmid + 2);
        under.Map(Old, Old);
        under.Map(New, New);
        var nested = under.AttachNested(3, Asid);
        scene.MoveBehindCaches(nested, 3, Iova, Old, New);

        scene.Run(Command.TlbiNsnhAll());

        Assert.Equal(New, scene.Output(1, Iova));
        Assert.Equal(New, scene.Output(1, Iova + 0x1000));
        Assert.Equal(New, scene.Output(2, Old));
        Assert.Equal(New, scene.Output(3, Iova));
    }

    [Theory]
    [InlineData(0x00)]
    [InlineData(0xa5)]
    [Rule("CMD-TLBI-19")]
    public void TopByteOfAnAddressIsNotCompared(byte tag)
    {
        using var scene = new CommandScene();
        var space = scene.Attach(1, Asid, change: descriptor => descriptor.With(ContextDescriptorField.TBI0, 1));
        space.Map(Iova, Old);
        ulong tagged = Iova | ((ulong)tag << 56);
        Assert.Equal(Old, scene.Output(1, tagged));
        space.Map(Iova, New);
        Assert.Equal(Old, scene.Output(1, tagged));

        scene.Run(Command.TlbiNhVa(default, new Asid(Asid), Iova | (0x3cUL << 56)));

        Assert.Equal(New, scene.Output(1, tagged));
        Assert.Equal(New, scene.Output(1, Iova));
    }

    [Theory]
    [InlineData(0xffffUL)]
    [InlineData(0x00ffUL)]
    [Rule("CMD-TLBI-19")]
    public void AddressesOfTheUpperHalfGoWithAndWithoutSignBits(ulong sign)
    {
        const ulong Low = 0x7fff_0000_3000;
        const ulong High = 0xffff_0000_0000_0000 | Low;
        using var scene = new CommandScene();
        var space = new Stage1Space(scene.Machine, Asid);
        scene.Attach(1, space, change: descriptor => descriptor
            .With(ContextDescriptorField.EPD0, 1)
            .With(ContextDescriptorField.EPD1, 0)
            .With(ContextDescriptorField.T1SZ, 16)
            .With(ContextDescriptorField.TG1, 2)
            .With(ContextDescriptorField.TTB1, space.Root));
        space.Map(Low, Old);
        Assert.Equal(Old, scene.Output(1, High));
        space.Map(Low, New);
        Assert.Equal(Old, scene.Output(1, High));

        scene.Run(Command.TlbiNhVa(default, new Asid(Asid), (sign << 48) | Low));

        Assert.Equal(New, scene.Output(1, High));
    }

    [Fact]
    [Rule("CMD-TLBI-03")]
    [Rule("CACHE-01")]
    public void PortsForgetWithTheSharedTlb()
    {
        using var scene = new CommandScene();
        var space = scene.Attach(1, Asid);
        using var port = scene.Machine.Smmu.OpenPort(new StreamId(1));
        space.Map(Iova, Old);
        Assert.Equal(Old, port.Translate(Iova, AccessKind.Write).Address.Value);
        space.Map(Iova, New);
        Assert.Equal(Old, port.Translate(Iova, AccessKind.Write).Address.Value);

        scene.Run(Command.TlbiNhVa(default, new Asid(Asid), Iova));

        Assert.Equal(New, port.Translate(Iova, AccessKind.Write).Address.Value);
    }

    // Another last-level table takes the place of the old one, and maps everything elsewhere.
    private static void MoveTable(CommandScene scene, Stage1Space space)
    {
        ulong table = scene.Machine.Allocate(4096);
        for (ulong page = 0; page < 8; page++)
        {
            scene.Machine.Write64(
                table + ((((Iova >> 12) & 0x1ff) + page) * 8),
                (New + (page << 12)) | Stage1Space.ReadWrite | Stage1Space.TableOrPage);
        }

        scene.Machine.Write64(space.Slot(Iova, 2), table | Stage1Space.TableOrPage);
    }
}
