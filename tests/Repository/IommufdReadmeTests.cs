using System.Runtime.InteropServices;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd;
using Smmu.Fast.Iommufd.Driver;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Tests.Repository;

/// <summary>The example of README.md and engine/Iommufd/README.md, run; it stands there word by word.</summary>
public class IommufdReadmeTests
{
    [Fact]
    public void AVirtualMachineGetsAViommu()
    {
        const ulong RamBytes = 1 << 20;
        const ulong Context = 0x4000_1000;
        using var memory = new GuestMemory();
        GuestRegion driverMemory = memory.AddOwned(0x8000_0000, 32 << 20);
        GuestRegion ram = memory.AddOwned(0x1_0000_0000, RamBytes);
        using var smmu = new SmmuDevice(new SmmuOptions { Memory = memory });
        byte[] guestEntry = MemoryMarshal.AsBytes<ulong>(new[] { Context | 0b1011, 0UL }).ToArray();
        Command[] guestCommands = [Command.TlbiNhAll(new Vmid(7)), Command.CfgiCd(new StreamId(1))];

        #region Nesting
        using var driver = new SmmuDriver(smmu, new SmmuDriverOptions { Region = driverMemory });   // Tables and queues lie there.
        using var iommufd = new IommufdContext(new RegionUserMemory(ram));                           // Or your IUserMemory.
        using IommufdDevice device = iommufd.Bind(driver.AddEndpoint(new StreamId(8)));
        uint ioas = iommufd.AllocateIoas();
        const MapFlags Flags = MapFlags.FixedIova | MapFlags.Readable | MapFlags.Writeable;
        iommufd.Map(ioas, Flags, userAddress: 0, RamBytes, iova: 0x4000_0000);                       // Guest-physical addresses.
        uint parent = iommufd.AllocateHwpt(device.Id, ioas, HwptFlags.NestParent);                   // Stage 2, under a VMID of the host's.
        device.Attach(parent);                                                                       // Alone, until the guest has tables.

        uint viommu = iommufd.AllocateViommu(device.Id, parent, IommuTypes.ViommuSmmuV3);
        iommufd.AllocateVdevice(viommu, device.Id, virtualId: 1);                                    // The guest's StreamID.
        uint nested = iommufd.AllocateHwpt(device.Id, viommu, dataType: IommuTypes.HwptDataSmmuV3, data: guestEntry);
        device.Replace(nested);                                                                      // The guest's STE: its stage 1 on top.

        Errno answer = iommufd.Invalidate(viommu, guestCommands, out uint done);                     // Whatever VMID it wrote.
        #endregion

        Assert.Equal((Errno.None, 2u), (answer, done));
        Assert.NotEqual(0, driver.VmidOf(new StreamId(8)).Value);
        using DmaPort port = smmu.OpenPort(new StreamId(8));
        Assert.False(port.Read(0x4000_0000, new byte[4]));   // The guest's CD is empty: its device reaches nothing.
        device.Replace(parent);
        Assert.True(port.Read(0x4000_0000, new byte[4]));
    }

    [Fact]
    public void TheExampleOfTheReadmeIsThisOne()
    {
        string readme = RepositoryFiles.Read("engine/Iommufd/README.md");

        Assert.Empty(ReadmeText.ProblemsOfExamples(readme, RepositoryFiles.Read("tests/Repository/IommufdReadmeTests.cs")));
        Assert.Contains("<!-- example: Nesting -->", readme, StringComparison.Ordinal);
    }
}
