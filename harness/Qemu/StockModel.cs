using System.Runtime.InteropServices;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Qemu;

/// <summary>One side's answer to an access.</summary>
internal struct ExpectedAnswer
{
    /// <summary>The event record, or null.</summary>
    public EventRecord? Event;

    /// <summary>Where the access goes, or null.</summary>
    public ulong? Output;

    /// <summary>What it reads there.</summary>
    public uint Value;

    /// <summary>True when it would reach what cases must keep away from.</summary>
    public bool IsForbidden;

    /// <summary>Address bits of the granule, 0 when no table was chosen.</summary>
    public int GranuleLog2;

    /// <summary>Level of the descriptor that ended the walk; -1 when none was read.</summary>
    public int Level;
}

/// <summary>What an access is answered if the two sides do not agree.</summary>
internal struct Expectation
{
    /// <summary>By QEMU 7.2.</summary>
    public ExpectedAnswer Stock;

    /// <summary>By the architecture.</summary>
    public ExpectedAnswer Architected;

    /// <summary>What makes the difference; empty when there is none.</summary>
    public DepartureSet Departures;

    /// <summary>True when the access must not be made.</summary>
    public readonly bool IsForbidden => Stock.IsForbidden || Architected.IsForbidden;
}

/// <summary>QEMU 7.2's SMMU with its departures, and what the architecture says instead of each of them.</summary>
/// <remarks>
/// Not a third opinion: where both sides agree it is not asked. Where they differ, QEMU must answer as QEMU departs and we
/// must answer as the architecture says, so whatever is wrong here shows as a difference. It has QEMU's TLB, because one
/// departure is that of a cached entry; configurations are not cached, as cases invalidate them when they change.
/// </remarks>
internal sealed partial class StockModel
{
    private const int OutputBits = 44;
    private const int StreamIdBits = 16;

    private byte[] ram = [];
    private uint control0;
    private uint control2;
    private uint globalBypass;
    private ulong tableBase;
    private uint tableConfiguration;
    private bool isTwoLevel;
    private int split;
    private int eventQueueLog2;
    private bool eventQueueIsThere;
    private uint stockEvents;
    private uint architectedEvents;
    private DepartureSet queueDepartures;
    private bool isStock;   // Whose answer is being made.
    private DepartureSet departures;
    private bool isForbidden;

    /// <summary>True when QEMU has EVENTQ_ABT_ERR active.</summary>
    public bool StockAborts { get; private set; }

    /// <summary>True when the architecture has EVENTQ_ABT_ERR active.</summary>
    public bool ArchitectureAborts { get; private set; }

    /// <summary>True when the architecture has lost a record to a full queue: OVFLG differs from OVACKFLG.</summary>
    public bool ArchitectureOverflows { get; private set; }

    /// <summary>Begins a case.</summary>
    /// <param name="ramOfEngine">RAM as both sides have it.</param>
    public void Begin(byte[] ramOfEngine)
    {
        ram = ramOfEngine;
        control0 = 0;
        control2 = 0;
        globalBypass = 0;
        tableBase = 0;
        tableConfiguration = 0;
        Drain(keepsEvents: false);
        queueDepartures = default;
        tlb.Clear();
        BeginCommands();
    }

    /// <summary>Says what the machine's sticky state is: the format survives from case to case (departure 5).</summary>
    public void BeginTwoLevel(bool sticks) => isTwoLevel = sticks;

    public void WriteRegister(uint offset, ulong value)
    {
        switch (offset)
        {
            case RegisterOffset.CR0: control0 = (uint)value; ConsumeCommands(); break;
            case RegisterOffset.CR2: control2 = (uint)value; break;
            case RegisterOffset.GBPA: if ((value >> 31) != 0) globalBypass = (uint)value; break;
            case RegisterOffset.STRTAB_BASE: tableBase = value; break;
            case RegisterOffset.STRTAB_BASE_CFG: WriteTableConfiguration((uint)value); break;
            case RegisterOffset.EVENTQ_BASE:
                eventQueueLog2 = (int)(value & 0x1f);
                eventQueueIsThere = MachineMap.IsRam(value & ~0x1fUL);
                break;
            case RegisterOffset.CMDQ_BASE: commandBase = value; break;
            case RegisterOffset.CMDQ_PROD: commandProducer = (uint)value; ConsumeCommands(); break;
            case RegisterOffset.CMDQ_CONS: commandConsumer = (uint)value; break;
            default: break;
        }
    }

    /// <summary>Software has acknowledged errors, and read all events unless it keeps them.</summary>
    public void Drain(bool keepsEvents)
    {
        StockAborts = false;
        ArchitectureAborts = false;
        if (keepsEvents) return;
        ArchitectureOverflows = false;
        stockEvents = 0;
        architectedEvents = 0;
    }

    /// <summary>What is answered to an access now.</summary>
    public Expectation Predict(StreamId stream, ulong iova, bool isWrite)
    {
        departures = default;
        isStock = true;
        var expectation = new Expectation { Stock = Answer(stream, iova, isWrite) };
        expectation.Departures = departures;
        isStock = false;
        expectation.Architected = departures.IsEmpty ? expectation.Stock : Answer(stream, iova, isWrite);
        return expectation;
    }

    /// <summary>The access that was predicted is made: its records go to the queues.</summary>
    public void Accept(ref Expectation expectation)
    {
        const uint EventQueueEnable = 4;
        bool isEnabled = (control0 & EventQueueEnable) != 0;
        bool stockRecords = isEnabled && expectation.Stock.Event is not null;
        bool architectureRecords = isEnabled && expectation.Architected.Event is not null;
        StockAborts |= stockRecords && !eventQueueIsThere;
        ArchitectureAborts |= architectureRecords && !eventQueueIsThere;
        stockRecords &= eventQueueIsThere;
        architectureRecords &= eventQueueIsThere;

        uint room = 1u << eventQueueLog2;
        if (stockRecords && stockEvents == room)
        {
            StockAborts = true;
            stockRecords = false;
        }

        if (architectureRecords && architectedEvents == room)
        {
            ArchitectureOverflows = true;
            architectureRecords = false;
        }

        if (stockRecords) stockEvents++;
        else expectation.Stock.Event = null;
        if (architectureRecords) architectedEvents++;
        else expectation.Architected.Event = null;

        // A record on one side only fills one queue only, which may decide over later records.
        if (stockRecords == architectureRecords) return;
        queueDepartures |= expectation.Departures;
        expectation.Departures = queueDepartures;
    }

    // Notes a departure that makes a difference; true when QEMU's answer is being made.
    private bool Departs(Departure departure)
    {
        if (isStock) departures |= departure;
        return isStock;
    }

    private ExpectedAnswer Answer(StreamId stream, ulong iova, bool isWrite)
    {
        isForbidden = false;
        var answer = new ExpectedAnswer { Level = -1 };
        Resolve(stream, iova, isWrite, ref answer);
        if (answer.Output is { } output)
        {
            isForbidden |= MachineMap.IsForbidden(output, isWrite);
            answer.Value = MachineMap.IsRam(output) ? Read32(output) : 0;
        }

        answer.IsForbidden = isForbidden;
        return answer;
    }

    private void WriteTableConfiguration(uint value)
    {
        tableConfiguration = value;
        if (((value >> 16) & 3) != 1) return;
        split = (int)((value >> 6) & 0x1f);
        isTwoLevel = true;
    }

    private void Resolve(StreamId stream, ulong iova, bool isWrite, ref ExpectedAnswer answer)
    {
        const uint SmmuEnable = 1;
        const uint Abort = 1 << 20;
        const int ReachableBits = 48;
        if (iova >> ReachableBits != 0 && Departs(Departure.InputAddressesEndAt48Bits)) return;
        if ((control0 & SmmuEnable) == 0)
        {
            if ((globalBypass & Abort) != 0 && !Departs(Departure.GlobalBypassAbortIsAbsent)) return;
            if (iova >> OutputBits == 0 || Departs(Departure.BypassSizeIsUnchecked)) answer.Output = iova;
            return;
        }

        if (!TryFindStream(stream, ref answer, out ulong address)) return;
        if (!TryReadWords(address, out var words))
        {
            answer.Event = Record(EventType.StreamTableEntryFetch, stream, word3: address);
            return;
        }

        var entry = new StreamTableEntry(words);
        uint config = (uint)entry.Config;
        if (!entry.IsValid) answer.Event = Record(EventType.BadStreamTableEntry, stream);
        else if (config == 4) Bypass(stream, iova, isWrite, ref answer);
        else if (config > 4) ResolveContext(in entry, stream, iova, isWrite, ref answer);
    }

    private void ResolveContext(in StreamTableEntry entry, StreamId stream, ulong iova, bool isWrite, ref ExpectedAnswer answer)
    {
        const ulong StockPointerMask = (1UL << 48) - 1;
        const uint Stage2 = 2;
        bool isIllegal = ((uint)entry.Config & Stage2) != 0 || entry.S1STALLD;
        isIllegal |= !isIllegal && entry.S1CDMax != 0 && Departs(Departure.SubstreamsAreRefused);
        ulong pointer = entry.S1ContextPtr;
        if (!isIllegal && pointer >> OutputBits != 0)
        {
            if (Departs(Departure.ContextPointerSizeIsUnchecked)) pointer &= StockPointerMask;
            else isIllegal = true;
        }

        if (isIllegal)
        {
            answer.Event = Record(EventType.BadStreamTableEntry, stream);
            return;
        }

        if (!TryReadWords(pointer, out var words))
        {
            answer.Event = Departs(Departure.ContextFetchAddressIsMisplaced)
                ? Record(EventType.ContextDescriptorFetch, stream, word2: pointer)
                : Record(EventType.ContextDescriptorFetch, stream, word3: pointer);
            return;
        }

        var context = new ContextDescriptor(words);
        if (!IsLegal(in context)) answer.Event = Record(EventType.BadContextDescriptor, stream);
        else Translate(in context, stream, iova, isWrite, ref answer);
    }

    private void Bypass(StreamId stream, ulong iova, bool isWrite, ref ExpectedAnswer answer)
    {
        if (iova >> OutputBits == 0 || Departs(Departure.BypassSizeIsUnchecked)) answer.Output = iova;
        else answer.Event = Record(EventType.AddressSize, stream, (isWrite ? 0 : ReadNotWrite) | ClassOfInput, iova);
    }

    private bool TryFindStream(StreamId stream, ref ExpectedAnswer answer, out ulong address)
    {
        const int EntryLog2 = 6;
        const ulong AddressMask = (1UL << OutputBits) - 64;
        address = 0;
        int log2Size = (int)(tableConfiguration & 0x3f);
        if (stream.Value >> Math.Min(log2Size, StreamIdBits) != 0)
        {
            FailStream(stream, ref answer);
            return false;
        }

        bool isLinear = ((tableConfiguration >> 16) & 3) != 1;
        if (isLinear && !(isTwoLevel && Departs(Departure.StreamTableFormatSticks)))
        {
            address = Align(tableBase & AddressMask, log2Size + EntryLog2) + ((ulong)stream.Value << EntryLog2);
            return true;
        }

        int bits = split is 6 or 8 or 10 || Departs(Departure.SplitIsUnchecked) ? split : 6;
        ulong at = Align(tableBase & AddressMask, log2Size - bits + 3) + ((stream.Value >> bits) * sizeof(ulong));
        if (!TryRead64(at, out ulong word))
        {
            answer.Event = Record(EventType.StreamTableEntryFetch, stream, word3: at);
            return false;
        }

        uint index = stream.Value & ((1u << bits) - 1);
        if (!TrySelectTable(word, index, bits, stream, ref answer, out ulong table)) return false;
        address = table + ((ulong)index << EntryLog2);
        return true;
    }

    private bool TrySelectTable(
        ulong word, uint index, int bits, StreamId stream, ref ExpectedAnswer answer, out ulong table)
    {
        const int LargestSpan = 11;
        const ulong PointerMask = (1UL << 56) - 1;
        int span = (int)(word & 0x1f);
        table = word & ~0x1fUL;
        if (span == 0)
        {
            FailStream(stream, ref answer);
            return false;
        }

        bool isReserved = span > LargestSpan || span > bits + 1;
        bool isBeyond = index >= 1UL << (span - 1);
        if (isReserved || isBeyond)
        {
            bool isBeyondTwice = index >= 1UL << span;
            if (!Departs(isReserved ? Departure.SpanIsUnchecked
                : isBeyondTwice ? Departure.StreamBeyondSpanIsBadSte
                : Departure.SpanCountsDouble))
            {
                FailStream(stream, ref answer);
                return false;
            }

            if (isBeyondTwice)
            {
                answer.Event = Record(EventType.BadStreamTableEntry, stream);
                return false;
            }
        }

        if (table >> 56 != 0 && !Departs(Departure.Level2PointerHas64Bits)) table &= PointerMask;
        ulong inside = isReserved ? 0 : (64UL << (span - 1)) - 1;
        if ((table & inside) != 0 && !Departs(Departure.Level2PointerIsUnaligned)) table &= ~inside;
        return true;
    }

    private ulong Align(ulong address, int sizeLog2)
    {
        ulong whole = sizeLog2 >= 64 ? 0 : address & ~((1UL << Math.Max(sizeLog2, 6)) - 1);
        ulong half = address & ~((1UL << Math.Max(sizeLog2 - 1, 5)) - 1);   // Beyond 64 bits the shift wraps.
        return whole != half && Departs(Departure.StreamTableAlignmentIsShort) ? half : whole;
    }

    private void FailStream(StreamId stream, ref ExpectedAnswer answer)
    {
        const uint RecordInvalidStreams = 2;
        if ((control2 & RecordInvalidStreams) != 0 || Departs(Departure.InvalidStreamIsRecorded))
            answer.Event = Record(EventType.BadStreamId, stream);
    }

    private static EventRecord Record(
        EventType type, StreamId stream, ulong word1 = 0, ulong word2 = 0, ulong word3 = 0) =>
        new((ulong)type | ((ulong)stream.Value << 32), word1, word2, word3);

    private bool TryReadWords(ulong address, out ulong[] words)
    {
        words = new ulong[8];
        for (int i = 0; i < words.Length; i++)
        {
            if (!TryRead64(address + ((ulong)i * sizeof(ulong)), out words[i])) return false;
        }

        return true;
    }

    private bool TryRead64(ulong address, out ulong value)
    {
        value = 0;
        if (address < MachineMap.RamBase) isForbidden = true;
        if (address - MachineMap.RamBase > MachineMap.RamBytes - sizeof(ulong)) return false;
        value = MemoryMarshal.Read<ulong>(ram.AsSpan((int)(address - MachineMap.RamBase)));
        return true;
    }

    private uint Read32(ulong address) => MemoryMarshal.Read<uint>(ram.AsSpan((int)(address - MachineMap.RamBase)));
}
