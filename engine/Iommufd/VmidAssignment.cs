using Smmu.Fast.Formats;

namespace Smmu.Fast.Iommufd;

/// <summary>Gives the VMIDs of one SMMU to the page tables and vIOMMUs of one context, as its policy says.</summary>
/// <remarks>A driver keeps one for each context that it works for. Thread-safe.</remarks>
public sealed class VmidAssignment
{
    private readonly Lock gate = new();
    private readonly VmidAllocator allocator;
    private readonly VmidPolicy policy;
    private readonly IVmidSource? source;
    private bool hasDomain;   // With one VMID for the context: its only stage 2.

    /// <summary>Makes one.</summary>
    /// <param name="allocator">The VMIDs of the SMMU.</param>
    /// <param name="options">Of the context: the policy and its source.</param>
    /// <exception cref="ArgumentException">The policy needs a source and has none, or has one that it does not need.</exception>
    public VmidAssignment(VmidAllocator allocator, IommufdOptions options)
    {
        ArgumentNullException.ThrowIfNull(allocator);
        ArgumentNullException.ThrowIfNull(options);
        if ((options.VmidPolicy == VmidPolicy.External) != (options.VmidSource is not null))
        {
            throw new ArgumentException(
                "VmidPolicy.External takes its VMIDs from IommufdOptions.VmidSource, and no other policy does: set both or neither.",
                nameof(options));
        }

        this.allocator = allocator;
        policy = options.VmidPolicy;
        source = options.VmidSource;
    }

    /// <summary>Gives a stage 2 page table its VMID.</summary>
    /// <param name="lease">The VMID, with the answer None.</param>
    /// <returns>None; ENOSPC when all are out; EBUSY when the context has its one stage 2, or an outside VMID is taken; what
    /// an outside source answers.</returns>
    public Errno ForDomain(out VmidLease? lease)
    {
        lease = null;
        bool isOnly = policy is VmidPolicy.PerContext or VmidPolicy.External;
        lock (gate)
        {
            if (isOnly && hasDomain) return Errno.EBUSY;
            Errno errno = Take(out Vmid vmid);
            if (errno != Errno.None) return errno;
            hasDomain = isOnly;
            lease = new VmidLease(this, vmid);
            return Errno.None;
        }
    }

    /// <summary>Gives a vIOMMU its VMID: that of its page table, or one of its own.</summary>
    /// <param name="ofDomain">The VMID of the stage 2 page table below it.</param>
    /// <param name="lease">The VMID, with the answer None.</param>
    /// <returns>None, or ENOSPC when all are out.</returns>
    public Errno ForViommu(VmidLease ofDomain, out VmidLease? lease)
    {
        ArgumentNullException.ThrowIfNull(ofDomain);
        lease = null;
        if (policy != VmidPolicy.PerViommu)
        {
            ofDomain.Share();
            lease = ofDomain;
            return Errno.None;
        }

        Errno errno = allocator.Take(out Vmid vmid);
        if (errno == Errno.None) lease = new VmidLease(this, vmid);
        return errno;
    }

    internal void Return(Vmid vmid)
    {
        allocator.Return(vmid);
        lock (gate)
        {
            hasDomain = false;
            source?.Release(vmid);
        }
    }

    private Errno Take(out Vmid vmid)
    {
        if (source is null) return allocator.Take(out vmid);
        Errno errno = source.Pin(allocator.Bits, out vmid);
        if (errno != Errno.None) return errno;
        errno = allocator.Take(vmid);
        if (errno != Errno.None) source.Release(vmid);
        return errno;
    }
}

/// <summary>A VMID that somebody has; the last one to release it gives it back, clean.</summary>
public sealed class VmidLease
{
    private readonly VmidAssignment assignment;
    private int holders = 1;

    internal VmidLease(VmidAssignment assignment, Vmid vmid)
    {
        this.assignment = assignment;
        Vmid = vmid;
    }

    /// <summary>The VMID, for STEs and commands; it is never shown to a guest.</summary>
    public Vmid Vmid { get; }

    /// <summary>Ends one holder's use: no STE of it has the VMID any more.</summary>
    /// <exception cref="InvalidOperationException">It was released by all holders already.</exception>
    public void Release()
    {
        int left = Interlocked.Decrement(ref holders);
        if (left < 0) throw new InvalidOperationException("The VMID was released already: each holder releases it once.");
        if (left == 0) assignment.Return(Vmid);
    }

    internal void Share()
    {
        if (Interlocked.Increment(ref holders) == 1) throw new InvalidOperationException(
            "The page table has released its VMID: make vIOMMUs while it lives.");
    }
}
