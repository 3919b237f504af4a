using Smmu.Fast.Commands;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;
using Smmu.Fast.Queues;

namespace Smmu.Fast.Registers;

/// <summary>All Enhanced Command queues, and where their registers lie (IHI 0070, 3.5.6, 6.2.5 and 6.3.49 to 6.3.51).</summary>
/// <remarks>The pages follow one another, so the registers of the queues stand at one distance throughout.</remarks>
internal sealed class EnhancedCommandQueues
{
    private const ulong AllocateHint = 1UL << 62;

    private readonly EnhancedCommandQueue[] queues;
    private readonly uint firstPage;
    private readonly int pages;
    private readonly int strideLog2;
    private readonly ulong baseMask;
    private int enabled;

    /// <summary>Makes as many as the features have, in their reset state.</summary>
    public EnhancedCommandQueues(
        SmmuFeatures features, GuestMemory memory, CommandContext context, TranslationEpoch epoch, EventQueueWriter events)
    {
        const int PageLog2 = 16;
        pages = features.EnhancedCommandQueuePages;
        firstPage = features.FirstCommandQueuePage;
        strideLog2 = PageLog2 - features.QueuesOfPageLog2;
        baseMask = BitField.Mask(Math.Min(55, features.OutputAddressBits - 1), 5) | 0x1f | AllocateHint;
        queues = new EnhancedCommandQueue[features.EnhancedCommandQueues];
        for (int i = 0; i < queues.Length; i++)
        {
            var reader = new CommandQueueReader(memory, features.CommandQueueLog2, features.OutputAddressBits, isEnhanced: true);
            queues[i] = new EnhancedCommandQueue(reader, new CommandConsumer(reader, context, epoch, events));
        }
    }

    /// <summary>The queues, by number.</summary>
    public ReadOnlySpan<EnhancedCommandQueue> Queues => queues;

    /// <summary>True while one of them is on, or on its way off.</summary>
    public bool IsAnyActive
    {
        get
        {
            if (enabled != 0) return true;
            foreach (var queue in queues)
            {
                if (queue.IsActive) return true;
            }

            return false;
        }
    }

    /// <summary>Returns all of them to the reset state.</summary>
    public void Reset()
    {
        foreach (var queue in queues) queue.Reset();
        enabled = 0;
    }

    /// <summary>Reads a 32-bit register, but no half of a 64-bit one.</summary>
    public bool TryRead32(uint offset, out uint value)
    {
        value = 0;
        if (IsOfPage(offset, out uint place))
        {
            if (place is not (RegisterOffset.CMDQ_CONTROL_PAGE_CFG or RegisterOffset.CMDQ_CONTROL_PAGE_STATUS)) return false;
            value = 1;   // Control pages of this kind are on for good.
            return true;
        }

        if (!TryFind(offset, out var queue, out place)) return false;
        switch (place)
        {
            case EnhancedCommandQueueOffset.ECMDQ_PROD: value = queue.ProducerRegister; return true;
            case EnhancedCommandQueueOffset.ECMDQ_CONS: value = queue.ConsumerRegister; return true;
            default: return false;
        }
    }

    /// <summary>Reads a 64-bit register whole.</summary>
    public bool TryRead64(uint offset, out ulong value)
    {
        value = 0;
        if (IsOfPage(offset, out uint place))
        {
            const ulong Pages64KInRegisters = 0b011;   // CMDQGS 0b01, PRESET.
            if (place != RegisterOffset.CMDQ_CONTROL_PAGE_BASE) return false;
            uint page = (offset - place) / RegisterOffset.CMDQ_CONTROL_PAGE_STRIDE;
            value = (firstPage + (page * RegisterOffset.PageSize)) | Pages64KInRegisters;
            return true;
        }

        if (!TryFind(offset, out var queue, out place) || place != EnhancedCommandQueueOffset.ECMDQ_BASE) return false;
        value = queue.BaseRegister;
        return true;
    }

    /// <summary>Writes a 32-bit register, or half of a 64-bit one. Offsets without a register ignore it.</summary>
    public void Write32(uint offset, uint value)
    {
        const uint BaseUpperHalf = EnhancedCommandQueueOffset.ECMDQ_BASE + 4;
        if (!TryFind(offset, out var queue, out uint place)) return;
        switch (place)
        {
            case EnhancedCommandQueueOffset.ECMDQ_PROD:
                enabled -= queue.IsEnabled ? 1 : 0;
                queue.WriteProducer(value);
                enabled += queue.IsEnabled ? 1 : 0;
                break;

            case EnhancedCommandQueueOffset.ECMDQ_CONS:
                queue.WriteConsumer(value);
                break;

            case EnhancedCommandQueueOffset.ECMDQ_BASE:
                queue.WriteBase(((queue.BaseRegister & ~(ulong)uint.MaxValue) | value) & baseMask);
                break;

            case BaseUpperHalf:
                queue.WriteBase(((queue.BaseRegister & uint.MaxValue) | ((ulong)value << 32)) & baseMask);
                break;

            default:
                break;
        }
    }

    /// <summary>Writes a 64-bit register whole; false when there is none at the offset.</summary>
    public bool TryWrite64(uint offset, ulong value)
    {
        if (!TryFind(offset, out var queue, out uint place) || place != EnhancedCommandQueueOffset.ECMDQ_BASE) return false;
        queue.WriteBase(value & baseMask);
        return true;
    }

    // The place is that of the same register of page 0.
    private bool IsOfPage(uint offset, out uint place)
    {
        uint distance = offset - RegisterOffset.CMDQ_CONTROL_PAGE_BASE;   // Wraps below it.
        place = RegisterOffset.CMDQ_CONTROL_PAGE_BASE + (distance % RegisterOffset.CMDQ_CONTROL_PAGE_STRIDE);
        return distance / RegisterOffset.CMDQ_CONTROL_PAGE_STRIDE < (uint)pages;
    }

    private bool TryFind(uint offset, out EnhancedCommandQueue queue, out uint place)
    {
        uint distance = offset - firstPage;   // Wraps below it.
        uint number = distance >> strideLog2;
        place = distance & ((1u << strideLog2) - 1);
        bool exists = number < (uint)queues.Length;
        queue = exists ? queues[number] : null!;
        return exists;
    }
}
