using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Device;

/// <summary>Scopes for accesses without a port: a few slots of the epoch that threads borrow for one access.</summary>
/// <remarks>
/// A slot is claimed when it is wanted first: each claimed one is looked at by every CMD_SYNC. It brings what its borrowers
/// have learnt of streams.
/// </remarks>
internal sealed unsafe class OneOffSlots : IDisposable
{
    /// <summary>Accesses that can be under way at a time; more wait for one to end.</summary>
    public const int Count = 64;

    private const int RequestersPerSlot = 1024;

    private readonly TranslationEpoch epoch;
    private readonly TranslationPath path;
    private readonly StreamStates?[] states = new StreamStates?[Count];
    private readonly EpochSlot*[] slots = new EpochSlot*[Count];
    private readonly Lock claims = new();
    private readonly PathStatistics[] statistics = new PathStatistics[Count];
    private int claimedCount;

    public OneOffSlots(TranslationEpoch epoch, TranslationPath path)
    {
        this.epoch = epoch;
        this.path = path;
    }

    /// <summary>Enters a scope.</summary>
    /// <returns>The index to <see cref="Exit"/> with.</returns>
    public int Enter()
    {
        int token = ThreadToken.Current;
        var spin = new SpinWait();
        while (true)
        {
            int claimed = Volatile.Read(ref claimedCount);
            for (int i = 0; i < claimed; i++)
            {
                int index = (int)((uint)(token + i) % (uint)claimed);
                if (!epoch.TryBorrow(slots[index], token)) continue;
                epoch.EnterBorrowed(slots[index]);
                return index;
            }

            if (claimed < Count) ClaimAnother(claimed);
            else spin.SpinOnce();
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void ClaimAnother(int seen)
    {
        lock (claims)
        {
            if (claimedCount != seen) return;
            slots[seen] = epoch.TryClaim();
            Invariant.Holds(slots[seen] != null);   // The device keeps Count slots back from its ports.
            states[seen] = new StreamStates(RequestersPerSlot);
            Volatile.Write(ref claimedCount, seen + 1);   // Release; pairs with the acquire in Enter: the slot is there.
        }
    }

    /// <summary>What is known of a stream, to the borrower of a slot.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref StreamState StateOf(int index, StreamId stream, SubstreamId? substream, bool isOfTranslated = false)
    {
        var known = states[index]!;
        ulong key = StreamStates.KeyOf(stream, substream, isOfTranslated);
        StreamState* state = known.Find(key);
        if (state == null) state = known.Add(key, path.NewState(stream, substream, isOfTranslated));
        return ref *state;
    }

    /// <summary>Counters for the borrower of a slot.</summary>
    public ref PathStatistics StatisticsOf(int index) => ref statistics[index];

    /// <summary>Ends the scope; true when somebody waits for that.</summary>
    public bool Exit(int index)
    {
        bool awaited = epoch.Exit(slots[index]);
        TranslationEpoch.Return(slots[index]);
        return awaited;
    }

    /// <summary>Frees the states; nobody is inside.</summary>
    public void Dispose()
    {
        foreach (var block in states) block?.Dispose();
    }

    /// <summary>Adds all counters up.</summary>
    public void AddTo(ref PathStatistics sum)
    {
        for (int i = 0; i < Count; i++) sum.Add(in statistics[i]);
    }
}
