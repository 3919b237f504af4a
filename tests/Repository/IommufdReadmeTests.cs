using Smmu.Fast.Iommufd;
using Smmu.Fast.Tests.Iommufd;

namespace Smmu.Fast.Tests.Repository;

/// <summary>The example of engine/Iommufd/README.md, run; it stands there word by word.</summary>
public class IommufdReadmeTests
{
    [Fact]
    public void AVirtualMachineGetsAViommu()
    {
        var memory = new MockUserMemory();
        var iommu = new MockIommu();
        var hardware = new MockDevice(iommu);
        const uint ViommuType = MockIommu.ViommuType;
        const uint EntryType = MockIommu.NestedType;
        const uint InvalidateType = MockIommu.InvalidateType;
        const ulong RamBytes = 1 << 20;
        ulong ram = memory.Allocate(RamBytes);
        byte[] guestEntry = new byte[MockIommu.NestedBytes];
        byte[] commands = [0, 0, 0, 0, 8, 0, 0, 0, 2, 0, 0, 0];

        #region Nesting
        using var iommufd = new IommufdContext(memory);                         // Your IUserMemory.
        using IommufdDevice device = iommufd.Bind(hardware);                    // Your IIommuDevice.
        uint ioas = iommufd.AllocateIoas();
        const MapFlags Flags = MapFlags.FixedIova | MapFlags.Readable | MapFlags.Writeable;
        iommufd.Map(ioas, Flags, ram, RamBytes, iova: 0x4000_0000);             // Guest-physical addresses.
        device.Attach(ioas);                                                    // Stage 2 alone, until the guest has tables.

        uint parent = iommufd.AllocateHwpt(device.Id, ioas, HwptFlags.NestParent);
        uint viommu = iommufd.AllocateViommu(device.Id, parent, ViommuType);
        iommufd.AllocateVdevice(viommu, device.Id, virtualId: 8);               // The guest's StreamID.
        uint nested = iommufd.AllocateHwpt(device.Id, viommu, dataType: EntryType, data: guestEntry);
        device.Replace(nested);                                                 // The guest's stage 1 on top.

        Errno answer = iommufd.Invalidate(viommu, InvalidateType, entryLength: 12, commands, out uint done);
        #endregion

        Assert.Equal((Errno.None, 1u), (answer, done));
        Assert.Equal(0u, hardware.Cache[2]);
        Assert.Equal(256, memory.Pins);
    }

    [Fact]
    public void TheExampleOfTheReadmeIsThisOne()
    {
        string readme = RepositoryFiles.Read("engine/Iommufd/README.md");

        Assert.Empty(ReadmeText.ProblemsOfExamples(readme, RepositoryFiles.Read("tests/Repository/IommufdReadmeTests.cs")));
        Assert.Contains("<!-- example: Nesting -->", readme, StringComparison.Ordinal);
    }
}
