using System.Security.Cryptography;
using Smmu.Fast.Device;
using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Memory;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Faults;
using Smmu.Fast.Tests.Queues;
using Smmu.Fast.Tests.Streams;

namespace Smmu.Fast.Tests.Device;

/// <summary>A device goes on elsewhere as though nothing had happened, and takes no state that does not fit.</summary>
public class SaveRestoreTests
{
    private const ulong Iova = 0x12_3456_7000;
    private const ulong Output = GuestMachine.RamBase + (3 << 20);

    [Fact]
    public void ARestoredDeviceReadsAndTranslatesAsTheSavedOne()
    {
        using var scene = new StreamScene();
        scene.AttachPage(1, Iova, Output);
        scene.AssertFaults(EventType.Translation, 1, Iova + 0x1000);
        scene.Access(1, Iova + 0x2000);
        WriteEverything(scene.Machine);

        byte[] state = scene.Machine.Smmu.Save();
        using var other = scene.Machine.AddSmmu(options => options);
        other.Smmu.Restore(state);

        for (uint offset = 0; offset < 2 * RegisterOffset.PageSize; offset += 4)
        {
            Assert.Equal(scene.Machine.Read(offset), other.Read(offset));
        }

        Assert.Equal(Output, other.Smmu.Translate(new StreamId(1), null, Iova, AccessKind.Read).Address.Value);
        Assert.Equal(state, other.Smmu.Save());
    }

    [Fact]
    public void ADeviceThatIsRestoredForgetsWhatItWasAndWhatItCached()
    {
        using var scene = new StreamScene();
        var space = scene.AttachPage(1, Iova, Output);
        using var port = scene.Machine.Smmu.OpenPort(new StreamId(1));
        byte[] state = scene.Machine.Smmu.Save();
        byte[] atReset = SavedAtReset();
        Assert.Equal(Output, port.Translate(Iova, AccessKind.Read).Address.Value);

        scene.Machine.Smmu.Restore(atReset);
        Assert.Equal(TranslationOutcome.DeviceBypassed, port.Translate(Iova, AccessKind.Read).Outcome);
        Assert.Equal(0u, scene.Machine.Read(RegisterOffset.CR0));

        space.Map(Iova, Output + 0x1000);
        scene.Machine.Smmu.Restore(state);
        Assert.Equal(Output + 0x1000, port.Translate(Iova, AccessKind.Read).Address.Value);
    }

    [Fact]
    public void CommandsThatWerePublishedAndNotRunAreRunAfterwards()
    {
        using var scene = new StreamScene();
        using var port = scene.Machine.Smmu.OpenPort(new StreamId(1));
        var scope = port.Enter();
        scene.Machine.Submit(Command.Sync(), Command.TlbiNsnhAll());
        Assert.False(scene.Machine.IsCommandQueueEmpty);
        Assert.Throws<InvalidOperationException>(() => scene.Machine.Smmu.Save());
        scope.Dispose();

        scene.Machine.Enable(ControlBits.EventQueue | ControlBits.Smmu);
        scene.Machine.Submit(Command.TlbiNsnhAll(), Command.Sync());
        byte[] disabled = scene.Machine.Smmu.Save();
        using var other = scene.Machine.AddSmmu(options => options);
        other.Smmu.Restore(disabled);
        Assert.False(other.Smmu.HasPendingWork);
        Assert.NotEqual(other.Read(RegisterOffset.CMDQ_PROD), other.Read(RegisterOffset.CMDQ_CONS));

        other.Enable(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);
        Assert.Equal(other.Read(RegisterOffset.CMDQ_PROD), other.Read(RegisterOffset.CMDQ_CONS));
    }

    [Fact]
    public void ErrorsStayActiveAndAreAcknowledgedAfterwards()
    {
        using var scene = new StreamScene();
        scene.Machine.Submit(new Command(0xff, 0), Command.Sync());
        Assert.False(scene.Machine.IsCommandQueueEmpty);

        byte[] state = scene.Machine.Smmu.Save();
        using var other = scene.Machine.AddSmmu(options => options);
        other.Smmu.Restore(state);

        Assert.Equal(1u, other.Read(RegisterOffset.GERROR));
        Assert.Equal(1u, other.Read(RegisterOffset.CMDQ_CONS) >> 24);
        uint index = scene.Machine.Read(RegisterOffset.CMDQ_CONS) & 0xff;
        scene.Machine.Write64(scene.Machine.CommandQueue + (index * 16UL), [(ulong)CommandOpcode.Sync, 0]);
        other.Write(RegisterOffset.GERRORN, 1);
        Assert.Equal(other.Read(RegisterOffset.CMDQ_PROD), other.Read(RegisterOffset.CMDQ_CONS) & 0xf_ffff);
    }

    [Fact]
    public void AnEventQueueThatAbortedTakesNothingUntilItIsAcknowledged()
    {
        const ulong Queue = 0x8000_0000;
        using var machine = new FaultingMachine(log2: 3, Queue);
        machine.Fault(0x1000);
        byte[] state = machine.Smmu.Save();
        machine.Machine.Memory.AddOwned(Queue, GuestMemory.PageBytes);
        using var other = machine.Machine.AddSmmu(options => options);

        other.Smmu.Restore(state);
        Assert.Equal(FaultingMachine.EventQueueAbort, other.Read(RegisterOffset.GERROR));
        other.Smmu.Translate(new StreamId(1), null, 0x2000, AccessKind.Read);
        Assert.Equal(0u, other.Read(RegisterOffset.EVENTQ_PROD));

        other.Write(RegisterOffset.GERRORN, other.Read(RegisterOffset.GERROR));
        other.Smmu.Translate(new StreamId(1), null, 0x3000, AccessKind.Read);
        Assert.Equal(1u, other.Read(RegisterOffset.EVENTQ_PROD));
    }

    [Fact]
    public void AStalledAccessIsAnsweredOnTheOtherDeviceUnderItsToken()
    {
        using var scene = new StallScene();
        scene.Attach(1);
        using var port = scene.Open(1);
        var (token, record) = scene.Stall(port);
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.Smmu);
        uint unrecorded = StallScene.StallWithoutRecord(port);

        byte[] state = scene.Machine.Smmu.Save();
        using var other = scene.Machine.AddSmmu(options => options);
        other.Smmu.Restore(state);
        Assert.Equal(state, other.Smmu.Save());
        var client = new Client();
        using var opened = other.Smmu.OpenPort(new StreamId(1), stalls: client);

        other.Enable(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);
        Assert.Equal([(unrecorded, StallAnswer.Retry)], client.Ends);
        uint next = other.Read(RegisterOffset.CMDQ_PROD);
        var resume = Command.ResumeTerminate(new StreamId(1), record.StallTag);
        scene.Machine.Write64(scene.Machine.CommandQueue + ((next & 0xff) * 16), [resume.Word0, resume.Word1]);
        other.Write(RegisterOffset.CMDQ_PROD, (next + 1) & 0x1ff);
        Assert.Equal([(unrecorded, StallAnswer.Retry), (token, StallAnswer.Abort)], client.Ends);

        var again = opened.Translate(Iova, AccessKind.Read);
        Assert.Equal(TranslationOutcome.Stalled, again.Outcome);
    }

    [Fact]
    public void RestoringEndsTheStallsThatTheDeviceHasWithAnAbort()
    {
        using var scene = new StallScene();
        scene.Attach(1);
        byte[] state = scene.Machine.Smmu.Save();
        using var port = scene.Open(1);
        var (token, _) = scene.Stall(port);

        scene.Machine.Smmu.Restore(state);

        scene.AssertEnded(token, StallAnswer.Abort);
    }

    [Fact]
    public void NoScopeMayBeOpenAndNoCommandsMayRun()
    {
        using var scene = new StreamScene();
        byte[] state = scene.Machine.Smmu.Save();
        using var port = scene.Machine.Smmu.OpenPort(new StreamId(1));
        using (port.Enter())
        {
            Assert.Contains("scope is open", Assert.Throws<InvalidOperationException>(() => scene.Machine.Smmu.Save()).Message);
            Assert.Throws<InvalidOperationException>(() => scene.Machine.Smmu.Restore(state));
        }

        Exception? inside = null;
        scene.Machine.Smmu.InterruptRaised += _ => inside = Record.Exception(() => scene.Machine.Smmu.Restore(state));
        scene.Machine.Submit(Command.Sync(CompletionSignal.Interrupt));
        Assert.IsType<InvalidOperationException>(inside);
        scene.Machine.Smmu.Restore(scene.Machine.Smmu.Save());
    }

    [Fact]
    public void EveryDamagedOrShortenedStateIsRefusedAndChangesNothing()
    {
        using var scene = new StallScene();
        scene.Attach(1);
        using var port = scene.Open(1);
        scene.Stall(port);
        var smmu = scene.Machine.Smmu;
        byte[] state = smmu.Save();

        for (int bit = 0; bit < state.Length * 8; bit++)
        {
            byte[] damaged = [.. state];
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Throws<InvalidDataException>(() => smmu.Restore(damaged));
        }

        for (int length = 0; length < state.Length; length++)
        {
            Assert.Throws<InvalidDataException>(() => smmu.Restore(state.AsSpan(0, length)));
        }

        Assert.Throws<InvalidDataException>(() => smmu.Restore([.. state, 0]));
        Assert.Equal(state, smmu.Save());
    }

    [Fact]
    public void AStateWithAValidChecksumAndContentThatNobodySavesIsRefusedOrTamed()
    {
        using var scene = new StallScene();
        scene.Attach(1);
        using var port = scene.Open(1);
        scene.Stall(port);
        var smmu = scene.Machine.Smmu;
        byte[] state = smmu.Save();
        var random = new Random(7);
        int refused = 0;

        for (int round = 0; round < 2000; round++)
        {
            byte[] forged = [.. state];
            for (int i = random.Next(1, 8); i > 0; i--) forged[random.Next(16, forged.Length - 32)] = (byte)random.Next();
            SHA256.HashData(forged.AsSpan(0, forged.Length - 32), forged.AsSpan(forged.Length - 32));
            if (Record.Exception(() => smmu.Restore(forged)) is { } exception)
            {
                Assert.IsType<InvalidDataException>(exception);
                refused++;
            }

            port.Translate(Iova, AccessKind.Read);
            smmu.RunPending();
        }

        Assert.InRange(refused, 100, 1999);
        smmu.Restore(state);
        Assert.Equal(state, smmu.Save());
    }

    [Fact]
    public void AStateOfAnotherFormatVersionIsRefusedAsSuch()
    {
        const int VersionOffset = 8;
        using var scene = new StreamScene();
        byte[] state = scene.Machine.Smmu.Save();
        state[VersionOffset]++;
        SHA256.HashData(state.AsSpan(0, state.Length - 32), state.AsSpan(state.Length - 32));

        var exception = Assert.Throws<InvalidDataException>(() => scene.Machine.Smmu.Restore(state));
        Assert.Contains("version 2", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AStalledAccessOfASubstreamIsAnsweredThroughThePortOfTheSubstream()
    {
        const uint Stream = 1;
        using var scene = new StallScene();
        ulong contexts = scene.Machine.Allocate(4 * 64);
        scene.Machine.SetContext(contexts + (2 * 64), scene.Streams.NewSpace(1).Descriptor().With(ContextDescriptorField.S, 1));
        scene.Streams.SetStream(Stream, Entries.Stage1(contexts).With(StreamTableEntryField.S1CDMax, 2));
        uint token;
        byte[] state;
        using (var port = scene.Machine.Smmu.OpenPort(new StreamId(Stream), new SubstreamId(2), stalls: scene))
        {
            token = StallScene.StallWithoutRecord(port);
            state = scene.Machine.Smmu.Save();
            scene.Machine.Smmu.Reset();
        }

        Client[] clients = [new(), new(), new()];
        using var other = scene.Machine.AddSmmu(options => options);
        using var none = other.Smmu.OpenPort(new StreamId(Stream), stalls: clients[0]);
        using var first = other.Smmu.OpenPort(new StreamId(Stream), new SubstreamId(1), stalls: clients[1]);
        using var second = other.Smmu.OpenPort(new StreamId(Stream), new SubstreamId(2), stalls: clients[2]);
        other.Smmu.Restore(state);
        other.Write(RegisterOffset.CR0, 0);   // Ends all stalls.

        Assert.Empty(clients[0].Ends);
        Assert.Empty(clients[1].Ends);
        Assert.Equal([(token, StallAnswer.Abort)], clients[2].Ends);
    }

    [Fact]
    public void AStateOfAnotherSmmuIsRefusedWithTheFieldsThatDiffer()
    {
        using var scene = new StreamScene();
        byte[] state = scene.Machine.Smmu.Save();
        using var memory = new GuestMemory();
        using var other = new SmmuDevice(new SmmuOptions
        {
            Memory = memory,
            Features = StreamScene.Everything.With(SmmuFeatureField.VMID16, 0),
        });

        var exception = Assert.Throws<InvalidDataException>(() => other.Restore(state));

        Assert.Contains("VMID16 is 1 there and 0 here", exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("S1P", exception.Message, StringComparison.Ordinal);
    }

    private static byte[] SavedAtReset()
    {
        using var memory = new GuestMemory();
        using var smmu = new SmmuDevice(new SmmuOptions { Memory = memory, Features = StreamScene.Everything });
        return smmu.Save();
    }

    // Values that a reset does not have, wherever software can put some while the SMMU is on.
    private static void WriteEverything(GuestMachine machine)
    {
        machine.Write(RegisterOffset.GBPA, 0x8000_3f1f);
        machine.Smmu.WriteRegister64(RegisterOffset.GERROR_IRQ_CFG0, GuestMachine.RamBase + 0x10);
        machine.Write(RegisterOffset.GERROR_IRQ_CFG1, 0x1234_5678);
        machine.Write(RegisterOffset.GERROR_IRQ_CFG2, 0x3f);
        machine.Smmu.WriteRegister64(RegisterOffset.EVENTQ_IRQ_CFG0, GuestMachine.RamBase + 0x20);
        machine.Write(RegisterOffset.EVENTQ_IRQ_CFG1, 0x9abc_def0);
        machine.Write(RegisterOffset.EVENTQ_IRQ_CFG2, 0x15);
        machine.Write(RegisterOffset.IRQ_CTRL, 0b101);
        machine.Write(RegisterOffset.EVENTQ_CONS, 0x8000_0001);
    }

    private sealed class Client : IStallClient
    {
        public List<(uint Token, StallAnswer Answer)> Ends { get; } = [];

        public void EndStall(uint stallToken, StallAnswer answer) => Ends.Add((stallToken, answer));
    }
}
