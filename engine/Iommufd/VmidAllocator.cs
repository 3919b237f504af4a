using Smmu.Fast.Formats;

namespace Smmu.Fast.Iommufd;

/// <summary>The VMIDs of one SMMU: the lowest free one first, and never 0, which stands for no stage 2.</summary>
/// <remarks>
/// A tag is handed out clean. It goes back only after its entries are invalidated, which the allocator asks for itself, without
/// its lock: meanwhile the tag is nobody's. Thread-safe.
/// </remarks>
public sealed class VmidAllocator
{
    private readonly TagPool tags;
    private readonly Action<Vmid> invalidate;

    /// <summary>Makes one with all VMIDs free but 0.</summary>
    /// <param name="bits">8, or 16 with IDR0.VMID16.</param>
    /// <param name="invalidate">Invalidates all entries of a VMID and waits for that (CMD_TLBI_S12_VMALL, CMD_SYNC).</param>
    /// <exception cref="ArgumentOutOfRangeException">The number of bits is not 8 or 16.</exception>
    public VmidAllocator(int bits, Action<Vmid> invalidate)
    {
        ArgumentNullException.ThrowIfNull(invalidate);
        if (bits is not (8 or 16)) throw new ArgumentOutOfRangeException(nameof(bits), bits, "A VMID has 8 or 16 bits (IDR0.VMID16).");
        Bits = bits;
        tags = new TagPool(bits);
        this.invalidate = invalidate;
    }

    /// <summary>Bits of a VMID.</summary>
    public int Bits { get; }

    /// <summary>Takes the lowest free VMID.</summary>
    /// <param name="vmid">The VMID, clean.</param>
    /// <returns>None, or ENOSPC when all are out.</returns>
    public Errno Take(out Vmid vmid)
    {
        bool isTaken = tags.TryTake(out ushort tag);
        vmid = new Vmid(tag);
        return isTaken ? Errno.None : Errno.ENOSPC;
    }

    /// <summary>Takes a VMID that somebody else has chosen.</summary>
    /// <param name="vmid">The VMID.</param>
    /// <returns>None; EINVAL for 0 or one out of range; EBUSY when it is taken.</returns>
    public Errno Take(Vmid vmid)
    {
        if (vmid.Value == 0 || vmid.Value >> Bits != 0) return Errno.EINVAL;
        return tags.TryTake(vmid.Value) ? Errno.None : Errno.EBUSY;
    }

    /// <summary>Gives a VMID back that no STE has any more, once its entries are invalidated.</summary>
    /// <param name="vmid">A VMID that was taken.</param>
    /// <exception cref="ArgumentException">Nobody has it.</exception>
    public void Return(Vmid vmid)
    {
        if (!tags.IsTaken(vmid.Value) || vmid.Value >> Bits != 0) throw new ArgumentException(
            $"VMID {vmid.Value} is not taken: return what was taken, and once.", nameof(vmid));
        invalidate(vmid);
        tags.Return(vmid.Value);
    }
}
