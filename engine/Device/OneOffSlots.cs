using Smmu.Fast.Foundation;

namespace Smmu.Fast.Device;

/// <summary>Scopes for accesses without a port: a few slots of the epoch that threads borrow for one access.</summary>
internal sealed unsafe class OneOffSlots
{
    /// <summary>Accesses that can be under way at a time; more wait for one to end.</summary>
    public const int Count = 64;

    private readonly TranslationEpoch epoch;
    private readonly EpochSlot*[] slots = new EpochSlot*[Count];
    private readonly PathStatistics[] statistics = new PathStatistics[Count];

    public OneOffSlots(TranslationEpoch epoch)
    {
        this.epoch = epoch;
        for (int i = 0; i < Count; i++)
        {
            slots[i] = epoch.TryClaim();
            Invariant.Holds(slots[i] != null);
        }
    }

    /// <summary>Enters a scope.</summary>
    /// <returns>The index to <see cref="Exit"/> with.</returns>
    public int Enter()
    {
        int token = ThreadToken.Current;
        var spin = new SpinWait();
        while (true)
        {
            for (int i = 0; i < Count; i++)
            {
                int index = (token + i) & (Count - 1);
                if (!TranslationEpoch.TryBorrow(slots[index], token)) continue;
                epoch.Enter(slots[index]);
                return index;
            }

            spin.SpinOnce();
        }
    }

    /// <summary>Counters for the borrower of a slot.</summary>
    public ref PathStatistics StatisticsOf(int index) => ref statistics[index];

    /// <summary>Ends the scope; true when somebody waits for that.</summary>
    public bool Exit(int index)
    {
        bool awaited = epoch.Exit(slots[index]);
        TranslationEpoch.Park(slots[index]);
        return awaited;
    }

    /// <summary>Adds all counters up.</summary>
    public void AddTo(ref PathStatistics sum)
    {
        for (int i = 0; i < Count; i++) sum.Add(in statistics[i]);
    }
}
