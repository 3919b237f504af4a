using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd;
using Smmu.Fast.Iommufd.Tegra;
using Smmu.Fast.Scenarios.Virtualization;

namespace Smmu.Fast.Tests.Iommufd.Driver;

/// <summary>
/// The VMID is what keeps the virtual machines of an SMMU apart. The questions of the kernel thread of March 2023, answered with
/// DMA: who owns a VMID, what a guest can do about it, and when a tag may serve again.
/// </summary>
public class VmidStoryTests
{
    private const ulong Page = GuestDriver.PageBytes;
    private const ulong Iova = 0x7_0000_0000;
    private const ulong Data = GuestDriver.DataBase;

    public static TheoryData<VmidPolicy> OwnPolicies => [VmidPolicy.PerDomain, VmidPolicy.PerViommu, VmidPolicy.PerContext];

    [Theory]
    [MemberData(nameof(OwnPolicies))]
    public void VirtualMachinesWithEqualAddressesAndAsidsStayApart(VmidPolicy policy)
    {
        using var host = new VirtualizationHost();
        using VirtualMachine first = Make(host, 1, policy);
        using VirtualMachine second = Make(host, 2, policy);
        var guest1 = new GuestDriver(first);
        var guest2 = new GuestDriver(second);
        guest1.Map(Iova, Data);
        guest2.Map(Iova, Data);
        (first.At(Data, 1)[0], second.At(Data, 1)[0]) = (1, 2);

        Assert.Equal((byte)1, DriverScene.ReadByte(first.Port, Iova));
        Assert.Equal((byte)2, DriverScene.ReadByte(second.Port, Iova));
        Assert.NotEqual(VmidOf(host, 1), VmidOf(host, 2));
        Assert.NotEqual(0, VmidOf(host, 1));
        Assert.NotEqual(0, VmidOf(host, 2));
    }

    [Theory]
    [MemberData(nameof(OwnPolicies))]
    public void WhateverVmidAGuestWritesItsInvalidationsEndItsOwnEntriesAndNobodyElses(VmidPolicy policy)
    {
        using var host = new VirtualizationHost();
        using VirtualMachine attacker = Make(host, 1, policy);
        using VirtualMachine victim = Make(host, 2, policy);
        var guest = new GuestDriver(attacker);
        var other = new GuestDriver(victim);
        other.Map(Iova, Data);
        Vmid victims = new((ushort)VmidOf(host, 2));
        for (ulong page = 0; page < 4; page++) guest.Map(Iova + (page * Page), Data + (page * Page));
        foreach (Vmid written in (Vmid[])[default, victims, new Vmid(0xffff)])
        {
            Assert.NotNull(DriverScene.ReadByte(victim.Port, Iova));
            ulong before = WalksOf(host);
            guest.Submit(
                Command.TlbiNhAll(written), Command.TlbiNhAsid(written, guest.Asid), Command.TlbiNhVa(written, guest.Asid, Iova),
                Command.TlbiNhVaa(written, Iova), Command.TlbiNsnhAll(), Command.Sync());

            Assert.NotNull(DriverScene.ReadByte(victim.Port, Iova));
            Assert.Equal(before, WalksOf(host));   // The victim's entry is still there.
            Assert.NotNull(DriverScene.ReadByte(attacker.Port, Iova));
            Assert.NotEqual(before, WalksOf(host));   // The guest's own is not.
        }

        Assert.Empty(attacker.Smmu.Refused);
    }

    [Fact]
    public void AVmidThatAGuestPutsIntoItsSteIsNoneOfTheWordsThatCount()
    {
        using var host = new VirtualizationHost();
        using VirtualMachine machine = Make(host, 1, VmidPolicy.PerDomain);
        var guest = new GuestDriver(machine);
        int before = VmidOf(host, 1);

        guest.SetStream(default(StreamTableEntry)
            .With(StreamTableEntryField.V, 1)
            .With(StreamTableEntryField.Config, (ulong)StreamConfiguration.Bypass)
            .With(StreamTableEntryField.S2VMID, 0xbeef));

        Assert.Equal(before, VmidOf(host, 1));
        Assert.Empty(machine.Smmu.Refused);
    }

    [Theory]
    [InlineData(VmidPolicy.PerDomain, true)]    // One stage 2, one VMID: the vIOMMUs share it, as in Linux.
    [InlineData(VmidPolicy.PerContext, true)]
    [InlineData(VmidPolicy.PerViommu, false)]   // Told apart.
    public void TwoViommusOnOneStage2HaveTheVmidsOfThePolicy(VmidPolicy policy, bool isShared)
    {
        using var host = new VirtualizationHost();
        using VirtualMachine first = Make(host, 1, policy);
        using var second = new VirtualMachine(host, new StreamId(2), new VirtualMachineOptions { Sharing = first, VirtualStream = 9 });
        var guest1 = new GuestDriver(first, asid: 1);
        var guest2 = new GuestDriver(second, asid: 2, first: VirtualMachine.RamBase + (1 << 20));
        guest1.Map(Iova, Data);
        guest2.Map(Iova, Data + Page);
        (first.At(Data, 1)[0], first.At(Data + Page, 1)[0]) = (1, 2);
        Assert.Equal(isShared, VmidOf(host, 1) == VmidOf(host, 2));
        Assert.Equal((byte)1, DriverScene.ReadByte(first.Port, Iova));
        Assert.Equal((byte)2, DriverScene.ReadByte(second.Port, Iova));
        ulong before = WalksOf(host);

        guest1.Submit(Command.TlbiNhAll(default), Command.Sync());
        Assert.Equal((byte)2, DriverScene.ReadByte(second.Port, Iova));
        Assert.Equal(isShared, WalksOf(host) != before);

        // What the host takes away is gone for both, whatever their VMIDs.
        first.Context.Unmap(first.Ioas, VirtualMachine.RamBase, first.Options.RamBytes);
        Assert.Null(DriverScene.ReadByte(first.Port, Iova));
        Assert.Null(DriverScene.ReadByte(second.Port, Iova));
    }

    [Theory]
    [InlineData(VmidPolicy.PerDomain)]
    [InlineData(VmidPolicy.PerContext)]
    public void TwoUserOwnedQueuesUnderOneTokenEndWhatIsTheirsAndNothingOfAThirdMachine(VmidPolicy policy)
    {
        using var host = new VirtualizationHost(hasVirtualQueues: true);
        var context = new IommufdOptions { VmidPolicy = policy };
        using var first = new VirtualMachine(
            host, new StreamId(1), new VirtualMachineOptions { ViommuType = TegraQueueDriver.ViommuType, Context = context });
        using var second = new VirtualMachine(
            host, new StreamId(2), new VirtualMachineOptions { ViommuType = TegraQueueDriver.ViommuType, Sharing = first, VirtualStream = 9 });
        using VirtualMachine third = Make(host, 3, policy);
        GuestDriver[] guests =
        [
            new(first, asid: 1), new(second, asid: 2, first: VirtualMachine.RamBase + (1 << 20)), new(third, asid: 1),
        ];
        foreach (GuestDriver guest in guests) guest.Map(Iova, Data);
        using var queue1 = new GuestHardwareQueue(first, VirtualMachine.RamBase + (2 << 20));
        using var queue2 = new GuestHardwareQueue(second, VirtualMachine.RamBase + (3 << 20));
        Assert.Equal(VmidOf(host, 1), VmidOf(host, 2));
        Assert.NotEqual(VmidOf(host, 1), VmidOf(host, 3));
        foreach (GuestHardwareQueue queue in (GuestHardwareQueue[])[queue1, queue2])
        {
            foreach (Vmid written in (Vmid[])[default, new Vmid((ushort)VmidOf(host, 3)), new Vmid(0xffff)])
            {
                foreach (VirtualMachine machine in (VirtualMachine[])[first, second, third]) Assert.NotNull(DriverScene.ReadByte(machine.Port, Iova));
                ulong before = WalksOf(host);
                Assert.True(queue.Submit(
                    Command.TlbiNhVa(written, guests[0].Asid, Iova), Command.TlbiNhAsid(written, guests[1].Asid), Command.Sync()));

                Assert.NotNull(DriverScene.ReadByte(third.Port, Iova));
                Assert.Equal(before, WalksOf(host));
                Assert.NotNull(DriverScene.ReadByte(first.Port, Iova));
                Assert.NotNull(DriverScene.ReadByte(second.Port, Iova));
                Assert.Equal(before + 2, WalksOf(host));   // Of both: the token is all that tells machines apart.
            }
        }

        // Everybody's entries are not a guest's to end, and whoever tries stops alone.
        Assert.False(queue1.Submit(Command.TlbiNsnhAll(), Command.Sync()));
        Assert.True(queue2.Submit(Command.Sync()));
    }

    [Theory]
    [InlineData(VmidPolicy.PerDomain, Errno.None)]
    [InlineData(VmidPolicy.PerViommu, Errno.None)]
    [InlineData(VmidPolicy.PerContext, Errno.EBUSY)]   // One tag cannot stand for two.
    public void ASecondStage2OfAVirtualMachineIsAnotherVmidOrRefused(VmidPolicy policy, Errno answer)
    {
        using var host = new VirtualizationHost();
        using VirtualMachine machine = Make(host, 1, policy);
        uint ioas = machine.Context.AllocateIoas();
        machine.Context.Map(ioas, DriverScene.ReadWrite, (4 << 20), Page, Data);
        machine.At(VirtualMachine.RamBase + (4 << 20), 1)[0] = 7;
        int before = VmidOf(host, 1);

        if (answer != Errno.None)
        {
            Assert.Equal(answer, Assert.Throws<IommufdException>(
                () => machine.Context.AllocateHwpt(machine.Device.Id, ioas, HwptFlags.NestParent)).Errno);
            return;
        }

        uint second = machine.Context.AllocateHwpt(machine.Device.Id, ioas, HwptFlags.NestParent);
        Assert.Equal((byte)0, DriverScene.ReadByte(machine.Port, Data));
        machine.Device.Replace(second);
        Assert.Equal((byte)7, DriverScene.ReadByte(machine.Port, Data));
        Assert.NotEqual(before, VmidOf(host, 1));
    }

    [Fact]
    public void ATagThatServesAgainBringsNoEntryOfItsFormerOwnerAlong()
    {
        using var host = new VirtualizationHost();
        int first;
        using (VirtualMachine gone = Make(host, 1, VmidPolicy.PerDomain))
        {
            var guest = new GuestDriver(gone);
            guest.Map(Iova, Data);
            gone.At(Data, 1)[0] = 1;
            Assert.Equal((byte)1, DriverScene.ReadByte(gone.Port, Iova));
            first = VmidOf(host, 1);
        }

        using VirtualMachine next = Make(host, 2, VmidPolicy.PerDomain);
        var nextGuest = new GuestDriver(next);
        Assert.Equal(first, VmidOf(host, 2));
        Assert.Null(DriverScene.ReadByte(next.Port, Iova));   // Nothing is mapped, and nothing is left of the other.
        nextGuest.Map(Iova, Data);
        next.At(Data, 1)[0] = 2;
        Assert.Equal((byte)2, DriverScene.ReadByte(next.Port, Iova));
    }

    [Fact]
    public void WithoutAVmidLeftThereIsNoFurtherStage2()
    {
        using var scene = new DriverScene(SmmuFeatures.Default.With(SmmuFeatureField.VMID16, 0));
        (IommufdDevice device, _) = scene.NewDevice(1);
        uint[] made = [.. Enumerable.Range(0, 255).Select(_ => scene.Context.AllocateHwpt(device.Id, scene.Ioas, HwptFlags.NestParent))];

        Assert.Equal(Errno.ENOSPC, Assert.Throws<IommufdException>(
            () => scene.Context.AllocateHwpt(device.Id, scene.Ioas, HwptFlags.NestParent)).Errno);
        scene.Context.Destroy(made[77]);
        scene.Context.AllocateHwpt(device.Id, scene.Ioas, HwptFlags.NestParent);
    }

    [Fact]
    public void AVmidOfTheHypervisorIsUsedWhileItIsPinnedAndReleasedWhenNoEntryHasIt()
    {
        var hypervisor = new Hypervisor();
        using var host = new VirtualizationHost();
        hypervisor.Check = () => WalksOf(host);
        using (var machine = new VirtualMachine(host, new StreamId(1), new VirtualMachineOptions
        {
            Context = new IommufdOptions { VmidPolicy = VmidPolicy.External, VmidSource = hypervisor },
        }))
        {
            var guest = new GuestDriver(machine);
            guest.Map(Iova, Data);
            Assert.NotNull(DriverScene.ReadByte(machine.Port, Iova));
            Assert.Equal(Hypervisor.OfMachine, VmidOf(host, 1));
            Assert.Equal((1, 0), (hypervisor.Pins, hypervisor.Releases));

            // The hypervisor's owner may go away: the tag is nobody else's until the SMMU has let go of it.
            using VirtualMachine second = Make(host, 2, VmidPolicy.PerDomain);
            Assert.NotEqual(Hypervisor.OfMachine, VmidOf(host, 2));
        }

        Assert.Equal((1, 1), (hypervisor.Pins, hypervisor.Releases));
    }

    [Fact]
    public void AnOutsideVmidThatTheSmmuHasGivenAwayIsRefused()
    {
        var hypervisor = new Hypervisor { Next = 1 };
        using var host = new VirtualizationHost();
        using VirtualMachine first = Make(host, 1, VmidPolicy.PerDomain);
        Assert.Equal(1, VmidOf(host, 1));

        using var scene = new VirtualizationHostUser(host, hypervisor);

        Assert.Equal(Errno.EBUSY, Assert.Throws<IommufdException>(scene.MakeParent).Errno);
        Assert.Equal((1, 1), (hypervisor.Pins, hypervisor.Releases));
    }

    internal static VirtualMachine Make(VirtualizationHost host, uint stream, VmidPolicy policy) => new(
        host, new StreamId(stream), new VirtualMachineOptions { Context = new IommufdOptions { VmidPolicy = policy } });

    /// <summary>The VMID that the SMMU has for a stream.</summary>
    internal static int VmidOf(VirtualizationHost host, uint stream) => host.Driver.VmidOf(new StreamId(stream)).Value;

    private static ulong WalksOf(VirtualizationHost host) => host.Smmu.GetStatistics().Walks;

    private sealed class Hypervisor : IVmidSource
    {
        public const int OfMachine = 0x4321;

        public ushort Next { get; init; } = OfMachine;

        public Func<ulong> Check { get; set; } = () => 0;

        public int Pins { get; private set; }

        public int Releases { get; private set; }

        public Errno Pin(int bits, out Vmid vmid)
        {
            Pins++;
            vmid = new Vmid(Next);
            return Errno.None;
        }

        public void Release(Vmid vmid)
        {
            Assert.Equal(Next, vmid.Value);
            Check();
            Releases++;
        }
    }

    private sealed class VirtualizationHostUser : IDisposable
    {
        private readonly IommufdContext context;
        private readonly IommufdDevice device;

        public VirtualizationHostUser(VirtualizationHost host, IVmidSource source)
        {
            context = new IommufdContext(
                new RegionUserMemory(host.AddRam(1 << 20)), new IommufdOptions { VmidPolicy = VmidPolicy.External, VmidSource = source });
            device = context.Bind(host.Driver.AddEndpoint(new StreamId(30)));
        }

        public void MakeParent() => context.AllocateHwpt(device.Id, context.AllocateIoas(), HwptFlags.NestParent);

        public void Dispose()
        {
            device.Dispose();
            context.Dispose();
        }
    }
}
