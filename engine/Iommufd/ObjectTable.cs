using System.Diagnostics;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Iommufd;

/// <summary>The objects of a context by id: the lowest free id first, and never 0.</summary>
/// <remarks>
/// An id is reserved while its object is made and found only once it is published. Two counts keep an object: users, for
/// long, which let its removal fail, and borrowers, for one request, which removal waits for. The lock of the table is taken
/// after all others and never held across a call to anybody else.
/// </remarks>
internal sealed class ObjectTable(int capacity, TimeSpan patience)
{
    private readonly object gate = new();   // Monitor.Wait needs an object.
    private readonly List<Slot> slots = [new Slot(null, State.Retired)];
    private readonly PriorityQueue<uint, uint> free = new();

    private enum State
    {
        Free,
        Reserved,
        Published,
        Leaving,
        Retired,   // Its id is not used again.
    }

    /// <summary>Published objects.</summary>
    public int Count
    {
        get
        {
            lock (gate) return slots.Count(slot => slot.State == State.Published);
        }
    }

    /// <summary>No id is in use, not even by an object that is being made.</summary>
    public bool IsEmpty
    {
        get
        {
            lock (gate) return slots.TrueForAll(slot => slot.State is State.Free or State.Retired);
        }
    }

    /// <summary>Gives an object an id that nobody finds yet; ENOMEM when there is none.</summary>
    public Errno Reserve(IommufdObject reserving)
    {
        lock (gate)
        {
            if (!free.TryDequeue(out uint id, out _))
            {
                if (slots.Count > capacity) return Errno.ENOMEM;
                id = (uint)slots.Count;
                slots.Add(default);
            }

            slots[(int)id] = new Slot(reserving, State.Reserved);
            reserving.Id = id;
            return Errno.None;
        }
    }

    public void Publish(IommufdObject reserved)
    {
        lock (gate)
        {
            Invariant.Holds(slots[(int)reserved.Id].State == State.Reserved);
            slots[(int)reserved.Id] = new Slot(reserved, State.Published);
        }
    }

    /// <summary>Gives the id of an object back that was never published.</summary>
    public void Abandon(IommufdObject reserved)
    {
        lock (gate) Free(reserved, retire: false);
    }

    /// <summary>Finds an object of a kind for the time of a request.</summary>
    public Borrowed<T> Borrow<T>(uint id)
        where T : IommufdObject
    {
        lock (gate)
        {
            if (!TryFind(id, out IommufdObject? found) || found is not T wanted) return default;
            found.Borrowers++;
            return new Borrowed<T>(this, wanted);
        }
    }

    public void AddUser(IommufdObject used)
    {
        lock (gate) used.Users++;
    }

    /// <summary>Adds a user unless the object is out of the table already; it need not be published yet.</summary>
    public bool TryAddUser(IommufdObject used)
    {
        lock (gate)
        {
            if (slots[(int)used.Id].Object != used) return false;
            used.Users++;
            return true;
        }
    }

    public void DropUser(IommufdObject used)
    {
        lock (gate)
        {
            Invariant.Holds(used.Users > 1);
            used.Users--;
        }
    }

    /// <summary>
    /// Takes an object out once its borrowers are done. EBUSY when it has other users than <paramref name="expectedUsers"/>;
    /// ENOENT when there is none. No lock may be held that a request could be waiting for.
    /// </summary>
    public Errno Remove(uint id, int expectedUsers, out IommufdObject? removed)
    {
        removed = null;
        lock (gate)
        {
            if (!TryFind(id, out IommufdObject? found)) return Errno.ENOENT;
            if (found.Users != expectedUsers) return Errno.EBUSY;
            slots[(int)id] = new Slot(found, State.Leaving);
            long start = Stopwatch.GetTimestamp();
            while (found.Borrowers != 0)
            {
                TimeSpan left = patience - Stopwatch.GetElapsedTime(start);
                if (left > TimeSpan.Zero && Monitor.Wait(gate, left)) continue;
                if (found.Borrowers != 0) break;
            }

            // A borrower may have become a user.
            if (found.Borrowers != 0 || found.Users != expectedUsers)
            {
                slots[(int)id] = new Slot(found, State.Published);
                return Errno.EBUSY;
            }

            Free(found, retire: false);
            removed = found;
            return Errno.None;
        }
    }

    /// <summary>Takes an object out if nobody but the table has it; otherwise it stays.</summary>
    /// <param name="leaving">The object.</param>
    /// <param name="retire">Its id is never used again.</param>
    public bool TryRemoveNow(IommufdObject leaving, bool retire)
    {
        lock (gate)
        {
            if (slots[(int)leaving.Id].Object != leaving || slots[(int)leaving.Id].State != State.Published) return false;
            if (leaving.Users != 1 || leaving.Borrowers != 0) return false;
            Free(leaving, retire);
            return true;
        }
    }

    /// <summary>The published objects that only the table uses, the latest first.</summary>
    public List<IommufdObject> Leaves()
    {
        lock (gate)
        {
            return [.. slots.Where(slot => slot.State == State.Published && slot.Object!.Users == 1).Select(slot => slot.Object!).Reverse()];
        }
    }

    /// <summary>The published objects of a kind.</summary>
    public List<T> All<T>()
        where T : IommufdObject
    {
        lock (gate) return [.. slots.Where(slot => slot.State == State.Published).Select(slot => slot.Object).OfType<T>()];
    }

    private bool TryFind(uint id, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out IommufdObject? found)
    {
        found = id < (uint)slots.Count && slots[(int)id].State == State.Published ? slots[(int)id].Object : null;
        return found is not null;
    }

    private void Free(IommufdObject leaving, bool retire)
    {
        slots[(int)leaving.Id] = new Slot(null, retire ? State.Retired : State.Free);
        if (!retire) free.Enqueue(leaving.Id, leaving.Id);
    }

    private void Return(IommufdObject borrowed)
    {
        lock (gate)
        {
            if (--borrowed.Borrowers == 0) Monitor.PulseAll(gate);
        }
    }

    private readonly record struct Slot(IommufdObject? Object, State State);

    /// <summary>An object that a request works with; dispose it at the end of the request.</summary>
    internal readonly ref struct Borrowed<T>(ObjectTable table, T found)
        where T : IommufdObject
    {
        private readonly T? found = found;

        public bool IsMissing => found is null;

        public T Object => found!;

        public void Dispose()
        {
            if (found is not null) table.Return(found);
        }
    }
}
