using System.Diagnostics.CodeAnalysis;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Iommufd;

/// <summary>A part of an IOMMU that a virtual machine has for itself. Disposed once nothing refers to it.</summary>
public interface IViommu : IDisposable
{
    /// <summary>Makes a nested page table.</summary>
    /// <param name="request">For whom and what for.</param>
    /// <param name="data">The guest's configuration: of an SMMU the first two words of an STE.</param>
    /// <param name="domain">The nested one, with the answer None.</param>
    /// <returns>None; EOPNOTSUPP when it has none, or for flags; EINVAL for a wrong type or length; EIO for bits that a guest
    /// must not set.</returns>
    Errno AllocateNested(in NestedRequest request, in UserData data, out INestedDomain? domain);

    /// <summary>It takes invalidations.</summary>
    bool CanInvalidate { get; }

    /// <inheritdoc cref="INestedDomain.Invalidate"/>
    Errno Invalidate(in UserArray entries, out uint done);

    /// <summary>A device joins under the number that the guest knows it by; the number is free, and the device has none.</summary>
    /// <param name="device">A device behind the same IOMMU.</param>
    /// <param name="virtualId">The number: of an SMMU the virtual StreamID.</param>
    Errno AddDevice(IIommuDevice device, ulong virtualId);

    /// <summary>A device leaves.</summary>
    /// <param name="device">Who joined.</param>
    /// <param name="virtualId">Its number.</param>
    void RemoveDevice(IIommuDevice device, ulong virtualId);

    /// <summary>Whether it has events of a type.</summary>
    /// <param name="type">The type, above 0.</param>
    bool SupportsEvents(uint type);

    /// <summary>Whether guests can have hardware queues of a type.</summary>
    /// <param name="type">The type, above 0.</param>
    bool SupportsHardwareQueue(uint type) => false;

    /// <summary>Gives the guest a hardware queue in its own memory, which is pinned and cannot be unmapped.</summary>
    /// <param name="request">Which and where.</param>
    /// <param name="queue">The queue, with the answer None.</param>
    /// <returns>None; EINVAL for a wrong index, size or address; EEXIST when it is there; EIO when an earlier one is missing.</returns>
    Errno CreateHardwareQueue(in HardwareQueueRequest request, out IHardwareQueue? queue)
    {
        queue = null;
        return Errno.EOPNOTSUPP;
    }
}

/// <summary>Which hardware queue a guest wants.</summary>
/// <param name="Type">The type.</param>
/// <param name="Index">Which of its kind.</param>
/// <param name="Iova">Address in the parent's address space.</param>
/// <param name="Physical">Where that is.</param>
/// <param name="Length">Size in bytes; they lie next to each other in physical memory.</param>
public readonly record struct HardwareQueueRequest(uint Type, uint Index, ulong Iova, PhysicalAddress Physical, ulong Length);

/// <summary>A hardware queue of a guest. Disposed before its memory is unpinned.</summary>
public interface IHardwareQueue : IDisposable
{
    /// <summary>A queue of the same type that must outlive this one; null for none.</summary>
    IHardwareQueue? DependsOn { get; }
}

/// <summary>Registers of a vIOMMU that its user may reach directly.</summary>
public interface IMmioWindow
{
    /// <summary>Reads a register of 32 bits.</summary>
    /// <param name="offset">Offset in the window, a multiple of 4.</param>
    uint Read32(ulong offset);

    /// <summary>Writes a register of 32 bits.</summary>
    /// <param name="offset">Offset in the window, a multiple of 4.</param>
    /// <param name="value">The value.</param>
    void Write32(ulong offset, uint value);
}

/// <summary>What a vIOMMU of a driver finds in its context. All methods are thread-safe and take no lock of the context.</summary>
public interface IViommuHost
{
    /// <summary>Hands an event to the user's queue; when it is full, the loss shows there.</summary>
    /// <param name="type">The type of queue.</param>
    /// <param name="payload">The event, not empty.</param>
    /// <returns>None; EOPNOTSUPP when there is no queue of the type; EINVAL without payload.</returns>
    Errno ReportEvent(uint type, ReadOnlySpan<byte> payload);

    /// <summary>Finds the device that the guest knows by a number.</summary>
    /// <param name="virtualId">The number.</param>
    /// <param name="device">The device.</param>
    bool TryFindDevice(ulong virtualId, [NotNullWhen(true)] out IIommuDevice? device);

    /// <summary>Finds the number that the guest knows a device by.</summary>
    /// <param name="device">The device.</param>
    /// <param name="virtualId">The number.</param>
    bool TryFindVirtualId(IIommuDevice device, out ulong virtualId);

    /// <summary>Lets the user map a window of registers, while the vIOMMU lives.</summary>
    /// <param name="window">The registers.</param>
    /// <param name="bytes">Size, above 0 and a multiple of 4 KiB.</param>
    /// <returns>The offset to map it at.</returns>
    ulong PublishWindow(IMmioWindow window, ulong bytes);
}
