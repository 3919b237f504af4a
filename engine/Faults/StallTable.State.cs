using Smmu.Fast.Formats;

namespace Smmu.Fast.Faults;

internal sealed partial class StallTable
{
    /// <summary>Tells whether a table of these features could hold these accesses.</summary>
    public static bool CanHold(ReadOnlySpan<SavedStall> saved, SmmuFeatures features)
    {
        var tags = new HashSet<ushort>();
        foreach (var stall in saved)
        {
            bool fits = TagOf(stall.Token) < (int)features.STALL_MAX && stall.Token >> TagBits != 0;
            if (!fits || !tags.Add(TagOf(stall.Token))) return false;
        }

        return true;
    }

    /// <summary>The accesses that wait for an answer. No access is under way, and every end was told.</summary>
    public SavedStall[] Save()
    {
        var saved = new List<SavedStall>();
        gate.Enter();
        for (int tag = 0; tag < entries.Length && saved.Count < heldCount; tag++)
        {
            ref var entry = ref entries[tag];
            if (entry.State is not (State.Recorded or State.Unrecorded)) continue;
            saved.Add(new SavedStall(TokenOf((ushort)tag), entry.Stream, entry.Substream, entry.State == State.Recorded));
        }

        gate.Exit();
        return [.. saved];
    }

    /// <summary>Holds accesses that another table held. The table is empty; <see cref="CanHold"/> was asked.</summary>
    /// <remarks>Their clients are not known: who hears of their ends is found by stream when they come.</remarks>
    public void Restore(ReadOnlySpan<SavedStall> saved)
    {
        gate.Enter();
        foreach (var stall in saved)
        {
            ref var entry = ref entries[TagOf(stall.Token)];
            entry.Generation = (ushort)(stall.Token >> TagBits);
            entry.Stream = stall.Stream;
            entry.Substream = stall.Substream;
            entry.State = stall.IsRecorded ? State.Recorded : State.Unrecorded;
            if (!stall.IsRecorded) Volatile.Write(ref unrecordedCount, unrecordedCount + 1);
            heldCount++;
        }

        while (free.Count != 0) free.Take();
        for (int tag = 0; tag < entries.Length; tag++)
        {
            if (entries[tag].State == State.Free) free.Add((ushort)tag);
        }

        gate.Exit();
    }
}
