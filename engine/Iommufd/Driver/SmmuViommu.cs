using System.Runtime.InteropServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd.Submission;

namespace Smmu.Fast.Iommufd.Driver;

/// <summary>A guest's part of the SMMU: its VMID, its STEs, its commands and its events.</summary>
internal sealed class SmmuViommu : IViommu, IVirtualStreams
{
    private readonly SmmuDriver driver;
    private readonly VmidLease lease;
    private readonly CommandSubmitter submitter;
    private readonly GuestCommandRules rules;

    private SmmuViommu(SmmuDriver driver, Stage2Domain parent, VmidLease lease, IViommuHost host)
    {
        this.driver = driver;
        this.lease = lease;
        Parent = parent;
        Host = host;
        submitter = driver.TakeQueue();
        SmmuFeatures features = driver.Features;
        rules = new GuestCommandRules(
            lease.Vmid, features.RIL, features.DS, features.ASID16, features.SubstreamIdBits != 0, features.ATS);
    }

    /// <summary>The stage 2 below.</summary>
    public Stage2Domain Parent { get; }

    /// <summary>The context's side.</summary>
    public IViommuHost Host { get; }

    /// <summary>The host's VMID of the guest.</summary>
    public Vmid Vmid => lease.Vmid;

    /// <inheritdoc/>
    public bool CanInvalidate => true;

    /// <summary>Makes one.</summary>
    /// <returns>None; EINVAL for a parent of another SMMU, or ENOSPC without a VMID.</returns>
    public static Errno Create(SmmuDriver driver, in ViommuRequest request, out SmmuViommu? made)
    {
        made = null;
        if (request.Parent is not Stage2Domain parent || parent.Driver != driver) return Errno.EINVAL;
        Errno errno = parent.Vmids.ForViommu(parent.Lease, out VmidLease? lease);
        if (errno == Errno.None) made = new SmmuViommu(driver, parent, lease!, request.Host);
        return errno;
    }

    /// <inheritdoc/>
    public Errno AllocateNested(in NestedRequest request, in UserData data, out INestedDomain? domain)
    {
        domain = null;
        if (request.Flags != HwptFlags.None) return Errno.EOPNOTSUPP;
        Span<byte> words = stackalloc byte[GuestStreamTableEntry.SizeBytes];
        if (data.Length != GuestStreamTableEntry.SizeBytes) return Errno.EINVAL;
        Errno errno = data.Read(IommuTypes.HwptDataSmmuV3, GuestStreamTableEntry.SizeBytes, words);
        if (errno != Errno.None) return errno;
        ReadOnlySpan<ulong> entry = MemoryMarshal.Cast<byte, ulong>(words);
        errno = GuestStreamTableEntry.Check(entry[0], entry[1], out StreamConfiguration configuration);
        if (errno == Errno.None) domain = new NestedDomain(this, entry[0], entry[1], configuration);
        return errno;
    }

    /// <inheritdoc/>
    /// <remarks>Commands are read, judged and submitted in groups of up to 63; a bad one keeps its whole group back.</remarks>
    public Errno Invalidate(in UserArray entries, out uint done)
    {
        done = 0;
        if (entries.Type != IommuTypes.InvalidateSmmuV3) return Errno.EINVAL;
        if (entries.Count != 0 && entries.EntryLength < Command.SizeBytes) return Errno.EINVAL;
        Span<Command> commands = stackalloc Command[GuestCommand.GroupSize];
        while (done < entries.Count)
        {
            int count = (int)Math.Min(GuestCommand.GroupSize, entries.Count - done);
            for (int index = 0; index < count; index++)
            {
                Errno read = entries.Read(done + (uint)index, MemoryMarshal.AsBytes(commands.Slice(index, 1)));
                if (read != Errno.None) return read;
            }

            Errno errno = GuestCommand.ConvertGroup(commands[..count], in rules, this, commands);
            if (errno != Errno.None) return errno;
            CommandResult result = submitter.Submit(commands[..count]);
            if (!result.IsSuccess) return result.Status == SubmissionStatus.TimedOut ? Errno.ETIMEDOUT : Errno.EIO;
            done += (uint)count;
        }

        return Errno.None;
    }

    /// <inheritdoc/>
    public bool TryFind(StreamId virtualId, out StreamId stream)
    {
        bool isFound = Host.TryFindDevice(virtualId.Value, out IIommuDevice? device);
        stream = isFound ? ((SmmuEndpoint)device!).Stream : default;
        return isFound;
    }

    /// <inheritdoc/>
    public Errno AddDevice(IIommuDevice device, ulong virtualId) => virtualId > uint.MaxValue ? Errno.EINVAL : Errno.None;

    /// <inheritdoc/>
    public void RemoveDevice(IIommuDevice device, ulong virtualId)
    {
    }

    /// <inheritdoc/>
    public bool SupportsEvents(uint type) => type == IommuTypes.ViommuSmmuV3;

    /// <summary>Hands an event of a stream to the guest; false when it is not the guest's, or nobody listens.</summary>
    public bool TryReport(SmmuEndpoint endpoint, in EventRecord record)
    {
        if (!VirtualEvent.IsForGuest(in record) || !Host.TryFindVirtualId(endpoint, out ulong virtualId)) return false;
        EventRecord shown = VirtualEvent.ForGuest(in record, new StreamId((uint)virtualId));
        return Host.ReportEvent(IommuTypes.ViommuSmmuV3, MemoryMarshal.AsBytes(new ReadOnlySpan<EventRecord>(in shown))) == Errno.None;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        driver.ReturnQueue(submitter);
        lease.Release();
    }
}
