using System.Buffers.Binary;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Memory;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Tests.Queues;

/// <summary>A machine whose streams have an empty address space: every access faults, and its record names it.</summary>
internal sealed class FaultingMachine : IDisposable
{
    public const uint OverflowFlag = 1u << 31;
    public const uint EventQueueAbort = 1 << 2;
    public const int Streams = 8;

    private static readonly StreamId Stream = new(1);

    /// <param name="log2">log2 of the entries of the Event queue.</param>
    /// <param name="queue">Where it lies; in RAM unless given.</param>
    /// <param name="bus">Answers outside of RAM.</param>
    /// <param name="interrupts">True to enable the interrupts of the Event queue and of GERROR.</param>
    public FaultingMachine(int log2 = 3, ulong? queue = null, IGuestBus? bus = null, bool interrupts = false)
    {
        Machine = new GuestMachine(bus: bus);
        Machine.SetUpStreamTable();
        Machine.SetUpEventQueue(log2, queue);
        var space = new Stage1Space(Machine, asid: 1);
        for (uint stream = 1; stream <= Streams; stream++) Machine.AttachStage1(stream, space);
        if (interrupts) Machine.Write(RegisterOffset.IRQ_CTRL, 0b101);
        Machine.Start();
    }

    public GuestMachine Machine { get; }

    public SmmuDevice Smmu => Machine.Smmu;

    /// <summary>EVENTQ_PROD with its flag.</summary>
    public uint Producer => Machine.Read(RegisterOffset.EVENTQ_PROD);

    /// <summary>EVENTQ_PROD without its flag.</summary>
    public uint WriteIndex => Producer & ~OverflowFlag;

    /// <summary>Errors that are active.</summary>
    public uint Errors => Machine.Read(RegisterOffset.GERROR) ^ Machine.Read(RegisterOffset.GERRORN);

    /// <summary>A read of a client that faults.</summary>
    public void Fault(ulong iova)
    {
        var result = Smmu.Translate(Stream, null, iova, AccessKind.Read);
        Assert.Equal(TranslationOutcome.Faulted, result.Outcome);
    }

    /// <summary>Reads at the addresses, one after the other.</summary>
    public void Fault(params ReadOnlySpan<ulong> iovas)
    {
        foreach (ulong iova in iovas) Fault(iova);
    }

    /// <summary>The address that the record in a slot names; 0 in memory that was never written.</summary>
    public ulong AddressIn(int slot) => RecordIn(slot).InputAddress;

    /// <summary>The record in a slot, whether or not PROD covers it.</summary>
    public EventRecord RecordIn(int slot)
    {
        Span<byte> bytes = stackalloc byte[EventRecord.SizeBytes];
        Assert.True(Machine.Memory.Read(Machine.EventQueue + ((ulong)slot * EventRecord.SizeBytes), bytes));
        return new EventRecord(
            BinaryPrimitives.ReadUInt64LittleEndian(bytes),
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]),
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]),
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[24..]));
    }

    /// <summary>Writes EVENTQ_CONS.</summary>
    public void WriteConsumer(uint value) => Machine.Write(RegisterOffset.EVENTQ_CONS, value);

    /// <summary>Acknowledges all errors.</summary>
    public void Acknowledge() => Machine.Write(RegisterOffset.GERRORN, Machine.Read(RegisterOffset.GERROR));

    public void Dispose() => Machine.Dispose();
}
