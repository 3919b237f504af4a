using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Commands;

/// <summary>What may be kept, and what must be read again (IHI 0070, 3.21 and 16.2).</summary>
public class CachingTests
{
    private const ulong Iova = 0x4012_3000;
    private const ulong Old = 0x8000_0000;
    private const ulong New = 0xc000_0000;
    private const ulong AccessFlag = 1UL << 10;

    [Fact]
    [Rule("CACHE-02")]
    public void InvalidStructuresBecomeValidWithTheirCommands()
    {
        using var scene = new CommandScene();
        Assert.Equal(EventType.BadStreamTableEntry, scene.Translate(1, Iova).Event);
        ulong context = scene.Machine.Allocate(64, 64);
        scene.Machine.SetStream(1, Entries.Stage1(context));
        scene.Run(Command.CfgiSte(new StreamId(1)));
        Assert.Equal(EventType.BadContextDescriptor, scene.Translate(1, Iova).Event);

        scene.Machine.SetContext(context, scene.Space(1, Iova, Old).Descriptor());
        scene.Run(Command.CfgiCd(new StreamId(1)));

        Assert.Equal(Old, scene.Output(1, Iova));
    }

    [Fact]
    [Rule("CACHE-03")]
    public void FetchesThatFailedAreRepeatedWithoutAnyCommand()
    {
        var bus = new HostBus();
        using var scene = new CommandScene(bus: bus, start: false);
        scene.Machine.Smmu.WriteRegister64(RegisterOffset.STRTAB_BASE, HostBus.Base);
        scene.Machine.Write(RegisterOffset.STRTAB_BASE_CFG, 4);
        scene.Machine.SetUpCommandQueue();
        scene.Machine.SetUpEventQueue();
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);
        const ulong Entry = HostBus.Base + 64;
        const ulong Context = HostBus.Base + 0x4000;
        Span<ulong> words = stackalloc ulong[8];
        Entries.Stage1(Context).CopyTo(words);
        scene.Machine.Write64(Entry, words);
        scene.Machine.SetContext(Context, scene.Space(1, Iova, Old).Descriptor());
        bus.Refused.UnionWith([Entry, Context]);

        Assert.Equal(EventType.StreamTableEntryFetch, scene.Translate(1, Iova).Event);
        bus.Refused.Remove(Entry);
        Assert.Equal(EventType.ContextDescriptorFetch, scene.Translate(1, Iova).Event);
        bus.Refused.Remove(Context);
        Assert.Equal(Old, scene.Output(1, Iova));
    }

    [Fact]
    [Rule("CACHE-03")]
    public void CdThatStage2RefusedIsFetchedAgainWithoutAnyCommand()
    {
        const ulong Ipa = 0x8000_1000;
        using var scene = new CommandScene(CommandScene.TwoStages);
        var stage2 = new Stage2Space(scene.Machine, 7);
        ulong page = scene.Machine.Allocate(4096);
        scene.Machine.SetContext(page, scene.Space(1, Iova, GuestMachine.RamBase).Descriptor());
        scene.Machine.SetStream(1, stage2.Under(Ipa));
        Assert.Equal(EventType.Translation, scene.Translate(1, Iova).Event);

        stage2.Map(Ipa, page);

        Assert.Equal(GuestMachine.RamBase, scene.Output(1, Iova));
    }

    [Fact]
    [Rule("CACHE-04")]
    public void DescriptorsThatFaultAreReadAgainWithoutAnyCommand()
    {
        const ulong BeyondOutput = 1UL << 47;
        using var scene = new CommandScene();
        var space = scene.Attach(1, 1, change: descriptor => descriptor.With(ContextDescriptorField.IPS, 2));   // 40 bits.
        using var port = scene.Machine.Smmu.OpenPort(new StreamId(1));
        Assert.Equal(EventType.Translation, Fault());                  // No table at all.
        space.Map(Iova, BeyondOutput);
        Assert.Equal(EventType.AddressSize, Fault());
        space.Map(Iova, Old, Stage1Space.ReadWrite & ~AccessFlag);
        Assert.Equal(EventType.AccessFlag, Fault());
        space.Unmap(Iova);
        Assert.Equal(EventType.Translation, Fault());

        space.Map(Iova, Old);

        Assert.Equal(Old, port.Translate(Iova, AccessKind.Read).Address.Value);
        Assert.Equal(Old, scene.Output(1, Iova));

        EventType Fault()
        {
            var fault = port.Translate(Iova, AccessKind.Read).Event;
            Assert.Equal(fault, scene.Translate(1, Iova).Event);
            return fault;
        }
    }

    [Fact]
    [Rule("CACHE-05")]
    public void GrantedPermissionsActAfterAnInvalidation()
    {
        using var scene = new CommandScene();
        var space = scene.Attach(1, 1);
        space.Map(Iova, Old, Stage1Space.ReadOnly);
        Assert.Equal(Old, scene.Output(1, Iova));
        Assert.Equal(EventType.Permission, scene.Translate(1, Iova, AccessKind.Write).Event);
        space.Map(Iova, Old);

        scene.Run(Command.TlbiNhVa(default, new Asid(1), Iova));

        Assert.True(scene.Translate(1, Iova, AccessKind.Write).IsSuccess);
    }

    [Fact]
    [Rule("CACHE-07")]
    public void NothingIsReadBeyondTablesAndInvalidStructures()
    {
        const ulong Table = HostBus.Base;
        const ulong Elsewhere = HostBus.Base + 0x8000;
        var bus = new HostBus();
        using var scene = new CommandScene(CommandScene.Substreams, bus, start: false);
        scene.Machine.Smmu.WriteRegister64(RegisterOffset.STRTAB_BASE, Table);
        scene.Machine.Write(RegisterOffset.STRTAB_BASE_CFG, 3);
        scene.Machine.SetUpCommandQueue();
        scene.Machine.SetUpEventQueue();
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);
        Put(0, Entries.Stage1(Elsewhere).With(StreamTableEntryField.V, 0));
        Put(1, Entries.Stage1(Elsewhere).With(StreamTableEntryField.Config, 0));
        Put(2, Entries.Stage1(Elsewhere).With(StreamTableEntryField.S1CDMax, 3));   // A table of 8 CDs, all invalid.
        var space = scene.Space(1, Iova, Old);
        for (ulong index = 0; index < 8; index++)
        {
            scene.Machine.SetContext(Elsewhere + (index * 64), space.Descriptor()
                .With(ContextDescriptorField.V, 0)
                .With(ContextDescriptorField.TTB0, HostBus.Base + 0xc000));
        }

        bus.Forget();
        scene.Translate(0, Iova);
        scene.Translate(1, Iova);
        scene.Translate(8, Iova);
        scene.Translate(uint.MaxValue, Iova);
        Assert.All(bus.Reads, read => Assert.InRange(read.Address, Table, Table + (8 * 64) - 1));

        bus.Forget();
        scene.Translate(2, Iova, substream: 8);
        scene.Translate(2, Iova, substream: 0xf_ffff);
        scene.Translate(2, Iova);   // S1DSS = 0 terminates it.
        Assert.All(bus.Reads, read => Assert.InRange(read.Address, Table, Table + (8 * 64) - 1));
        Assert.Equal(EventType.BadContextDescriptor, scene.Translate(2, Iova, substream: 7).Event);
        Assert.Contains(bus.Reads, read => read.Address == Elsewhere + (7 * 64));
        Assert.DoesNotContain(bus.Reads, read => read.Address >= Elsewhere + (8 * 64));

        void Put(ulong stream, StreamTableEntry entry)
        {
            Span<ulong> words = stackalloc ulong[8];
            entry.CopyTo(words);
            scene.Machine.Write64(Table + (stream * 64), words);
        }
    }

    [Fact]
    [Rule("CACHE-08")]
    public void NothingIsFetchedOrKeptWhileTranslationIsOff()
    {
        var bus = new HostBus();
        using var scene = new CommandScene(bus: bus, start: false);
        scene.Machine.Smmu.WriteRegister64(RegisterOffset.STRTAB_BASE, HostBus.Base);
        scene.Machine.Write(RegisterOffset.STRTAB_BASE_CFG, 4);
        scene.Machine.SetUpCommandQueue();
        scene.Machine.SetUpEventQueue();
        using var port = scene.Machine.Smmu.OpenPort(new StreamId(1));
        Assert.Equal(Iova, port.Translate(Iova, AccessKind.Read).Address.Value);
        Assert.Equal(Iova, scene.Output(1, Iova));
        Assert.Empty(bus.Reads);

        // What is in memory when translation begins is what counts, for the port too.
        Span<ulong> words = stackalloc ulong[8];
        Entries.Abort.CopyTo(words);
        scene.Machine.Write64(HostBus.Base + 64, words);
        scene.Machine.Enable(ControlBits.Smmu);
        Assert.False(port.Translate(Iova, AccessKind.Read).IsSuccess);
        Assert.Null(scene.Output(1, Iova));
    }

    [Fact]
    [Rule("CACHE-09")]
    public void CachesOutliveTranslationBeingOff()
    {
        using var scene = new CommandScene();
        var space = scene.Attach(1, 1);
        scene.MoveBehindCaches(space, 1, Iova, Old, New);
        scene.Machine.SetStream(1, Entries.Abort);

        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue);
        Assert.Equal(Iova, scene.Output(1, Iova));
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);

        Assert.Equal(Old, scene.Output(1, Iova));
        scene.Run(Command.TlbiNhAsid(default, new Asid(1)));
        Assert.Equal(New, scene.Output(1, Iova));
        scene.Run(Command.CfgiSte(new StreamId(1)));
        Assert.Null(scene.Output(1, Iova));
    }

    [Fact]
    [Rule("CACHE-10")]
    public void AnotherStreamTableActsAfterTheCommandForAll()
    {
        using var scene = new CommandScene();
        scene.Machine.SetStream(1, Entries.Bypass);
        Assert.Equal(Iova, scene.Output(1, Iova));
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue);
        scene.Machine.SetUpStreamTable();
        scene.Machine.SetStream(1, Entries.Abort);
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);
        Assert.Equal(Iova, scene.Output(1, Iova));   // The STE of the old table is in use until then.

        scene.Run(Command.CfgiAll());

        Assert.Null(scene.Output(1, Iova));
    }

    [Fact]
    [Rule("CACHE-11")]
    public void ResetEmptiesAllCaches()
    {
        using var scene = new CommandScene();
        var space = scene.Attach(1, 1);
        using var port = scene.Machine.Smmu.OpenPort(new StreamId(1));
        scene.MoveBehindCaches(space, 1, Iova, Old, New);
        Assert.Equal(Old, port.Translate(Iova, AccessKind.Read).Address.Value);
        scene.Machine.SetStream(2, Entries.Bypass);
        Assert.Equal(Iova, scene.Output(2, Iova));
        scene.Machine.SetStream(2, Entries.Abort);
        ulong table = scene.Machine.StreamTable;

        scene.Machine.Smmu.Reset();
        scene.Machine.Smmu.WriteRegister64(RegisterOffset.STRTAB_BASE, table);
        scene.Machine.Write(RegisterOffset.STRTAB_BASE_CFG, 8);
        scene.Machine.Enable(ControlBits.Smmu);

        Assert.Equal(New, scene.Output(1, Iova));
        Assert.Equal(New, port.Translate(Iova, AccessKind.Read).Address.Value);
        Assert.Null(scene.Output(2, Iova));
    }

    [Fact]
    [Rule("CACHE-24")]
    public void BlockThatBecomesATableIsNeverMixed()
    {
        const ulong Block = 0x4020_0000;
        using var scene = new CommandScene();
        var space = scene.Attach(1, 1);
        scene.MoveBehindCaches(space, 1, Block, Old, Old, level: 2);
        Assert.Equal(Old + 0x3000, scene.Output(1, Block + 0x3000));
        ulong table = scene.Machine.Allocate(4096);
        for (ulong page = 0; page < 512; page++)
        {
            scene.Machine.Write64(
                table + (page * 8), (New + (page << 12)) | Stage1Space.ReadWrite | Stage1Space.TableOrPage);
        }

        scene.Machine.Write64(space.Slot(Block, 2), table | Stage1Space.TableOrPage);   // No break before make.
        Assert.Contains(scene.Output(1, Block + 0x3000), new ulong?[] { Old + 0x3000, New + 0x3000 });

        scene.Run(Command.TlbiNhVa(default, new Asid(1), Block, leaf: false));

        for (ulong page = 0; page < 512; page++) Assert.Equal(New + (page << 12), scene.Output(1, Block + (page << 12)));
        Assert.False(scene.Machine.TryTakeEvent(out _));
    }

    [Fact]
    [Rule("CACHE-25")]
    public void ChangeOfTheContiguousBitIsNoConflict()
    {
        const ulong Contiguous = 1UL << 52;
        const ulong Run = 0x4012_0000;
        using var scene = new CommandScene();
        var space = scene.Attach(1, 1);
        for (ulong page = 0; page < 16; page++)
        {
            space.Map(Run + (page << 12), Old + (page << 12), Stage1Space.ReadWrite | (page < 8 ? Contiguous : 0));
        }

        for (ulong page = 0; page < 16; page++) Assert.Equal(Old + (page << 12), scene.Output(1, Run + (page << 12)));
        for (ulong page = 0; page < 16; page++)
        {
            space.Map(Run + (page << 12), Old + (page << 12), Stage1Space.ReadWrite | (page < 8 ? 0 : Contiguous));
            for (ulong other = 0; other < 16; other++) Assert.Equal(Old + (other << 12), scene.Output(1, Run + (other << 12)));
        }

        Assert.False(scene.Machine.TryTakeEvent(out _));
    }

    [Fact]
    [Rule("CACHE-28")]
    public void DormancyIsNotHinted()
    {
        const uint StatusRegister = 0x40;
        using var scene = new CommandScene();
        Assert.Equal(0u, scene.Machine.Read(RegisterOffset.IDR0) & (1 << 8));
        Assert.Equal(0u, scene.Machine.Read(StatusRegister));
    }
}
