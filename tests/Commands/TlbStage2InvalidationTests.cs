using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Commands;

/// <summary>CMD_TLBI_S2_IPA and S12_VMALL, and stage 1 commands where stage 2 takes part (IHI 0070, 4.4.3 and D8.17).</summary>
public class TlbStage2InvalidationTests
{
    private const ushort Vmid = 0x1207;
    private const ushort Asid = 5;
    private const ulong Iova = 0x4012_3000;
    private const ulong Ipa = 0x8040_5000;
    private const ulong Old = 0xa000_0000;
    private const ulong New = 0xb000_0000;

    [Fact]
    [Rule("CMD-TLBI-12")]
    public void EverythingOfAVmidGoesAtEveryStage()
    {
        using var scene = new CommandScene(CommandScene.TwoStages);
        var stage2 = new Stage2Space(scene.Machine, Vmid);
        scene.Machine.SetStream(1, stage2.Alone());
        MoveBehindCaches(scene, stage2, 1, Ipa, Ipa);
        var nested = stage2.AttachNested(2, Asid);
        nested.Map(Iova, Ipa + 0x1000);
        MoveBehindCaches(scene, stage2, 2, Iova, Ipa + 0x1000);
        var plain = scene.Attach(3, Asid + 1, Vmid);
        scene.MoveBehindCaches(plain, 3, Iova, Old, New);

        scene.Run(Command.TlbiS12Vmall(new Vmid(Vmid)));

        Assert.Equal(New, scene.Output(1, Ipa));
        Assert.Equal(New, scene.Output(2, Iova));
        Assert.Equal(New, scene.Output(3, Iova));
    }

    [Fact]
    [Rule("CMD-TLBI-12")]
    public void TablesOfAVmidGoWithTheirEntries()
    {
        using var scene = new CommandScene(CommandScene.TwoStages);
        var (stage2, nested) = NestedWithTableAt(scene, Ipa);
        Assert.Equal(Old, scene.Output(1, Iova));
        stage2.Map(Ipa, TableOf(scene, New));

        scene.Run(Command.TlbiS12Vmall(new Vmid(Vmid)));

        Assert.Equal(New, scene.Output(1, Iova));
        Assert.Equal(New, scene.Output(1, Iova + 0x1000));
        Assert.Equal(Asid, nested.Asid);
    }

    [Theory]
    [InlineData(true, Ipa, 3)]
    [InlineData(false, Ipa, 3)]
    [InlineData(true, Ipa, 2)]
    [InlineData(true, Ipa | (0x5aUL << 56), 3)]
    [Rule("CMD-TLBI-13")]
    public void EntryOfAnIpaGoes(bool leaf, ulong address, int level)
    {
        using var scene = new CommandScene(CommandScene.TwoStages);
        var stage2 = new Stage2Space(scene.Machine, Vmid);
        scene.Machine.SetStream(1, stage2.Alone());
        ulong page = level == 3 ? Ipa : Ipa & ~0x1f_ffffUL;
        MoveBehindCaches(scene, stage2, 1, page, page, level);
        var command = Command.TlbiS2Ipa(new Vmid(Vmid), Ipa, leaf);

        scene.Run(new Command(command.Word0, command.Word1 | (address & (0xffUL << 56))));   // [127:120] is reserved.

        Assert.Equal(New, scene.Output(1, page));
    }

    [Theory]
    [InlineData(CommandOpcode.TlbiNhAll)]
    [InlineData(CommandOpcode.TlbiNhVaa)]
    [Rule("CMD-TLBI-14")]
    [Rule("CACHE-13")]
    public void NestedStreamSeesNewStage2AfterCommandsForBothStages(CommandOpcode second)
    {
        using var scene = new CommandScene(CommandScene.TwoStages);
        var stage2 = new Stage2Space(scene.Machine, Vmid);
        stage2.AttachNested(1, Asid).Map(Iova, Ipa);
        MoveBehindCaches(scene, stage2, 1, Iova, Ipa);

        scene.Run(
            Command.TlbiS2Ipa(new Vmid(Vmid), Ipa),
            second == CommandOpcode.TlbiNhAll
                ? Command.TlbiNhAll(new Vmid(Vmid))
                : Command.TlbiNhVaa(new Vmid(Vmid), Iova));

        Assert.Equal(New, scene.Output(1, Iova));
    }

    [Theory]
    [InlineData(CommandOpcode.TlbiNhAll)]
    [InlineData(CommandOpcode.TlbiNhVaa)]
    [Rule("CMD-TLBI-14")]
    public void NestedStreamSeesNewStage2OfItsTablesAfterCommandsForBothStages(CommandOpcode second)
    {
        using var scene = new CommandScene(CommandScene.TwoStages);
        var (stage2, _) = NestedWithTableAt(scene, Ipa);
        Assert.Equal(Old, scene.Output(1, Iova));
        stage2.Map(Ipa, TableOf(scene, New));
        Assert.Equal(Old, scene.Output(1, Iova + 0x1000));   // By the table that is remembered.

        scene.Run(
            Command.TlbiS2Ipa(new Vmid(Vmid), Ipa),
            second == CommandOpcode.TlbiNhAll
                ? Command.TlbiNhAll(new Vmid(Vmid))
                : Command.TlbiNhVaa(new Vmid(Vmid), Iova));

        Assert.Equal(New, scene.Output(1, Iova));
        Assert.Equal(New, scene.Output(1, Iova + 0x2000));
    }

    [Theory]
    [InlineData(CommandOpcode.TlbiNhVa)]
    [InlineData(CommandOpcode.TlbiNhVaa)]
    [Rule("CMD-TLBI-36")]
    public void PiecesOfAStage1BlockGoWithAnyAddressOfTheBlock(CommandOpcode opcode)
    {
        const ulong BlockIova = 0x4020_0000;
        const ulong OldIpa = 0x9000_0000;
        const ulong NewIpa = 0x9020_0000;
        using var scene = new CommandScene(CommandScene.TwoStages);
        var stage2 = new Stage2Space(scene.Machine, Vmid);
        for (ulong page = 0; page < 512; page++)
        {
            stage2.Map(OldIpa + (page << 12), Old + (page << 12));
            stage2.Map(NewIpa + (page << 12), New + (page << 12));
        }

        var nested = stage2.AttachNested(1, Asid);
        ulong[] offsets = [0, 0x1000, 0x10_0000, 0x1f_f000];
        nested.Map(BlockIova, OldIpa, level: 2);
        foreach (ulong offset in offsets) Assert.Equal(Old + offset, scene.Output(1, BlockIova + offset));
        nested.Map(BlockIova, NewIpa, level: 2);
        foreach (ulong offset in offsets) Assert.Equal(Old + offset, scene.Output(1, BlockIova + offset));

        const ulong Untouched = BlockIova + 0x8_0000;   // An address of the block that nobody has translated.
        scene.Run(opcode == CommandOpcode.TlbiNhVa
            ? Command.TlbiNhVa(new Vmid(Vmid), new Asid(Asid), Untouched)
            : Command.TlbiNhVaa(new Vmid(Vmid), Untouched));

        foreach (ulong offset in offsets) Assert.Equal(New + offset, scene.Output(1, BlockIova + offset));
    }

    [Fact]
    [Rule("CMD-TLBI-37")]
    public void PiecesOfAStage2BlockGoWithAnyAddressOfTheBlock()
    {
        const ulong Block = Ipa & ~0x1f_ffffUL;
        using var scene = new CommandScene(CommandScene.TwoStages);
        var stage2 = new Stage2Space(scene.Machine, Vmid);
        scene.Machine.SetStream(1, stage2.Alone());
        using var port = scene.Machine.Smmu.OpenPort(new StreamId(1));   // Keeps pages, whatever the size of the block.
        ulong[] offsets = [0, 0x1000, 0x10_0000, 0x1f_f000];
        stage2.Map(Block, Old, level: 2);
        foreach (ulong offset in offsets) Assert.Equal(Old + offset, port.Translate(Block + offset, AccessKind.Read).Address.Value);
        stage2.Map(Block, New, level: 2);
        foreach (ulong offset in offsets) Assert.Equal(Old + offset, port.Translate(Block + offset, AccessKind.Read).Address.Value);

        scene.Run(Command.TlbiS2Ipa(new Vmid(Vmid), Block + 0x8_0000));

        foreach (ulong offset in offsets) Assert.Equal(New + offset, port.Translate(Block + offset, AccessKind.Read).Address.Value);
    }

    [Fact]
    [Rule("TAG-02")]
    public void VmidsKeepStreamsWithStage2AloneApart()
    {
        using var scene = new CommandScene(CommandScene.TwoStages);
        var first = new Stage2Space(scene.Machine, 7);
        var second = new Stage2Space(scene.Machine, 0x107);
        scene.Machine.SetStream(1, first.Alone());
        scene.Machine.SetStream(2, second.Alone());
        first.Map(Ipa, Old);
        second.Map(Ipa, New);

        for (int round = 0; round < 2; round++)
        {
            Assert.Equal(Old, scene.Output(1, Ipa));
            Assert.Equal(New, scene.Output(2, Ipa));
        }

        second.Map(Ipa, Old);
        scene.Run(Command.TlbiS2Ipa(new Vmid(0x107), Ipa));
        Assert.Equal(Old, scene.Output(2, Ipa));
    }

    [Fact]
    [Rule("CACHE-16")]
    public void NewStage2TablesActAfterConfigurationAndTranslationsAreInvalidated()
    {
        using var scene = new CommandScene(CommandScene.TwoStages);
        var stage2 = new Stage2Space(scene.Machine, Vmid);
        scene.Machine.SetStream(1, stage2.Alone());
        stage2.Map(Ipa, Old);
        Assert.Equal(Old, scene.Output(1, Ipa));
        var next = new Stage2Space(scene.Machine, Vmid);
        next.Map(Ipa, New);
        scene.Machine.SetStream(1, next.Alone());

        scene.Run(Command.CfgiSte(new StreamId(1)), Command.TlbiS12Vmall(new Vmid(Vmid)));

        Assert.Equal(New, scene.Output(1, Ipa));
    }

    private static void MoveBehindCaches(
        CommandScene scene, Stage2Space stage2, uint stream, ulong input, ulong ipa, int level = 3)
    {
        stage2.Map(ipa, Old, level);
        Assert.Equal(Old, scene.Output(stream, input));
        stage2.Map(ipa, New, level);
        Assert.Equal(Old, scene.Output(stream, input));
    }

    // The last-level table of stage 1 lies at an IPA of its own, so that stage 2 can put another one there.
    private static (Stage2Space Stage2, Stage1Space Nested) NestedWithTableAt(CommandScene scene, ulong ipa)
    {
        var stage2 = new Stage2Space(scene.Machine, Vmid);
        stage2.Map(Old, Old);
        stage2.Map(New, New);
        stage2.Map(ipa, TableOf(scene, Old));
        var nested = stage2.AttachNested(1, Asid);
        nested.Map(Iova, Old);
        scene.Machine.Write64(nested.Slot(Iova, 2), ipa | Stage1Space.TableOrPage);
        return (stage2, nested);
    }

    private static ulong TableOf(CommandScene scene, ulong output)
    {
        ulong table = scene.Machine.Allocate(4096);
        for (ulong slot = 0; slot < 512; slot++)
        {
            scene.Machine.Write64(table + (slot * 8), output | Stage1Space.ReadWrite | Stage1Space.TableOrPage);
        }

        return table;
    }
}
