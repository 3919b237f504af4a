using Smmu.Fast.Formats;
using Smmu.Fast.Tables;

namespace Smmu.Fast.Iommufd.Driver;

/// <summary>Stage 1 tables of the host under an ASID, with a CD that all streams without PASIDs share.</summary>
internal sealed class Stage1Domain : PagingDomain
{
    private const ulong WriteBack = 0xff;   // MAIR attribute 0.
    private const ulong InnerShareable = 3;
    private const ulong Cacheable = 1;

    private readonly Asid asid;
    private readonly ContextDescriptorTableWriter lone;

    private Stage1Domain(SmmuDriver driver, PageTableOptions options, bool tracksDirty, Asid asid, ContextDescriptorTableWriter lone)
        : base(driver, options, tracksDirty)
    {
        this.asid = asid;
        this.lone = lone;
    }

    /// <summary>What its entries are tagged with.</summary>
    public InvalidationTag Tag => new(IsStage2: false, default, asid);

    /// <summary>Makes one that maps nothing. Under the driver's gate.</summary>
    /// <returns>None, ENOSPC without an ASID, or ENOMEM.</returns>
    public static Errno Create(SmmuDriver driver, bool tracksDirty, out IPagingDomain? domain)
    {
        domain = null;
        PageTableOptions options = TableShapes.For(driver.Features, PageTableStage.Stage1, tracksDirty);
        if (!driver.HasTableMemory(options) || !driver.HasConfigurationMemory(FramePool.FrameLog2)) return Errno.ENOMEM;
        if (!driver.Asids.TryTake(out ushort tag)) return Errno.ENOSPC;
        domain = new Stage1Domain(driver, options, tracksDirty, new Asid(tag), new ContextDescriptorTableWriter(driver.Configuration));
        return Errno.None;
    }

    /// <summary>Its CD.</summary>
    /// <param name="stalls">Faults of devices stall.</param>
    public ContextDescriptor Describe(bool stalls) => Table.ApplyTo(default(ContextDescriptor)
        .With(ContextDescriptorField.V, 1)
        .With(ContextDescriptorField.ASID, asid.Value)
        .With(ContextDescriptorField.ASET, 1)
        .With(ContextDescriptorField.EPD1, 1)
        .With(ContextDescriptorField.IR0, Cacheable)
        .With(ContextDescriptorField.OR0, Cacheable)
        .With(ContextDescriptorField.SH0, InnerShareable)
        .With(ContextDescriptorField.R, 1)
        .With(ContextDescriptorField.A, 1)
        .With(ContextDescriptorField.S, stalls ? 1UL : 0)
        .With(ContextDescriptorField.HA, TracksDirty ? 1UL : 0)
        .With(ContextDescriptorField.HD, TracksDirty ? 1UL : 0)
        .With(ContextDescriptorField.MAIR0, WriteBack));

    /// <summary>An STE that leads to its own CD. All its attachments agree about stalls, so the CD is not in use when it changes.</summary>
    /// <param name="stalls">Faults of devices stall.</param>
    public StreamTableEntry LeadToLone(bool stalls)
    {
        var nobody = default(NoSynchronization);
        lone.Write(default, Describe(stalls), ref nobody);
        return lone.ApplyTo(default(StreamTableEntry));
    }

    protected override LeafAttributes AttributesOf(LeafPermissions permissions, DirtyState dirty) =>
        LeafAttributes.Stage1(permissions, dirty: dirty);

    protected override void ReleaseTag()
    {
        lock (Driver.Gate)
        {
            Driver.Channel.Submit([Tag.Everything]);
            lone.Dispose();
            Driver.Asids.Return(asid.Value);
        }
    }
}
