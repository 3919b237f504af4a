using System.Runtime.InteropServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd.Tegra;

namespace Smmu.Fast.Iommufd.Driver;

public sealed unsafe partial class SmmuDriver
{
    private const HwptFlags KnownFlags = HwptFlags.NestParent | HwptFlags.DirtyTracking | HwptFlags.Pasid;

    /// <inheritdoc/>
    /// <remarks>
    /// Parents of nested ones are stage 2 tables, all others stage 1 if the SMMU has it. Unlike Linux, dirty state is there for
    /// both: a virtual machine with a vIOMMU can be migrated.
    /// </remarks>
    public Errno AllocatePaging(in PagingRequest request, in UserData data, out IPagingDomain? domain)
    {
        domain = null;
        bool isParent = (request.Flags & HwptFlags.NestParent) != 0;
        bool hasPasids = (request.Flags & HwptFlags.Pasid) != 0;
        bool tracksDirty = (request.Flags & HwptFlags.DirtyTracking) != 0;
        if (data.HasData || (request.Flags & ~KnownFlags) != 0) return Errno.EOPNOTSUPP;
        if (isParent && (hasPasids || !Features.S1P || !Features.S2P)) return Errno.EOPNOTSUPP;
        if (hasPasids && !Features.S1P) return Errno.EOPNOTSUPP;
        if (tracksDirty && !TracksDirty) return Errno.EOPNOTSUPP;
        lock (Gate)
        {
            return isParent || !Features.S1P
                ? Stage2Domain.Create(this, tracksDirty, AssignmentOf(request.Context), out domain)
                : Stage1Domain.Create(this, tracksDirty, out domain);
        }
    }

    /// <inheritdoc/>
    /// <remarks>EOPNOTSUPP: a guest's table is made on a vIOMMU.</remarks>
    public Errno AllocateNested(in NestedRequest request, IPagingDomain parent, in UserData data, out INestedDomain? domain)
    {
        domain = null;
        return Errno.EOPNOTSUPP;
    }

    /// <inheritdoc/>
    public bool SupportsViommu(IIommuDevice device, uint type)
    {
        if (!Features.S1P || !Features.S2P) return false;
        return type == IommuTypes.ViommuSmmuV3 || (type == TegraQueueDriver.ViommuType && options.VirtualQueues is not null);
    }

    /// <inheritdoc/>
    public Errno CreateViommu(in ViommuRequest request, in UserData data, out IViommu? viommu)
    {
        viommu = null;
        Errno errno = SmmuViommu.Create(this, in request, out SmmuViommu? made);
        if (errno != Errno.None) return errno;
        viommu = made;
        if (request.Type == IommuTypes.ViommuSmmuV3) return Errno.None;
        errno = TegraVirtualInterface.Create(
            options.VirtualQueues!, made!.Vmid, request.Host, Synchronize, in data, out TegraVirtualInterface? queues);
        if (errno == Errno.None)
        {
            viommu = new TegraViommu(made, queues!, device => ((SmmuEndpoint)device).Stream);
            return Errno.None;
        }

        made.Dispose();
        viommu = null;
        return errno;
    }

    /// <inheritdoc/>
    /// <remarks>Type 2: flags and a reserved word (0), IDR0 to IDR5, IIDR and AIDR, each of 32 bits. Type 3: see
    /// <see cref="TegraQueueDriver.HardwareInformation"/>.</remarks>
    public Errno GetHardwareInfo(IIommuDevice device, ref uint type, out ReadOnlyMemory<byte> information)
    {
        information = default;
        if (type == TegraQueueDriver.HardwareInformationType && options.VirtualQueues is { } queues)
        {
            information = queues.HardwareInformation;
            return Errno.None;
        }

        if (type is not (IommuTypes.HardwareInfoDefault or IommuTypes.HardwareInfoSmmuV3)) return Errno.EOPNOTSUPP;
        type = IommuTypes.HardwareInfoSmmuV3;
        ReadOnlySpan<uint> offsets =
        [
            RegisterOffset.IDR0, RegisterOffset.IDR1, RegisterOffset.IDR2, RegisterOffset.IDR3, RegisterOffset.IDR4,
            RegisterOffset.IDR5, RegisterOffset.IIDR, RegisterOffset.AIDR,
        ];
        uint[] words = new uint[2 + offsets.Length];
        for (int index = 0; index < offsets.Length; index++) words[2 + index] = Smmu.ReadRegister32(offsets[index]);
        information = MemoryMarshal.AsBytes(words.AsSpan()).ToArray();
        return Errno.None;
    }

    private VmidAssignment AssignmentOf(IommufdContext context) =>
        assignments.GetValue(context, made => new VmidAssignment(vmids, made.Options));

    private void Synchronize() => Channel.Submit([]);
}
