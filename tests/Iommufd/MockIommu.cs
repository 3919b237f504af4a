using System.Buffers.Binary;
using System.Collections.Concurrent;
using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd;

namespace Smmu.Fast.Tests.Iommufd;

/// <summary>An IOMMU with the constants of the kernel's selftests, which has no hardware behind it.</summary>
internal sealed class MockIommu : IIommuDriver
{
    public const ulong PageBytes = 2048;
    public const ulong HugePageBytes = 512 * PageBytes;
    public const ulong ApertureStart = 1UL << 24;
    public const ulong ApertureLast = (1UL << 31) - 1;
    public const int PasidBits = 20;
    public const uint FailingPasid = 1024;
    public const uint InfoType = 0xfeedbeef;
    public const uint NestedType = 0xdead;
    public const int NestedBytes = 8;
    public const uint InvalidateType = 0xdeadbeef;
    public const uint ViommuType = 0xdeadbeef;
    public const uint HardwareQueueType = 0xdeadbeef;
    public const uint EventType = 0xbeefbeef;
    public const int CacheWords = 4;
    public const uint FirstIotlb = 0x0badbeef;
    public const uint FirstDeviceCache = 0x00baddad;

    /// <summary>Asked before whatever can fail; an answer other than None is the result.</summary>
    public Func<Errno> Inject { get; set; } = () => Errno.None;

    /// <summary>Domains, vIOMMUs and queues that are not disposed of.</summary>
    public int Alive { get; set; }

    /// <summary>Page tables that are not disposed of.</summary>
    public ConcurrentDictionary<MockPagingDomain, bool> Domains { get; } = new();

    /// <summary>The vIOMMU that was made last.</summary>
    public MockViommu? Viommu { get; private set; }

    public Errno AllocatePaging(in PagingRequest request, in UserData data, out IPagingDomain? domain)
    {
        domain = null;
        Errno errno = Inject();
        if (errno != Errno.None) return errno;
        if (data.HasData) return Errno.EOPNOTSUPP;
        domain = new MockPagingDomain(this, ((MockDevice)request.Device).HasHugePages, (request.Flags & HwptFlags.DirtyTracking) != 0);
        return Errno.None;
    }

    public Errno AllocateNested(in NestedRequest request, IPagingDomain parent, in UserData data, out INestedDomain? domain)
    {
        domain = null;
        Errno errno = Inject();
        if (errno == Errno.None) errno = MakeNested(data, viommu: null, out domain);
        return errno;
    }

    /// <summary>Makes vIOMMUs of a further type around the mock's own.</summary>
    public delegate Errno Wrapper(in ViommuRequest request, in UserData data, IViommu inner, out IViommu? viommu);

    /// <summary>Further types of vIOMMU.</summary>
    public Dictionary<uint, Wrapper> Wrappers { get; } = [];

    /// <summary>Further types of hardware info.</summary>
    public Dictionary<uint, ReadOnlyMemory<byte>> Information { get; } = [];

    public bool SupportsViommu(IIommuDevice device, uint type) => type == ViommuType || Wrappers.ContainsKey(type);

    public Errno CreateViommu(in ViommuRequest request, in UserData data, out IViommu? viommu)
    {
        viommu = null;
        Errno errno = Inject();
        if (errno != Errno.None) return errno;
        var made = new MockViommu(this, request.Host);
        if (Wrappers.TryGetValue(request.Type, out Wrapper? wrapper))
        {
            errno = wrapper(in request, in data, made, out viommu);
            if (errno == Errno.None) Alive++;
            return errno;
        }

        if (data.HasData)
        {
            // {input, output, offset of the window, its length}: the first word shows in the window.
            Span<byte> words = stackalloc byte[24];
            errno = data.Read(ViommuType, 24, words);
            if (errno != Errno.None) return errno;
            uint input = BinaryPrimitives.ReadUInt32LittleEndian(words);
            BinaryPrimitives.WriteUInt32LittleEndian(words[4..], input);
            BinaryPrimitives.WriteUInt64LittleEndian(words[8..], request.Host.PublishWindow(new MockWindow(input), 2 * MockUserMemory.PageBytes));
            BinaryPrimitives.WriteUInt64LittleEndian(words[16..], 2 * MockUserMemory.PageBytes);
            errno = data.WriteBack(words);
            if (errno != Errno.None) return errno;
        }

        Alive++;
        viommu = Viommu = made;
        return Errno.None;
    }

    public Errno GetHardwareInfo(IIommuDevice device, ref uint type, out ReadOnlyMemory<byte> information)
    {
        if (Information.TryGetValue(type, out information)) return Errno.None;
        if (type is not (0 or InfoType)) return Errno.EOPNOTSUPP;
        type = InfoType;
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4), 0xdeadbeef);
        information = bytes;
        return Errno.None;
    }

    public Errno MakeNested(in UserData data, MockViommu? viommu, out INestedDomain? domain)
    {
        domain = null;
        if (data.Type != NestedType) return Errno.EOPNOTSUPP;
        Span<byte> words = stackalloc byte[NestedBytes];
        Errno errno = data.Read(NestedType, NestedBytes, words);
        if (errno == Errno.None) domain = new MockNestedDomain(this, BinaryPrimitives.ReadUInt32LittleEndian(words), viommu);
        return errno;
    }

    private sealed class MockWindow(uint first) : IMmioWindow
    {
        public uint Read32(ulong offset) => offset == 0 ? first : 0;

        public void Write32(ulong offset, uint value)
        {
        }
    }
}

/// <summary>A page table that is a dictionary of pages of 2 KiB.</summary>
internal sealed class MockPagingDomain : IPagingDomain
{
    private readonly MockIommu iommu;
    private readonly Dictionary<ulong, Leaf> leaves = [];
    private readonly bool hasHugePages;
    private bool isTracking;

    public MockPagingDomain(MockIommu iommu, bool hasHugePages, bool tracksDirty)
    {
        this.iommu = iommu;
        this.hasHugePages = hasHugePages;
        TracksDirty = tracksDirty;
        iommu.Alive++;
        iommu.Domains[this] = true;
    }

    public ulong PageSizes => MockIommu.PageBytes | (hasHugePages ? MockIommu.HugePageBytes : 0);

    public IovaRange Aperture => new(MockIommu.ApertureStart, MockIommu.ApertureLast);

    public bool TracksDirty { get; }

    public bool IsCoherent { get; set; } = true;

    public int Synchronizations { get; private set; }

    public int Mapped => leaves.Count;

    /// <summary>What is unmapped but not yet synchronized.</summary>
    public int Gathered { get; private set; }

    public Errno Map(ulong iova, PhysicalAddress physical, ulong bytes, DomainPermissions permissions)
    {
        Errno errno = iommu.Inject();
        if (errno != Errno.None) return errno;
        Assert.Equal(0UL, (iova | physical.Value | bytes) & (MockIommu.PageBytes - 1));
        Assert.True(iova >= MockIommu.ApertureStart && iova + (bytes - 1) <= MockIommu.ApertureLast);
        for (ulong at = 0; at < bytes; at += MockIommu.PageBytes)
        {
            Assert.True(leaves.TryAdd(iova + at, new Leaf { Physical = physical.Value + at, Permissions = permissions }), "Mapped twice.");
        }

        return Errno.None;
    }

    public void Unmap(ulong iova, ulong bytes)
    {
        for (ulong at = 0; at < bytes; at += MockIommu.PageBytes) Assert.True(leaves.Remove(iova + at), "Unmapped, and was not mapped.");
        Gathered++;
    }

    public void Synchronize()
    {
        Synchronizations++;
        Gathered = 0;
    }

    public Errno SetDirtyTracking(bool enable)
    {
        isTracking = enable;
        return Errno.None;
    }

    public Errno ReadDirty(ulong iova, ulong bytes, bool clear, DirtyBitmap? bitmap)
    {
        for (ulong at = 0; at < bytes; at += MockIommu.PageBytes)
        {
            if (!leaves.TryGetValue((iova + at) & ~(MockIommu.PageBytes - 1), out Leaf? leaf) || !leaf.IsDirty) continue;
            bitmap?.Record(iova + at, MockIommu.PageBytes);
            if (clear) leaf.IsDirty = false;
        }

        return Errno.None;
    }

    public bool IsTracking => isTracking;

    public void MakeDirty(ulong iova) => leaves[iova & ~(MockIommu.PageBytes - 1)].IsDirty = true;

    /// <summary>Where an address leads; null when it is not mapped.</summary>
    public ulong? Find(ulong iova) =>
        leaves.TryGetValue(iova & ~(MockIommu.PageBytes - 1), out Leaf? leaf) ? leaf.Physical + (iova & (MockIommu.PageBytes - 1)) : null;

    public DomainPermissions PermissionsOf(ulong iova) => leaves[iova & ~(MockIommu.PageBytes - 1)].Permissions;

    public void Dispose()
    {
        Assert.Empty(leaves);
        Assert.Equal(0, Gathered);
        iommu.Domains.TryRemove(this, out _);
        iommu.Alive--;
    }

    private sealed class Leaf
    {
        public ulong Physical { get; init; }

        public DomainPermissions Permissions { get; init; }

        public bool IsDirty { get; set; }
    }
}

/// <summary>A guest's page table: four words that stand for its TLB.</summary>
internal sealed class MockNestedDomain : INestedDomain
{
    private readonly MockIommu iommu;

    public MockNestedDomain(MockIommu iommu, uint iotlb, MockViommu? viommu)
    {
        this.iommu = iommu;
        Viommu = viommu;
        Array.Fill(Iotlb, iotlb);
        iommu.Alive++;
    }

    public uint[] Iotlb { get; } = new uint[MockIommu.CacheWords];

    public MockViommu? Viommu { get; }

    public bool CanInvalidate => Viommu is null;

    public Errno Invalidate(in UserArray entries, out uint done) => MockInvalidation.Run(in entries, entryBytes: 8, out done, (flags, first, _) =>
        first >= MockIommu.CacheWords ? Errno.EINVAL : MockInvalidation.Clear(Iotlb, (flags & 1) != 0, first));

    public void Dispose() => iommu.Alive--;
}

/// <summary>The invalidation requests of the mock: {flags, index} or {flags, number of the device, index}.</summary>
internal static class MockInvalidation
{
    public delegate Errno Entry(uint flags, uint first, uint second);

    public static Errno Run(in UserArray entries, int entryBytes, out uint done, Entry run)
    {
        done = 0;
        if (entries.Type != MockIommu.InvalidateType) return Errno.EINVAL;
        if (entries.Count != 0 && entries.EntryLength != entryBytes) return Errno.EINVAL;
        Span<byte> bytes = stackalloc byte[12];
        for (; done < entries.Count; done++)
        {
            bytes.Clear();
            Errno errno = entries.Read(done, bytes[..entryBytes]);
            if (errno != Errno.None) return errno;
            uint flags = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
            if ((flags & ~1U) != 0) return Errno.EOPNOTSUPP;
            errno = run(flags, BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]), BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]));
            if (errno != Errno.None) return errno;
        }

        return Errno.None;
    }

    public static Errno Clear(uint[] words, bool all, uint index)
    {
        if (all) Array.Clear(words);
        else words[index] = 0;
        return Errno.None;
    }
}
