using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd;
using Smmu.Fast.Iommufd.Driver;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Scenarios.Virtualization;

/// <summary>What a virtual machine is made of.</summary>
public sealed record VirtualMachineOptions
{
    /// <summary>Size of RAM.</summary>
    public ulong RamBytes { get; init; } = 8 << 20;

    /// <summary>What the parent page table is for, beside nesting.</summary>
    public HwptFlags ParentFlags { get; init; }

    /// <summary>RAM is mapped with large leaves; without, dirty state is told page by page.</summary>
    public bool HasHugePages { get; init; } = true;

    /// <summary>The guest's number of the device.</summary>
    public uint VirtualStream { get; init; } = 1;

    /// <summary>Of the context, such as the policy of VMIDs.</summary>
    public IommufdOptions? Context { get; init; }

    /// <summary>What its device is like.</summary>
    public SmmuEndpointOptions Endpoint { get; init; } = new();

    /// <summary>Another virtual machine whose context, address space and parent it shares, with another device: a second vIOMMU.</summary>
    public VirtualMachine? Sharing { get; init; }

    /// <summary>The type of vIOMMU.</summary>
    public uint ViommuType { get; init; } = IommuTypes.ViommuSmmuV3;
}

/// <summary>A virtual machine as its monitor keeps it: RAM, a context with one nested device, and the guest's driver.</summary>
public sealed class VirtualMachine : IDisposable
{
    /// <summary>Guest-physical address of RAM.</summary>
    public const ulong RamBase = 0x4000_0000;

    private readonly bool isSharing;

    /// <summary>Makes one whose device reaches guest-physical addresses, as before the guest has switched its SMMU on.</summary>
    /// <param name="host">The host.</param>
    /// <param name="stream">Physical StreamID of its device.</param>
    /// <param name="options">What it is made of.</param>
    public VirtualMachine(VirtualizationHost host, StreamId stream, VirtualMachineOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(host);
        options ??= new VirtualMachineOptions();
        Host = host;
        Options = options;
        Endpoint = host.Driver.AddEndpoint(stream, options.Endpoint);
        if (options.Sharing is { } other)
        {
            (isSharing, Ram, Process, Context, Ioas, Parent) = (true, other.Ram, other.Process, other.Context, other.Ioas, other.Parent);
            Device = Context.Bind(Endpoint);
        }
        else
        {
            Ram = host.AddRam(options.RamBytes);
            Process = new RegionUserMemory(Ram);
            Context = new IommufdContext(Process, options.Context);
            Device = Context.Bind(Endpoint);
            Ioas = Context.AllocateIoas();
            if (!options.HasHugePages) Context.SetOption(IommufdOption.HugePages, Ioas, 0);
            Context.Map(Ioas, MapFlags.FixedIova | MapFlags.Readable | MapFlags.Writeable, userAddress: 0, options.RamBytes, RamBase);
            Parent = Context.AllocateHwpt(Device.Id, Ioas, HwptFlags.NestParent | options.ParentFlags);
        }

        Device.Attach(Parent);
        byte[] data = options.ViommuType == IommuTypes.ViommuSmmuV3 ? [] : new byte[16];
        Viommu = Context.AllocateViommu(Device.Id, Parent, options.ViommuType, data);
        ViommuAnswer = data;
        Context.AllocateVdevice(Viommu, Device.Id, options.VirtualStream);
        Smmu = new VirtualSmmu(this);
        Port = host.Smmu.OpenPort(stream);
    }

    /// <summary>Where it runs.</summary>
    public VirtualizationHost Host { get; }

    /// <summary>What it was made of.</summary>
    public VirtualMachineOptions Options { get; }

    /// <summary>Its RAM.</summary>
    public GuestRegion Ram { get; }

    /// <summary>Memory of its monitor: user address 0 is the first byte of RAM.</summary>
    public RegionUserMemory Process { get; }

    /// <summary>Its monitor's iommufd.</summary>
    public IommufdContext Context { get; }

    /// <summary>Its device as the driver knows it.</summary>
    public SmmuEndpoint Endpoint { get; }

    /// <summary>Its device as the monitor has it.</summary>
    public IommufdDevice Device { get; }

    /// <summary>Id of its address space.</summary>
    public uint Ioas { get; }

    /// <summary>Id of its stage 2.</summary>
    public uint Parent { get; }

    /// <summary>Id of its vIOMMU.</summary>
    public uint Viommu { get; }

    /// <summary>What the creation of the vIOMMU has answered, for types that answer.</summary>
    public ReadOnlyMemory<byte> ViommuAnswer { get; }

    /// <summary>The SMMU that the guest sees.</summary>
    public VirtualSmmu Smmu { get; }

    /// <summary>The device's DMA.</summary>
    public DmaPort Port { get; }

    /// <summary>Bytes of RAM.</summary>
    /// <param name="address">Guest-physical address.</param>
    /// <param name="bytes">How many.</param>
    public unsafe Span<byte> At(ulong address, int bytes)
    {
        ulong offset = address - RamBase;
        if (offset > Ram.Size || (ulong)bytes > Ram.Size - offset) throw new ArgumentOutOfRangeException(
            nameof(address), $"The virtual machine has no {bytes} bytes of RAM at 0x{address:x}.");
        return new Span<byte>(Ram.HostPointer + offset, bytes);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Port.Dispose();
        Smmu.Dispose();
        Device.Dispose();
        if (!isSharing) Context.Dispose();
    }
}
