using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Commands;

/// <summary>
/// What commands leave alone. The architecture lets them remove more than they must, but that slows others down: no command
/// reaches beyond what its tags name, and those for single addresses take little else.
/// </summary>
public class InvalidationPrecisionTests
{
    private const ulong Iova = 0x4012_3000;
    private const ulong Old = 0x8000_0000;
    private const ulong New = 0xc000_0000;
    private const ulong Global = Stage1Space.ReadWrite & ~(1UL << 11);

    [Fact]
    [Rule("CMD-TLBI-01")]
    [Rule("CMD-TLBI-16")]
    public void CommandsForEl1LeaveEl2Alone()
    {
        using var scene = new CommandScene(CommandScene.TwoStages);
        var space = scene.Attach(1, 5, world: CommandScene.El2);
        scene.MoveBehindCaches(space, 1, Iova, Old, New);

        scene.Run(
            Command.TlbiNhAll(default),
            Command.TlbiNhAsid(default, new Asid(5)),
            Command.TlbiNhVa(default, new Asid(5), Iova),
            Command.TlbiNhVaa(default, Iova),
            Command.TlbiS12Vmall(default),
            Command.TlbiS2Ipa(default, Iova),
            Command.TlbiNsnhAll());

        Assert.Equal(Old, scene.Output(1, Iova));
    }

    [Fact]
    public void CommandsForEl2LeaveEl1Alone()
    {
        using var scene = new CommandScene(CommandScene.TwoStages);
        var space = scene.Attach(1, 5);
        scene.MoveBehindCaches(space, 1, Iova, Old, New);

        scene.Run(
            Command.TlbiEl2All(),
            Command.TlbiEl2Asid(new Asid(5)),
            Command.TlbiEl2Va(new Asid(5), Iova),
            Command.TlbiEl2Vaa(Iova));

        Assert.Equal(Old, scene.Output(1, Iova));
    }

    [Fact]
    public void CommandsLeaveOtherVmidsAlone()
    {
        using var scene = new CommandScene(CommandScene.TwoStages);
        var space = scene.Attach(1, 5, 7);
        scene.MoveBehindCaches(space, 1, Iova, Old, New);

        scene.Run(
            Command.TlbiNhAll(new Vmid(8)),
            Command.TlbiNhAsid(new Vmid(8), new Asid(5)),
            Command.TlbiNhVa(new Vmid(8), new Asid(5), Iova),
            Command.TlbiNhVaa(new Vmid(8), Iova),
            Command.TlbiS12Vmall(new Vmid(8)),
            Command.TlbiS2Ipa(new Vmid(8), Iova));

        Assert.Equal(Old, scene.Output(1, Iova));
    }

    [Fact]
    public void CommandsByAsidLeaveOtherAsidsAndGlobalEntriesAlone()
    {
        using var scene = new CommandScene();
        var space = scene.Attach(1, 5);
        scene.MoveBehindCaches(space, 1, Iova, Old, New);
        scene.MoveBehindCaches(space, 1, Iova + 0x1000, Old, New, Global);

        scene.Run(
            Command.TlbiNhAsid(default, new Asid(6)),
            Command.TlbiNhVa(default, new Asid(6), Iova));
        Assert.Equal(Old, scene.Output(1, Iova));

        scene.Run(Command.TlbiNhAsid(default, new Asid(5)));
        Assert.Equal(New, scene.Output(1, Iova));
        Assert.Equal(Old, scene.Output(1, Iova + 0x1000));
    }

    [Theory]
    [InlineData(0, 0, 0, 0x1000UL)]
    [InlineData(0, 31, 31, 0x1000UL)]
    [InlineData(1, 2, 1, 0x6000UL)]
    [Rule("CMD-TLBI-21")]
    [Rule("CMD-TLBI-22")]
    public void CommandsByAddressLeaveTheNeighboursAlone(byte granule, byte number, byte scale, ulong size)
    {
        using var scene = new CommandScene();
        var space = scene.Attach(1, 5);
        scene.MoveBehindCaches(space, 1, Iova - 0x1000, Old, New);
        scene.MoveBehindCaches(space, 1, Iova + size, Old, New);

        scene.Run(Command.TlbiNhVa(
            default, new Asid(5), Iova, leaf: true, new InvalidationRange(granule, number, scale, TTL: 0)));

        Assert.Equal(Old, scene.Output(1, Iova - 0x1000));
        Assert.Equal(Old, scene.Output(1, Iova + size));
    }
}
