using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd;
using static Smmu.Fast.Tests.Iommufd.IoasScene;

namespace Smmu.Fast.Tests.Iommufd;

/// <summary>Requests from many threads, and address spaces of many areas.</summary>
public class ConcurrencyTests
{
    private const int Threads = 4;

    [Fact]
    public void ThreadsThatMapAttachAndDestroyLeaveNothingBehind()
    {
        using var scene = new IommufdScene();
        uint shared = scene.NewIoas();
        uint[] ids = new uint[Threads];
        Run(thread =>
        {
            var random = new Random(thread);
            using IommufdDevice device = scene.Context.Bind(scene.NewDevice());
            ulong buffer = scene.Memory.Allocate(4 * Page, scattered: true);
            for (int turn = 0; turn < 200; turn++)
            {
                ulong iova = Start + ((ulong)random.Next(64) * 4 * Page);
                uint id = Volatile.Read(ref ids[random.Next(Threads)]);
                switch (random.Next(7))
                {
                    case 0:
                        Try(() => scene.Context.Map(shared, MapFlags.FixedIova | MapFlags.Readable, buffer, 4 * Page, iova));
                        break;
                    case 1:
                        Try(() => scene.Context.Unmap(shared, iova, 16 * Page));
                        break;
                    case 2:
                        Try(() => device.Attach(shared));
                        break;
                    case 3:
                        device.Detach();
                        break;
                    case 4:
                        Volatile.Write(ref ids[thread], scene.Context.AllocateHwpt(device.Id, shared));
                        break;
                    case 5:
                        Try(() => scene.Context.Destroy(id));
                        break;
                    default:
                        Try(() => device.Replace(id));
                        break;
                }
            }
        });

        scene.Context.Unmap(shared, 0, ulong.MaxValue);
        Assert.Equal(0, scene.Memory.Pins);
    }

    [Fact]
    public async Task DestroyWaitsForARequestThatWorksWithTheObject()
    {
        using var scene = new IommufdScene();
        uint ioas = scene.NewIoas();
        var borrowed = scene.Context.Objects.Borrow<Ioas>(ioas);
        var destroying = Task.Run(() => scene.Context.Destroy(ioas));
        SpinWait.SpinUntil(() => IsMissing(scene, ioas));
        Assert.False(destroying.IsCompleted);
        borrowed.Dispose();

        await destroying.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(0, scene.Context.Objects.Count);
    }

    [Fact]
    public async Task DestroyFailsWhenTheRequestThatItWaitedForNeedsTheObjectForLong()
    {
        using var scene = new IommufdScene();
        uint ioas = scene.NewIoas();
        var borrowed = scene.Context.Objects.Borrow<Ioas>(ioas);
        Ioas space = borrowed.Object;
        var destroying = Task.Run(() => scene.Context.TryDestroy(ioas));
        SpinWait.SpinUntil(() => IsMissing(scene, ioas));
        Assert.True(scene.Context.Objects.TryAddUser(space));
        borrowed.Dispose();

        Assert.Equal(Errno.EBUSY, await destroying.WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.False(IsMissing(scene, ioas));
        scene.Context.Objects.DropUser(space);
    }

    [Fact]
    public void DestroyGivesUpAfterAWhileAndTheObjectStays()
    {
        using var scene = new IommufdScene(new IommufdOptions { DestroyPatience = TimeSpan.FromMilliseconds(1) });
        uint ioas = scene.NewIoas();
        using (scene.Context.Objects.Borrow<Ioas>(ioas)) Assert.Equal(Errno.EBUSY, scene.Destroy(ioas));

        Assert.Equal(Errno.None, scene.Destroy(ioas));
    }

    [Fact]
    public void ATebibyteIsMappedInAsFewStepsAsItHasPieces()
    {
        var memory = new VastMemory();
        using var context = new IommufdContext(memory);
        uint ioas = context.AllocateIoas();
        var iommu = new VastIommu();
        using IommufdDevice device = context.Bind(new VastDevice(iommu));
        ulong iova = context.Map(ioas, MapFlags.Readable | MapFlags.Writeable, 1UL << 40, 1UL << 40);
        device.Attach(ioas);

        Assert.Equal(0UL, iova & ((2 << 20) - 1));
        Assert.Equal((1, 1), (memory.Pinned, iommu.Domain!.Maps));
        device.Dispose();
        Assert.Equal(0, memory.Pinned);
    }

    [Fact]
    public void TheWholeOfUserSpaceIsTooMuch()
    {
        using var context = new IommufdContext(new VastMemory());
        uint ioas = context.AllocateIoas();
        using var access = context.CreateAccess(new SilentOwner(), pins: false);
        access.Attach(ioas);
        const MapFlags Flags = MapFlags.FixedIova | MapFlags.Readable;
        Assert.Equal(Errno.EINVAL, IommufdScene.ErrnoOf(() => context.Map(ioas, Flags, 0, ulong.MaxValue - Page, 0)));
        const ulong Most = ulong.MaxValue - (2 * Page);
        context.Map(ioas, Flags, Page - 1, Most, 0);

        Assert.Equal(Errno.None, access.Read(Most - 10, new byte[10], AccessFlags.ThroughPins));
        Assert.Equal(Errno.None, access.TryPin(1, Most - 1, AccessFlags.None, []));
        Assert.Equal(Errno.None, access.Unpin(1, Most - 1));
        Assert.Equal(Most, context.Unmap(ioas, 0, ulong.MaxValue));
    }

    [Fact]
    public void ManyAreasArePlacedFoundAndRemoved()
    {
        using var context = new IommufdContext(new VastMemory());
        uint ioas = context.AllocateIoas();
        const int Areas = 30_000;
        ulong[] iovas = new ulong[Areas];
        for (int area = 0; area < Areas; area++) iovas[area] = context.Map(ioas, MapFlags.Readable, 1UL << 40, Page);
        Assert.Equal(Enumerable.Range(1, Areas).Select(page => (ulong)page * Page), iovas);
        for (int area = 0; area < Areas; area += 2) Assert.Equal(Page, context.Unmap(ioas, iovas[area], Page));

        // Holes of one page do not help; the first of two pages is behind all.
        Assert.Equal(iovas[^1] + Page, context.Map(ioas, MapFlags.Readable, (1UL << 40) + Page, 2 * Page));
        Assert.Equal(iovas[0], context.Map(ioas, MapFlags.Readable, 1UL << 40, Page));
        Assert.Equal(((ulong)Areas / 2 * Page) + (3 * Page), context.Unmap(ioas, 0, ulong.MaxValue));
    }

    private static bool IsMissing(IommufdScene scene, uint ioas)
    {
        using var found = scene.Context.Objects.Borrow<Ioas>(ioas);
        return found.IsMissing;
    }

    private static void Try(Action action)
    {
        try
        {
            action();
        }
        catch (IommufdException)
        {
            // Another thread was first.
        }
    }

    private static void Run(Action<int> body)
    {
        Task[] tasks = [.. Enumerable.Range(0, Threads).Select(thread => Task.Run(() => body(thread)))];
        Assert.True(Task.WaitAll(tasks, TimeSpan.FromSeconds(60)));
    }

    /// <summary>All of memory, in one piece.</summary>
    private sealed class VastMemory : IUserMemory
    {
        public int Pinned { get; private set; }

        public bool TryRead(ulong address, Span<byte> destination) => true;

        public bool TryWrite(ulong address, ReadOnlySpan<byte> source) => true;

        public Errno Pin(ulong address, ulong bytes, bool forWriting, out PinnedRun run)
        {
            Pinned++;
            run = new PinnedRun(new PhysicalAddress(address), bytes);
            return Errno.None;
        }

        public void Unpin(PinnedRun run, bool forWriting) => Pinned--;

        public void ReadPinned(PhysicalAddress physical, Span<byte> destination) => destination.Clear();

        public void WritePinned(PhysicalAddress physical, ReadOnlySpan<byte> source)
        {
        }
    }

    private sealed class VastDevice(VastIommu iommu) : IIommuDevice
    {
        public IIommuDriver Iommu => iommu;

        public object? Group => this;

        public int MaxPasidLog2 => 0;

        public HardwareCapabilities Capabilities => HardwareCapabilities.None;

        public IReadOnlyList<IovaRange> ReservedRanges => [];

        public Errno Attach(uint pasid, IDomain domain, IDomain? previous, IFaultSink? faults) => Errno.None;

        public void Detach(uint pasid, IDomain domain)
        {
        }
    }

    private sealed class VastDomain : IPagingDomain
    {
        public ulong PageSizes => 4096;

        public IovaRange Aperture => new(0, (1UL << 48) - 1);

        public bool TracksDirty => false;

        public int Maps { get; private set; }

        public Errno Map(ulong iova, PhysicalAddress physical, ulong bytes, DomainPermissions permissions)
        {
            Maps++;
            return Errno.None;
        }

        public void Unmap(ulong iova, ulong bytes)
        {
        }

        public void Synchronize()
        {
        }

        public Errno SetDirtyTracking(bool enable) => Errno.EOPNOTSUPP;

        public Errno ReadDirty(ulong iova, ulong bytes, bool clear, DirtyBitmap? bitmap) => Errno.EOPNOTSUPP;

        public void Dispose()
        {
        }
    }

    private sealed class VastIommu : IIommuDriver
    {
        public VastDomain? Domain { get; private set; }

        public Errno AllocatePaging(in PagingRequest request, in UserData data, out IPagingDomain? domain)
        {
            domain = Domain = new VastDomain();
            return Errno.None;
        }

        public Errno AllocateNested(in NestedRequest request, IPagingDomain parent, in UserData data, out INestedDomain? domain)
        {
            domain = null;
            return Errno.EOPNOTSUPP;
        }

        public bool SupportsViommu(IIommuDevice device, uint type) => false;

        public Errno CreateViommu(in ViommuRequest request, in UserData data, out IViommu? viommu)
        {
            viommu = null;
            return Errno.EOPNOTSUPP;
        }

        public Errno GetHardwareInfo(IIommuDevice device, ref uint type, out ReadOnlyMemory<byte> information)
        {
            information = default;
            type = IommuTypes.HardwareInfoDefault;
            return Errno.None;
        }
    }
}
