using Smmu.Fast.Formats;

namespace Smmu.Fast.Tests.Hostile;

/// <summary>What has to be true of an SMMU when its guest has stopped, whatever that guest did.</summary>
/// <param name="machine">The SMMU and its memory.</param>
/// <param name="devices">Who used its ports, which are still open.</param>
/// <param name="plant">A defect to make up.</param>
internal sealed class Judgement(HostileMachine machine, IReadOnlyList<DeviceActor> devices, Plant plant)
{
    private const int MostTurns = 64;   // And one for each stall: an Event queue of one entry lets them go one by one.
    private const ulong Message = Places.Ram + 0x7800;
    private const ulong Scratch = Places.Ram + 0x7900;

    private readonly List<string> found = [];

    /// <summary>What is not as it has to be; empty when all is well.</summary>
    public IReadOnlyList<string> Find()
    {
        machine.IsQuiet = true;
        Require(IsSettled(), "Work is left that RunPending does not do.");
        RequireService();   // From a driver that takes over without a reset.

        machine.Smmu.Reset();
        Require(IsSettled(), "Work is left after a reset.");
        if (plant == Plant.WorkLeft) MakeWorkLeft();
        if (!machine.HostFails) RequireEnds();
        RequireResetState();
        found.AddRange(machine.Host.FindDamage());
        RequireService();
        return found;
    }

    private void RequireService()
    {
        var features = machine.Smmu.Features;
        if (features.TABLES_PRESET || features.QUEUES_PRESET) return;   // No driver can set these up.
        machine.Smmu.WriteRegister32(RegisterOffset.CR0, 0);
        Require(machine.Smmu.ReadRegister32(RegisterOffset.CR0ACK) == 0, "The SMMU does not switch off.");
        machine.Start();
        RequireCommands(features);
        RequireDma();
        RequireRecord();
        if (machine.IsSane) RequireTranslation();
    }

    private void Require(bool claim, string otherwise)
    {
        if (!claim) found.Add(otherwise);
    }

    private bool IsSettled()
    {
        int turns = MostTurns + machine.Smmu.Features.STALL_MAX;
        for (int turn = 0; machine.Smmu.HasPendingWork && turn < turns; turn++) machine.Smmu.RunPending();
        return !machine.Smmu.HasPendingWork;
    }

    private void MakeWorkLeft()
    {
        machine.Start();
        using var port = machine.Smmu.OpenPort(new StreamId(0));
        using var scope = port.Enter();
        machine.Submit(Command.Sync());
        Require(IsSettled(), "Work is left that RunPending does not do.");
    }

    // A reset clears SMMUEN, which ends every stall.
    private void RequireEnds()
    {
        if (plant == Plant.StallForgotten) devices[0].Clients.First().Invent();
        foreach (var client in devices.SelectMany(device => device.Clients))
        {
            Require(client.Ends == client.Stalls, $"Of {client.Stalls} stalls of a client {client.Ends} ended.");
        }
    }

    private void RequireResetState()
    {
        foreach (uint offset in (uint[])
            [
                RegisterOffset.CR0, RegisterOffset.CR0ACK, RegisterOffset.GERROR, RegisterOffset.GERRORN, RegisterOffset.IRQ_CTRL,
                RegisterOffset.CMDQ_PROD, RegisterOffset.CMDQ_CONS, RegisterOffset.EVENTQ_PROD, RegisterOffset.EVENTQ_CONS,
            ])
        {
            uint value = machine.Smmu.ReadRegister32(offset);
            Require(value == 0 || plant == Plant.WorkLeft, $"The register at 0x{offset:x} is 0x{value:x} after a reset.");
        }
    }

    private void RequireCommands(SmmuFeatures features)
    {
        const uint Value = 0x600d;
        machine.Store(Message, 0);
        StoreStream(0, Entry(0b100));
        machine.Submit(Command.CfgiAll());
        machine.Submit(Command.TlbiNsnhAll());
        machine.Submit(Command.SyncWithMsi(new PhysicalAddress(Message), Value));
        uint consumer = machine.Smmu.ReadRegister32(RegisterOffset.CMDQ_CONS);
        Require(consumer == machine.Smmu.ReadRegister32(RegisterOffset.CMDQ_PROD), "CMD_SYNC does not complete.");
        Require(!features.MSI || machine.Load(Message) == Value, "CMD_SYNC does not send its message.");
    }

    private void RequireDma()
    {
        if (plant == Plant.Broken) StoreStream(0, default);
        using var port = machine.Smmu.OpenPort(new StreamId(0));
        Span<byte> bytes = stackalloc byte[8];
        bool done = port.Write(Scratch, "hostile!"u8) && port.Read(Scratch, bytes);
        Require(done && bytes.SequenceEqual("hostile!"u8), "A device does not reach its memory.");
    }

    private void RequireRecord()
    {
        machine.Smmu.Translate(new StreamId(uint.MaxValue), null, 0, AccessKind.Read);
        bool isThere = machine.Smmu.ReadRegister32(RegisterOffset.EVENTQ_PROD) != 0
            && (byte)machine.Load(Places.EventQueue) == (byte)EventType.BadStreamId;
        Require(isThere, "A fault is not recorded.");
    }

    private void RequireTranslation()
    {
        const ulong Root = Places.Tables;
        const ulong Block = (1UL << 10) | (1UL << 6) | 0b01;
        Span<ulong> words = stackalloc ulong[8];
        default(ContextDescriptor)
            .With(ContextDescriptorField.V, 1)
            .With(ContextDescriptorField.AA64, 1)
            .With(ContextDescriptorField.T0SZ, 25)
            .With(ContextDescriptorField.EPD1, 1)
            .With(ContextDescriptorField.IPS, 5)
            .With(ContextDescriptorField.A, 1)
            .With(ContextDescriptorField.TTB0, Root)
            .CopyTo(words);
        machine.Store(Places.Contexts, words);
        machine.Store(Root, (Root + 0x1000) | 0b11);
        machine.Store(Root + 0x1000, Block);
        StoreStream(1, Entry(0b101).With(StreamTableEntryField.S1ContextPtr, Places.Contexts));
        var result = machine.Smmu.Translate(new StreamId(1), null, 0x1234, AccessKind.Read);
        Require(
            result.Outcome == TranslationOutcome.Translated && result.Address.Value == 0x1234,
            $"An address is not translated: {result.Outcome} {result.Event} {result.Address}.");
    }

    private void StoreStream(ulong stream, StreamTableEntry entry)
    {
        Span<ulong> words = stackalloc ulong[8];
        entry.CopyTo(words);
        machine.Store(Places.StreamTable + (stream * 64), words);
    }

    private static StreamTableEntry Entry(ulong config) => default(StreamTableEntry)
        .With(StreamTableEntryField.V, 1)
        .With(StreamTableEntryField.Config, config)
        .With(StreamTableEntryField.SHCFG, 1);
}
