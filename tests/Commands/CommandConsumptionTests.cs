using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Commands;

/// <summary>When commands run, and what their consumption means (IHI 0070, 4.1.2, 4.7.3 and 4.8).</summary>
public class CommandConsumptionTests
{
    private const ulong Iova = 0x12_3000;
    private const ulong Old = 0x4100_0000;
    private const ulong New = 0x4200_0000;

    [Fact]
    [Rule("CMD-GEN-10")]
    [Rule("CACHE-11")]
    public void CommandsFlushTheCachesWhileTranslationIsOff()
    {
        using var scene = new CommandScene(CommandScene.TwoStages, start: false);
        scene.Machine.SetUpCommandQueue();
        scene.Machine.Enable(ControlBits.CommandQueue);
        scene.Run(Command.CfgiAll(), Command.TlbiEl2All(), Command.TlbiNsnhAll());   // The very first commands of a driver.

        scene.Machine.Start();
        var space = scene.Attach(1, 1);
        scene.MoveBehindCaches(space, 1, Iova, Old, New);
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue);
        scene.Run(Command.TlbiNsnhAll());
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);

        Assert.Equal(New, scene.Output(1, Iova));
    }

    [Fact]
    [Rule("CMD-GEN-11")]
    public void ConsumedCommandsHaveTakenEffect()
    {
        using var scene = new CommandScene();
        var space = scene.Attach(1, 1);
        scene.MoveBehindCaches(space, 1, Iova, Old, New);
        scene.Machine.Submit(Command.TlbiNhVa(default, new Asid(1), Iova));
        Assert.Equal(New, scene.Output(1, Iova));

        scene.Machine.SetStream(1, Entries.Abort);
        scene.Machine.Submit(Command.CfgiSte(new StreamId(1)));
        Assert.Null(scene.Output(1, Iova));
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(1u)]
    [Rule("CMD-GEN-12")]
    [Rule("CMD-TLBI-09")]
    public void ControlFieldsCountAsTheyAreWhenTheCommandRuns(uint e2h)
    {
        using var scene = new CommandScene(CommandScene.TwoStages, start: false);
        scene.Machine.Start();
        scene.Machine.Enable(ControlBits.None);
        scene.Machine.Write(RegisterOffset.CR2, e2h);
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);
        var space = scene.Attach(1, 1, world: CommandScene.El2);
        scene.MoveBehindCaches(space, 1, Iova, Old, New);

        scene.Machine.Enable(ControlBits.None);
        scene.Machine.Write(RegisterOffset.CR2, e2h ^ 1);
        scene.Machine.SubmitAndSync(Command.TlbiEl2Va(new Asid(1), Iova));
        scene.Machine.Write(RegisterOffset.CR2, e2h);
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);

        Assert.True(scene.Machine.IsCommandQueueEmpty);
        Assert.Equal(New, scene.Output(1, Iova));
    }

    [Fact]
    [Rule("CMD-GEN-13")]
    [Rule("CMD-SYNC-12")]
    public void OnlyTheConsumptionOfSyncMeansThatEarlierAccessesAreOver()
    {
        using var scene = new CommandScene();
        var space = scene.Attach(1, 1);
        space.Map(Iova, Old);
        using var port = scene.Machine.Smmu.OpenPort(new StreamId(1));
        using (var scope = port.Enter())
        {
            Assert.Equal(Old, scope.Translate(Iova, AccessKind.Write).Address.Value);
            space.Map(Iova, New);
            scene.Machine.SubmitAndSync(Command.TlbiNhVa(default, new Asid(1), Iova), Command.CfgiSte(new StreamId(1)));

            Assert.Equal(2u, scene.Consumer);
        }

        Assert.Equal(3u, scene.Consumer);
        Assert.Equal(New, port.Translate(Iova, AccessKind.Write).Address.Value);
    }
}
