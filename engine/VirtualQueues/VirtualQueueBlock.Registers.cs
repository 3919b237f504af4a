namespace Smmu.Fast.VirtualQueues;

/// <content>Which register lies where.</content>
public sealed partial class VirtualQueueBlock
{
    private const int PageLog2 = 16;
    private const int QueueLog2 = 7;
    private const int InterfaceLog2 = 8;
    private const int WordBits = 32;

    /// <summary>Reads a 32-bit register, or one half of a 64-bit one; 0 where there is none, or at an unaligned offset.</summary>
    /// <param name="offset">Offset of <see cref="VirtualQueueOffset"/>.</param>
    /// <exception cref="ObjectDisposedException">The SMMU is disposed.</exception>
    public uint Read32(ulong offset)
    {
        if ((offset & 3) != 0 || offset >= SizeBytes) return 0;
        if (Smmu.HasPendingWork) Smmu.RunPending();
        return offset < VirtualQueueOffset.VCMDQ_PAGE0 ? ReadBlock((uint)offset) : ReadQueue((uint)offset);
    }

    /// <summary>Reads a 64-bit register, or two neighbouring 32-bit ones; 0 where there is none, or at an unaligned offset.</summary>
    /// <param name="offset">Offset of <see cref="VirtualQueueOffset"/>.</param>
    /// <exception cref="ObjectDisposedException">The SMMU is disposed.</exception>
    public ulong Read64(ulong offset)
    {
        if ((offset & 7) != 0 || offset >= SizeBytes) return 0;
        if (TryFindQueue((uint)offset, out var queue, out uint place, out bool isPage1) && isPage1)
        {
            return place == VirtualQueueOffset.VCMDQ_BASE ? queue.BaseRegister : 0;
        }

        return Read32(offset) | ((ulong)Read32(offset + 4) << WordBits);
    }

    /// <summary>
    /// Writes a 32-bit register, or one half of a 64-bit one; ignored where there is none, and at an unaligned offset.
    /// </summary>
    /// <param name="offset">Offset of <see cref="VirtualQueueOffset"/>.</param>
    /// <param name="value">The value.</param>
    /// <exception cref="ObjectDisposedException">The SMMU is disposed.</exception>
    public void Write32(ulong offset, uint value)
    {
        if ((offset & 3) != 0 || offset >= SizeBytes) return;
        ulong unmasked = 0;
        Smmu.EnterGate();
        if (offset < VirtualQueueOffset.VCMDQ_PAGE0)
        {
            WriteBlock((uint)offset, value, out unmasked);
        }
        else
        {
            bool isIdle = Smmu.IsIdle;
            if (!WriteQueue((uint)offset, value, isIdle) && isIdle)
            {
                Smmu.LeaveIdleGate();
                return;
            }
        }

        Smmu.RunAndLeaveGate();
        if (unmasked != 0) TellOfUnmasked(unmasked);
    }

    /// <summary>
    /// Writes a 64-bit register whole, or two neighbouring 32-bit ones, the lower first; ignored where there is none, and at an
    /// unaligned offset.
    /// </summary>
    /// <param name="offset">Offset of <see cref="VirtualQueueOffset"/>.</param>
    /// <param name="value">The value.</param>
    /// <exception cref="ObjectDisposedException">The SMMU is disposed.</exception>
    public void Write64(ulong offset, ulong value)
    {
        if ((offset & 7) != 0 || offset >= SizeBytes) return;
        Smmu.EnterGate();
        if (TryFindQueue((uint)offset, out var queue, out uint place, out bool isPage1) && isPage1)
        {
            if (place == VirtualQueueOffset.VCMDQ_BASE) queue.WriteBase(value);
            Smmu.RunAndLeaveGate();
            return;
        }

        Smmu.RunAndLeaveGate();
        Write32(offset, (uint)value);
        Write32(offset + 4, (uint)(value >> WordBits));
    }

    private uint ReadBlock(uint offset)
    {
        if (offset >= VirtualQueueOffset.VINTF) return ReadInterface(offset - VirtualQueueOffset.VINTF);
        if (offset >= VirtualQueueOffset.CMDQ_ALLOC)
        {
            uint number = (offset - VirtualQueueOffset.CMDQ_ALLOC) / sizeof(uint);
            return number < (uint)queues.Length ? queues[number].AllocationRegister : 0;
        }

        const uint AfterErrorMap = VirtualQueueOffset.CMDQ_ERR_MAP + (4 * sizeof(uint));
        switch (offset)
        {
            case VirtualQueueOffset.CONFIG:
            case VirtualQueueOffset.STATUS:
                return Volatile.Read(ref configuration);
            case VirtualQueueOffset.PARAM:
                return options.Parameters;
            case VirtualQueueOffset.VINTF_ERR_MAP:
            case VirtualQueueOffset.VINTF_ERR_MAP + sizeof(uint):
                return HalfOf(InterfacesWithErrors(), offset - VirtualQueueOffset.VINTF_ERR_MAP);
            case VirtualQueueOffset.VINTF_INT_MASK:
            case VirtualQueueOffset.VINTF_INT_MASK + sizeof(uint):
                return HalfOf(Volatile.Read(ref interruptMask), offset - VirtualQueueOffset.VINTF_INT_MASK);
            case >= VirtualQueueOffset.CMDQ_ERR_MAP and < AfterErrorMap:
                return QueuesWithErrors((offset - VirtualQueueOffset.CMDQ_ERR_MAP) / sizeof(uint));
            default:
                return 0;
        }
    }

    private uint ReadInterface(uint offset)
    {
        uint number = offset >> InterfaceLog2;
        if (number >= (uint)interfaces.Length) return 0;
        var found = interfaces[number];
        uint place = offset & (VirtualQueueOffset.VINTF_STRIDE - 1);
        switch (place)
        {
            case VirtualQueueOffset.VINTF_CONFIG:
                return found.ConfigurationRegister;
            case VirtualQueueOffset.VINTF_STATUS:
                return IsActive((int)number) ? Enable : 0;
            case >= VirtualQueueOffset.VINTF_SID_MATCH and < VirtualQueueOffset.VINTF_SID_REPLACE:
                return found.ReadMatch((place - VirtualQueueOffset.VINTF_SID_MATCH) / sizeof(uint));
            case >= VirtualQueueOffset.VINTF_SID_REPLACE and < VirtualQueueOffset.VINTF_LVCMDQ_ERR_MAP_64:
                return found.ReadReplacement((place - VirtualQueueOffset.VINTF_SID_REPLACE) / sizeof(uint));
            case >= VirtualQueueOffset.VINTF_LVCMDQ_ERR_MAP_64:
                return LocalErrors((int)number, (place - VirtualQueueOffset.VINTF_LVCMDQ_ERR_MAP_64) / sizeof(uint));
            default:
                return 0;
        }
    }

    private void WriteBlock(uint offset, uint value, out ulong unmasked)
    {
        unmasked = 0;
        if (offset >= VirtualQueueOffset.VINTF)
        {
            WriteInterface(offset - VirtualQueueOffset.VINTF, value);
            return;
        }

        if (offset >= VirtualQueueOffset.CMDQ_ALLOC)
        {
            uint number = (offset - VirtualQueueOffset.CMDQ_ALLOC) / sizeof(uint);
            if (number < (uint)queues.Length) WriteAllocation((int)number, value);
            return;
        }

        switch (offset)
        {
            case VirtualQueueOffset.CONFIG:
                WriteConfiguration(value);
                break;
            case VirtualQueueOffset.VINTF_INT_MASK:
            case VirtualQueueOffset.VINTF_INT_MASK + sizeof(uint):
                int shift = (int)(offset - VirtualQueueOffset.VINTF_INT_MASK) * 8;
                ulong old = interruptMask;
                ulong mask = ((old & ~((ulong)uint.MaxValue << shift)) | ((ulong)value << shift)) & AllInterfaces;
                Volatile.Write(ref interruptMask, mask);
                unmasked = old & ~mask;
                break;
            default:
                break;
        }
    }

    private void WriteInterface(uint offset, uint value)
    {
        uint number = offset >> InterfaceLog2;
        if (number >= (uint)interfaces.Length) return;
        var found = interfaces[number];
        uint place = offset & (VirtualQueueOffset.VINTF_STRIDE - 1);
        switch (place)
        {
            case VirtualQueueOffset.VINTF_CONFIG:
                WriteInterfaceConfiguration((int)number, value);
                break;
            case >= VirtualQueueOffset.VINTF_SID_MATCH and < VirtualQueueOffset.VINTF_SID_REPLACE:
                found.WriteMatch((place - VirtualQueueOffset.VINTF_SID_MATCH) / sizeof(uint), value);
                break;
            case >= VirtualQueueOffset.VINTF_SID_REPLACE and < VirtualQueueOffset.VINTF_LVCMDQ_ERR_MAP_64:
                found.WriteReplacement((place - VirtualQueueOffset.VINTF_SID_REPLACE) / sizeof(uint), value);
                break;
            default:
                break;
        }
    }

    private uint ReadQueue(uint offset)
    {
        if (!TryFindQueue(offset, out var queue, out uint place, out bool isPage1)) return 0;
        if (isPage1)
        {
            return place <= VirtualQueueOffset.VCMDQ_BASE + sizeof(uint) ? HalfOf(queue.BaseRegister, place) : 0;
        }

        switch (place)
        {
            case VirtualQueueOffset.VCMDQ_CONS: return queue.ConsumerRegister;
            case VirtualQueueOffset.VCMDQ_PROD: return queue.ProducerRegister;
            case VirtualQueueOffset.VCMDQ_CONFIG: return queue.ConfigurationRegister;
            case VirtualQueueOffset.VCMDQ_STATUS: return queue.StatusRegister;
            case VirtualQueueOffset.VCMDQ_GERROR: return queue.ErrorRegister;
            case VirtualQueueOffset.VCMDQ_GERRORN: return queue.AcknowledgeRegister;
            default: return 0;
        }
    }

    // True when something may have come to be done.
    private bool WriteQueue(uint offset, uint value, bool isIdle)
    {
        if (!TryFindQueue(offset, out var queue, out uint place, out bool isPage1)) return false;
        if (isPage1)
        {
            ulong kept = queue.BaseRegister;
            if (place == VirtualQueueOffset.VCMDQ_BASE) queue.WriteBase((kept & ~(ulong)uint.MaxValue) | value);
            else if (place == VirtualQueueOffset.VCMDQ_BASE + sizeof(uint)) queue.WriteBase((uint)kept | ((ulong)value << WordBits));
            return true;
        }

        switch (place)
        {
            case VirtualQueueOffset.VCMDQ_PROD: return queue.WriteProducer(value, isIdle);
            case VirtualQueueOffset.VCMDQ_CONS: queue.WriteConsumer(value); return true;
            case VirtualQueueOffset.VCMDQ_CONFIG: queue.WriteConfiguration(value); return true;
            case VirtualQueueOffset.VCMDQ_GERRORN: queue.WriteAcknowledge(value); return true;
            default: return false;
        }
    }

    // Two pages by the number in the block, then two for each interface by the number there.
    private bool TryFindQueue(uint offset, out VirtualCommandQueue queue, out uint place, out bool isPage1)
    {
        const uint FirstOfInterfaces = VirtualQueueOffset.VINTF_PAGE0 >> PageLog2;
        uint page = offset >> PageLog2;
        uint number = (offset & (VirtualQueueOffset.PageSize - 1)) >> QueueLog2;
        place = offset & (VirtualQueueOffset.VCMDQ_STRIDE - 1);
        queue = null!;
        isPage1 = page == VirtualQueueOffset.VCMDQ_PAGE1 >> PageLog2;
        if (page == 0) return false;
        if (page >= FirstOfInterfaces)
        {
            isPage1 = ((page - FirstOfInterfaces) & 1) != 0;
            if (!interfaces[(page - FirstOfInterfaces) >> 1].TryFindQueue(number, out int found)) return false;
            number = (uint)found;
        }

        if (number >= (uint)queues.Length) return false;
        queue = queues[number];
        return true;
    }

    private ulong AllInterfaces => ulong.MaxValue >> (64 - interfaces.Length);

    // Until the host has read what it reads of the queues, too.
    private bool IsActive(int number)
    {
        if ((Volatile.Read(ref configuration) & Enable) != 0 && interfaces[number].IsEnabled) return true;
        foreach (var queue in queues)
        {
            if (queue.IsAllocated && queue.Interface == number && queue.IsActive) return true;
        }

        return false;
    }

    private ulong InterfacesWithErrors()
    {
        ulong map = 0;
        foreach (var queue in queues)
        {
            if (queue.HasError && queue.IsAllocated) map |= 1UL << queue.Interface;
        }

        return map & AllInterfaces;
    }

    private uint QueuesWithErrors(uint word)
    {
        uint map = 0;
        int first = (int)word * WordBits;
        for (int bit = 0; bit < WordBits && first + bit < queues.Length; bit++)
        {
            if (queues[first + bit].HasError) map |= 1u << bit;
        }

        return map;
    }

    private uint LocalErrors(int number, uint word)
    {
        uint map = 0;
        foreach (var queue in queues)
        {
            if (!queue.HasError || !queue.IsAllocated || queue.Interface != number) continue;
            if ((uint)queue.LocalNumber / WordBits == word) map |= 1u << (queue.LocalNumber % WordBits);
        }

        return map;
    }

    private void TellOfUnmasked(ulong unmasked)
    {
        ulong told = unmasked & InterfacesWithErrors();
        for (int number = 0; number < interfaces.Length; number++)
        {
            if ((told & (1UL << number)) != 0) TellOfError(number);
        }
    }

    private static uint HalfOf(ulong value, uint offset) => (uint)(value >> ((int)offset * 8));
}
