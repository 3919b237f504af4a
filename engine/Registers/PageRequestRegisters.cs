using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Registers;

/// <summary>PRIQ_BASE, PRIQ_PROD and PRIQ_CONS: RES0 without IDR0.PRI (IHI 0070, 6.3.33, 6.3.97, 6.3.98).</summary>
internal sealed class PageRequestRegisters
{
    private const uint IndexMask = 0x800f_ffff;   // Index [19:0] and the overflow flag [31].

    private readonly bool implemented;
    private readonly ulong baseMask;
    private readonly int largestLog2;

    private ulong baseRegister;
    private uint producer;
    private uint consumer;

    public PageRequestRegisters(SmmuFeatures features, ulong baseMask)
    {
        implemented = features.PRI;
        largestLog2 = features.PageRequestQueueLog2;
        this.baseMask = baseMask;
    }

    /// <summary>PRIQ_BASE.</summary>
    public ulong BaseRegister => Volatile.Read(ref baseRegister);

    /// <summary>PRIQ_PROD.</summary>
    public uint ProducerRegister => Volatile.Read(ref producer);

    /// <summary>PRIQ_CONS.</summary>
    public uint ConsumerRegister => Volatile.Read(ref consumer);

    private uint UsedMask =>
        (1u << 31) | ((2u << Math.Min((int)BitField.Get(baseRegister, 4, 0), Math.Min(largestLog2, 19))) - 1);

    /// <summary>Returns to the reset state.</summary>
    public void Reset()
    {
        Volatile.Write(ref baseRegister, 0);
        Volatile.Write(ref producer, 0);
        Volatile.Write(ref consumer, 0);
    }

    /// <summary>Takes a write of PRIQ_BASE, unless PRIQEN is set or the queue is preset.</summary>
    public void WriteBase(ulong value, bool guarded)
    {
        if (!implemented || guarded) return;
        Volatile.Write(ref baseRegister, value & baseMask);
        Volatile.Write(ref producer, producer & UsedMask);   // QUE-12.
    }

    /// <summary>Takes a write of PRIQ_PROD, unless PRIQEN is set.</summary>
    public void WriteProducer(uint value, bool enabled)
    {
        if (implemented && !enabled) Volatile.Write(ref producer, value & UsedMask);
    }

    /// <summary>Takes a write of PRIQ_CONS.</summary>
    public void WriteConsumer(uint value)
    {
        if (implemented) Volatile.Write(ref consumer, value & IndexMask);
    }
}
