using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd.Submission;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Tests.Iommufd.Submission;

/// <summary>Hardware that consumes a queue, and watches what the driver does with it.</summary>
internal sealed unsafe class FakeQueue : IDisposable
{
    public const ulong Illegal = 0xff;

    private readonly NativeBlock memory;
    private readonly Command[] published;   // As they were when PROD covered them.
    private readonly uint used;
    private uint producer;
    private uint consumer;
    private bool isStopped;

    public FakeQueue(int log2, bool isInline = true)
    {
        IsInline = isInline;
        memory = new NativeBlock((ulong)Command.SizeBytes << log2);
        published = new Command[1 << log2];
        used = QueuePointer.UsedMask(log2);
        Log2 = log2;
    }

    public int Log2 { get; }

    public ulong* Commands => (ulong*)memory.Pointer;

    /// <summary>True to consume within the write of PROD; false to wait for <see cref="Step"/>.</summary>
    public bool IsInline { get; }

    /// <summary>What was consumed, CMD_SYNCs left out: word 1 of each.</summary>
    public List<ulong> Executed { get; } = [];

    public int Syncs { get; private set; }

    public int ProducerWrites { get; private set; }

    /// <summary>Reads of commands that abort before they succeed again.</summary>
    public int Aborts { get; set; }

    public CommandError Error { get; private set; }

    public bool HasError => isStopped;

    public uint Consumer => consumer;

    /// <summary>A command that is told apart by its number.</summary>
    public static Command Numbered(ulong number, bool isIllegal = false) => new(isIllegal ? Illegal : (ulong)CommandOpcode.TlbiNsnhAll, number);

    public void WriteProducer(uint index)
    {
        Assert.True(((index - consumer) & used) <= published.Length, "The driver published more than the queue holds.");
        Assert.True(((index - producer) & used) <= published.Length, "The producer index went back.");
        for (uint at = producer; at != index; at = (at + 1) & used) published[SlotOf(at)] = InMemory(at);
        producer = index;
        ProducerWrites++;
        if (IsInline) while (Step()) continue;
    }

    public void Acknowledge()
    {
        Assert.True(isStopped, "There is no error to acknowledge.");
        if (Error == CommandError.Illegal) published[SlotOf(consumer)] = InMemory(consumer);   // Read again.
        isStopped = false;
        if (IsInline) while (Step()) continue;
    }

    /// <summary>Consumes one command; false when there is none.</summary>
    public bool Step()
    {
        if (isStopped || consumer == producer) return false;
        if (Aborts > 0)
        {
            Aborts--;
            return Stop(CommandError.Abort);
        }

        var command = InMemory(consumer);
        Assert.Equal(published[SlotOf(consumer)], command);   // Nobody overwrites what is not consumed.
        if ((command.Word0 & 0xff) == Illegal) return Stop(CommandError.Illegal);
        if (command.Opcode == CommandOpcode.Sync) Syncs++;
        else Executed.Add(command.Word1);
        consumer = (consumer + 1) & used;
        return true;
    }

    public void Dispose() => memory.Dispose();

    private bool Stop(CommandError error)
    {
        (isStopped, Error) = (true, error);
        return false;
    }

    private int SlotOf(uint index) => (int)(index & (used >> 1));

    private Command InMemory(uint index)
    {
        ulong* words = Commands + (SlotOf(index) * 2);
        return new Command(words[0], words[1]);
    }
}

/// <summary>The registers of a <see cref="FakeQueue"/>.</summary>
internal readonly struct FakeTarget(FakeQueue queue) : ISubmissionTarget
{
    public void WriteProducer(uint index) => queue.WriteProducer(index);

    public uint ReadConsumer() => queue.Consumer;

    public bool TryReadError(out CommandError error)
    {
        error = queue.Error;
        return queue.HasError;
    }

    public void AcknowledgeError() => queue.Acknowledge();
}
