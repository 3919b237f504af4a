using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Props.Hostile;

/// <summary>An SMMU in the hands of a hostile guest: its memory is one region between pages that nobody may touch.</summary>
internal sealed unsafe class HostileMachine : IDisposable
{
    public const ulong MemoryBase = 0x4000_0000;
    public const ulong MemoryBytes = 1 << 20;
    public const int Log2Streams = 4;
    public const int QueueLog2 = 6;

    private const ulong StreamTable = MemoryBase;
    private const ulong CommandQueue = MemoryBase + 0x4000;
    private const ulong EventQueue = MemoryBase + 0x6000;
    private const ulong Contexts = MemoryBase + 0x1_0000;
    private const ulong ContextBytes = 0x1_0000;

    private readonly GuardedBlock block = new((nuint)MemoryBytes);
    private readonly GuestMemory memory = new();

    public HostileMachine(SmmuFeatures features, int cacheEntries)
    {
        memory.AddBorrowed(MemoryBase, block.Start, MemoryBytes);
        Smmu = new SmmuDevice(new SmmuOptions
        {
            Memory = memory,
            Features = features,
            MaximumPorts = 8,
            TlbEntries = cacheEntries,
            WalkCacheEntries = cacheEntries,
            ConfigurationCacheEntries = cacheEntries,
        });
    }

    public SmmuDevice Smmu { get; }

    /// <summary>Fills memory with structures and tables.</summary>
    public void FillMemory(HostileWords words)
    {
        for (ulong stream = 0; stream < 1 << Log2Streams; stream++) StoreStream(words, stream);
        for (ulong offset = 0; offset < ContextBytes; offset += 64) Store(Contexts + offset, words.ContextDescriptor());
        for (ulong offset = HostileWords.TablesOffset; offset < MemoryBytes; offset += 8)
        {
            Store(MemoryBase + offset, words.Descriptor());
        }
    }

    /// <summary>Sets the registers up as a sane driver does.</summary>
    public void Start()
    {
        Smmu.WriteRegister32(RegisterOffset.CR0, 0);
        Smmu.WriteRegister32(RegisterOffset.IRQ_CTRL, 0);
        Smmu.WriteRegister32(RegisterOffset.GERRORN, Smmu.ReadRegister32(RegisterOffset.GERROR));
        Smmu.WriteRegister32(RegisterOffset.CR2, 2);
        Smmu.WriteRegister64(RegisterOffset.STRTAB_BASE, StreamTable);
        Smmu.WriteRegister32(RegisterOffset.STRTAB_BASE_CFG, Log2Streams);
        Smmu.WriteRegister64(RegisterOffset.CMDQ_BASE, CommandQueue | QueueLog2);
        Smmu.WriteRegister32(RegisterOffset.CMDQ_PROD, 0);
        Smmu.WriteRegister32(RegisterOffset.CMDQ_CONS, 0);
        Smmu.WriteRegister64(RegisterOffset.EVENTQ_BASE, EventQueue | QueueLog2);
        Smmu.WriteRegister32(RegisterOffset.EVENTQ_PROD, 0);
        Smmu.WriteRegister32(RegisterOffset.EVENTQ_CONS, 0);
        Smmu.WriteRegister32(RegisterOffset.IRQ_CTRL, 5);
        Smmu.WriteRegister32(RegisterOffset.CR0, 0xd);
    }

    /// <summary>Puts commands where the driver believes its queue to be, and publishes them.</summary>
    public void Submit(HostileWords words)
    {
        uint producer = Smmu.ReadRegister32(RegisterOffset.CMDQ_PROD);
        for (int i = words.Next(8); i >= 0; i--)
        {
            var (word0, word1) = words.Command();
            ulong slot = CommandQueue + (QueuePointer.IndexOf(producer, QueueLog2) * 16);
            Store(slot, word0);
            Store(slot + 8, word1);
            producer = QueuePointer.Next(producer, QueueLog2);
        }

        Smmu.WriteRegister32(RegisterOffset.CMDQ_PROD, producer);
    }

    /// <summary>Takes all records, as far as the registers are to be believed, and acknowledges errors.</summary>
    public void Serve()
    {
        Smmu.WriteRegister32(RegisterOffset.EVENTQ_CONS, Smmu.ReadRegister32(RegisterOffset.EVENTQ_PROD));

        // A command that was refused would be refused again.
        uint consumer = Smmu.ReadRegister32(RegisterOffset.CMDQ_CONS);
        Store(CommandQueue + (QueuePointer.IndexOf(consumer, QueueLog2) * 16), (ulong)CommandOpcode.Sync);
        Smmu.WriteRegister32(RegisterOffset.GERRORN, Smmu.ReadRegister32(RegisterOffset.GERROR));
    }

    /// <summary>Stores something somewhere, as another CPU of the guest would.</summary>
    public void Scribble(HostileWords words)
    {
        switch (words.Next(4))
        {
            case 0:
                StoreStream(words, (ulong)words.Next(1 << Log2Streams));
                break;
            case 1:
                Store(Contexts + ((ulong)words.Next((int)ContextBytes) & ~63UL), words.ContextDescriptor());
                break;
            default:
                ulong tables = MemoryBytes - HostileWords.TablesOffset;
                Store(MemoryBase + HostileWords.TablesOffset + ((ulong)words.Next((int)tables) & ~7UL), words.Descriptor());
                break;
        }
    }

    /// <summary>Stream 1 gets a space whose first 2 MiB are mapped in place, and a command and a CMD_SYNC are run.</summary>
    public void MakeSane()
    {
        const ulong Root = MemoryBase + HostileWords.TablesOffset;
        var entry = default(StreamTableEntry)
            .With(StreamTableEntryField.V, 1)
            .With(StreamTableEntryField.Config, 0b101)
            .With(StreamTableEntryField.S1ContextPtr, Contexts);
        var descriptor = default(ContextDescriptor)
            .With(ContextDescriptorField.V, 1)
            .With(ContextDescriptorField.AA64, 1)
            .With(ContextDescriptorField.T0SZ, 25)
            .With(ContextDescriptorField.EPD1, 1)
            .With(ContextDescriptorField.IPS, 5)
            .With(ContextDescriptorField.A, 1)
            .With(ContextDescriptorField.TTB0, Root);
        Span<ulong> words = stackalloc ulong[8];
        entry.CopyTo(words);
        Store(StreamTable + 64, words);
        descriptor.CopyTo(words);
        Store(Contexts, words);
        Store(Root, (Root + 0x1000) | 0b11);
        Store(Root + 0x1000, (1UL << 10) | (1UL << 6) | 0b01);
        Store(CommandQueue, (ulong)CommandOpcode.TlbiNsnhAll);
        Store(CommandQueue + 16, (ulong)CommandOpcode.Sync);
        Smmu.WriteRegister32(RegisterOffset.CMDQ_PROD, 2);
    }

    public void Dispose()
    {
        Smmu.Dispose();
        memory.Dispose();
        block.Dispose();
    }

    private void StoreStream(HostileWords words, ulong stream) =>
        Store(StreamTable + (stream * 64), words.StreamTableEntry(Contexts + ((ulong)words.Next((int)ContextBytes) & ~0x3ffUL)));

    private void Store(ulong address, ReadOnlySpan<ulong> words)
    {
        for (int i = 0; i < words.Length; i++) Store(address + ((ulong)i * sizeof(ulong)), words[i]);
    }

    private void Store(ulong address, ulong word) => Volatile.Write(ref *(ulong*)(block.Start + (address - MemoryBase)), word);
}
