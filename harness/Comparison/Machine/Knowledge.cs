using Smmu.Fast.Formats;
using Smmu.Fast.Oracle;

namespace Smmu.Fast.Comparison.Machine;

/// <summary>What an SMMU may still know from earlier: since when each kind of knowledge can be, given the invalidations that
/// are complete; and which translations may be taken for one another.</summary>
/// <remarks>An invalidation is complete with the CMD_SYNC after it (IHI 0070, 4.3.8). It then leaves nothing that is older than
/// its own consumption.</remarks>
internal sealed class Knowledge
{
    private readonly List<(Command Command, int Batch, int Time, int IgnoredVmidBits, bool E2H)> pending = [];
    private readonly List<Invalidation> complete = [];
    private readonly Dictionary<(Regime Tag, bool IsStage2), Dictionary<ulong, int>> uses = [];
    private int changeOfTables;
    private bool hasLookedUp;

    /// <summary>What the SMMU can do.</summary>
    public SmmuFeatures Features { get; set; } = SmmuFeatures.Default;

    /// <summary>False when nothing is ever cached.</summary>
    public bool IsAnythingCached { get; set; } = true;

    /// <summary>When invalidations were consumed that are complete.</summary>
    public IEnumerable<int> Invalidations => complete.Select(one => one.Time);

    /// <summary>Forgets everything: the SMMU is new.</summary>
    public void Clear()
    {
        pending.Clear();
        complete.Clear();
        uses.Clear();
        changeOfTables = 0;
        hasLookedUp = false;
    }

    /// <summary>Takes note that configuration may be cached from now on.</summary>
    public void LookUp() => hasLookedUp = true;

    /// <summary>Takes note of a consumed command.</summary>
    public void Consume(Command command, int batch, int time, int ignoredVmidBits, bool e2h)
    {
        var opcode = command.Opcode;
        if (opcode == CommandOpcode.Sync)
        {
            complete.AddRange(pending.Select(one => new Invalidation(one.Command, one.Batch, one.Time, time, one.IgnoredVmidBits, one.E2H)));
            pending.Clear();
        }
        else if (opcode is >= CommandOpcode.CfgiSte and <= CommandOpcode.TlbiNsnhAll)
        {
            pending.Add((command, batch, time, ignoredVmidBits, e2h));
        }
    }

    /// <summary>Takes note that registers now lead to other structures: cached ones may still be in use.</summary>
    public void ChangeTables(int time)
    {
        if (hasLookedUp) changeOfTables = time;
    }

    /// <summary>True while configuration that other registers led to may be cached.</summary>
    public bool HasOtherTables(uint stream) => IsAnythingCached && changeOfTables != 0
        && !complete.Exists(one => one.Time >= changeOfTables && one.Command.Opcode == CommandOpcode.CfgiSteRange
            && one.CoversConfiguration(OracleStructure.Level1StreamTableDescriptor, stream, 0, Features));

    /// <summary>Since when a configuration structure can be known.</summary>
    public int SinceOfConfiguration(OracleStructure structure, uint stream, uint index) =>
        Last(one => one.CoversConfiguration(structure, stream, index, Features))?.Time ?? 0;

    /// <summary>Since when a stage 1 entry can be known, or one of both stages combined.</summary>
    /// <param name="regime">Its regime.</param>
    /// <param name="entry">The entry.</param>
    /// <param name="asOf">When it is asked for: what was invalidated later does not count.</param>
    public int SinceOfStage1(in Regime regime, in CachedEntry entry, int asOf = int.MaxValue)
    {
        var (ours, its) = (regime, entry);
        return Last(one => one.Synchronized <= asOf && one.CoversStage1(in ours, in its, Features))?.Time ?? 0;
    }

    /// <summary>Since when a stage 2 entry can be known.</summary>
    /// <param name="regime">Its regime.</param>
    /// <param name="entry">The entry, by IPA.</param>
    /// <param name="purpose">On whose behalf stage 2 was asked.</param>
    /// <param name="address">VA of the access.</param>
    /// <param name="stream">StreamID of the access.</param>
    /// <param name="index">CD index of the access.</param>
    /// <param name="asOf">When it is asked for: what was invalidated later does not count.</param>
    public int SinceOfStage2(
        in Regime regime, in CachedEntry entry, OracleFaultClass purpose, ulong address, uint stream, uint index, int asOf = int.MaxValue)
    {
        var (ours, its) = (regime, entry);
        if (purpose == OracleFaultClass.Input && !regime.HasStage1)
        {
            return Last(one => one.Synchronized <= asOf && one.CoversStage2(in ours, in its, Features))?.Time ?? 0;
        }

        // What was learnt through stage 2 lives on without it: a CD, a stage 1 table, a translation of both stages. A second
        // invalidation ends that.
        bool isContext = purpose == OracleFaultClass.ContextFetch;
        var combined = CachedEntry.Unknown(address, isLeaf: purpose == OracleFaultClass.Input);
        return Last(first => first.CoversStage2(in ours, in its, Features)
            && complete.Exists(second => second.Synchronized <= asOf && second.Follows(first) && (isContext
                ? second.CoversConfiguration(OracleStructure.Level1ContextDescriptor, stream, index, Features)
                : second.CoversStage1(in ours, in combined, Features))))?.Time ?? 0;
    }

    /// <summary>Takes note of the configuration under which a translation was learnt.</summary>
    public void Use(in Regime regime, ulong stage1, ulong stage2, bool isGlobal, int time)
    {
        if (regime.HasStage1)
        {
            Note((regime, false), stage1, time);
            if (isGlobal) Note((regime with { Asid = 0, HasStage2 = false, HasStage1 = false }, false), stage1, time);
        }

        if (regime.HasStage2) Note((OfStage2(in regime), true), stage2, time);
    }

    /// <summary>True when translations of another configuration may answer for this one, because it uses the same tags.</summary>
    public bool HasOthers(in Regime regime, ulong stage1, ulong stage2)
    {
        if (!IsAnythingCached) return false;
        var ours = regime;
        foreach (var ((tag, isStage2), prints) in uses)
        {
            if (isStage2)
            {
                if (regime.HasStage2 && tag == OfStage2(in regime) && HasOther(prints, stage2, OfStage2All)) return true;
                continue;
            }

            if (!regime.HasStage1 || tag.World != regime.World || tag.Vmid != regime.Vmid) continue;
            bool isGlobal = !tag.HasStage1;
            if (!isGlobal && tag.Asid != regime.Asid) continue;
            if (HasOther(prints, stage1, OfStage1All)) return true;
        }

        return false;

        bool OfStage2All(Invalidation one) => one.CoversEverything(in ours, Features);

        bool OfStage1All(Invalidation one) => one.CoversEverything(in ours, Features)
            || (one.Command.Opcode == CommandOpcode.TlbiNhAll && one.CoversStage1(in ours, CachedEntry.Unknown(0, isLeaf: true), Features));
    }

    private bool HasOther(Dictionary<ulong, int> prints, ulong print, Predicate<Invalidation> covers)
    {
        int since = Last(covers)?.Time ?? 0;
        return prints.Any(pair => pair.Key != print && pair.Value >= since);
    }

    private void Note((Regime Tag, bool IsStage2) key, ulong print, int time)
    {
        if (!uses.TryGetValue(key, out var prints)) uses[key] = prints = [];
        prints[print] = time;
    }

    private static Regime OfStage2(in Regime regime) => new(World.El1, regime.Vmid, 0, HasStage1: false, HasStage2: true);

    private Invalidation? Last(Predicate<Invalidation> covers) => complete.FindLast(covers);
}
