using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Scenarios.Machines;

/// <summary>
/// A small machine with an SMMU: RAM, queues, a Stream table, and a driver's hand on them. Tests, benchmarks and examples
/// build their scenes with it.
/// </summary>
/// <remarks>
/// RAM lies at <see cref="RamBase"/>; structures are laid out one after the other from its start. Nothing here is a driver to
/// copy: it writes what it is told, legal or not.
/// </remarks>
public sealed class GuestMachine : IDisposable
{
    /// <summary>Physical address of the first byte of RAM.</summary>
    public const ulong RamBase = 0x4000_0000;

    private const int CommandBytes = 16;
    private const int EventBytes = 32;
    private const ulong RamSizeDefault = 64 << 20;

    private readonly Ram ram;
    private readonly bool ownsMemory;

    /// <summary>Makes a machine whose SMMU is in its reset state.</summary>
    /// <param name="features">ID registers; <see cref="SmmuFeatures.Default"/> unless given.</param>
    /// <param name="ramBytes">Size of RAM.</param>
    /// <param name="bus">Answers for all other addresses.</param>
    /// <param name="configure">Changes the options of the SMMU.</param>
    public GuestMachine(
        SmmuFeatures? features = null,
        ulong ramBytes = RamSizeDefault,
        IGuestBus? bus = null,
        Func<SmmuOptions, SmmuOptions>? configure = null)
    {
        Memory = new GuestMemory(bus);
        ram = new Ram(Memory.AddOwned(RamBase, ramBytes), RamBase + ramBytes);
        ownsMemory = true;
        var options = new SmmuOptions { Memory = Memory, Features = features ?? SmmuFeatures.Default };
        Smmu = new SmmuDevice(configure is null ? options : configure(options));
    }

    private GuestMachine(GuestMachine first, Func<SmmuOptions, SmmuOptions> configure)
    {
        Memory = first.Memory;
        ram = first.ram;
        Smmu = new SmmuDevice(configure(first.Smmu.Options));
    }

    /// <summary>Physical memory.</summary>
    public GuestMemory Memory { get; }

    /// <summary>Its RAM.</summary>
    public GuestRegion RamRegion => ram.Region;

    /// <summary>The SMMU.</summary>
    public SmmuDevice Smmu { get; }

    /// <summary>Physical address of the Command queue, once it is set up.</summary>
    public ulong CommandQueue { get; private set; }

    /// <summary>log2 of its entries.</summary>
    public int CommandQueueLog2 { get; private set; }

    /// <summary>Physical address of the Event queue, once it is set up.</summary>
    public ulong EventQueue { get; private set; }

    /// <summary>log2 of its entries.</summary>
    public int EventQueueLog2 { get; private set; }

    /// <summary>Physical address of the linear Stream table, once it is set up.</summary>
    public ulong StreamTable { get; private set; }

    /// <summary>
    /// Puts another SMMU beside this one: the RAM is the same; registers, queues and caches are its own. Dispose it first.
    /// </summary>
    /// <param name="configure">Changes the options, which are those of this SMMU otherwise.</param>
    public GuestMachine AddSmmu(Func<SmmuOptions, SmmuOptions> configure) => new(this, configure);

    /// <summary>Takes zeroed RAM that nobody has used.</summary>
    /// <param name="bytes">How much.</param>
    /// <param name="alignment">A power of two.</param>
    public ulong Allocate(ulong bytes, ulong alignment = 4096)
    {
        ulong address = (ram.Free + alignment - 1) & ~(alignment - 1);
        if (address + bytes > ram.End) throw new InvalidOperationException("The machine has no RAM left: give it more.");
        ram.Free = address + bytes;
        return address;
    }

    /// <summary>Stores a 64-bit word.</summary>
    public void Write64(ulong address, ulong value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        Require(Memory.Write(address, bytes), address);
    }

    /// <summary>Stores 64-bit words, the first at the address.</summary>
    public void Write64(ulong address, ReadOnlySpan<ulong> values)
    {
        for (int i = 0; i < values.Length; i++) Write64(address + ((ulong)i * sizeof(ulong)), values[i]);
    }

    /// <summary>Loads a 64-bit word.</summary>
    public ulong Read64(ulong address)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        Require(Memory.Read(address, bytes), address);
        return System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    /// <summary>Loads a 32-bit word.</summary>
    public uint Read32(ulong address)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        Require(Memory.Read(address, bytes), address);
        return System.Buffers.Binary.BinaryPrimitives.ReadUInt32LittleEndian(bytes);
    }

    /// <summary>Writes a 32-bit register.</summary>
    public void Write(uint offset, uint value) => Smmu.WriteRegister32(offset, value);

    /// <summary>Reads a 32-bit register.</summary>
    public uint Read(uint offset) => Smmu.ReadRegister32(offset);

    /// <summary>Sets up the Command queue; it stays disabled.</summary>
    public void SetUpCommandQueue(int log2Entries = 8, ulong? address = null)
    {
        CommandQueueLog2 = log2Entries;
        CommandQueue = address ?? AllocateQueue(log2Entries, CommandBytes);
        Smmu.WriteRegister64(RegisterOffset.CMDQ_BASE, CommandQueue | (uint)log2Entries);
        Write(RegisterOffset.CMDQ_PROD, 0);
        Write(RegisterOffset.CMDQ_CONS, 0);
    }

    /// <summary>Sets up the Event queue; it stays disabled.</summary>
    public void SetUpEventQueue(int log2Entries = 8, ulong? address = null)
    {
        EventQueueLog2 = log2Entries;
        EventQueue = address ?? AllocateQueue(log2Entries, EventBytes);
        Smmu.WriteRegister64(RegisterOffset.EVENTQ_BASE, EventQueue | (uint)log2Entries);
        Write(RegisterOffset.EVENTQ_PROD, 0);
        Write(RegisterOffset.EVENTQ_CONS, 0);
    }

    /// <summary>Sets up a linear Stream table of zeroed entries.</summary>
    public void SetUpStreamTable(int log2Streams = 8)
    {
        ulong bytes = 64UL << log2Streams;
        StreamTable = Allocate(bytes, Math.Max(bytes, 64));
        Smmu.WriteRegister64(RegisterOffset.STRTAB_BASE, StreamTable);
        Write(RegisterOffset.STRTAB_BASE_CFG, (uint)log2Streams);
    }

    /// <summary>Sets everything up as drivers do, and enables queues and translation.</summary>
    /// <param name="recordInvalidStreams">CR2.RECINVSID.</param>
    public void Start(bool recordInvalidStreams = true)
    {
        const uint WriteBackInnerShareable = 0xd75;
        const uint RecordInvalidStreams = 2;
        Write(RegisterOffset.CR1, WriteBackInnerShareable);
        Write(RegisterOffset.CR2, recordInvalidStreams ? RecordInvalidStreams : 0);
        if (StreamTable == 0) SetUpStreamTable();
        if (CommandQueue == 0) SetUpCommandQueue();
        if (EventQueue == 0) SetUpEventQueue();
        Enable(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);
    }

    /// <summary>Writes CR0.</summary>
    public void Enable(ControlBits bits) => Write(RegisterOffset.CR0, (uint)bits);

    /// <summary>Physical address of a stream's entry in the linear table.</summary>
    public ulong StreamEntry(uint stream) => StreamTable + (stream * 64UL);

    /// <summary>Stores an STE.</summary>
    public void SetStream(uint stream, StreamTableEntry entry)
    {
        Span<ulong> words = stackalloc ulong[8];
        entry.CopyTo(words);
        Write64(StreamEntry(stream), words);
    }

    /// <summary>Stores a CD.</summary>
    public void SetContext(ulong address, ContextDescriptor descriptor)
    {
        Span<ulong> words = stackalloc ulong[8];
        descriptor.CopyTo(words);
        Write64(address, words);
    }

    /// <summary>Gives a stream a stage 1 context of its own over an address space.</summary>
    /// <returns>Physical address of the CD.</returns>
    public ulong AttachStage1(uint stream, Stage1Space space)
    {
        ulong context = Allocate(64, 64);
        SetContext(context, space.Descriptor());
        SetStream(stream, Entries.Stage1(context));
        return context;
    }

    /// <summary>Puts commands into the queue and publishes them with one write of CMDQ_PROD.</summary>
    public void Submit(params ReadOnlySpan<Command> commands)
    {
        uint producer = Read(RegisterOffset.CMDQ_PROD);
        uint used = (2u << CommandQueueLog2) - 1;
        foreach (var command in commands)
        {
            ulong address = CommandQueue + ((producer & (used >> 1)) * (ulong)CommandBytes);
            Write64(address, [command.Word0, command.Word1]);
            producer = (producer + 1) & used;
        }

        Write(RegisterOffset.CMDQ_PROD, producer);
    }

    /// <summary>Submits commands with a CMD_SYNC behind them.</summary>
    public void SubmitAndSync(params ReadOnlySpan<Command> commands)
    {
        Submit([.. commands, Command.Sync()]);
    }

    /// <summary>True when every published command is consumed.</summary>
    public bool IsCommandQueueEmpty
    {
        get
        {
            uint used = (2u << CommandQueueLog2) - 1;
            return ((Read(RegisterOffset.CMDQ_PROD) ^ Read(RegisterOffset.CMDQ_CONS)) & used) == 0;
        }
    }

    /// <summary>Takes the oldest record out of the Event queue.</summary>
    public bool TryTakeEvent(out EventRecord record)
    {
        uint producer = Read(RegisterOffset.EVENTQ_PROD);
        uint consumer = Read(RegisterOffset.EVENTQ_CONS);
        uint used = (2u << EventQueueLog2) - 1;
        record = default;
        if (((producer ^ consumer) & used) == 0) return false;

        ulong address = EventQueue + ((consumer & (used >> 1)) * (ulong)EventBytes);
        record = new EventRecord(Read64(address), Read64(address + 8), Read64(address + 16), Read64(address + 24));
        Write(RegisterOffset.EVENTQ_CONS, (producer & (1u << 31)) | ((consumer + 1) & used));
        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Smmu.Dispose();
        if (ownsMemory) Memory.Dispose();
    }

    private ulong AllocateQueue(int log2Entries, int entryBytes)
    {
        ulong bytes = (ulong)entryBytes << log2Entries;
        return Allocate(bytes, Math.Max(bytes, 32));
    }

    private static void Require(bool done, ulong address)
    {
        if (!done) throw new InvalidOperationException($"The machine has no writable memory at 0x{address:x}.");
    }

    private sealed class Ram(GuestRegion region, ulong end)
    {
        public GuestRegion Region => region;

        public ulong End { get; } = end;

        public ulong Free { get; set; } = RamBase;
    }
}

/// <summary>Enables of CR0.</summary>
[Flags]
public enum ControlBits : uint
{
    /// <summary>Everything off.</summary>
    None = 0,

    /// <summary>SMMUEN.</summary>
    Smmu = 1,

    /// <summary>PRIQEN.</summary>
    PageRequestQueue = 2,

    /// <summary>EVENTQEN.</summary>
    EventQueue = 4,

    /// <summary>CMDQEN.</summary>
    CommandQueue = 8,
}
