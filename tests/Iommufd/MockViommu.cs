using System.Buffers.Binary;
using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd;

namespace Smmu.Fast.Tests.Iommufd;

/// <summary>A vIOMMU whose devices have four words each that stand for their caches, and that has two hardware queues.</summary>
internal sealed class MockViommu(MockIommu iommu, IViommuHost host) : IViommu
{
    private const int HardwareQueues = 2;
    private readonly MockIommu iommu = iommu;
    private readonly MockHardwareQueue?[] queues = new MockHardwareQueue?[HardwareQueues];

    public IViommuHost Host => host;

    public bool CanInvalidate => true;

    public Errno AllocateNested(in NestedRequest request, in UserData data, out INestedDomain? domain)
    {
        domain = null;
        Errno errno = iommu.Inject();
        return errno == Errno.None ? iommu.MakeNested(in data, this, out domain) : errno;
    }

    public Errno Invalidate(in UserArray entries, out uint done) => MockInvalidation.Run(in entries, entryBytes: 12, out done, (flags, device, index) =>
    {
        if (index >= MockIommu.CacheWords || !host.TryFindDevice(device, out IIommuDevice? found)) return Errno.EINVAL;
        return MockInvalidation.Clear(((MockDevice)found).Cache, (flags & 1) != 0, index);
    });

    public Errno AddDevice(IIommuDevice device, ulong virtualId) => iommu.Inject();

    public void RemoveDevice(IIommuDevice device, ulong virtualId)
    {
    }

    public bool SupportsEvents(uint type) => type == MockIommu.EventType;

    public bool SupportsHardwareQueue(uint type) => type == MockIommu.HardwareQueueType;

    public Errno CreateHardwareQueue(in HardwareQueueRequest request, out IHardwareQueue? queue)
    {
        queue = null;
        Errno errno = iommu.Inject();
        if (errno != Errno.None) return errno;
        if (request.Index >= HardwareQueues) return Errno.EINVAL;
        if (queues[request.Index] is not null) return Errno.EEXIST;
        MockHardwareQueue? before = request.Index == 0 ? null : queues[request.Index - 1];
        if (request.Index != 0 && before is null) return Errno.EIO;
        queue = queues[request.Index] = new MockHardwareQueue(this, (int)request.Index, request.Physical, before);
        iommu.Alive++;
        return Errno.None;
    }

    /// <summary>Reports an event of a device: the number that the guest knows it by.</summary>
    public Errno Trigger(IIommuDevice device)
    {
        if (!host.TryFindVirtualId(device, out ulong virtualId)) return Errno.ENOENT;
        Span<byte> payload = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(payload, (uint)virtualId);
        return host.ReportEvent(MockIommu.EventType, payload);
    }

    public void Dispose() => iommu.Alive--;

    public sealed class MockHardwareQueue(MockViommu owner, int index, PhysicalAddress physical, MockHardwareQueue? before) : IHardwareQueue
    {
        public PhysicalAddress Physical => physical;

        public IHardwareQueue? DependsOn => before;

        public void Dispose()
        {
            owner.queues[index] = null;
            owner.iommu.Alive--;
        }
    }

    public MockHardwareQueue? Queue(int index) => queues[index];
}

/// <summary>A device behind a <see cref="MockIommu"/>.</summary>
internal sealed class MockDevice(MockIommu iommu) : IIommuDevice, IFaultResponder
{
    private readonly Dictionary<uint, (IDomain Domain, IFaultSink? Faults)> attached = [];
    private object? owner;
    private int claims;

    public IIommuDriver Iommu => iommu;

    public object? Group { get; init; } = new();

    public bool IsCoherent { get; init; } = true;

    public bool IsMsiIsolated { get; init; } = true;

    public bool IsVirtualFunctionWithPri { get; init; }

    public bool HasHugePages { get; init; }

    public int MaxPasidLog2 { get; init; }

    public HardwareCapabilities Capabilities { get; init; } = HardwareCapabilities.DirtyTracking;

    public IReadOnlyList<IovaRange> ReservedRanges { get; init; } = [];

    public uint[] Cache { get; } = [MockIommu.FirstDeviceCache, MockIommu.FirstDeviceCache, MockIommu.FirstDeviceCache, MockIommu.FirstDeviceCache];

    public List<FaultResponse> Responses { get; } = [];

    /// <summary>What takes faults, from the last page table that had a queue.</summary>
    public IFaultSink? LastSink { get; private set; }

    private int FailingAttaches { get; set; }

    public IDomain? Attached(uint pasid = 0) => attached.TryGetValue(pasid, out var found) ? found.Domain : null;

    public MockPagingDomain Paging => (MockPagingDomain)Attached()!;

    public Errno Claim(object wanted)
    {
        if (owner is not null && owner != wanted) return Errno.EPERM;
        owner = wanted;
        claims++;
        return Errno.None;
    }

    public void Disclaim(object wanted)
    {
        Assert.Same(owner, wanted);
        if (--claims == 0) owner = null;
    }

    public Errno Attach(uint pasid, IDomain domain, IDomain? previous, IFaultSink? faults)
    {
        Errno errno = iommu.Inject();
        if (errno != Errno.None) return errno;
        Assert.Same(previous, Attached(pasid));
        if (domain is MockNestedDomain { Viommu: { } viommu } && !viommu.Host.TryFindVirtualId(this, out _)) return Errno.ENOENT;

        // The second call for this PASID fails: that of a replacement, whose failure must leave what was.
        if (pasid == MockIommu.FailingPasid && FailingAttaches++ == 1) return Errno.ENOMEM;
        attached[pasid] = (domain, faults);
        LastSink = faults ?? LastSink;
        return Errno.None;
    }

    public void Detach(uint pasid, IDomain domain)
    {
        Assert.Same(domain, Attached(pasid));
        attached.Remove(pasid);
    }

    /// <summary>Reports a page fault as the kernel's mock does.</summary>
    public Errno Fault(uint pasid = 0, int faults = 1)
    {
        if (!attached.TryGetValue(pasid, out var found) || found.Faults is null) return Errno.EOPNOTSUPP;
        var group = new PageFault[faults];
        for (int index = 0; index < faults; index++)
        {
            var flags = PageFaultFlags.PasidValid | (index == faults - 1 ? PageFaultFlags.LastPage : 0);
            group[index] = new PageFault(flags, pasid == 0 ? 1 : pasid, 2, PageFaultPermissions.Read | PageFaultPermissions.Write, 0xdeadbeaf, 0);
        }

        return found.Faults.Report(group, this, token: (ulong)Responses.Count);
    }

    public void Respond(ulong token, FaultResponse response) => Responses.Add(response);
}
