using System.Numerics;
using Smmu.Fast.Formats;
using Smmu.Fast.Tables;

namespace Smmu.Fast.Iommufd.Driver;

/// <summary>Translation tables that follow an address space, and the invalidations that go with their changes.</summary>
/// <remarks>
/// Mapping needs no command, since what is not mapped is not cached. What is unmapped or made clean is gathered until
/// <see cref="Synchronize"/>; tables that it unlinked go back to the pool after that.
/// </remarks>
internal abstract class PagingDomain : IPagingDomain
{
    private const ulong WholeAtc = 52;
    private const int LowestLevel = -1;
    private const ulong LeastToFreeTables = 2 << 20;

    private readonly InvalidationPlan plan;
    private readonly DomainUsers users = new();
    private PageTableChange gathered;
    private AddressRange unmapped;   // What endpoints may keep of it: tables are nothing to them.
    private bool isTracking;

    protected PagingDomain(SmmuDriver driver, PageTableOptions options, bool tracksDirty)
    {
        Driver = driver;
        TracksDirty = tracksDirty;
        lock (driver.TablesGate) Table = new PageTable(driver.Tables, options);
        plan = new InvalidationPlan(options.GranuleLog2, driver.Features.RIL, driver.Features.DS);
    }

    /// <summary>Whose it is.</summary>
    public SmmuDriver Driver { get; }

    /// <inheritdoc/>
    public ulong PageSizes => TableShapes.LeafSizes(Table.Options.GranuleLog2);

    /// <inheritdoc/>
    public IovaRange Aperture => new(0, (1UL << Table.Options.InputBits) - 1);

    /// <inheritdoc/>
    public bool TracksDirty { get; }

    protected PageTable Table { get; }

    /// <summary>Attributes of leaves.</summary>
    protected abstract LeafAttributes AttributesOf(LeafPermissions permissions, DirtyState dirty);

    /// <inheritdoc/>
    public Errno Map(ulong iova, PhysicalAddress physical, ulong bytes, DomainPermissions permissions)
    {
        var wanted = LeafPermissions.Execute;
        if ((permissions & DomainPermissions.Read) != 0) wanted |= LeafPermissions.Read;
        if ((permissions & DomainPermissions.Write) != 0) wanted |= LeafPermissions.Write;
        // What is mapped while nobody asks is as good as dirty: asking begins with making everything clean.
        DirtyState dirty = !TracksDirty ? DirtyState.Unmanaged : isTracking ? DirtyState.Clean : DirtyState.Dirty;
        LeafAttributes attributes = AttributesOf(wanted, dirty);
        PageTableStatus status;
        lock (Driver.TablesGate) status = Table.Map(iova, physical.Value, bytes, attributes);
        if (status == PageTableStatus.OutOfFrames)
        {
            GiveEmptyTablesBack();
            lock (Driver.TablesGate) status = Table.Map(iova, physical.Value, bytes, attributes);
        }

        return status switch
        {
            PageTableStatus.Done => Errno.None,
            PageTableStatus.OutOfFrames => Errno.ENOMEM,
            _ => Errno.EINVAL,
        };
    }

    /// <inheritdoc/>
    public void Unmap(ulong iova, ulong bytes)
    {
        // Tables that a small unmap has emptied are soon filled again, and to take them away costs entries of their neighbours.
        PageTableStatus status;
        lock (Driver.TablesGate) status = Table.Unmap(iova, bytes, ref gathered, keepTables: bytes < LeastToFreeTables);
        unmapped = unmapped.Including(iova, bytes);
        if (status == PageTableStatus.OutOfFrames) throw new InvalidOperationException(
            "A large leaf has to be split, and there is no memory for the table: give the driver a larger region.");
    }

    /// <inheritdoc/>
    public void Synchronize()
    {
        // What was gathered stays until the commands are complete: should they not be, the next call tries again.
        if (!gathered.IsEmpty)
        {
            Invalidate(in gathered);
            gathered = default;
        }

        unmapped = default;

        lock (Driver.TablesGate)
        {
            UnlinkedTables unlinked = Table.TakeUnlinked();
            if (unlinked.Count != 0) Driver.Tables.Return(unlinked);
        }
    }

    /// <inheritdoc/>
    public Errno SetDirtyTracking(bool enable)
    {
        isTracking = enable;
        return Errno.None;
    }

    /// <inheritdoc/>
    public Errno ReadDirty(ulong iova, ulong bytes, bool clear, DirtyBitmap? bitmap)
    {
        if (!TracksDirty) return Errno.EOPNOTSUPP;
        var sink = new Recorder(bitmap);
        PageTableStatus status = Table.HarvestDirty(iova, bytes, ref sink, clear, ref gathered);
        sink.Flush();
        return status == PageTableStatus.Done ? Errno.None : Errno.EINVAL;
    }

    /// <summary>Somebody is about to have the tables. Under the driver's gate.</summary>
    public void AddUser(in DomainUser user) => users.Add(in user);

    /// <summary>Nobody reaches the tables for that one any more. Under the driver's gate.</summary>
    public void RemoveUser(in DomainUser user)
    {
        if (users.Remove(in user)) Driver.Channel.Submit([user.Tag.Everything]);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        ReleaseTag();
        lock (Driver.TablesGate) Table.Dispose();
    }

    /// <summary>Gives back what tags the entries, once there are none.</summary>
    protected abstract void ReleaseTag();

    private void GiveEmptyTablesBack()
    {
        IovaRange all = Aperture;
        lock (Driver.TablesGate) Table.UnlinkEmptyTables(all.First, all.Last - all.First + 1, ref gathered);
        Synchronize();
    }

    private void Invalidate(in PageTableChange change)
    {
        Interlocked.MemoryBarrier();   // Between the stores to tables and the question who reads them.
        DomainUsers.Snapshot now = users.Current;
        if (now.Tags.Length == 0) return;
        var batch = new CommandBatch(Driver.Channel);
        bool isNested = false;
        foreach (DomainUsers.TagUse use in now.Tags)
        {
            if (!plan.TryAdd(ref batch, use.Tag, in change)) batch.Add(use.Tag.Everything);
            isNested |= use.IsNested;
        }

        if (isNested) AddNested(ref batch, now.Tags);
        if (now.Endpoints.Length != 0) AddAtc(ref batch, now.Endpoints, in change, unmapped);
        batch.Complete();
    }

    // Combined entries are made of those of stage 2, which have to be gone first (Arm ARM, D8.16.5).
    private static void AddNested(ref CommandBatch batch, DomainUsers.TagUse[] tags)
    {
        batch.Add(Command.Sync());
        foreach (DomainUsers.TagUse use in tags)
        {
            if (use.IsNested) batch.Add(Command.TlbiNhAll(use.Tag.Vmid));
        }
    }

    // After the SMMU has forgotten, or an endpoint could ask and be told the old (IHI 0070, 3.9.1).
    private static void AddAtc(ref CommandBatch batch, DomainUser[] endpoints, in PageTableChange change, AddressRange all)
    {
        batch.Add(Command.Sync());
        for (int level = LowestLevel; level <= 3; level++)
        {
            AddressRange range = change.LeavesOf(level);
            if (!range.IsEmpty) all = all.Including(range.First, range.Bytes);
        }

        if (all.IsEmpty) return;
        ulong size = 64 - (ulong)BitOperations.LeadingZeroCount((all.First ^ (all.First + (all.Bytes - 1))) >> 12);
        foreach (DomainUser user in endpoints)
        {
            bool isWhole = user.IsNested || size >= WholeAtc;
            ulong first = isWhole ? 0 : all.First >> 12 >> (int)size << (int)size << 12;
            batch.Add(Command.AtcInv(user.Stream, first, isWhole ? (byte)WholeAtc : (byte)size, user.Substream));
        }
    }

    /// <summary>Joins what lies next to each other before it is recorded.</summary>
    private struct Recorder(DirtyBitmap? bitmap) : IDirtySink
    {
        private ulong first;
        private ulong bytes;

        /// <inheritdoc/>
        public void Report(ulong iova, ulong length)
        {
            if (bytes != 0 && first + bytes == iova)
            {
                bytes += length;
                return;
            }

            Flush();
            first = iova;
            bytes = length;
        }

        /// <summary>Records what is still held.</summary>
        public void Flush()
        {
            if (bytes != 0) bitmap?.Record(first, bytes);
            bytes = 0;
        }
    }
}
