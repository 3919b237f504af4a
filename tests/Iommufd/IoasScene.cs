using Smmu.Fast.Iommufd;

namespace Smmu.Fast.Tests.Iommufd;

/// <summary>The variants of the kernel's fixture "iommufd_ioas".</summary>
public enum IoasVariant
{
    NoDomain,
    MockDomain,
    TwoMockDomain,
    MockDomainLimit,
}

/// <summary>An address space, with as many devices attached to it as the variant says.</summary>
internal sealed class IoasScene : IDisposable
{
    public const ulong Page = MockUserMemory.PageBytes;
    public const ulong Start = MockIommu.ApertureStart;

    private readonly List<IommufdDevice> devices = [];

    public IoasScene(IoasVariant variant)
    {
        Variant = variant;
        if (variant == IoasVariant.MockDomainLimit) Scene.Memory.MostPagesPerPin = 16;
        Ioas = Scene.NewIoas();
        int count = variant switch { IoasVariant.NoDomain => 0, IoasVariant.TwoMockDomain => 2, _ => 1 };
        for (int index = 0; index < count; index++)
        {
            devices.Add(Scene.NewDomain(Ioas, out uint hwpt, pasidLog2: variant == IoasVariant.MockDomain ? MockIommu.PasidBits : 0));
            Hwpt = hwpt;
        }

        BaseIova = HasDevice ? Start : 0;
    }

    public IoasVariant Variant { get; }

    public IommufdScene Scene { get; } = new();

    public uint Ioas { get; }

    public bool HasDevice => devices.Count != 0;

    public IommufdDevice Device => devices[^1];

    public uint DeviceId => HasDevice ? Device.Id : 0;

    public uint Hwpt { get; }

    public ulong BaseIova { get; }

    /// <summary>Memory to map: 16 pages.</summary>
    public ulong Buffer => Scene.Scratch;

    /// <summary>None with a device, and otherwise ENOENT.</summary>
    public Errno WithDevice(Errno errno) => HasDevice ? errno : Errno.ENOENT;

    public void Dispose() => Scene.Dispose();
}
