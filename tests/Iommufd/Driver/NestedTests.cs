using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd;
using Smmu.Fast.Scenarios.Virtualization;

namespace Smmu.Fast.Tests.Iommufd.Driver;

/// <summary>A guest's stage 1 on the stage 2 of its virtual machine.</summary>
public class NestedTests
{
    private const ulong Page = GuestDriver.PageBytes;
    private const ulong Iova = 0x7_0000_0000;
    private const ulong Data = GuestDriver.DataBase;

    [Fact]
    public void BeforeTheGuestHasTablesItsDeviceReachesGuestPhysicalAddresses()
    {
        using var host = new VirtualizationHost();
        using var machine = new VirtualMachine(host, new StreamId(3));
        machine.At(Data, 1)[0] = 0x5a;

        Assert.Equal((byte)0x5a, DriverScene.ReadByte(machine.Port, Data));
        Assert.Null(DriverScene.ReadByte(machine.Port, Data + machine.Options.RamBytes));
    }

    [Fact]
    public void DmaGoesThroughTheGuestsTableAndThatOfTheHost()
    {
        using var host = new VirtualizationHost();
        using var machine = new VirtualMachine(host, new StreamId(3));
        var guest = new GuestDriver(machine);
        guest.Map(Iova, Data);
        byte[] sent = [.. Enumerable.Range(0, 4096).Select(value => (byte)(value * 7))];

        Assert.True(machine.Port.Write(Iova, sent));
        Assert.Equal(sent, machine.At(Data, 4096).ToArray());
        Assert.Null(DriverScene.ReadByte(machine.Port, Data));   // Guest-physical addresses are not device addresses any more.

        guest.Unmap(Iova);
        Assert.Null(DriverScene.ReadByte(machine.Port, Iova));
        Assert.Empty(machine.Smmu.Refused);
    }

    [Fact]
    public void TheGuestMovesBetweenBypassAbortAndItsTable()
    {
        using var host = new VirtualizationHost();
        using var machine = new VirtualMachine(host, new StreamId(3));
        var guest = new GuestDriver(machine);
        guest.Map(Iova, Data);
        machine.At(Data, 1)[0] = 9;

        guest.Bypass();
        Assert.Equal((byte)9, DriverScene.ReadByte(machine.Port, Data));
        Assert.Null(DriverScene.ReadByte(machine.Port, Iova));
        guest.SetStream(default);
        Assert.Null(DriverScene.ReadByte(machine.Port, Data));
        Assert.Null(DriverScene.ReadByte(machine.Port, Iova));
        guest.AttachStage1();
        Assert.Equal((byte)9, DriverScene.ReadByte(machine.Port, Iova));
    }

    [Fact]
    public void WhatTheHostUnmapsUnderTheGuestIsGoneFromCombinedEntries()
    {
        using var host = new VirtualizationHost();
        using var machine = new VirtualMachine(host, new StreamId(3), new VirtualMachineOptions { RamBytes = 4 << 20 });
        var guest = new GuestDriver(machine);
        const ulong Window = VirtualMachine.RamBase + (1UL << 30);   // A second mapping of RAM, which comes and goes.
        guest.Map(Iova, Window);
        for (ulong round = 0; round < 4; round++)
        {
            machine.Context.Map(
                machine.Ioas, DriverScene.ReadWrite, (2 << 20) + (round * Page), Page, Window);
            machine.At(VirtualMachine.RamBase + (2 << 20) + (round * Page), 1)[0] = (byte)(round + 1);
            Assert.Equal((byte)(round + 1), DriverScene.ReadByte(machine.Port, Iova));
            machine.Context.Unmap(machine.Ioas, Window, Page);
            Assert.Null(DriverScene.ReadByte(machine.Port, Iova));
        }
    }

    [Fact]
    public void FaultsOfTheGuestsStageGoToTheGuestAndThoseOfTheHostsToTheHost()
    {
        using var host = new VirtualizationHost();
        using var machine = new VirtualMachine(host, new StreamId(3), new VirtualMachineOptions { VirtualStream = 12 });
        var guest = new GuestDriver(machine);
        guest.Map(Iova, Data, isWritable: false);
        guest.Map(Iova + Page, VirtualMachine.RamBase + (1UL << 40));   // Nothing of the guest's.

        Assert.False(DriverScene.WriteByte(machine.Port, Iova + 8, 1));
        EventRecord seen = Assert.Single(machine.Smmu.TakeEvents());
        Assert.Equal((EventType.Permission, 12u, Iova + 8), (seen.Type, seen.StreamId.Value, seen.InputAddress));
        Assert.Empty(host.HostEvents);

        Assert.Null(DriverScene.ReadByte(machine.Port, Iova + Page));
        Assert.Empty(machine.Smmu.TakeEvents());
        EventRecord ofHost = Assert.Single(host.HostEvents);
        Assert.Equal((EventType.Translation, 3u, true), (ofHost.Type, ofHost.StreamId.Value, ofHost.S2));
    }

    [Fact]
    public void EventsFromBeforeADeviceMovedAreThoseOfItsFormerOwner()
    {
        using var host = new VirtualizationHost();
        using var machine = new VirtualMachine(host, new StreamId(3));
        _ = new GuestDriver(machine);
        Assert.Null(DriverScene.ReadByte(machine.Port, 0xdead_0000));

        machine.Device.Replace(machine.Parent);

        EventRecord seen = Assert.Single(machine.Smmu.TakeEvents());
        Assert.Equal(EventType.Translation, seen.Type);
        Assert.Empty(host.HostEvents);
    }

    [Fact]
    public void AGuestWithoutANumberForItsDeviceHasNoStage1()
    {
        using var host = new VirtualizationHost();
        using var machine = new VirtualMachine(host, new StreamId(3));
        using IommufdDevice other = machine.Context.Bind(host.Driver.AddEndpoint(new StreamId(4)));
        ulong[] stage1 = [1 | (5UL << 1) | 0x4000_0000, 0];
        ulong[] bypass = [1 | (4UL << 1), 0];
        uint Make(ulong[] words) => machine.Context.AllocateHwpt(
            other.Id, machine.Viommu, dataType: IommuTypes.HwptDataSmmuV3, data: System.Runtime.InteropServices.MemoryMarshal.AsBytes(words.AsSpan()));
        uint nested = Make(stage1);

        Assert.Equal(Errno.ENOENT, Assert.Throws<IommufdException>(() => other.Attach(nested)).Errno);
        other.Attach(Make(bypass));
    }

    [Theory]
    [InlineData(1UL | (6UL << 1), 0UL)]                  // Config: stage 2.
    [InlineData(1UL | (7UL << 1), 0UL)]                  // Config: nested.
    [InlineData(1UL | (5UL << 1), 2UL << 28)]            // EATS.
    [InlineData(1UL | (5UL << 1), 1UL << 30)]            // STRW.
    [InlineData(1UL | (5UL << 1) | (1UL << 56), 0UL)]    // A reserved bit.
    public void AnSteThatIsNotAGuestsToWriteIsRefused(ulong word0, ulong word1)
    {
        using var host = new VirtualizationHost();
        using var machine = new VirtualMachine(host, new StreamId(3));

        Assert.Equal(Errno.EIO, machine.Smmu.TrySetStream(word0, word1));
        Assert.Equal((byte)0, DriverScene.ReadByte(machine.Port, Data));   // It stays where it was.
    }

    [Fact]
    public void HardwareInfoIsWhatTheRegistersSay()
    {
        using var host = new VirtualizationHost();
        using var machine = new VirtualMachine(host, new StreamId(3));

        HardwareInfo info = machine.Context.GetHardwareInfo(machine.Device.Id);

        uint[] words = [.. System.Runtime.InteropServices.MemoryMarshal.Cast<byte, uint>(info.Information.Span)];
        SmmuFeatures features = host.Smmu.Features;
        Assert.Equal(
            [0, 0, features.Idr0, features.Idr1, features.Idr2, features.Idr3, features.Idr4, features.Idr5, features.Iidr, features.Aidr],
            words);
    }
}
