using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Commands;

/// <summary>CMD_TLBI_EL2_*, and the tags of EL2 translations with and without E2H (IHI 0070, 3.17 and 4.4.2).</summary>
public class TlbEl2InvalidationTests
{
    private const ushort Asid = 5;
    private const ulong Iova = 0x4012_3000;
    private const ulong Old = 0x8000_0000;
    private const ulong New = 0xc000_0000;
    private const ulong Global = Stage1Space.ReadWrite & ~(1UL << 11);

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [Rule("CMD-TLBI-07")]
    public void AllOfEl2GoWhateverE2hSays(bool madeWithE2h, bool removedWithE2h)
    {
        using var scene = Scene(madeWithE2h);
        var space = scene.Attach(1, Asid, world: CommandScene.El2);
        scene.MoveBehindCaches(space, 1, Iova, Old, New);
        scene.MoveBehindCaches(space, 1, Iova + 0x1000, Old, New, Global);

        SetE2h(scene, removedWithE2h);
        scene.Run(Command.TlbiEl2All());
        SetE2h(scene, madeWithE2h);

        Assert.Equal(New, scene.Output(1, Iova));
        Assert.Equal(New, scene.Output(1, Iova + 0x1000));
    }

    [Fact]
    [Rule("CMD-TLBI-08")]
    [Rule("TAG-04")]
    public void EntriesOfAnAsidGoWithE2h()
    {
        using var scene = Scene(e2h: true);
        var space = scene.Attach(1, Asid, world: CommandScene.El2);
        scene.MoveBehindCaches(space, 1, Iova, Old, New);

        scene.Run(Command.TlbiEl2Asid(new Asid(Asid)));

        Assert.Equal(New, scene.Output(1, Iova));
    }

    [Theory]
    [InlineData(true, Asid, Stage1Space.ReadWrite)]
    [InlineData(true, Asid, Global)]
    [InlineData(true, Asid + 1, Global)]
    [InlineData(false, Asid, Stage1Space.ReadWrite)]
    [InlineData(false, Asid + 1, Stage1Space.ReadWrite)]
    [InlineData(false, 0xffff, Global)]
    [Rule("CMD-TLBI-09")]
    [Rule("TAG-03")]
    [Rule("TAG-04")]
    public void EntryOfAnAddressGoes(bool e2h, ushort asid, ulong attributes)
    {
        using var scene = Scene(e2h);
        var space = scene.Attach(1, Asid, vmid: 3, world: CommandScene.El2);   // No VMID takes part.
        scene.MoveBehindCaches(space, 1, Iova, Old, New, attributes);

        scene.Run(Command.TlbiEl2Va(new Asid(asid), Iova));

        Assert.Equal(New, scene.Output(1, Iova));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Rule("CMD-TLBI-10")]
    public void EntriesOfAnAddressGoForAllAsids(bool e2h)
    {
        using var scene = Scene(e2h);
        var first = scene.Attach(1, Asid, world: CommandScene.El2);
        scene.MoveBehindCaches(first, 1, Iova, Old, New);
        var second = scene.Attach(2, Asid + 1, world: CommandScene.El2);
        if (e2h) scene.MoveBehindCaches(second, 2, Iova, Old, New);
        second.Map(Iova, New);

        scene.Run(Command.TlbiEl2Vaa(Iova));

        Assert.Equal(New, scene.Output(1, Iova));
        Assert.Equal(New, scene.Output(2, Iova));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Rule("TAG-01")]
    [Rule("TAG-03")]
    [Rule("TAG-04")]
    public void WorldsDoNotHitEachOther(bool e2h)
    {
        using var scene = Scene(e2h);
        scene.Attach(1, Asid).Map(Iova, Old);
        scene.Attach(2, Asid, world: CommandScene.El2).Map(Iova, New);

        for (int round = 0; round < 2; round++)
        {
            Assert.Equal(Old, scene.Output(1, Iova));
            Assert.Equal(New, scene.Output(2, Iova));
        }
    }

    [Fact]
    [Rule("TAG-04")]
    public void AsidsKeepEl2StreamsApartWithE2hThoughVmidsDoNot()
    {
        using var scene = Scene(e2h: true);
        scene.Attach(1, Asid, world: CommandScene.El2).Map(Iova, Old);
        scene.Attach(2, Asid + 1, world: CommandScene.El2).Map(Iova, New);
        var sharing = scene.Attach(3, Asid, vmid: 9, world: CommandScene.El2);

        Assert.Equal(Old, scene.Output(1, Iova));
        Assert.Equal(New, scene.Output(2, Iova));
        sharing.Map(Iova, New + 0x1000);
        Assert.Equal(Old, scene.Output(3, Iova));   // The entry of stream 1 has the same tags.
    }

    [Fact]
    [Rule("TAG-03")]
    public void AsidsDoNotKeepEl2StreamsApartWithoutE2h()
    {
        using var scene = Scene(e2h: false);
        scene.Attach(1, Asid, world: CommandScene.El2).Map(Iova, Old);
        scene.Attach(2, Asid + 1, world: CommandScene.El2).Map(Iova, New);

        Assert.Equal(Old, scene.Output(1, Iova));
        Assert.Equal(Old, scene.Output(2, Iova));
    }

    [Fact]
    [Rule("TAG-17")]
    [Rule("CACHE-18")]
    public void ChangeOfE2hActsAfterItsInvalidations()
    {
        using var scene = Scene(e2h: false);
        var space = scene.Attach(1, Asid, world: CommandScene.El2);
        scene.MoveBehindCaches(space, 1, Iova, Old, New);

        SetE2h(scene, true);
        scene.Run(Command.CfgiAll(), Command.TlbiEl2All());
        Assert.Equal(New, scene.Output(1, Iova));

        space.Map(Iova, Old);
        scene.Run(Command.TlbiEl2Asid(new Asid(Asid)));   // The stream is an E2H one now.
        Assert.Equal(Old, scene.Output(1, Iova));
    }

    private static CommandScene Scene(bool e2h)
    {
        var scene = new CommandScene(CommandScene.TwoStages);
        SetE2h(scene, e2h);
        return scene;
    }

    private static void SetE2h(CommandScene scene, bool e2h)
    {
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue);
        scene.Machine.Write(RegisterOffset.CR2, e2h ? 1u : 0u);
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);
    }
}
