using System.Numerics;
using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd;
using Smmu.Fast.Iommufd.Tegra;

namespace Smmu.Fast.Scenarios.Virtualization;

/// <summary>What is special about a machine of the demonstration.</summary>
public enum DemonstrationRole
{
    /// <summary>The host moves a window of its memory about.</summary>
    Remapped,

    /// <summary>Its guest invalidates by a command queue of its own.</summary>
    OwnQueue,

    /// <summary>The host reads what its device has written.</summary>
    Tracked,
}

/// <summary>A virtual machine of <see cref="NestedDemonstration"/>, and what it has done so far.</summary>
/// <remarks>One thread steps; any thread reads the counters.</remarks>
public sealed class DemonstrationMachine : IDisposable
{
    private const ulong Page = GuestDriver.PageBytes;
    private const ulong Iova = 0x7_0000_0000;
    private const ulong WindowIova = 0x8_0000_0000;
    private const ulong Window = VirtualMachine.RamBase + (1UL << 32);
    private const ulong QueueAddress = VirtualMachine.RamBase + (1 << 20);
    private const int Pages = 32;
    private const int RoundsBetweenSpecials = 16;

    private readonly VirtualMachine machine;
    private readonly GuestDriver guest;
    private readonly GuestHardwareQueue? queue;
    private readonly DemonstrationRole role;
    private readonly ulong?[] mapped = new ulong?[Pages];
    private readonly byte[] bytes = new byte[1024];
    private readonly byte[] bitmap;
    private long rounds;

    internal DemonstrationMachine(VirtualizationHost host, int number, DemonstrationRole role)
    {
        this.role = role;
        Number = number;
        machine = new VirtualMachine(host, new StreamId((uint)number * 16), new VirtualMachineOptions
        {
            VirtualStream = (uint)number,
            ParentFlags = role == DemonstrationRole.Tracked ? HwptFlags.DirtyTracking : HwptFlags.None,
            HasHugePages = role != DemonstrationRole.Tracked,
            ViommuType = role == DemonstrationRole.OwnQueue ? TegraQueueDriver.ViommuType : IommuTypes.ViommuSmmuV3,
        });
        guest = new GuestDriver(machine);
        bitmap = new byte[machine.Options.RamBytes / Page / 8];
        if (role == DemonstrationRole.OwnQueue) guest.HardwareQueue = queue = new GuestHardwareQueue(machine, QueueAddress);
        if (role == DemonstrationRole.Tracked) machine.Context.SetDirtyTracking(machine.Parent, enable: true);
        if (role == DemonstrationRole.Remapped) guest.Map(WindowIova, Window);
    }

    /// <summary>Its number, from 1.</summary>
    public int Number { get; }

    /// <summary>Its name.</summary>
    public string Name => $"VM {Number}";

    /// <summary>What is special about it.</summary>
    public string Story => role switch
    {
        DemonstrationRole.Remapped => "host remaps its stage 2",
        DemonstrationRole.OwnQueue => "own command queue",
        _ => "dirty tracking",
    };

    /// <summary>Its iommufd objects: the address space, stage 2, vIOMMU.</summary>
    public string Objects => $"ioas {machine.Ioas}, s2 {machine.Parent}, viommu {machine.Viommu}";

    /// <summary>The VMID that the host has given it.</summary>
    public int Vmid => machine.Host.Driver.VmidOf(machine.Endpoint.Stream).Value;

    /// <summary>Bytes of DMA that were written and checked.</summary>
    public long DmaBytes { get; private set; }

    /// <summary>Pages that the guest has mapped.</summary>
    public long Maps { get; private set; }

    /// <summary>Commands of the guest that the host carried out.</summary>
    public long Invalidations => machine.Smmu.Invalidations;

    /// <summary>Commands that the guest submitted by a queue of its own.</summary>
    public long OwnCommands => queue?.Submitted ?? 0;

    /// <summary>Times that the host changed stage 2.</summary>
    public long Remaps { get; private set; }

    /// <summary>Pages that were found dirty.</summary>
    public long DirtyPages { get; private set; }

    /// <summary>Faults that the guest has seen.</summary>
    public long GuestFaults { get; private set; }

    /// <inheritdoc/>
    public void Dispose()
    {
        queue?.Dispose();
        machine.Dispose();
    }

    /// <summary>Does something, and checks that it happened.</summary>
    /// <exception cref="InvalidOperationException">It did not.</exception>
    internal void Step(Random random)
    {
        int page = random.Next(Pages);
        ulong iova = Iova + ((ulong)page * Page);
        if (mapped[page] is not { } data)
        {
            mapped[page] = data = GuestDriver.DataBase + ((ulong)random.Next(256) * Page);
            guest.Map(iova, data);
            Maps++;
        }

        random.NextBytes(bytes);
        ulong within = (ulong)random.Next(0, (int)Page - bytes.Length);
        Require(machine.Port.Write(iova + within, bytes), "a write was aborted");
        Require(machine.At(data + within, bytes.Length).SequenceEqual(bytes), "the bytes of a write are wrong");
        DmaBytes += bytes.Length;
        if (random.Next(4) == 0)
        {
            guest.Unmap(iova);
            mapped[page] = null;
            Require(!machine.Port.Read(iova, bytes), "a page was read after it was unmapped");
        }

        if (++rounds % RoundsBetweenSpecials == 0) BeSpecial(random);
        GuestFaults += machine.Smmu.TakeEvents().Count;
    }

    private void BeSpecial(Random random)
    {
        switch (role)
        {
            case DemonstrationRole.Remapped:
                ulong place = (4UL << 20) + ((ulong)random.Next(256) * Page);
                machine.Context.Map(machine.Ioas, MapFlags.FixedIova | MapFlags.Readable | MapFlags.Writeable, place, Page, Window);
                Require(machine.Port.Write(WindowIova, bytes), "the window was not there");
                Require(machine.At(VirtualMachine.RamBase + place, bytes.Length).SequenceEqual(bytes), "the window was elsewhere");
                machine.Context.Unmap(machine.Ioas, Window, Page);
                Require(!machine.Port.Write(WindowIova, bytes), "the window was still there");   // The host's fault.
                Remaps++;
                break;
            case DemonstrationRole.Tracked:
                Array.Clear(bitmap);
                machine.Context.GetDirtyBitmap(machine.Parent, VirtualMachine.RamBase, machine.Options.RamBytes, Page, bitmap);
                foreach (byte eight in bitmap) DirtyPages += BitOperations.PopCount(eight);
                break;
        }
    }

    private void Require(bool isSo, string otherwise)
    {
        if (!isSo) throw new InvalidOperationException($"{Name}: {otherwise}.");
    }
}
