using System.Collections.Concurrent;
using Smmu.Fast.Formats;
using Smmu.Fast.Tables;

namespace Smmu.Fast.Iommufd.Driver;

/// <summary>A device behind an SMMU, which it knows by one StreamID. Made by <see cref="SmmuDriver.AddEndpoint"/>.</summary>
/// <remarks>
/// While nothing is attached its stream aborts. To attach is to tell the new page table of its user, to bring CD and STE to
/// their new values with the invalidations that hardware needs between the stores, to hand out the events of before, and then
/// to take leave of the old page table. All of that is under the driver's gate.
/// </remarks>
public sealed class SmmuEndpoint : IIommuDevice, IFaultResponder
{
    private const uint NoPasid = 0;
    private const ulong FirstSubstream = 2;   // S1DSS: accesses without substream use CD 0.
    private const ulong Cacheable = 1;
    private const ulong InnerShareable = 3;
    private const byte WholeAtc = 52;

    private readonly SmmuDriver driver;
    private readonly SmmuEndpointOptions options;
    private readonly ContextDescriptorTableWriter? contexts;
    private Attachment? plain;                                        // Of requests without PASID.
    private ConcurrentDictionary<uint, Attachment>? onPasids;         // Made with the first one.

    internal SmmuEndpoint(SmmuDriver driver, StreamId stream, SmmuEndpointOptions options, ContextDescriptorTableWriter? contexts)
    {
        this.driver = driver;
        this.options = options;
        this.contexts = contexts;
        Stream = stream;
        MaxPasidLog2 = contexts is null ? 0 : Math.Min(options.MaxPasidLog2, driver.Features.SubstreamIdBits);
        Group = options.Group ?? this;
    }

    /// <summary>Its StreamID.</summary>
    public StreamId Stream { get; }

    /// <inheritdoc/>
    public IIommuDriver Iommu => driver;

    /// <inheritdoc/>
    public object Group { get; }

    /// <inheritdoc/>
    public bool IsCoherent => options.IsCoherent;

    /// <inheritdoc/>
    public bool IsMsiIsolated => options.IsMsiIsolated;

    /// <inheritdoc/>
    public int MaxPasidLog2 { get; }

    /// <inheritdoc/>
    public HardwareCapabilities Capabilities =>
        (driver.TracksDirty ? HardwareCapabilities.DirtyTracking : 0) | (UsesAts ? 0 : HardwareCapabilities.AtsNotSupported);

    /// <inheritdoc/>
    public IReadOnlyList<IovaRange> ReservedRanges => options.ReservedRanges;

    private bool UsesAts => options.UsesAts && driver.Features.ATS;

    /// <inheritdoc/>
    public Errno Claim(object owner) => driver.Owners.Claim(Group, owner);

    /// <inheritdoc/>
    public void Disclaim(object owner) => driver.Owners.Disclaim(Group, owner);

    /// <inheritdoc/>
    public Errno Attach(uint pasid, IDomain domain, IDomain? previous, IFaultSink? faults)
    {
        ArgumentNullException.ThrowIfNull(domain);
        lock (driver.Gate)
        {
            Errno errno = Describe(pasid, domain, faults, out Attachment? attachment);
            if (errno == Errno.None) errno = pasid == NoPasid ? Install(attachment!) : InstallSubstream(pasid, attachment!);
            return errno;
        }
    }

    /// <inheritdoc/>
    public void Detach(uint pasid, IDomain domain)
    {
        lock (driver.Gate)
        {
            if (Find(pasid) is not { } old) return;
            bool hasOthers = pasid == NoPasid ? HasPasids : plain is not null || onPasids!.Count > 1;
            if (pasid == NoPasid)
            {
                WriteStream(hasOthers ? LeadToContexts(ofFirst: false) : Abort());
                ClearContext(NoPasid);
            }
            else
            {
                ClearContext(pasid);
                if (!hasOthers) WriteStream(Abort());
            }

            ForgetInEndpoint(pasid);
            Leave(pasid, old, successor: null);
        }
    }

    /// <inheritdoc/>
    public void Respond(ulong token, FaultResponse response) => Resume((ushort)token, isRetry: response == FaultResponse.Success);

    /// <summary>The vIOMMU whose guest has the stream.</summary>
    internal SmmuViommu? Viommu => Volatile.Read(ref plain)?.Domain is NestedDomain nested ? nested.Viommu : null;

    private bool HasPasids => onPasids is { IsEmpty: false };

    /// <summary>Hands a stall over to whoever answers page faults; without any the access ends.</summary>
    internal bool TryReportStall(in EventRecord record)
    {
        uint pasid = record.SSV ? record.SubstreamId.Value : NoPasid;
        uint attachedAs = Viommu is null ? pasid : NoPasid;   // All substreams of a guest are its own.
        IFaultSink? sink = Find(attachedAs)?.Faults;
        PageFault fault = StallFault.Of(in record);
        if (sink is not null && sink.Report([fault], this, record.StallTag) == Errno.None) return true;
        Resume(record.StallTag, isRetry: false);
        return false;
    }

    // Who reports a fault waits for no command.
    private void Resume(ushort stallTag, bool isRetry) => driver.Channel.Submit(
        [isRetry ? Command.ResumeRetry(Stream, stallTag) : Command.ResumeTerminate(Stream, stallTag)], sync: false);

    // Whether a domain suits, and as what it is used.
    private Errno Describe(uint pasid, IDomain domain, IFaultSink? faults, out Attachment? attachment)
    {
        attachment = null;
        if (faults is not null && !(options.CanStall && driver.Features.STALL_MODEL != 1)) return Errno.EINVAL;
        SubstreamId? substream = pasid == NoPasid ? null : new SubstreamId(pasid);
        DomainUser user;
        PagingDomain paging;
        switch (domain)
        {
            case Stage1Domain stage1 when stage1.Driver == driver:
                if (pasid != NoPasid && (contexts is null || pasid >> MaxPasidLog2 != 0)) return Errno.EINVAL;
                if (pasid != NoPasid && plain is not null && plain.Domain is not Stage1Domain) return Errno.EINVAL;
                user = new DomainUser(stage1.Tag, IsNested: false, Stream, substream, UsesAts);
                paging = stage1;
                break;
            case Stage2Domain stage2 when stage2.Driver == driver && pasid == NoPasid:
                if (HasPasids) return Errno.EBUSY;
                user = new DomainUser(Stage2Domain.TagOf(stage2.Lease.Vmid), IsNested: false, Stream, null, UsesAts);
                paging = stage2;
                break;
            case NestedDomain nested when nested.Viommu.Parent.Driver == driver && pasid == NoPasid:
                if (HasPasids) return Errno.EBUSY;
                bool isStage1 = nested.Configuration == StreamConfiguration.Stage1;
                if (isStage1 && !nested.Viommu.Host.TryFindVirtualId(this, out _)) return Errno.ENOENT;
                user = new DomainUser(Stage2Domain.TagOf(nested.Viommu.Vmid), isStage1, Stream, null, UsesAts);
                paging = nested.Viommu.Parent;
                break;
            default:
                return Errno.EINVAL;
        }

        attachment = new Attachment(domain, paging, user, faults);
        return Errno.None;
    }

    private Errno Install(Attachment attachment)
    {
        Attachment? old = plain;
        attachment.Paging.AddUser(attachment.User);
        bool stalls = attachment.Faults is not null;
        bool isWritten = true;
        StreamTableEntry entry;
        switch (attachment.Domain)
        {
            case Stage1Domain stage1 when contexts is not null:
                isWritten = WriteContext(NoPasid, stage1.Describe(stalls));
                entry = LeadToContexts(ofFirst: true);
                break;
            case Stage1Domain stage1:
                entry = LeadToStage1(stage1.LeadToLone(stalls));
                break;
            case Stage2Domain stage2:
                entry = WithAts(stage2.Describe(stage2.Lease.Vmid, stalls));
                break;
            default:
                entry = ((NestedDomain)attachment.Domain).Describe(UsesAts);
                break;
        }

        if (!isWritten || !WriteStream(entry))
        {
            attachment.Paging.RemoveUser(attachment.User);
            return Errno.ENOMEM;
        }

        if (attachment.Domain is not Stage1Domain && contexts is not null) ClearContext(NoPasid);
        ForgetInEndpoint(NoPasid);
        Leave(NoPasid, old, attachment);
        return Errno.None;
    }

    private Errno InstallSubstream(uint pasid, Attachment attachment)
    {
        Attachment? old = Find(pasid);
        attachment.Paging.AddUser(attachment.User);
        var stage1 = (Stage1Domain)attachment.Domain;
        bool isWritten = WriteContext(pasid, stage1.Describe(attachment.Faults is not null));
        if (isWritten && plain is null) isWritten = WriteStream(LeadToContexts(ofFirst: false));
        if (!isWritten)
        {
            attachment.Paging.RemoveUser(attachment.User);
            return Errno.ENOMEM;
        }

        ForgetInEndpoint(pasid);
        Leave(pasid, old, attachment);
        return Errno.None;
    }

    // Events of accesses from before the CMD_SYNC are in the queue by now: they are those of who had the stream then.
    private void Leave(uint pasid, Attachment? old, Attachment? successor)
    {
        driver.ServiceEvents();
        if (pasid == NoPasid) Volatile.Write(ref plain, successor);
        else if (successor is not null) (onPasids ??= new())[pasid] = successor;
        else onPasids!.TryRemove(pasid, out _);
        old?.Paging.RemoveUser(old.User);
    }

    private Attachment? Find(uint pasid)
    {
        if (pasid == NoPasid) return Volatile.Read(ref plain);
        return Volatile.Read(ref onPasids) is { } found && found.TryGetValue(pasid, out Attachment? attachment) ? attachment : null;
    }

    private bool WriteStream(StreamTableEntry entry)
    {
        var synchronization = new StreamSynchronization(driver.Channel, Stream);
        return driver.Streams.Write(Stream, in entry, ref synchronization).Status == PageTableStatus.Done;
    }

    private bool WriteContext(uint pasid, ContextDescriptor descriptor)
    {
        var substream = new SubstreamId(pasid);
        var synchronization = new SubstreamSynchronization(driver.Channel, Stream, substream);
        return contexts!.Write(substream, in descriptor, ref synchronization).Status == PageTableStatus.Done;
    }

    private void ClearContext(uint pasid)
    {
        if (contexts is not null && contexts.TryRead(new SubstreamId(pasid), out _)) WriteContext(pasid, default);
    }

    // A translation that it asked for before is of no use to it now.
    private void ForgetInEndpoint(uint pasid)
    {
        if (UsesAts) driver.Channel.Submit([Command.AtcInv(Stream, 0, WholeAtc, pasid == NoPasid ? null : new SubstreamId(pasid))]);
    }

    private StreamTableEntry LeadToContexts(bool ofFirst) =>
        LeadToStage1(contexts!.ApplyTo(default(StreamTableEntry)).With(StreamTableEntryField.S1DSS, ofFirst ? FirstSubstream : 0));

    private StreamTableEntry LeadToStage1(in StreamTableEntry table)
    {
        bool mayStall = options.CanStall || driver.Features.STALL_MODEL != 0;
        return WithAts(table
            .With(StreamTableEntryField.V, 1)
            .With(StreamTableEntryField.Config, (ulong)StreamConfiguration.Stage1)
            .With(StreamTableEntryField.S1CIR, Cacheable)
            .With(StreamTableEntryField.S1COR, Cacheable)
            .With(StreamTableEntryField.S1CSH, InnerShareable)
            .With(StreamTableEntryField.S1STALLD, mayStall ? 0UL : 1));
    }

    private StreamTableEntry WithAts(in StreamTableEntry entry) => entry.With(StreamTableEntryField.EATS, UsesAts ? 1UL : 0);

    private static StreamTableEntry Abort() => default(StreamTableEntry)
        .With(StreamTableEntryField.V, 1)
        .With(StreamTableEntryField.Config, (ulong)StreamConfiguration.Abort);

    /// <summary>What a stream or substream is attached to.</summary>
    private sealed record Attachment(IDomain Domain, PagingDomain Paging, DomainUser User, IFaultSink? Faults);
}
