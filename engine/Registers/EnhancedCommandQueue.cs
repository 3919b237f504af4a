using Smmu.Fast.Commands;
using Smmu.Fast.Queues;

namespace Smmu.Fast.Registers;

/// <summary>The registers of one Enhanced Command queue (IHI 0070, 3.5.6 and 6.3.107 to 6.3.109).</summary>
/// <remarks>
/// Written behind the control gate, read from anywhere. Enables and disables are acknowledged at once, but for a disable
/// while the host still reads a command. An ERRACK that differs from ERR without an error stops the queue as an error does,
/// until they agree (ECMDQ-18).
/// </remarks>
internal sealed class EnhancedCommandQueue
{
    private const uint Enable = 1u << 31;
    private const uint ErrorFlag = 1 << 23;

    private readonly CommandQueueReader reader;

    public EnhancedCommandQueue(CommandQueueReader reader, CommandConsumer consumer)
    {
        this.reader = reader;
        Consumer = consumer;
    }

    /// <summary>Runs its commands.</summary>
    public CommandConsumer Consumer { get; }

    /// <summary>ECMDQ_BASE.</summary>
    public ulong BaseRegister => reader.BaseRegister;

    /// <summary>ECMDQ_PROD: WR [19:0], ERRACK [23], EN [31].</summary>
    public uint ProducerRegister => reader.ProducerRegister;

    /// <summary>ECMDQ_CONS: RD [19:0], ERR [23], ERR_REASON [26:24], ENACK [31].</summary>
    public uint ConsumerRegister
    {
        get
        {
            uint acknowledge = IsActive ? Enable : 0;   // Read first: what is read after ENACK = 0 does not change any more.
            return reader.ConsumerRegister | acknowledge;
        }
    }

    /// <summary>EN.</summary>
    public bool IsEnabled => (reader.ProducerRegister & Enable) != 0;

    /// <summary>ENACK, which is 1 whenever EN is.</summary>
    public bool IsActive => IsEnabled || Consumer.IsFetching;

    /// <summary>Takes a write of ECMDQ_BASE; without effect while the queue is on, or on its way.</summary>
    public void WriteBase(ulong value)
    {
        if (!IsActive) reader.WriteBase(value);
    }

    /// <summary>Takes a write of ECMDQ_CONS; without effect while the queue is on, or on its way. ENACK is nobody's to write.</summary>
    public void WriteConsumer(uint value)
    {
        if (IsActive) return;
        reader.WriteConsumer(value);
        FollowError();
    }

    /// <summary>Takes a write of ECMDQ_PROD; without effect between a disable and its acknowledge.</summary>
    public void WriteProducer(uint value)
    {
        if (IsEnabled != IsActive) return;
        reader.WriteProducer(value);
        FollowError();
        Consumer.SetEnabled(IsEnabled);
        Consumer.Reconsider();
    }

    /// <summary>Returns to the reset state.</summary>
    public void Reset()
    {
        Consumer.EndFetch();
        reader.Reset();
        Consumer.SetEnabled(false);
        Consumer.ForgetInvalidations();
        FollowError();
    }

    private void FollowError()
    {
        bool stopped = ((reader.ConsumerRegister ^ reader.ProducerRegister) & ErrorFlag) != 0;
        if (stopped != Consumer.IsStopped) Consumer.SetStopped(stopped);
    }
}
