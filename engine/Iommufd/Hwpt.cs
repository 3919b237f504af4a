namespace Smmu.Fast.Iommufd;

/// <summary>A hardware page table with an id.</summary>
internal abstract class Hwpt(IommufdContext context, IDomain domain, HwptFlags flags) : IommufdObject
{
    protected IommufdContext Context => context;

    public IDomain Domain => domain;

    public HwptFlags Flags => flags;

    /// <summary>Takes the page faults of its devices; null when nobody does.</summary>
    public FaultQueue? Faults { get; private set; }

    /// <summary>The one that follows an address space: itself or what it is nested on.</summary>
    public abstract HwptPaging Paging { get; }

    public void SetFaults(FaultQueue faults)
    {
        context.Objects.AddUser(faults);
        Faults = faults;
    }

    public override void Destroy()
    {
        if (Faults is not null) context.Objects.DropUser(Faults);
    }
}

/// <summary>A hardware page table that follows an address space.</summary>
internal sealed class HwptPaging : Hwpt
{
    private readonly IPagingDomain domain;

    public HwptPaging(IommufdContext context, Ioas ioas, IPagingDomain domain, IIommuDriver iommu, HwptFlags flags, bool isAutomatic)
        : base(context, domain, flags)
    {
        this.domain = domain;
        Ioas = ioas;
        Iommu = iommu;
        IsAutomatic = isAutomatic;
        context.Objects.AddUser(ioas);
        ioas.PageTables.Add(this);
    }

    public Ioas Ioas { get; }

    public IIommuDriver Iommu { get; }

    public IPagingDomain PagingDomain => domain;

    /// <summary>It was made by attaching to its address space, and goes with its last device.</summary>
    public bool IsAutomatic { get; }

    public override HwptPaging Paging => this;

    public override void Destroy()
    {
        Ioas.PageTables.Remove(this);
        Ioas.RemoveDomain(domain);
        domain.Dispose();
        Context.Objects.DropUser(Ioas);
        base.Destroy();
    }
}

/// <summary>A guest's page table.</summary>
internal sealed class HwptNested : Hwpt
{
    private readonly IommufdObject holds;   // The vIOMMU, or else the parent.

    public HwptNested(IommufdContext context, INestedDomain domain, HwptFlags flags, HwptPaging parent, Viommu? viommu)
        : base(context, domain, flags)
    {
        NestedDomain = domain;
        Paging = parent;
        holds = viommu is null ? parent : viommu;
        context.Objects.AddUser(holds);
    }

    public INestedDomain NestedDomain { get; }

    public override HwptPaging Paging { get; }

    public override void Destroy()
    {
        NestedDomain.Dispose();
        Context.Objects.DropUser(holds);
        base.Destroy();
    }
}
