using Smmu.Fast.Formats;
using Smmu.Fast.Tables;

namespace Smmu.Fast.Iommufd.Driver;

/// <summary>Stage 2 tables of a virtual machine under a VMID; what guests' stage 1 lies on.</summary>
internal sealed class Stage2Domain : PagingDomain
{
    private const ulong InnerShareable = 3;
    private const ulong Cacheable = 1;
    private const ulong IncomingShareability = 1;

    private Stage2Domain(SmmuDriver driver, PageTableOptions options, bool tracksDirty, VmidAssignment vmids, VmidLease lease)
        : base(driver, options, tracksDirty)
    {
        Vmids = vmids;
        Lease = lease;
    }

    /// <summary>Where the VMIDs of its context come from.</summary>
    public VmidAssignment Vmids { get; }

    /// <summary>Its VMID.</summary>
    public VmidLease Lease { get; }

    /// <summary>Makes one that maps nothing. Under the driver's gate.</summary>
    /// <returns>None, what the policy of VMIDs answers, or ENOMEM.</returns>
    public static Errno Create(SmmuDriver driver, bool tracksDirty, VmidAssignment vmids, out IPagingDomain? domain)
    {
        domain = null;
        PageTableOptions options = TableShapes.For(driver.Features, PageTableStage.Stage2, tracksDirty);
        if (!driver.HasTableMemory(options)) return Errno.ENOMEM;
        Errno errno = vmids.ForDomain(out VmidLease? lease);
        if (errno == Errno.None) domain = new Stage2Domain(driver, options, tracksDirty, vmids, lease!);
        return errno;
    }

    /// <summary>What entries under a VMID are tagged with.</summary>
    public static InvalidationTag TagOf(Vmid vmid) => new(IsStage2: true, vmid, default);

    /// <summary>The STE that translates by these tables alone.</summary>
    /// <param name="vmid">The VMID: its own, or that of a vIOMMU on it.</param>
    /// <param name="stalls">Faults of devices stall.</param>
    public StreamTableEntry Describe(Vmid vmid, bool stalls) => Table.ApplyTo(default(StreamTableEntry)
        .With(StreamTableEntryField.V, 1)
        .With(StreamTableEntryField.Config, (ulong)StreamConfiguration.Stage2)
        .With(StreamTableEntryField.SHCFG, IncomingShareability)
        .With(StreamTableEntryField.S2VMID, vmid.Value)
        .With(StreamTableEntryField.S2IR0, Cacheable)
        .With(StreamTableEntryField.S2OR0, Cacheable)
        .With(StreamTableEntryField.S2SH0, InnerShareable)
        .With(StreamTableEntryField.S2PTW, 1)
        .With(StreamTableEntryField.S2R, 1)
        .With(StreamTableEntryField.S2S, stalls ? 1UL : 0)
        .With(StreamTableEntryField.S2HA, TracksDirty ? 1UL : 0)
        .With(StreamTableEntryField.S2HD, TracksDirty ? 1UL : 0));

    protected override LeafAttributes AttributesOf(LeafPermissions permissions, DirtyState dirty) =>
        LeafAttributes.Stage2(permissions, dirty: dirty);

    protected override void ReleaseTag() => Lease.Release();
}
