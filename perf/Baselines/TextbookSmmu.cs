using Smmu.Fast.Formats;
using Smmu.Fast.Memory;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Perf.Baselines;

/// <summary>What <see cref="TextbookSmmu"/> answers.</summary>
/// <param name="Outcome">How the translation ended.</param>
/// <param name="Address">The output address, when it succeeded.</param>
internal readonly record struct TextbookResult(TranslationOutcome Outcome, ulong Address)
{
    /// <summary>True when the access may go on.</summary>
    public bool IsSuccess => Outcome <= TranslationOutcome.DeviceBypassed;
}

/// <summary>
/// The SMMU as one writes it first: a dictionary for a TLB, another for the configuration, one lock around all, and a scan
/// of the dictionary for each invalidation. It stands for the designs that emulators have, in the language of the engine.
/// </summary>
/// <remarks>
/// It is honest about what the benchmarks ask of it and knows nothing else: a linear Stream table, one CD a stream, stage 1
/// of four levels and 4 KiB pages over TTB0, reads and writes without privilege, F_TRANSLATION and F_PERMISSION records,
/// and the commands TLBI_NH_VA, TLBI_NH_ASID, TLBI_NSNH_ALL and SYNC.
/// </remarks>
internal sealed partial class TextbookSmmu
{
    private const ulong Valid = 1;
    private const ulong AddressBits = 0x0000_ffff_ffff_f000;
    private const ulong PageOffsetBits = 0xfff;
    private const ulong ReadOnlyBit = 1UL << 7;

    private readonly GuestMemory memory;
    private readonly ulong streamTable;
    private readonly Lock gate = new();
    private readonly Dictionary<uint, Configuration> configurations = [];
    private readonly Dictionary<TlbKey, ulong> tlb = [];
    private readonly int capacity;

    /// <summary>Makes one over the tables and queues of a machine, which are set up.</summary>
    /// <param name="machine">Whose memory it reads.</param>
    /// <param name="capacity">Entries of the TLB; a full one is emptied.</param>
    public TextbookSmmu(GuestMachine machine, int capacity)
    {
        this.capacity = capacity;
        memory = machine.Memory;
        streamTable = machine.StreamTable;
        commandQueue = machine.CommandQueue;
        commandQueueLog2 = machine.CommandQueueLog2;
        eventQueue = machine.EventQueue;
        eventQueueLog2 = machine.EventQueueLog2;
    }

    /// <summary>SMMUEN: without it every address passes as it is.</summary>
    public bool IsEnabled { get; set; } = true;

    /// <summary>Walks since the beginning.</summary>
    public ulong Walks { get; private set; }

    /// <summary>Entries in the TLB.</summary>
    public int Cached => tlb.Count;

    /// <summary>Translates one access.</summary>
    public TextbookResult Translate(StreamId stream, ulong iova, bool isWrite)
    {
        lock (gate)
        {
            if (!IsEnabled) return new TextbookResult(TranslationOutcome.DeviceBypassed, iova);
            var configuration = ConfigurationOf(stream);
            if (configuration.Kind == StreamKind.Bypass) return new TextbookResult(TranslationOutcome.StreamBypassed, iova);
            if (configuration.Kind == StreamKind.Abort) return new TextbookResult(TranslationOutcome.Aborted, 0);

            var key = new TlbKey(configuration.Asid, iova >> 12);
            if (!tlb.TryGetValue(key, out ulong leaf))
            {
                leaf = Walk(configuration.Root, iova);
                if ((leaf & Valid) == 0) return Fault(EventType.Translation, stream, iova);
                if (tlb.Count >= capacity) tlb.Clear();
                tlb.Add(key, leaf);
            }

            if (isWrite && (leaf & ReadOnlyBit) != 0) return Fault(EventType.Permission, stream, iova);
            return new TextbookResult(TranslationOutcome.Translated, (leaf & AddressBits) | (iova & PageOffsetBits));
        }
    }

    private Configuration ConfigurationOf(StreamId stream)
    {
        const int EntryBytes = 64;
        const ulong ContextBits = 0x00ff_ffff_ffff_ffc0;
        if (configurations.TryGetValue(stream.Value, out var configuration)) return configuration;

        ulong entry = Read(streamTable + (stream.Value * (ulong)EntryBytes));
        ulong context = entry & ContextBits;
        configuration = (entry & Valid, (entry >> 1) & 7) switch
        {
            (Valid, 4) => new Configuration(StreamKind.Bypass, 0, 0),
            (Valid, 5) => new Configuration(StreamKind.Stage1, (ushort)(Read(context) >> 48), Read(context + 8) & AddressBits),
            _ => new Configuration(StreamKind.Abort, 0, 0),
        };
        configurations.Add(stream.Value, configuration);
        return configuration;
    }

    private ulong Walk(ulong table, ulong iova)
    {
        Walks++;
        for (int shift = 39; ; shift -= 9)
        {
            ulong descriptor = Read(table + (((iova >> shift) & 0x1ff) * sizeof(ulong)));
            if (shift == 12 || (descriptor & 3) != 3) return shift == 12 ? descriptor : 0;
            table = descriptor & AddressBits;
        }
    }

    private ulong Read(ulong address) => memory.TryRead64(address, out ulong value) ? value : 0;

    private enum StreamKind
    {
        Abort,
        Bypass,
        Stage1,
    }

    private readonly record struct Configuration(StreamKind Kind, ushort Asid, ulong Root);

    private readonly record struct TlbKey(ushort Asid, ulong Page);
}
