using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Oracle;

namespace Smmu.Fast.Comparison.Machine;

/// <summary>The engine and the Oracle with the same driver: registers, queues, interrupts.</summary>
internal sealed class MachinePair : IDisposable
{
    private const uint SmmuEnable = 1;
    private const uint IndexMask = 0xf_ffff;

    private static readonly uint[] Compared =
    [
        RegisterOffset.CR0, RegisterOffset.CR0ACK, RegisterOffset.CR1, RegisterOffset.CR2, RegisterOffset.GBPA,
        RegisterOffset.IRQ_CTRL, RegisterOffset.IRQ_CTRLACK, RegisterOffset.GERROR, RegisterOffset.GERRORN,
        RegisterOffset.GERROR_IRQ_CFG0, RegisterOffset.GERROR_IRQ_CFG1, RegisterOffset.GERROR_IRQ_CFG2,
        RegisterOffset.STRTAB_BASE, RegisterOffset.STRTAB_BASE_CFG,
        RegisterOffset.CMDQ_BASE, RegisterOffset.CMDQ_PROD, RegisterOffset.CMDQ_CONS,
        RegisterOffset.EVENTQ_BASE, RegisterOffset.EVENTQ_PROD, RegisterOffset.EVENTQ_CONS,
        RegisterOffset.EVENTQ_IRQ_CFG0, RegisterOffset.EVENTQ_IRQ_CFG1, RegisterOffset.EVENTQ_IRQ_CFG2,
        RegisterOffset.PRIQ_BASE, RegisterOffset.PRIQ_PROD, RegisterOffset.PRIQ_CONS,
        RegisterOffset.PRIQ_IRQ_CFG0, RegisterOffset.PRIQ_IRQ_CFG1, RegisterOffset.PRIQ_IRQ_CFG2,
    ];

    private readonly SmmuFeatures features;
    private readonly MachineMemory memory;
    private readonly SmmuOptions options;
    private readonly List<InterruptLine> lines = [];
    private readonly ulong[] before = new ulong[Compared.Length];
    private int interruptsSeen;
    private int commandsSeen;

    public MachinePair(Script script, MachineMemory memory)
    {
        (features, this.memory) = (script.Features, memory);
        options = new SmmuOptions
        {
            Features = features,
            Memory = memory.Twin.Engine,
            CachesEnabled = script.CachesEnabled,
            MaximumPorts = MachineClients.MostPorts,
            TlbEntries = 256,
            WalkCacheEntries = 64,
            ConfigurationCacheEntries = 16,
        };
        Engine = NewEngine();
        Oracle = NewOracle();
        ReadAll(before);
    }

    public SmmuDevice Engine { get; private set; }

    public OracleSmmu Oracle { get; private set; }

    public bool IsEnabled => (ReadOracle(RegisterOffset.CR0) & SmmuEnable) != 0;

    public bool E2H => (ReadOracle(RegisterOffset.CR2) & 1) != 0;

    /// <summary>VMID bits that CR0.VMW has invalidations ignore.</summary>
    public int IgnoredVmidBits
    {
        get
        {
            int wildcard = (int)(ReadOracle(RegisterOffset.CR0) >> 6) & 7;
            return wildcard <= 4 ? wildcard : 0;
        }
    }

    /// <summary>Records that the Event queue would take now.</summary>
    public int EventRoom => Oracle.EventRoom;

    /// <summary>Errors that differ from their acknowledgement.</summary>
    public uint ActiveErrors => (uint)(ReadOracle(RegisterOffset.GERROR) ^ ReadOracle(RegisterOffset.GERRORN));

    /// <summary>log2 of the commands that the Command queue holds.</summary>
    public int CommandLog2 => QueueLog2(RegisterOffset.CMDQ_BASE, features.CommandQueueLog2);

    private int EventLog2 => QueueLog2(RegisterOffset.EVENTQ_BASE, features.EventQueueLog2);

    /// <summary>Writes a register of both.</summary>
    public void Write(uint offset, ulong value, bool isWide)
    {
        if (isWide)
        {
            Engine.WriteRegister64(offset, value);
            if (offset % 8 != 0) return;
            if (ScriptNames.IsWide(offset)) Oracle.WriteRegister(offset, value);
            else
            {
                Oracle.WriteRegister32(offset, (uint)value);
                Oracle.WriteRegister32(offset + 4, (uint)(value >> 32));
            }
        }
        else
        {
            Engine.WriteRegister32(offset, (uint)value);
            if (offset % 4 == 0) Oracle.WriteRegister32(offset, (uint)value);
        }
    }

    public ulong ReadOracle(uint offset) => Oracle.ReadRegister(offset);

    /// <summary>Address of a command by its index, wrap flag included.</summary>
    public ulong CommandAddress(uint index) =>
        QueueBase(RegisterOffset.CMDQ_BASE, CommandLog2, 4) + ((index & ((1u << CommandLog2) - 1)) * 16UL);

    /// <summary>The record in the engine's queue that the Oracle has not delivered; null when there is none.</summary>
    public EventRecord? NextRecordOfEngine()
    {
        uint producer = (uint)ReadOracle(RegisterOffset.EVENTQ_PROD);
        if (((Engine.ReadRegister32(RegisterOffset.EVENTQ_PROD) ^ producer) & IndexMask) == 0) return null;
        ulong address = QueueBase(RegisterOffset.EVENTQ_BASE, EventLog2, 5) + ((producer & ((1u << EventLog2) - 1)) * 32UL);
        return new EventRecord(
            memory.Twin.OfEngine(address), memory.Twin.OfEngine(address + 8),
            memory.Twin.OfEngine(address + 16), memory.Twin.OfEngine(address + 24));
    }

    /// <summary>What the engine's Event queue shows of a record that the Oracle has not delivered.</summary>
    public OracleDelivery DeliveryOfEngine()
    {
        uint changed = Engine.ReadRegister32(RegisterOffset.EVENTQ_PROD) ^ (uint)ReadOracle(RegisterOffset.EVENTQ_PROD);
        if ((changed & IndexMask) != 0) return OracleDelivery.Recorded;
        if (changed != 0) return OracleDelivery.Overflowed;
        uint errors = Engine.ReadRegister32(RegisterOffset.GERROR) ^ (uint)ReadOracle(RegisterOffset.GERROR);
        return errors != 0 ? OracleDelivery.Aborted : OracleDelivery.Lost;
    }

    /// <summary>True for words that records and messages are written to.</summary>
    public bool MayDeliverTo(ulong address)
    {
        ulong queue = QueueBase(RegisterOffset.EVENTQ_BASE, EventLog2, 5);
        return address - queue < 32UL << EventLog2
            || address == (ReadOracle(RegisterOffset.EVENTQ_IRQ_CFG0) & ~7UL) || address == (ReadOracle(RegisterOffset.GERROR_IRQ_CFG0) & ~7UL);
    }

    /// <summary>True when the record that was delivered last is in the queue.</summary>
    public bool WasRecorded { get; private set; }

    /// <summary>Delivers a record of the Oracle, if there is one.</summary>
    public void Deliver(OracleEvent? record) => WasRecorded = record is { } some && Oracle.Deliver(some);

    /// <summary>Makes the Oracle's memory and Event queue what the engine's have become.</summary>
    public void Follow(EventRecord? record)
    {
        memory.TakeFromEngine();
        bool hasEffect = DeliveryOfEngine() != OracleDelivery.Lost;
        var words = record ?? default;
        Deliver(hasEffect ? new OracleEvent(words.Word0, words.Word1, words.Word2, words.Word3) : null);
    }

    /// <summary>The commands that were consumed since this was asked.</summary>
    public IEnumerable<Command> NewCommands()
    {
        var all = Oracle.ConsumedCommands;
        while (commandsSeen < all.Count)
        {
            var command = all[commandsSeen++];
            yield return new Command(command.Word0, command.Word1);
        }
    }

    /// <summary>Runs what is left over from the last call.</summary>
    public void RunPending()
    {
        for (int i = 0; i < 64 && Engine.HasPendingWork; i++) Engine.RunPending();
    }

    /// <summary>The first register, interrupt or word of memory that differs, or null.</summary>
    /// <param name="changes">Takes what has changed, for people; null when nobody asks.</param>
    public string? Compare(List<string>? changes)
    {
        for (int i = 0; i < Compared.Length; i++)
        {
            uint offset = Compared[i];
            bool isWide = ScriptNames.IsWide(offset);
            ulong engine = isWide ? Engine.ReadRegister64(offset) : Engine.ReadRegister32(offset);
            ulong oracle = ReadOracle(offset);
            if (engine != oracle) return FormattableString.Invariant($"{ScriptNames.OfRegister(offset)}: engine 0x{engine:x}, oracle 0x{oracle:x}");
            if (oracle != before[i]) changes?.Add(FormattableString.Invariant($"{ScriptNames.OfRegister(offset)} 0x{before[i]:x} -> 0x{oracle:x}"));
            before[i] = oracle;
        }

        foreach (ulong address in memory.Twin.Written)
        {
            if (memory.Twin.OfEngine(address) != memory.Twin.OfOracle(address)) return DescribeMemory(address);
        }

        memory.Twin.Written.Clear();
        return CompareInterrupts(changes);
    }

    /// <summary>The first word of memory that differs, or null.</summary>
    public string? CompareMemory() => memory.FirstDifference() is { } address ? DescribeMemory(address) : null;

    /// <summary>Resets both.</summary>
    public void Reset()
    {
        Engine.Reset();
        Oracle = NewOracle();
        interruptsSeen = 0;
        commandsSeen = 0;
    }

    /// <summary>Replaces the engine by a new one that takes its state.</summary>
    /// <param name="close">Closes the ports of the old one.</param>
    public void Restore(Action close)
    {
        byte[] state = Engine.Save();
        close();
        Engine.Dispose();
        Engine = NewEngine();
        Engine.Restore(state);
        Oracle.TakeActiveErrors();   // The state has no other notion of an error than its two bits.
    }

    public void Dispose() => Engine.Dispose();

    private string DescribeMemory(ulong address) => FormattableString.Invariant(
        $"memory at 0x{address:x}: engine 0x{memory.Twin.OfEngine(address):x}, oracle 0x{memory.Twin.OfOracle(address):x}");

    private string? CompareInterrupts(List<string>? changes)
    {
        var oracle = Oracle.Interrupts.Skip(interruptsSeen).Select(interrupt => interrupt.ToString()).ToList();
        interruptsSeen = Oracle.Interrupts.Count;
        if (oracle.Count == 0 && lines.Count == 0) return null;
        var engine = lines.Select(line => line.ToString()).ToList();
        lines.Clear();

        // What one step raises comes in no certain order.
        engine.Sort(StringComparer.Ordinal);
        oracle.Sort(StringComparer.Ordinal);
        if (!engine.SequenceEqual(oracle)) return $"interrupts: engine {List(engine)}, oracle {List(oracle)}";
        changes?.Add("interrupts: " + List(oracle));
        return null;

        static string List(List<string> names) => names.Count == 0 ? "none" : string.Join(", ", names);
    }

    private void ReadAll(ulong[] values)
    {
        for (int i = 0; i < Compared.Length; i++) values[i] = ReadOracle(Compared[i]);
    }

    private int QueueLog2(uint register, int most) => Math.Min((int)(ReadOracle(register) & 0x1f), most);

    private ulong QueueBase(uint register, int log2, int entryLog2)
    {
        ulong address = ReadOracle(register) & ((1UL << features.OutputAddressBits) - 1) & ~0x1fUL;
        int alignment = Math.Max(5, log2 + entryLog2);
        return address >> alignment << alignment;
    }

    private SmmuDevice NewEngine()
    {
        var made = new SmmuDevice(options);
        made.InterruptRaised += lines.Add;
        return made;
    }

    private OracleSmmu NewOracle() => new(
        FeatureGenerator.ForOracle(features), memory, CaseRunner.Choices with
        {
            RetriesUnrecordedStalls = true,
            ToggledErrorsStopQueues = false,
        });
}
