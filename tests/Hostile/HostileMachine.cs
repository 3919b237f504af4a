using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Tests.Hostile;

/// <summary>An SMMU in the hands of a hostile guest, and its CPUs: all memory lies between pages nobody may touch.</summary>
internal sealed unsafe class HostileMachine : IDisposable
{
    private readonly HostileBus bus = new();
    private ulong commandQueue = Places.CommandQueue;

    /// <summary>Makes a machine whose memory is full of structures and tables.</summary>
    /// <param name="features">What the SMMU announces.</param>
    /// <param name="isSane">The features contradict each other in no way that matters.</param>
    /// <param name="hostFails">Host code throws at times.</param>
    /// <param name="words">Chooses.</param>
    public HostileMachine(SmmuFeatures features, bool isSane, bool hostFails, HostileWords words)
    {
        IsSane = isSane;
        HostFails = hostFails;
        Memory = new GuestMemory(bus);
        Host = new HostMemory(Memory, words);
        Smmu = new SmmuDevice(new SmmuOptions
        {
            Memory = Memory,
            Features = features,
            MaximumPorts = 16,
            TlbEntries = 16 << (2 * words.Next(5)),
            WalkCacheEntries = 16 << (2 * words.Next(4)),
            ConfigurationCacheEntries = 16 << (2 * words.Next(3)),
            CachesEnabled = !words.Chance(8),
            GlobalBypassReset = words.Chance(4) ? (uint)words.Word() : 0x1000,
        });
        bus.Smmu = Smmu;
        Smmu.InterruptRaised += _ => Actor.Current?.CallBack();
        CommandQueueLog2 = Math.Min(Places.QueueLog2, features.CommandQueueLog2);
        Fill(words);
    }

    public SmmuDevice Smmu { get; }

    public GuestMemory Memory { get; }

    /// <summary>The regions behind it.</summary>
    public HostMemory Host { get; }

    /// <summary>The features contradict each other in no way that matters.</summary>
    public bool IsSane { get; }

    /// <summary>Host code throws at times, against its contract: that exception leaves the call it happened in.</summary>
    public bool HostFails { get; }

    /// <summary>log2 of the entries of the Command queue that the guest believes in.</summary>
    public int CommandQueueLog2 { get; }

    /// <summary>True when host code neither calls back nor answers: the guest's time is up.</summary>
    public bool IsQuiet
    {
        get => bus.IsQuiet;
        set => bus.IsQuiet = value;
    }

    /// <summary>Makes one of the defects that the harness has to notice.</summary>
    public void Make(Plant plant)
    {
        if (plant is not (Plant.Exception or Plant.Hang))
        {
            Host.Make(plant);
            return;
        }

        bus.Planted = plant;
        Memory.Read(Places.Slow, stackalloc byte[8]);
    }

    /// <summary>Sets the registers up as a sane driver does.</summary>
    public void Start() => Start(Places.CommandQueue, Places.EventQueue, Places.StreamTable, Places.Log2Streams);

    /// <summary>Sets the registers up, often with a queue or table where none should be.</summary>
    public void Start(HostileWords words)
    {
        const uint TwoLevels = (1 << 16) | (6 << 6) | (6 + Places.Log2Streams);
        for (int i = 0; i < 4; i++) StoreStream(words, (ulong)words.Next(1 << Places.Log2Streams));   // Records may lie on them.
        bool hasTwoLevels = words.Chance(4);
        Start(
            words.Chance(6) ? words.Queue() & ~0x3ffUL : Places.CommandQueue,
            words.Chance(6) ? words.Queue() & ~0x7ffUL : Places.EventQueue,
            words.Chance(24) ? words.Queue() & ~0x3ffUL : hasTwoLevels ? Places.Level1StreamTable : Places.StreamTable,
            hasTwoLevels ? TwoLevels : Places.Log2Streams);
        if (!words.Chance(3)) return;
        Smmu.WriteRegister64(RegisterOffset.EVENTQ_IRQ_CFG0, words.Address());
        Smmu.WriteRegister32(RegisterOffset.EVENTQ_IRQ_CFG1, (uint)words.Next(256));
        Smmu.WriteRegister64(RegisterOffset.GERROR_IRQ_CFG0, words.Address());
    }

    /// <summary>Puts commands where the driver believes its queue to be, and publishes them.</summary>
    public void Submit(HostileWords words)
    {
        uint producer = Smmu.ReadRegister32(RegisterOffset.CMDQ_PROD);
        for (int i = words.Next(8); i >= 0; i--) producer = Put(producer, words.Command());
        Smmu.WriteRegister32(RegisterOffset.CMDQ_PROD, producer);
    }

    /// <summary>Puts one command into the queue and publishes it.</summary>
    public void Submit(Command command)
    {
        uint producer = Put(Smmu.ReadRegister32(RegisterOffset.CMDQ_PROD), (command.Word0, command.Word1));
        Smmu.WriteRegister32(RegisterOffset.CMDQ_PROD, producer);
    }

    /// <summary>Takes all records, as far as the registers are to be believed, and acknowledges errors.</summary>
    public void Serve()
    {
        Smmu.WriteRegister32(RegisterOffset.EVENTQ_CONS, Smmu.ReadRegister32(RegisterOffset.EVENTQ_PROD));

        // A command that was refused would be refused again.
        Put(Smmu.ReadRegister32(RegisterOffset.CMDQ_CONS), ((ulong)CommandOpcode.Sync, 0));
        Smmu.WriteRegister32(RegisterOffset.GERRORN, Smmu.ReadRegister32(RegisterOffset.GERROR));
    }

    /// <summary>Stores something somewhere, as another CPU of the guest would.</summary>
    public void Scribble(HostileWords words)
    {
        switch (words.Next(8))
        {
            case 0:
                StoreStream(words, (ulong)words.Next(1 << Places.Log2Streams));
                break;
            case 1:
                StoreContext(words, (ulong)words.Next((int)(Places.Tables - Places.Contexts) / 64));
                break;
            case 2:
                Store(Places.Level1StreamTable + ((ulong)words.Next(16) * 8), words.Level1StreamTableDescriptor());
                break;
            case 3:
                Store(Places.Level1Contexts + ((ulong)words.Next(0x1000) * 8), words.Level1ContextDescriptor());
                break;
            case 4:
                ulong start = words.Chance(2) ? Places.Slow : Places.Calling;
                Store(start + ((ulong)words.Next(Places.BusBytes) & ~7UL), words.Descriptor());
                break;
            default:
                const int TableBytes = (int)(Places.Ram + Places.RamBytes - Places.Tables);
                Store(Places.Tables + ((ulong)words.Next(TableBytes) & ~7UL), words.Descriptor());
                break;
        }
    }

    /// <summary>Stores a word where CPUs can: in RAM and in memory on the bus.</summary>
    public void Store(ulong address, ulong word)
    {
        if (address - Places.Ram < Places.RamBytes) Volatile.Write(ref *(ulong*)(Host.Ram.Start + (address - Places.Ram)), word);
        else bus.TryStore(address, word);
    }

    /// <summary>Stores words.</summary>
    public void Store(ulong address, ReadOnlySpan<ulong> words)
    {
        for (int i = 0; i < words.Length; i++) Store(address + ((ulong)i * sizeof(ulong)), words[i]);
    }

    /// <summary>Loads a word from RAM.</summary>
    public ulong Load(ulong address) => Volatile.Read(ref *(ulong*)(Host.Ram.Start + (address - Places.Ram)));

    /// <inheritdoc/>
    public void Dispose()
    {
        Smmu.Dispose();
        Memory.Dispose();
        Host.Dispose();
    }

    private void Start(ulong commands, ulong events, ulong streams, uint shape)
    {
        commandQueue = commands;
        Smmu.WriteRegister32(RegisterOffset.CR0, 0);
        Smmu.WriteRegister32(RegisterOffset.IRQ_CTRL, 0);
        Smmu.WriteRegister32(RegisterOffset.GERRORN, Smmu.ReadRegister32(RegisterOffset.GERROR));
        Smmu.WriteRegister32(RegisterOffset.CR2, 2);
        Smmu.WriteRegister64(RegisterOffset.STRTAB_BASE, streams);
        Smmu.WriteRegister32(RegisterOffset.STRTAB_BASE_CFG, shape);
        Smmu.WriteRegister64(RegisterOffset.CMDQ_BASE, commands | Places.QueueLog2);
        Smmu.WriteRegister32(RegisterOffset.CMDQ_PROD, 0);
        Smmu.WriteRegister32(RegisterOffset.CMDQ_CONS, 0);
        Smmu.WriteRegister64(RegisterOffset.EVENTQ_BASE, events | Places.QueueLog2);
        Smmu.WriteRegister32(RegisterOffset.EVENTQ_PROD, 0);
        Smmu.WriteRegister32(RegisterOffset.EVENTQ_CONS, 0);
        Smmu.WriteRegister32(RegisterOffset.IRQ_CTRL, 5);
        Smmu.WriteRegister32(RegisterOffset.CR0, 0xd);
    }

    private uint Put(uint producer, (ulong Word0, ulong Word1) command)
    {
        ulong slot = Volatile.Read(ref commandQueue) + (QueuePointer.IndexOf(producer, CommandQueueLog2) * 16);
        Store(slot, command.Word0);
        Store(slot + 8, command.Word1);
        return QueuePointer.Next(producer, CommandQueueLog2);
    }

    private void Fill(HostileWords words)
    {
        for (ulong stream = 0; stream < 1 << Places.Log2Streams; stream++) StoreStream(words, stream);
        for (ulong i = 0; i < 16; i++) Store(Places.Level1StreamTable + (i * 8), words.Level1StreamTableDescriptor());
        for (ulong i = 0; i < 64; i++) Store(Places.Level2StreamTables + (i * 64), words.StreamTableEntry());
        for (ulong i = 0; i < 0x1000; i++) Store(Places.Level1Contexts + (i * 8), words.Level1ContextDescriptor());
        for (ulong i = 0; i < (Places.Tables - Places.Contexts) / 64; i++) StoreContext(words, i);
        for (ulong at = Places.Tables; at < Places.Ram + Places.RamBytes; at += 8) Store(at, words.Descriptor());
        for (ulong at = 0; at < Places.BusBytes; at += 16)
        {
            var (word0, word1) = words.Command();
            Store(Places.Slow + at, words.Descriptor());
            Store(Places.Slow + at + 8, words.Descriptor());
            Store(Places.Calling + at, word0);
            Store(Places.Calling + at + 8, word1);
        }
    }

    private void StoreStream(HostileWords words, ulong stream) =>
        Store(Places.StreamTable + (stream * 64), words.StreamTableEntry());

    private void StoreContext(HostileWords words, ulong index) =>
        Store(Places.Contexts + (index * 64), words.ContextDescriptor());
}
