using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd;

namespace Smmu.Fast.Tests.Iommufd;

/// <summary>VMIDs: never 0, never dirty, and owned by whom the policy says.</summary>
public class VmidTests
{
    private readonly List<Vmid> cleaned = [];

    [Theory]
    [InlineData(8)]
    [InlineData(16)]
    public void AllButZeroAreHandedOutOnceAndThenThereIsNoSpace(int bits)
    {
        VmidAllocator allocator = New(bits);
        for (int expected = 1; expected < 1 << bits; expected++)
        {
            Assert.Equal(Errno.None, allocator.Take(out Vmid vmid));
            Assert.Equal(expected, vmid.Value);
        }

        Assert.Equal(Errno.ENOSPC, allocator.Take(out _));
        allocator.Return(new Vmid(77));
        Assert.Equal(Errno.None, allocator.Take(out Vmid again));
        Assert.Equal(77, again.Value);
        Assert.Equal([new Vmid(77)], cleaned);
    }

    [Fact]
    public void AVmidIsNobodysWhileItIsInvalidated()
    {
        VmidAllocator? allocator = null;
        Vmid meanwhile = default;
        allocator = new VmidAllocator(8, _ => Assert.Equal(Errno.None, allocator!.Take(out meanwhile)));
        allocator.Take(out Vmid first);
        allocator.Return(first);

        Assert.NotEqual(first, meanwhile);
        allocator.Take(out Vmid next);
        Assert.Equal(first, next);
    }

    [Fact]
    public void MisuseIsRefusedWithAdvice()
    {
        VmidAllocator allocator = New(8);
        Assert.Throws<ArgumentOutOfRangeException>(() => New(9));
        Assert.Throws<ArgumentException>(() => allocator.Return(new Vmid(0)));
        Assert.Throws<ArgumentException>(() => allocator.Return(new Vmid(5)));
        Assert.Throws<ArgumentException>(() => allocator.Return(new Vmid(0x8001)));
        Assert.Throws<ArgumentException>(() => Assign(allocator, VmidPolicy.External));
        Assert.Throws<ArgumentException>(() => Assign(allocator, VmidPolicy.PerDomain, new Source(5)));
        Assert.Empty(cleaned);
    }

    [Fact]
    public void PerDomainTheViommusShareTheirPageTablesVmid()
    {
        VmidAssignment assignment = Assign(New(8), VmidPolicy.PerDomain);
        assignment.ForDomain(out VmidLease? first);
        assignment.ForDomain(out VmidLease? second);
        assignment.ForViommu(first!, out VmidLease? viommu);
        assignment.ForViommu(first!, out VmidLease? other);

        Assert.Equal([1, 2, 1, 1], Values(first, second, viommu, other));
        first!.Release();
        viommu!.Release();
        Assert.Empty(cleaned);   // One holder is left.
        other!.Release();
        Assert.Equal([new Vmid(1)], cleaned);
        Assert.Throws<InvalidOperationException>(() => other.Release());
    }

    [Fact]
    public void PerViommuEachHasOneOfItsOwn()
    {
        VmidAssignment assignment = Assign(New(8), VmidPolicy.PerViommu);
        assignment.ForDomain(out VmidLease? domain);
        assignment.ForViommu(domain!, out VmidLease? first);
        assignment.ForViommu(domain!, out VmidLease? second);

        Assert.Equal([1, 2, 3], Values(domain, first, second));
        first!.Release();
        Assert.Equal([new Vmid(2)], cleaned);
    }

    [Fact]
    public void PerContextThereIsOneAndOnlyOneStage2()
    {
        VmidAllocator allocator = New(8);
        VmidAssignment assignment = Assign(allocator, VmidPolicy.PerContext);
        VmidAssignment other = Assign(allocator, VmidPolicy.PerContext);
        assignment.ForDomain(out VmidLease? domain);
        assignment.ForViommu(domain!, out VmidLease? viommu);
        Assert.Equal(Errno.EBUSY, assignment.ForDomain(out _));
        Assert.Equal(Errno.None, other.ForDomain(out VmidLease? others));

        Assert.Equal([1, 1, 2], Values(domain, viommu, others));
        domain!.Release();
        Assert.Equal(Errno.EBUSY, assignment.ForDomain(out _));   // The vIOMMU still has it.
        viommu!.Release();
        Assert.Equal(Errno.None, assignment.ForDomain(out _));
    }

    [Fact]
    public void ExternalVmidsArePinnedAndReleasedClean()
    {
        VmidAllocator allocator = New(8);
        var source = new Source(9);
        VmidAssignment assignment = Assign(allocator, VmidPolicy.External, source);
        Assert.Equal(Errno.None, assignment.ForDomain(out VmidLease? lease));
        Assert.Equal((9, 1, 8), (lease!.Vmid.Value, source.Pinned, source.Bits));
        Assert.Equal(Errno.EBUSY, assignment.ForDomain(out _));
        Assert.Equal(Errno.EBUSY, Assign(allocator, VmidPolicy.External, source).ForDomain(out _));
        Assert.Equal(1, source.Pinned);
        source.OnRelease = () => Assert.Equal([new Vmid(9)], cleaned);
        lease.Release();

        Assert.Equal(0, source.Pinned);
        Assert.Equal(Errno.EINVAL, Assign(allocator, VmidPolicy.External, new Source(0)).ForDomain(out _));
        Assert.Equal(Errno.EINVAL, Assign(allocator, VmidPolicy.External, new Source(256)).ForDomain(out _));
    }

    private static int[] Values(params VmidLease?[] leases) => [.. leases.Select(lease => (int)lease!.Vmid.Value)];

    private static VmidAssignment Assign(VmidAllocator allocator, VmidPolicy policy, IVmidSource? source = null) =>
        new(allocator, new IommufdOptions { VmidPolicy = policy, VmidSource = source });

    private VmidAllocator New(int bits) => new(bits, cleaned.Add);

    private sealed class Source(ushort value) : IVmidSource
    {
        public int Pinned { get; private set; }

        public int Bits { get; private set; }

        public Action OnRelease { get; set; } = () => { };

        public Errno Pin(int bits, out Vmid vmid)
        {
            Pinned++;
            Bits = bits;
            vmid = new Vmid(value);
            return Errno.None;
        }

        public void Release(Vmid vmid)
        {
            OnRelease();
            Pinned--;
        }
    }
}
