using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Commands;

/// <summary>Which entries a stream may hit, and which tags a command has to name (IHI 0070, 3.17).</summary>
public class TlbTagTests
{
    private const ulong Iova = 0x4012_3000;
    private const ulong Old = 0x8000_0000;
    private const ulong New = 0xc000_0000;
    private const ulong Global = Stage1Space.ReadWrite & ~(1UL << 11);

    [Theory]
    [InlineData(5, 7, 6, 7)]
    [InlineData(5, 7, 5, 8)]
    [InlineData(0x105, 7, 5, 7)]
    [InlineData(0x105, 7, 0x205, 7)]
    [InlineData(5, 0x107, 5, 7)]
    [InlineData(5, 0x107, 5, 0x207)]
    [Rule("TAG-01")]
    [Rule("TAG-14")]
    public void StreamsThatDifferInAsidOrVmidDoNotHitEachOther(ushort asid1, ushort vmid1, ushort asid2, ushort vmid2)
    {
        using var scene = new CommandScene(CommandScene.TwoStages);
        scene.Attach(1, asid1, vmid1).Map(Iova, Old);
        scene.Attach(2, asid2, vmid2).Map(Iova, New);

        for (int round = 0; round < 2; round++)
        {
            Assert.Equal(Old, scene.Output(1, Iova));
            Assert.Equal(New, scene.Output(2, Iova));
        }
    }

    [Fact]
    [Rule("TAG-09")]
    public void StreamsWithTheSameTagsHitEachOther()
    {
        using var scene = new CommandScene(CommandScene.TwoStages);
        var space = scene.Attach(1, 5, 7);
        scene.Attach(2, space, 7);
        scene.MoveBehindCaches(space, 1, Iova, Old, New);
        Assert.Equal(Old, scene.Output(2, Iova));

        scene.Run(Command.TlbiNhVa(new Vmid(7), new Asid(5), Iova));

        Assert.Equal(New, scene.Output(1, Iova));
        Assert.Equal(New, scene.Output(2, Iova));
    }

    [Fact]
    [Rule("TAG-06")]
    public void StreamsWithStage1AloneCarryTheirVmidWhereStage2Exists()
    {
        using var scene = new CommandScene(CommandScene.TwoStages);
        var first = scene.Attach(1, 5, 7);
        var second = scene.Attach(2, 5, 8);
        scene.MoveBehindCaches(first, 1, Iova, Old, New);
        second.Map(Iova, Old + 0x1000);
        Assert.Equal(Old + 0x1000, scene.Output(2, Iova));

        scene.Run(Command.TlbiNhAsid(new Vmid(7), new Asid(5)));
        Assert.Equal(New, scene.Output(1, Iova));

        first.Map(Iova, Old);
        scene.Run(Command.TlbiNhVa(new Vmid(7), new Asid(5), Iova));
        Assert.Equal(Old, scene.Output(1, Iova));
    }

    [Theory]
    [InlineData(CommandOpcode.TlbiNhAll)]
    [InlineData(CommandOpcode.TlbiNhAsid)]
    [InlineData(CommandOpcode.TlbiNhVa)]
    [InlineData(CommandOpcode.TlbiNhVaa)]
    [Rule("TAG-07")]
    [Rule("CMD-TLBI-17")]
    public void WithoutStage2NoVmidIsCompared(CommandOpcode opcode)
    {
        const ushort Anything = 0x1234;
        using var scene = new CommandScene(SmmuFeatures.Stage1Only);
        var space = scene.Attach(1, 5, vmid: 9);
        scene.MoveBehindCaches(space, 1, Iova, Old, New);

        scene.Run(new Command((ulong)opcode | ((ulong)Anything << 32) | (5UL << 48), Iova));

        Assert.Equal(New, scene.Output(1, Iova));
    }

    [Theory]
    [InlineData(CommandOpcode.TlbiNhAsid)]
    [InlineData(CommandOpcode.TlbiNhVa)]
    [InlineData(CommandOpcode.TlbiNhVaa)]
    [Rule("CMD-TLBI-18")]
    [Rule("TAG-11")]
    public void CommandsTakeNoNoticeOfAset(CommandOpcode opcode)
    {
        using var scene = new CommandScene();
        var space = scene.Attach(1, 5, change: WithAset);
        scene.MoveBehindCaches(space, 1, Iova, Old, New);

        scene.Run(new Command((ulong)opcode | (5UL << 48), Iova));

        Assert.Equal(New, scene.Output(1, Iova));
    }

    [Fact]
    [Rule("TAG-11")]
    public void AsetDoesNotSeparateEntriesOfAnAsid()
    {
        using var scene = new CommandScene();
        var space = scene.Attach(1, 5);
        scene.Attach(2, space, change: WithAset);
        scene.MoveBehindCaches(space, 1, Iova, Old, New);

        Assert.Equal(Old, scene.Output(2, Iova));
    }

    [Fact]
    [Rule("TAG-10")]
    public void GlobalEntriesServeAllAsidsOfTheirVmidAndAset()
    {
        using var scene = new CommandScene(CommandScene.TwoStages);
        var space = scene.Attach(1, 5, 7);
        space.Map(Iova, Old, Global);
        Assert.Equal(Old, scene.Output(1, Iova));
        scene.Attach(2, 6, 7).Map(Iova, New, Global);
        scene.Attach(3, 6, 8).Map(Iova, New + 0x1000, Global);
        scene.Attach(4, 6, 7, change: WithAset).Map(Iova, New + 0x2000, Global);
        scene.Attach(5, 6, 7, CommandScene.El2).Map(Iova, New + 0x3000, Global);

        Assert.Equal(Old, scene.Output(2, Iova));
        Assert.Equal(New + 0x1000, scene.Output(3, Iova));
        Assert.Equal(New + 0x2000, scene.Output(4, Iova));
        Assert.Equal(New + 0x3000, scene.Output(5, Iova));
    }

    [Theory]
    [InlineData(Global, Stage1Space.ReadWrite)]
    [InlineData(Stage1Space.ReadWrite, Global)]
    [Rule("TAG-01")]
    [Rule("TAG-10")]
    public void PagesOfAnAsidAndGlobalOnesOfTheSameTableKeepTheirTags(ulong attributesBefore, ulong attributes)
    {
        const ulong Page = 0x1000;
        using var scene = new CommandScene(CommandScene.TwoStages);
        var first = scene.Attach(1, 5, 7);
        for (ulong i = 0; i < 4; i++) first.Map(Iova + (i * Page), Old + (i * Page), attributesBefore);
        first.Map(Iova + (4 * Page), Old + (4 * Page), attributes);
        for (ulong i = 0; i <= 4; i++) Assert.Equal(Old + (i * Page), scene.Output(1, Iova + (i * Page)));

        scene.Attach(2, 6, 7).Map(Iova + (4 * Page), New);
        Assert.Equal(attributes == Global ? Old + (4 * Page) : New, scene.Output(2, Iova + (4 * Page)));
    }

    [Theory]
    [InlineData(0, 0x105, EventType.BadContextDescriptor)]
    [InlineData(0, 0x05, EventType.None)]
    [InlineData(1, 0x105, EventType.None)]
    [Rule("TAG-14")]
    [Rule("ID-14")]
    public void AsidsOf16BitsNeedTheFeature(ulong wide, ushort asid, EventType expected)
    {
        using var scene = new CommandScene(SmmuFeatures.Default.With(SmmuFeatureField.ASID16, wide));
        scene.Attach(1, asid).Map(Iova, Old);

        Assert.Equal(expected, scene.Translate(1, Iova).Event);
    }

    [Theory]
    [InlineData(0, 0x107, EventType.BadStreamTableEntry)]
    [InlineData(0, 0x07, EventType.None)]
    [InlineData(1, 0x107, EventType.None)]
    [Rule("TAG-14")]
    public void VmidsOf16BitsNeedTheFeature(ulong wide, ushort vmid, EventType expected)
    {
        using var scene = new CommandScene(CommandScene.TwoStages.With(SmmuFeatureField.VMID16, wide));
        scene.Attach(1, 5, vmid).Map(Iova, Old);

        Assert.Equal(expected, scene.Translate(1, Iova).Event);
    }

    [Theory]
    [InlineData(0x0107, 0x05)]
    [InlineData(0x07, 0x0105)]
    [Rule("CMD-GEN-09")]
    public void UpperBytesThatDoNotExistMatchNothing(ushort vmid, ushort asid)
    {
        using var scene = new CommandScene(CommandScene.TwoStages
            .With(SmmuFeatureField.ASID16, 0)
            .With(SmmuFeatureField.VMID16, 0));
        var space = scene.Attach(1, 5, 7);
        scene.MoveBehindCaches(space, 1, Iova, Old, New);

        scene.Run(
            Command.TlbiNhAsid(new Vmid(vmid), new Asid(asid)), Command.TlbiNhVa(new Vmid(vmid), new Asid(asid), Iova));
        Assert.Equal(Old, scene.Output(1, Iova));

        scene.Run(Command.TlbiNhAsid(new Vmid(7), new Asid(5)));
        Assert.Equal(New, scene.Output(1, Iova));
    }

    [Theory]
    [InlineData(0b001, 0b1_0001)]
    [InlineData(0b010, 0b1_0011)]
    [InlineData(0b011, 0b1_0111)]
    [InlineData(0b100, 0b1_1111)]
    [Rule("TAG-15")]
    [Rule("TAG-16")]
    [Rule("CMD-GEN-12")]
    public void WildcardMakesCommandsIgnoreLowVmidBits(uint wildcard, ushort last)
    {
        const ushort First = 0b1_0000;
        using var scene = new CommandScene(CommandScene.TwoStages.With(SmmuFeatureField.VMW, 1));
        scene.Machine.Write(RegisterOffset.CR0, scene.Machine.Read(RegisterOffset.CR0) | (wildcard << 6));
        scene.MoveBehindCaches(scene.Attach(1, 5, First), 1, Iova, Old, New);
        scene.MoveBehindCaches(scene.Attach(2, 5, last), 2, Iova, Old + 0x1000, New + 0x1000);   // Look-ups compare all bits.

        scene.Run(Command.TlbiNhAll(new Vmid(First)));

        Assert.Equal(New, scene.Output(1, Iova));
        Assert.Equal(New + 0x1000, scene.Output(2, Iova));
    }

    [Theory]
    [InlineData(0b000)]
    [InlineData(0b101)]
    [InlineData(0b111)]
    [Rule("TAG-15")]
    public void WithoutWildcardCommandsCompareAllVmidBits(uint wildcard)
    {
        using var scene = new CommandScene(CommandScene.TwoStages.With(SmmuFeatureField.VMW, 1));
        scene.Machine.Write(RegisterOffset.CR0, scene.Machine.Read(RegisterOffset.CR0) | (wildcard << 6));
        var space = scene.Attach(1, 5, 0x11);
        scene.MoveBehindCaches(space, 1, Iova, Old, New);

        scene.Run(Command.TlbiNhAll(new Vmid(0x10)));

        Assert.Equal(Old, scene.Output(1, Iova));
    }

    private static ContextDescriptor WithAset(ContextDescriptor descriptor) =>
        descriptor.With(ContextDescriptorField.ASET, 1);
}
