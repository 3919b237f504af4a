using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Commands;

/// <summary>CMD_CFGI_*: a changed STE or CD acts after the command for it and a CMD_SYNC (IHI 0070, 4.3).</summary>
public class ConfigurationInvalidationTests
{
    private const ulong Iova = 0x12_3000;
    private const ulong Old = 0x4100_0000;
    private const ulong New = 0x4200_0000;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Rule("CMD-CFGI-01")]
    [Rule("CACHE-01")]
    public void SteChangesWithItsCommandWhateverLeafSays(bool leaf)
    {
        using var scene = new CommandScene();
        PassThenAbort(scene, 5);

        scene.Run(Command.CfgiSte(new StreamId(5), leaf));

        Assert.Null(scene.Output(5, Iova));
    }

    [Fact]
    [Rule("CACHE-01")]
    [Rule("CMD-CFGI-20")]
    public void PortsSeeTheChangeToo()
    {
        using var scene = new CommandScene();
        scene.Machine.SetStream(5, Entries.Bypass);
        using var port = scene.Machine.Smmu.OpenPort(new StreamId(5));
        Assert.True(port.Translate(Iova, AccessKind.Read).IsSuccess);
        scene.Machine.SetStream(5, Entries.Abort);
        Assert.True(port.Translate(Iova, AccessKind.Read).IsSuccess);

        scene.Run(Command.CfgiSte(new StreamId(5)));

        Assert.False(port.Translate(Iova, AccessKind.Read).IsSuccess);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Rule("CMD-CFGI-02")]
    [Rule("CACHE-12")]
    public void SteCommandDropsItsCdsToo(bool leaf)
    {
        using var scene = new CommandScene();
        ulong context = scene.Machine.AttachStage1(5, scene.Space(1, Iova, Old));
        Assert.Equal(Old, scene.Output(5, Iova));
        scene.Machine.SetContext(context, scene.Space(2, Iova, New).Descriptor());
        Assert.Equal(Old, scene.Output(5, Iova));

        scene.Run(Command.CfgiSte(new StreamId(5), leaf));

        Assert.Equal(New, scene.Output(5, Iova));
    }

    [Theory]
    [InlineData(0x45, 0x45)]
    [InlineData(0x45, 0x7f)]
    [Rule("CMD-CFGI-03")]
    [Rule("CMD-CFGI-04")]
    public void SteCommandDropsTheLevel1DescriptorForAllStreamsBelowIt(uint stream, uint named)
    {
        using var scene = new CommandScene(start: false);
        var (level1, oldTable) = TwoLevelTable(scene);
        scene.Machine.Start();
        Put(scene, oldTable, stream, Entries.Bypass);
        Assert.True(scene.Translate(stream, Iova).IsSuccess);
        ulong newTable = scene.Machine.Allocate(64 * 64, 64 * 64);
        Put(scene, newTable, stream, Entries.Abort);
        scene.Machine.Write64(level1 + ((stream >> 6) * 8UL), newTable | 7);
        Assert.True(scene.Translate(stream, Iova).IsSuccess);

        scene.Run(Command.CfgiSte(new StreamId(named), leaf: false));

        Assert.False(scene.Translate(stream, Iova).IsSuccess);
    }

    [Fact]
    [Rule("CMD-CFGI-04")]
    [Rule("CACHE-02")]
    public void NewLevel2TableBecomesReachable()
    {
        using var scene = new CommandScene(start: false);
        var (level1, _) = TwoLevelTable(scene);
        scene.Machine.Start();
        Assert.Equal(EventType.BadStreamId, scene.Translate(0x85, Iova).Event);   // Span = 0, and it may be cached.
        ulong table = scene.Machine.Allocate(64 * 64, 64 * 64);
        Put(scene, table, 0x85, Entries.Bypass);
        scene.Machine.Write64(level1 + (2 * 8), table | 7);

        scene.Run(Command.CfgiSte(new StreamId(0x80), leaf: false));

        Assert.True(scene.Translate(0x85, Iova).IsSuccess);
    }

    [Theory]
    [InlineData(0, 0b1010u, 0b1010u, 0b1011u)]
    [InlineData(1, 0b1010u, 0b1000u, 0b1011u)]
    [InlineData(3, 0b1111u, 0b0000u, 0b1111u)]
    [InlineData(30, 0b0000u, 0b0000u, 0b1111u)]
    [Rule("CMD-CFGI-06")]
    public void RangeCoversAnAlignedBlock(byte range, uint named, uint first, uint last)
    {
        using var scene = new CommandScene();
        for (uint stream = first; stream <= last; stream++) PassThenAbort(scene, stream);

        scene.Run(Command.CfgiSteRange(new StreamId(named), range));

        for (uint stream = first; stream <= last; stream++) Assert.Null(scene.Output(stream, Iova));
    }

    [Fact]
    [Rule("CMD-CFGI-07")]
    public void RangeDropsLevel1DescriptorsStesAndCds()
    {
        using var scene = new CommandScene(CommandScene.Substreams, start: false);
        var (level1, oldTable) = TwoLevelTable(scene);
        scene.Machine.Start();
        Put(scene, oldTable, 0x40, Entries.Bypass);
        Put(scene, oldTable, 0x41, Entries.Bypass);
        ulong context = scene.Machine.Allocate(64, 64);
        scene.Machine.SetContext(context, scene.Space(1, Iova, Old).Descriptor());
        Put(scene, oldTable, 0x42, Entries.Stage1(context));
        ulong leafTable = scene.Machine.Allocate(64 * 64, 64 * 64);
        scene.Machine.SetContext(leafTable, scene.Space(2, Iova, Old).Descriptor());
        ulong contextTable = scene.Machine.Allocate(64);
        scene.Machine.Write64(contextTable, leafTable | 1);
        Put(scene, oldTable, 0x43, TwoLevelContexts(contextTable));
        AssertOutputs(scene, Iova, Iova, Old, Old);

        Put(scene, oldTable, 0x41, Entries.Abort);
        scene.Machine.SetContext(context, scene.Space(3, Iova, New).Descriptor());
        ulong newLeafTable = scene.Machine.Allocate(64 * 64, 64 * 64);
        scene.Machine.SetContext(newLeafTable, scene.Space(4, Iova, New).Descriptor());
        scene.Machine.Write64(contextTable, newLeafTable | 1);
        AssertOutputs(scene, Iova, Iova, Old, Old);
        scene.Run(Command.CfgiSteRange(new StreamId(0x40), range: 1));
        AssertOutputs(scene, Iova, null, New, New);

        scene.Machine.Write64(level1 + 8, 0);   // All four streams are gone.
        scene.Run(Command.CfgiSteRange(new StreamId(0x43), range: 1));
        AssertOutputs(scene, null, null, null, null);

        static void AssertOutputs(CommandScene scene, ulong? first, ulong? second, ulong? third, ulong? fourth)
        {
            Assert.Equal(first, scene.Output(0x40, Iova));
            Assert.Equal(second, scene.Output(0x41, Iova));
            Assert.Equal(third, scene.Output(0x42, Iova));
            Assert.Equal(fourth, scene.Output(0x43, Iova, substream: 0));
        }
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(0xffff_ffffu)]
    [Rule("CMD-CFGI-08")]
    [Rule("CACHE-10")]
    public void LargestRangeDropsEverythingWhateverStreamItNames(uint named)
    {
        using var scene = new CommandScene();
        uint[] streams = [0, 1, 0x7f, 0xff];
        foreach (uint stream in streams) PassThenAbort(scene, stream);

        scene.Run(Command.CfgiSteRange(new StreamId(named), range: 31));
        foreach (uint stream in streams) Assert.Null(scene.Output(stream, Iova));

        // Another table behind the same registers needs it as well.
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue);
        scene.Machine.SetUpStreamTable();
        foreach (uint stream in streams) scene.Machine.SetStream(stream, Entries.Bypass);
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);
        scene.Run(Command.CfgiSteRange(new StreamId(named), range: 31));
        foreach (uint stream in streams) Assert.Equal(Iova, scene.Output(stream, Iova));
    }

    [Fact]
    [Rule("CMD-CFGI-20")]
    public void FetchThatBeganBeforeTheCommandLeavesNothingBehind()
    {
        using var stopped = new StoppedAccess();
        var bus = new HostBus();
        using var scene = new CommandScene(bus: bus);
        scene.Machine.SetContext(HostBus.Base, scene.Space(1, Iova, Old).Descriptor());
        scene.Machine.SetStream(5, Entries.Stage1(HostBus.Base));
        bus.Reading = address =>
        {
            if (address == HostBus.Base) stopped.StopHere();
        };
        stopped.Start(() => scene.Output(5, Iova));   // It has read the STE, and stops at the CD.

        scene.Machine.SetStream(5, Entries.Abort);
        scene.Machine.SubmitAndSync(Command.CfgiSte(new StreamId(5)));
        Assert.False(scene.Machine.IsCommandQueueEmpty);   // The old access is still under way.

        stopped.Finish();
        Assert.True(scene.Machine.IsCommandQueueEmpty);
        Assert.Null(scene.Output(5, Iova));
    }

    [Fact]
    [Rule("CMD-CFGI-05")]
    [Rule("CACHE-14")]
    [Rule("CACHE-17")]
    public void TranslationsOutliveTheirConfigurationUntilTheirOwnCommand()
    {
        using var scene = new CommandScene();
        ulong context = scene.Machine.AttachStage1(5, scene.Space(1, Iova, Old));
        Assert.Equal(Old, scene.Output(5, Iova));
        scene.Machine.SetContext(context, scene.Space(1, Iova, New).Descriptor());   // Another TTB0 under the same ASID.

        scene.Run(Command.CfgiCd(new StreamId(5)));
        Assert.Equal(Old, scene.Output(5, Iova));

        scene.Run(Command.TlbiNhAsid(default, new Asid(1)));
        Assert.Equal(New, scene.Output(5, Iova));
    }

    [Fact]
    [Rule("CMD-CFGI-16")]
    [Rule("CACHE-23")]
    public void ContiguousStesAreFetchedAndInvalidatedOneByOne()
    {
        using var scene = new CommandScene();
        scene.Machine.SetStream(4, Entries.Bypass.With(StreamTableEntryField.CONT, 2));
        scene.Machine.SetStream(5, Entries.Abort.With(StreamTableEntryField.CONT, 2));
        Assert.Equal(Iova, scene.Output(4, Iova));
        Assert.Null(scene.Output(5, Iova));

        scene.Machine.SetStream(4, Entries.Abort.With(StreamTableEntryField.CONT, 2));
        scene.Machine.SetStream(5, Entries.Bypass.With(StreamTableEntryField.CONT, 2));
        scene.Run(Command.CfgiSte(new StreamId(4)), Command.CfgiSte(new StreamId(5)));
        Assert.Null(scene.Output(4, Iova));
        Assert.Equal(Iova, scene.Output(5, Iova));
    }

    private static void PassThenAbort(CommandScene scene, uint stream)
    {
        scene.Machine.SetStream(stream, Entries.Bypass);
        Assert.Equal(Iova, scene.Output(stream, Iova));
        scene.Machine.SetStream(stream, Entries.Abort);
        Assert.Equal(Iova, scene.Output(stream, Iova));
    }

    private static StreamTableEntry TwoLevelContexts(ulong table) => Entries.Stage1(table)
        .With(StreamTableEntryField.S1CDMax, 7)
        .With(StreamTableEntryField.S1Fmt, 1);

    // SPLIT = 6: L1STDs of 64 streams; the one of streams 0x40 to 0x7f is valid.
    private static (ulong Level1, ulong Table) TwoLevelTable(CommandScene scene)
    {
        const uint TwoLevels = 1 << 16;
        const uint Split = 6 << 6;
        const uint Log2Size = 8;
        scene.Machine.SetUpStreamTable();
        ulong level1 = scene.Machine.StreamTable;
        scene.Machine.Write(RegisterOffset.STRTAB_BASE_CFG, TwoLevels | Split | Log2Size);
        ulong table = scene.Machine.Allocate(64 * 64, 64 * 64);
        scene.Machine.Write64(level1 + 8, table | 7);
        return (level1, table);
    }

    private static void Put(CommandScene scene, ulong table, uint stream, StreamTableEntry entry)
    {
        Span<ulong> words = stackalloc ulong[8];
        entry.CopyTo(words);
        scene.Machine.Write64(table + ((stream & 0x3f) * 64UL), words);
    }
}
