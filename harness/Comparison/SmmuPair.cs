using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Oracle;

namespace Smmu.Fast.Comparison;

/// <summary>The engine and the Oracle over the same memory, with the same driver.</summary>
internal sealed class SmmuPair(SmmuDevice engine, OracleSmmu oracle, TwinMemory memory)
{
    private static readonly uint[] Registers =
    [
        RegisterOffset.CR0, RegisterOffset.CR0ACK, RegisterOffset.CR1, RegisterOffset.CR2, RegisterOffset.GBPA, RegisterOffset.GERROR,
        RegisterOffset.STRTAB_BASE_CFG, RegisterOffset.CMDQ_PROD, RegisterOffset.CMDQ_CONS, RegisterOffset.EVENTQ_PROD,
        RegisterOffset.EVENTQ_CONS,
    ];

    private uint engineConsumed;
    private uint oracleConsumed;
    private uint commands;
    private DmaPort? port;

    /// <summary>Accesses so far.</summary>
    public int Accesses { get; private set; }

    /// <summary>Writes a register of both.</summary>
    public void Write(uint offset, ulong value)
    {
        bool isWide = offset is RegisterOffset.STRTAB_BASE or RegisterOffset.CMDQ_BASE or RegisterOffset.EVENTQ_BASE;
        if (isWide) engine.WriteRegister64(offset, value);
        else engine.WriteRegister32(offset, (uint)value);
        oracle.WriteRegister(offset, value);
    }

    /// <summary>Sets up both queues of both.</summary>
    public void SetUpQueues()
    {
        Write(RegisterOffset.CMDQ_BASE, CaseImage.CommandQueue | CaseImage.CommandQueueLog2);
        Write(RegisterOffset.CMDQ_PROD, 0);
        Write(RegisterOffset.CMDQ_CONS, 0);
        Write(RegisterOffset.EVENTQ_BASE, CaseImage.EventQueue | CaseImage.EventQueueLog2);
        Write(RegisterOffset.EVENTQ_PROD, 0);
        Write(RegisterOffset.EVENTQ_CONS, 0);
    }

    /// <summary>Makes both forget all that they may have cached.</summary>
    public void Forget()
    {
        Submit(Command.CfgiAll());
        Submit(Command.TlbiNsnhAll());
        if (engine.Features.Hyp) Submit(Command.TlbiEl2All());
        Submit(Command.Sync());
        Write(RegisterOffset.CMDQ_PROD, commands);
    }

    /// <summary>Makes an access on both.</summary>
    public (TranslationResult Engine, OracleResult Oracle) Access(AccessStep access)
    {
        Accesses++;
        var kind = access.Kind;
        var direction = (kind & AccessKind.Atomic) switch
        {
            AccessKind.Read => OracleDirection.Read,
            AccessKind.Write => OracleDirection.Write,
            _ => OracleDirection.Atomic,
        };
        var same = new OracleAccess(direction, (kind & AccessKind.Privileged) != 0, (kind & AccessKind.Instruction) != 0)
        {
            CannotStall = true,
        };
        var stream = new StreamId(access.Stream);
        SubstreamId? substream = access.Substream is { } value ? new SubstreamId(value) : null;
        var result = access.ByPort
            ? PortOf(stream, substream).Translate(access.Address, kind)
            : engine.Translate(stream, substream, access.Address, kind);
        return (result, oracle.Translate(access.Stream, access.Substream, access.Address, same));
    }

    /// <summary>Takes the record that an access has left.</summary>
    public EventRecord? TakeRecord(bool ofEngine)
    {
        const uint Producer = RegisterOffset.EVENTQ_PROD;
        uint producer = ofEngine ? engine.ReadRegister32(Producer) : (uint)oracle.ReadRegister(Producer);
        ref uint consumed = ref ofEngine ? ref engineConsumed : ref oracleConsumed;
        if (producer == consumed) return null;
        ulong address = CaseImage.EventQueue + ((consumed++ & ((1u << CaseImage.EventQueueLog2) - 1)) * 32UL);
        return new EventRecord(Word(0), Word(8), Word(16), Word(24));

        ulong Word(ulong offset) => ofEngine ? memory.OfEngine(address + offset) : memory.OfOracle(address + offset);
    }

    /// <summary>The first register that differs, or null.</summary>
    public string? CompareRegisters()
    {
        foreach (uint offset in Registers)
        {
            uint left = engine.ReadRegister32(offset);
            uint right = (uint)oracle.ReadRegister(offset);
            if (left != right) return $"register 0x{offset:x} differs: engine 0x{left:x}, oracle 0x{right:x}";
        }

        ulong table = engine.ReadRegister64(RegisterOffset.STRTAB_BASE);
        ulong other = oracle.ReadRegister(RegisterOffset.STRTAB_BASE);
        return table == other ? null : $"STRTAB_BASE differs: engine 0x{table:x}, oracle 0x{other:x}";
    }

    /// <summary>Closes the port of the client that came last.</summary>
    public void ClosePort()
    {
        port?.Dispose();
        port = null;
    }

    private DmaPort PortOf(StreamId stream, SubstreamId? substream)
    {
        if (port is not null && port.Stream == stream && port.Substream == substream) return port;
        ClosePort();
        return port = engine.OpenPort(stream, substream);
    }

    private void Submit(Command command)
    {
        const uint Wraps = (2u << CaseImage.CommandQueueLog2) - 1;
        ulong address = CaseImage.CommandQueue + ((commands & (Wraps >> 1)) * 16UL);
        memory.Set(address, command.Word0);
        memory.Set(address + 8, command.Word1);
        commands = (commands + 1) & Wraps;
    }
}
