using Smmu.Fast.Formats;

namespace Smmu.Fast.Registers;

internal sealed partial class RegisterFile
{
    /// <summary>Reads a 32-bit register, or half of a 64-bit one; 0 where there is none (ACC-07).</summary>
    public uint Read32(uint offset) => offset switch
    {
        RegisterOffset.IDR0 => features.Idr0,
        RegisterOffset.IDR1 => features.Idr1,
        RegisterOffset.IDR2 => features.Idr2,
        RegisterOffset.IDR3 => features.Idr3,
        RegisterOffset.IDR4 => features.Idr4,
        RegisterOffset.IDR5 => features.Idr5,
        RegisterOffset.IIDR => features.Iidr,
        RegisterOffset.AIDR => features.Aidr,
        RegisterOffset.IDR6 => features.ECMDQ ? features.Idr6 : 0,
        RegisterOffset.CR0 => Volatile.Read(ref control0),
        RegisterOffset.CR0ACK => Acknowledge0,
        RegisterOffset.CR1 => Volatile.Read(ref control1),
        RegisterOffset.CR2 => Volatile.Read(ref control2),
        RegisterOffset.GBPA => (uint)TranslationControl,
        RegisterOffset.IRQ_CTRL => InterruptControl(static source => source.IsEnabled),
        RegisterOffset.IRQ_CTRLACK => InterruptControl(static source => source.IsAcknowledged),
        RegisterOffset.GERROR => Errors.ErrorRegister,
        RegisterOffset.GERRORN => Errors.AcknowledgeRegister,
        RegisterOffset.GERROR_IRQ_CFG1 => GlobalErrorInterrupt.DataRegister,
        RegisterOffset.GERROR_IRQ_CFG2 => GlobalErrorInterrupt.AttributeRegister,
        RegisterOffset.STRTAB_BASE_CFG => Volatile.Read(ref tableConfiguration),
        RegisterOffset.CMDQ_PROD => commands.ProducerRegister,
        RegisterOffset.CMDQ_CONS => commands.ConsumerRegister,
        RegisterOffset.EVENTQ_IRQ_CFG1 => EventQueueInterrupt.DataRegister,
        RegisterOffset.EVENTQ_IRQ_CFG2 => EventQueueInterrupt.AttributeRegister,
        RegisterOffset.PRIQ_IRQ_CFG1 => PageRequestInterrupt.DataRegister,
        RegisterOffset.PRIQ_IRQ_CFG2 => PageRequestInterrupt.AttributeRegister,
        RegisterOffset.EVENTQ_PROD_ALIAS or RegisterOffset.EVENTQ_PROD => events.ProducerRegister,
        RegisterOffset.EVENTQ_CONS_ALIAS or RegisterOffset.EVENTQ_CONS => events.ConsumerRegister,
        RegisterOffset.PRIQ_PROD_ALIAS or RegisterOffset.PRIQ_PROD => PageRequests.ProducerRegister,
        RegisterOffset.PRIQ_CONS_ALIAS or RegisterOffset.PRIQ_CONS => PageRequests.ConsumerRegister,
        _ => ReadHalf(offset),
    };

    /// <summary>Reads a 64-bit register whole; false when there is none at the offset.</summary>
    public bool TryRead64(uint offset, out ulong value)
    {
        switch (offset)
        {
            case RegisterOffset.GERROR_IRQ_CFG0: value = GlobalErrorInterrupt.AddressRegister; return true;
            case RegisterOffset.STRTAB_BASE: value = Volatile.Read(ref tableBase); return true;
            case RegisterOffset.CMDQ_BASE: value = commands.BaseRegister; return true;
            case RegisterOffset.EVENTQ_BASE: value = events.BaseRegister; return true;
            case RegisterOffset.EVENTQ_IRQ_CFG0: value = EventQueueInterrupt.AddressRegister; return true;
            case RegisterOffset.PRIQ_BASE: value = PageRequests.BaseRegister; return true;
            case RegisterOffset.PRIQ_IRQ_CFG0: value = PageRequestInterrupt.AddressRegister; return true;
            default: return enhanced.TryRead64(offset, out value);
        }
    }

    private uint ReadHalf(uint offset)
    {
        const uint UpperHalf = 4;
        if (enhanced.TryRead32(offset, out uint word)) return word;
        if (!TryRead64(offset & ~UpperHalf, out ulong value)) return 0;
        return (offset & UpperHalf) != 0 ? (uint)(value >> 32) : (uint)value;
    }

    private uint InterruptControl(Func<InterruptSource, bool> bit) =>
        (bit(GlobalErrorInterrupt) ? 1u : 0) | (bit(PageRequestInterrupt) ? 2u : 0) | (bit(EventQueueInterrupt) ? 4u : 0);
}
