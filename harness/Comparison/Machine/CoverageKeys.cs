using Smmu.Fast.Device;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Comparison.Machine;

/// <summary>Kinds of keys.</summary>
internal enum CoverageKind : byte
{
    /// <summary>A rule of the architecture that decided an access, and how it ended.</summary>
    Rule = 1,

    /// <summary>An event record: type, stage, class, access.</summary>
    Event,

    /// <summary>Where a translation ended: world, stages, granules, levels, permissions.</summary>
    Leaf,

    /// <summary>Attributes on output.</summary>
    Attributes,

    /// <summary>Which caches answered, and how the answer was found right.</summary>
    Caches,

    /// <summary>A command, its fields, and the state it met.</summary>
    Command,

    /// <summary>A register that was written, and the enables it met.</summary>
    Register,

    /// <summary>Errors, overflow and wrap flags of the queues.</summary>
    State,

    /// <summary>Two things one after the other.</summary>
    Pair,
}

/// <summary>What a script reaches, as numbers that are the same in every process: the kind in the top byte, a hash below.</summary>
internal sealed class CoverageKeys
{
    private const int KindShift = 56;
    private readonly HashSet<ulong> keys = [];
    private ulong previous;

    /// <summary>The keys so far.</summary>
    public IReadOnlySet<ulong> Keys => keys;

    /// <summary>The kind of a key.</summary>
    public static CoverageKind KindOf(ulong key) => (CoverageKind)(key >> KindShift);

    /// <summary>Begins with a script.</summary>
    public void Clear()
    {
        keys.Clear();
        previous = 0;
    }

    /// <summary>Takes an access.</summary>
    public void OfAccess(Judgement judgement, Hypothesis accepted)
    {
        var result = judgement.Result;
        string rule = result.Steps.Count == 0 ? "" : result.Steps[^1];
        if (rule == "5.5 Fault" && result.Steps.Count > 1) rule = result.Steps[^2];
        var regime = accepted.Regime;
        ulong config = accepted.HasStream ? (accepted.StreamTableEntry[0] >> 1) & 7 : 8;
        var ended = Fingerprint.Begin().With(rule).With((ulong)result.Outcome).With((ulong)(result.Event?.Kind ?? 0));
        Add(CoverageKind.Rule, ended.With(config).With((ulong)regime.World));
        if (result.Event is { } told)
        {
            const ulong ClassStageAndAccess = (0b11UL << 40) | (1UL << 39) | (0b111UL << 33) | (1UL << 44);
            bool hasDetails = (byte)told.Kind >= 0x0b;
            Add(CoverageKind.Event, Fingerprint.Begin().With((ulong)told.Kind).With(hasDetails ? told.Word1 & ClassStageAndAccess : 0)
                .With(told.IsStall ? 1UL : 0).With(config));
        }

        if (judgement.Engine.Outcome == AnswerOutcome.Success)
        {
            Add(CoverageKind.Leaf, Fingerprint.Begin().With((ulong)regime.World).With(Of(accepted.LeafOfStage1)).With(Of(accepted.LeafOfStage2)));
            Add(CoverageKind.Leaf, Fingerprint.Begin().With(config).With((ulong)judgement.Engine.Permissions).With((ulong)accepted.Written.Count));
            var attributes = judgement.Engine.Attributes;
            Add(CoverageKind.Attributes, Fingerprint.Begin().With(config).With((ulong)attributes.Type).With((ulong)attributes.Inner)
                .With((ulong)attributes.Outer).With((ulong)attributes.Shareability));
        }

        Add(CoverageKind.Caches, Fingerprint.Begin().With((ulong)judgement.Verdict).With((ulong)accepted.StaleKinds)
            .With((ulong)result.Outcome).With(config));
        Follow(ended.Value);
    }

    /// <summary>Takes which caches answered an access.</summary>
    public void OfCaches(in SmmuStatistics before, in SmmuStatistics after, in TranslationResult result) =>
        Add(CoverageKind.Caches, Fingerprint.Begin().With((ulong)result.Outcome).With((ulong)result.Event)
            .With(after.ConfigurationLookups - before.ConfigurationLookups).With(after.ConfigurationHits - before.ConfigurationHits)
            .With(after.TlbHits - before.TlbHits).With(after.WalkCacheHits - before.WalkCacheHits).With(after.Walks - before.Walks));

    /// <summary>Takes a consumed command.</summary>
    public void OfCommand(Command command, MachinePair pair)
    {
        var hash = Fingerprint.Begin().With((ulong)command.Opcode).With(pair.IsEnabled ? 1UL : 0).With(pair.E2H ? 1UL : 0);
        ReadOnlySpan<ulong> words = [command.Word0, command.Word1];
        foreach (var field in command.Fields)
        {
            ulong value = field.Get(words);
            if (field.High - field.Low < 3) hash = hash.With(value);
        }

        Add(CoverageKind.Command, hash);
        Follow((ulong)command.Opcode);
    }

    /// <summary>Takes a register write.</summary>
    public void OfRegister(uint offset, MachinePair pair)
    {
        if (!ScriptNames.IsRegister(offset)) offset = 0;
        ulong guards = pair.ReadOracle(RegisterOffset.CR0) & 0xf;
        ulong interrupts = pair.ReadOracle(RegisterOffset.IRQ_CTRL);
        Add(CoverageKind.Register, Fingerprint.Begin().With(offset).With(guards).With(interrupts));
        Follow(Fingerprint.Begin().With(offset).Value);
    }

    /// <summary>Takes the state of the queues and of errors.</summary>
    public void OfState(MachinePair pair)
    {
        ulong consumer = pair.ReadOracle(RegisterOffset.CMDQ_CONS);
        ulong producer = pair.ReadOracle(RegisterOffset.EVENTQ_PROD);
        ulong used = (pair.ReadOracle(RegisterOffset.CMDQ_PROD) ^ consumer) & 0xf_ffff;
        ulong enables = pair.ReadOracle(RegisterOffset.CR0) & 0xf;
        Add(CoverageKind.State, Fingerprint.Begin().With(pair.ActiveErrors).With(enables));
        Add(CoverageKind.State, Fingerprint.Begin().With((consumer >> 24) & 3).With(used == 0 ? 0UL : 1)
            .With(pair.EventRoom == 0 ? 0UL : 1).With((producer ^ pair.ReadOracle(RegisterOffset.EVENTQ_CONS)) >> 31).With(enables));
    }

    private static ulong Of(CachedEntry entry) =>
        (ulong)(uint)(entry.Level + 4) | ((ulong)(uint)entry.GranuleLog2 << 8) | (entry.IsGlobal ? 1UL << 16 : 0);

    private void Follow(ulong key)
    {
        if (previous != 0) Add(CoverageKind.Pair, Fingerprint.Begin().With(previous).With(key));
        previous = key;
    }

    private ulong Add(CoverageKind kind, Fingerprint hash)
    {
        ulong key = ((ulong)kind << KindShift) | (hash.Value & ((1UL << KindShift) - 1));
        keys.Add(key);
        return key;
    }
}
