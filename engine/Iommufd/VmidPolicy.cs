using Smmu.Fast.Formats;

namespace Smmu.Fast.Iommufd;

/// <summary>Who owns a VMID: the tag that keeps the translations of virtual machines apart (IHI 0070, 3.17).</summary>
public enum VmidPolicy : byte
{
    /// <summary>Each stage 2 page table; its vIOMMUs share it. As Linux does it.</summary>
    PerDomain = 0,

    /// <summary>Each vIOMMU has one besides: vIOMMUs on one stage 2 are told apart, and a queue that a guest owns is bound to
    /// its vIOMMU.</summary>
    PerViommu,

    /// <summary>The context: all that its guest may invalidate has one VMID. A second stage 2 page table on an SMMU is
    /// refused with EBUSY, since one tag cannot stand for two.</summary>
    PerContext,

    /// <summary>As <see cref="PerContext"/>, but the VMID is that of the CPUs' stage 2, from an <see cref="IVmidSource"/>.</summary>
    External,
}

/// <summary>Lends VMIDs that somebody else allocates: a hypervisor whose CPUs broadcast their TLB maintenance.</summary>
public interface IVmidSource
{
    /// <summary>Gives the VMID of the virtual machine, which stays its own until it is released.</summary>
    /// <param name="bits">Bits that the SMMU has for it: 8 or 16.</param>
    /// <param name="vmid">The VMID, not 0.</param>
    /// <returns>None, or why there is none.</returns>
    Errno Pin(int bits, out Vmid vmid);

    /// <summary>The SMMU holds no entry of the VMID any more.</summary>
    /// <param name="vmid">What <see cref="Pin"/> gave.</param>
    void Release(Vmid vmid);
}
