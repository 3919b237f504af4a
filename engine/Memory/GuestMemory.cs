using Smmu.Fast.Foundation;

namespace Smmu.Fast.Memory;

/// <summary>Physical memory as the SMMU and its client devices see it: regions of host memory, and a bus for all else.</summary>
/// <remarks>
/// <para>One memory may serve several devices. All methods are thread-safe; accesses take no lock and never wait.</para>
/// <para>
/// Protocol: look-ups read an immutable table that one pointer store publishes. A change of regions builds the next table
/// under <c>changes</c> and publishes it; what it took away (the old table, host memory, a dirty bitmap) is freed after a
/// grace period. There are two kinds of users to wait for. Accesses through methods of this class are scopes of
/// <see cref="ThreadAccess"/>, unless the method says that the caller must be inside a scope. Users that keep host
/// pointers attach their <see cref="TranslationEpoch"/>, use a pointer within a scope only, and in each scope compare
/// <see cref="Generation"/> with the value they read before they asked for the pointer.
/// </para>
/// <para>The lock is never held while waiting or across a callback of the host.</para>
/// </remarks>
public sealed unsafe partial class GuestMemory : IDisposable
{
    /// <summary>Granularity of regions and of dirty tracking, in bytes.</summary>
    public const int PageBytes = 4096;

    /// <summary>Regions a memory can hold unless asked otherwise.</summary>
    public const int DefaultMaxRegions = 64;

    private static readonly NativeBlock EmptyTable = RegionTable.Build([]);   // Lives on, so that late accesses find no region.

    private readonly object changes = new();   // Guards the fields from here to "disposed"; Monitor.Wait needs an object.
    private readonly List<Attachment> attachments = [];
    private List<NativeBlock> retired = [];    // Unpublished, not yet freed.
    private RegionEntry[] entries = [];        // What the published table holds.
    private NativeBlock tableBlock = EmptyTable;
    private bool disposed;

    private readonly GuestRegion?[] slots;     // A slot is emptied, and its index given out again, a grace period after removal.
    private readonly IGuestBus? bus;
    private nint table = (nint)EmptyTable.Pointer;
    private ulong generation;

    /// <summary>Makes a memory without regions.</summary>
    /// <param name="bus">Serves addresses in no region; without one, accesses to them abort.</param>
    /// <param name="maxRegions">Regions it can hold at a time: 1 to 2^20.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number of regions is out of range.</exception>
    /// <exception cref="PlatformNotSupportedException">The host is not a 64-bit little-endian one.</exception>
    public GuestMemory(IGuestBus? bus = null, int maxRegions = DefaultMaxRegions)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxRegions, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(maxRegions, 1 << 20);
        if (!BitConverter.IsLittleEndian || sizeof(nint) != sizeof(ulong)) throw new PlatformNotSupportedException(
            "Guest structures are little-endian and read in place, in 64-bit words: run on a 64-bit little-endian host.");
        this.bus = bus;
        slots = new GuestRegion?[maxRegions];
    }

    /// <summary>Grows with each change that revokes host pointers, before the change waits for scopes to end.</summary>
    internal ulong Generation => Volatile.Read(ref generation);

    private RegionTable* Table => (RegionTable*)Volatile.Read(ref table);   // Acquire; pairs with the release in Publish.

    /// <summary>Makes changes of regions wait for the scopes of an epoch from now on.</summary>
    /// <param name="epoch">The epoch.</param>
    /// <param name="gate">A gate that the changes wait for as well: host pointers may be used behind it.</param>
    /// <exception cref="InvalidOperationException">The epoch is attached already.</exception>
    internal void Attach(TranslationEpoch epoch, ControlGate? gate = null)
    {
        lock (changes)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            if (attachments.Exists(attachment => attachment.Epoch == epoch)) throw new InvalidOperationException(
                "This epoch is attached to the memory already: attach each epoch once.");
            attachments.Add(new Attachment(epoch, gate));
        }
    }

    /// <summary>Ends what <see cref="Attach"/> began; no scope may be open. Once it returns, nobody looks at the epoch's
    /// slots.</summary>
    /// <exception cref="InvalidOperationException">The epoch is not attached.</exception>
    internal void Detach(TranslationEpoch epoch)
    {
        lock (changes)
        {
            int index = attachments.FindIndex(attachment => attachment.Epoch == epoch);
            if (index < 0) throw new InvalidOperationException(
                "This epoch is not attached to the memory: detach it once, after Attach.");
            Attachment leaving = attachments[index];
            attachments.RemoveAt(index);
            leaving.IsDetached = true;
            while (leaving.Waits != 0) Monitor.Wait(changes);   // Short: its scopes have ended.
        }
    }

    /// <summary>Frees all regions. Reads and writes through internal paths abort from now on. Later calls do nothing.</summary>
    /// <exception cref="InvalidOperationException">A device still uses the memory.</exception>
    public void Dispose()
    {
        GracePeriod grace;
        RegionEntry[] leaving;
        lock (changes)
        {
            if (disposed) return;
            if (attachments.Count != 0) throw new InvalidOperationException(
                $"{attachments.Count} device(s) still use this memory: dispose every SmmuDevice made with it first.");
            disposed = true;
            leaving = entries;
            grace = Revoke([]);
        }

        WaitFor(grace);
        foreach (ref readonly RegionEntry entry in leaving.AsSpan()) EmptySlot(slots[entry.Slot]!);
    }

    // Publishes the next table. A reader finds either table whole.
    private void Publish(RegionEntry[] next)
    {
        NativeBlock block = next.Length == 0 ? EmptyTable : RegionTable.Build(next);
        Volatile.Write(ref table, (nint)block.Pointer);   // Release; pairs with the acquire of Table.
        if (tableBlock != EmptyTable) retired.Add(tableBlock);
        tableBlock = block;
        entries = next;
    }

    // Publishes a table in which something is missing that users of host pointers may still rely on.
    private GracePeriod Revoke(RegionEntry[] next)
    {
        Publish(next);

        // After the table: whoever sees the new number cannot find the old entry any more.
        Volatile.Write(ref generation, generation + 1);
        var grace = new GracePeriod(retired, attachments.ConvertAll(user => (user, user.Epoch.Start())));
        retired = [];
        return grace;
    }

    // Outside of the lock: a scope may end only after a callback that itself changes regions.
    private void WaitFor(GracePeriod grace)
    {
        foreach ((Attachment user, ulong number) in grace.Users)
        {
            lock (changes)
            {
                if (user.IsDetached) continue;
                user.Waits++;
            }

            user.Epoch.Wait(number);
            user.Gate?.Pass();
            lock (changes)
            {
                user.Waits--;
                Monitor.PulseAll(changes);
            }
        }

        ThreadAccess.WaitForAll();
        foreach (NativeBlock block in grace.Retired) block.Dispose();
    }

    // Additions take nothing away but the old table, and so do not wait. It is freed when somebody finds everyone outside.
    private void FreeRetiredIfUnused()
    {
        if (retired.Count == 0) return;
        foreach (Attachment user in attachments)
        {
            if (!user.Epoch.HasElapsed(user.Epoch.Start())) return;
            user.Gate?.Pass();   // Short: nobody waits behind it.
        }

        if (!ThreadAccess.HaveAllEnded()) return;
        foreach (NativeBlock block in retired) block.Dispose();
        retired.Clear();
    }

    private void ThrowIfCallerIsInside()
    {
        foreach (Attachment user in attachments)
        {
            if (user.Epoch.HasOwnOpenScope()) throw new InvalidOperationException(
                "Changing a region waits for all scopes of ports to end, but the calling thread is inside one: "
                + "end the scope first, or change regions from another thread.");
        }
    }

    private sealed class Attachment(TranslationEpoch epoch, ControlGate? gate)
    {
        public TranslationEpoch Epoch { get; } = epoch;

        public ControlGate? Gate { get; } = gate;

        public bool IsDetached { get; set; }

        public int Waits { get; set; }   // Threads that look at the epoch's slots.
    }

    private readonly record struct GracePeriod(List<NativeBlock> Retired, List<(Attachment User, ulong Number)> Users);
}
