using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Registers;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Tests.Streams.StreamScene;

namespace Smmu.Fast.Tests.Streams;

/// <summary>What memory refuses the SMMU is told in the way of what it wanted; what it refuses a client, the client knows.</summary>
public class AbortedAccessTests
{
    private const ulong Iova = 0x12_3456_7000;
    private const uint TwoLevel = 1 << 16 | 6 << 6 | 8;

    [Theory]
    [InlineData("STE", EventType.StreamTableEntryFetch)]
    [InlineData("L1STD", EventType.StreamTableEntryFetch)]
    [InlineData("CD", EventType.ContextDescriptorFetch)]
    [InlineData("L1CD", EventType.ContextDescriptorFetch)]
    [InlineData("stage 1 descriptor", EventType.WalkExternalAbort)]
    [InlineData("stage 2 descriptor", EventType.WalkExternalAbort)]
    [Rule("SPEC-16")]
    public void AStructureOrTableThatCannotBeReadIsAnEvent(string what, EventType expected)
    {
        using var scene = new StreamScene(cachesEnabled: false);
        ulong read = Nowhere;
        uint stream = 1;
        switch (what)
        {
            case "STE":
                scene.UseTable(Nowhere, 8);
                read = Nowhere + 64;
                break;
            case "L1STD":
                scene.UseTable(Nowhere, TwoLevel);
                stream = 0x41;
                read = Nowhere + 8;
                break;
            case "CD":
                scene.Machine.SetStream(1, Entries.Stage1(Nowhere));
                break;
            case "L1CD":
                scene.Machine.SetStream(1, Entries.Stage1(Nowhere).With(StreamTableEntryField.S1CDMax, 12)
                    .With(StreamTableEntryField.S1Fmt, 1).With(StreamTableEntryField.S1DSS, 2));
                break;
            case "stage 1 descriptor":
                scene.Machine.SetStream(1, Entries.Stage1(scene.NewContext(
                    scene.NewSpace().Descriptor().With(ContextDescriptorField.TTB0, Nowhere))));
                read = Nowhere + (((Iova >> 30) & 0x1ff) * 8);
                break;
            default:
                scene.Machine.SetStream(1, Stage2(scene.NewIntermediateSpace()).With(StreamTableEntryField.S2TTB, Nowhere));
                read = Nowhere + (((Iova >> 30) & 0x1ff) * 8);
                break;
        }

        Assert.Equal(read, scene.AssertFaults(expected, stream, Iova).FetchAddress.Value);
        Assert.Equal(GlobalErrors.None, scene.Machine.ActiveErrors());
    }

    [Theory]
    [InlineData("command", GlobalErrors.CMDQ_ERR)]
    [InlineData("event", GlobalErrors.EVENTQ_ABT_ERR)]
    [InlineData("MSI of CMD_SYNC", GlobalErrors.MSI_CMDQ_ABT_ERR)]
    [InlineData("MSI of events", GlobalErrors.MSI_EVENTQ_ABT_ERR)]
    [InlineData("MSI of errors", GlobalErrors.MSI_GERROR_ABT_ERR)]
    [Rule("SPEC-16")]
    public void AQueueOrMessageThatCannotBeReachedIsAGlobalError(string what, GlobalErrors expected)
    {
        using var machine = new GuestMachine();
        if (what == "command") machine.SetUpCommandQueue(address: Nowhere);
        if (what == "event") machine.SetUpEventQueue(address: Nowhere);
        if (what == "MSI of events") machine.PointMsi(RegisterOffset.EVENTQ_IRQ_CFG0, Nowhere, 1);
        if (what == "MSI of errors") machine.PointMsi(RegisterOffset.GERROR_IRQ_CFG0, Nowhere, 1);
        machine.EnableInterrupts(InterruptEnables.EVENTQ_IRQEN | InterruptEnables.GERROR_IRQEN);
        machine.Start();

        if (what == "command") machine.Write(RegisterOffset.CMDQ_PROD, 1);
        if (what is "event" or "MSI of events") machine.CauseEvent();
        if (what == "MSI of CMD_SYNC") machine.Submit(Command.SyncWithMsi(new PhysicalAddress(Nowhere), 1));
        if (what == "MSI of errors") machine.Submit(Scenes.IllegalCommand);

        var cause = what == "MSI of errors" ? GlobalErrors.CMDQ_ERR : GlobalErrors.None;
        Assert.Equal(expected | cause, machine.ActiveErrors());
        if (what == "command") Assert.Equal(CommandError.Abort, machine.CommandConsumer().ERR);
    }

    [Theory]
    [InlineData(AccessKind.Read)]
    [InlineData(AccessKind.Write)]
    [Rule("SPEC-15")]
    public void AnAccessThatIsTranslatedAndThenAbortsIsTheClientsMatterAlone(AccessKind kind)
    {
        using var scene = new StreamScene();
        scene.AttachPage(1, Iova, Nowhere);
        scene.SetStream(2, Entries.Bypass);
        foreach (var (stream, iova) in ((uint, ulong)[])[(1, Iova), (2, Nowhere)])
        {
            using var port = scene.Machine.Smmu.OpenPort(new StreamId(stream));
            byte[] bytes = new byte[8];
            var progress = kind == AccessKind.Read ? port.ReadSome(iova, bytes) : port.WriteSome(iova, bytes);

            Assert.Equal((0, false, true), (progress.Bytes, progress.IsComplete, progress.Last.IsSuccess));
            scene.AssertNoEvent();
        }

        Assert.Equal(GlobalErrors.None, scene.Machine.ActiveErrors());
    }
}
