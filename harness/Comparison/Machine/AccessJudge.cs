using Smmu.Fast.Formats;
using Smmu.Fast.Oracle;

namespace Smmu.Fast.Comparison.Machine;

/// <summary>How an answer of the engine was found right.</summary>
internal enum Verdict
{
    /// <summary>It is not.</summary>
    Differs,

    /// <summary>Memory and registers as they are give the same answer.</summary>
    Exact,

    /// <summary>The same answer comes of something older that may still be cached.</summary>
    Stale,

    /// <summary>Translations of another configuration under the same tags may be cached: any answer will do.</summary>
    Foreign,

    /// <summary>There are too many possibilities to look at.</summary>
    Unsettled,
}

/// <summary>An answer of the engine, and what can be told of it.</summary>
/// <param name="Verdict">Whether it is right.</param>
/// <param name="Engine">The engine's answer.</param>
/// <param name="Oracle">The Oracle's, with everything as it is unless something older explains the engine's.</param>
/// <param name="Result">The Oracle's with its steps.</param>
/// <param name="Difference">What differs, or null.</param>
internal sealed record Judgement(Verdict Verdict, Answer Engine, Answer Oracle, OracleResult Result, string? Difference);

/// <summary>Decides whether an answer of the engine is one that the architecture allows: that of the Oracle with everything as it
/// is, or as it was while no invalidation demanded otherwise.</summary>
/// <remarks>The Oracle is asked over and over, each time with other choices of what is still known (see <see cref="Hypothesis"/>),
/// until an answer agrees. Then what that answer writes is written, and its record delivered.</remarks>
internal sealed class AccessJudge(MachineMemory memory, Knowledge knowledge)
{
    private const int MostHypotheses = 600;
    private const int MostSnapshots = 24;
    private readonly Hypothesis hypothesis = new(memory, knowledge);

    /// <summary>What the answer that was accepted last rests on.</summary>
    public Hypothesis Accepted => hypothesis;

    /// <summary>Changes what the Oracle answers: a checker that sees nothing is no checker.</summary>
    public Func<Answer, Answer>? Distort { get; init; }

    /// <summary>True when nothing but an exact answer can be right.</summary>
    public bool IsCertain(MachinePair pair, TranslateStep access, ulong address, OracleAccess marks)
    {
        if (!knowledge.IsAnythingCached) return true;
        if (memory.Changes.Count != 0) return false;
        hypothesis.Begin(access.Stream, access.Substream ?? 0, address, pair.E2H);
        pair.Oracle.Evaluate(hypothesis, access.Stream, access.Substream, address, marks);
        return !IsForeign(access.Stream);
    }

    /// <summary>Judges an answer, and makes the Oracle go on from it.</summary>
    /// <param name="pair">Both SMMUs.</param>
    /// <param name="access">The access, with its first address.</param>
    /// <param name="address">Its address.</param>
    /// <param name="marks">The access as the Oracle takes it.</param>
    /// <param name="result">What the engine said.</param>
    /// <param name="isOneOfMany">True when the engine has gone on to other accesses already.</param>
    public Judgement Judge(
        MachinePair pair, TranslateStep access, ulong address, OracleAccess marks, in TranslationResult result, bool isOneOfMany)
    {
        memory.Tick();
        var asked = new Question(pair, access, address, marks, result, pair.NextRecordOfEngine(), isOneOfMany);
        hypothesis.Begin(access.Stream, access.Substream ?? 0, address, pair.E2H);
        var exact = Ask(asked, out string? difference);
        if (difference is null) return Accept(asked, Verdict.Exact, exact);

        bool isForeign = IsForeign(access.Stream);
        int left = MostHypotheses;
        foreach (int? time in Times())
        {
            hypothesis.BeginChoices(time);
            do
            {
                if (left-- == 0) return Give(asked, Verdict.Unsettled, exact);
                var other = Ask(asked, out string? stillDiffers);
                if (hypothesis.IsImpossible || !hypothesis.CanSnapshotBeCached() || IsNeverCached(other)) continue;
                if (stillDiffers is null) return Accept(asked, Verdict.Stale, other);
                isForeign |= IsForeign(access.Stream);
            }
            while (hypothesis.TryNext());
        }

        if (isForeign) return Give(asked, Verdict.Foreign, exact);
        var (engine, oracle) = AnswersOf(asked, exact);
        return new Judgement(Verdict.Differs, engine, oracle, exact, difference);
    }

    // Each structure at its own time first; then all descriptors at one time, before a change or an invalidation, the newest first.
    private IEnumerable<int?> Times()
    {
        if (!knowledge.IsAnythingCached || memory.Changes.Count == 0) yield break;
        yield return null;
        foreach (int time in memory.Changes.Concat(knowledge.Invalidations).Distinct().OrderDescending().Take(MostSnapshots))
        {
            yield return time - 1;
        }
    }

    private OracleResult Ask(Question asked, out string? difference)
    {
        var result = asked.Pair.Oracle.Evaluate(
            hypothesis, asked.Access.Stream, asked.Access.Substream, asked.Address, asked.Marks);
        var (engine, oracle) = AnswersOf(asked, result);
        difference = AnswerComparison.Differs(knowledge.Features, asked.Access.Kind, in engine, in oracle);
        if (difference is null && result.Event is { } told && (byte)asked.Result.Event != (byte)told.Kind) difference = "event of the answer";
        if (difference is null && !asked.IsOneOfMany) difference = DifferenceOfDelivery(asked, result) ?? DifferenceOfMemory(asked, result);
        return result;
    }

    private static string? DifferenceOfDelivery(Question asked, OracleResult result)
    {
        var expected = result.Event is { } told ? asked.Pair.Oracle.Preview(told) : OracleDelivery.Lost;
        return expected == asked.Delivery ? null : $"delivery of the record (engine {asked.Delivery}, oracle {expected})";
    }

    // Where the record or a message goes, another word stands by now: delivery compares those.
    private string? DifferenceOfMemory(Question asked, OracleResult result)
    {
        bool isDelivered = asked.Delivery != OracleDelivery.Lost;
        foreach (var (address, value) in hypothesis.Written)
        {
            if (memory.Twin.OfEngine(address) != value && !(isDelivered && asked.Pair.MayDeliverTo(address))) return Describe(address, value);
        }

        foreach (ulong address in hypothesis.Read)
        {
            if (isDelivered && asked.Pair.MayDeliverTo(address)) continue;
            ulong value = hypothesis.Written.TryGetValue(address, out ulong written) ? written : memory.Get(address);
            if (memory.Twin.OfEngine(address) != value) return Describe(address, value);
        }

        // Of an access that ends without a word it does not show how far it got, but for the flags that it has set.
        bool isSilent = result.Outcome != OracleOutcome.Success && result.Event is null;
        if (!isSilent || !knowledge.IsAnythingCached || memory.Changes.Count == 0) return null;
        return memory.FirstDifference() is { } other && !hypothesis.Written.ContainsKey(other) ? Describe(other, memory.Get(other)) : null;
    }

    private string Describe(ulong address, ulong value) => FormattableString.Invariant(
        $"memory at 0x{address:x} (engine 0x{memory.Twin.OfEngine(address):x}, oracle 0x{value:x})");

    private (Answer Engine, Answer Oracle) AnswersOf(Question asked, OracleResult result)
    {
        EventRecord? expected = result.Event is { } told ? new EventRecord(told.Word0, told.Word1, told.Word2, told.Word3) : null;

        // Whether a record that is not there was lost for a reason, the registers tell later.
        var found = asked.Record;
        if (expected is null ? asked.IsOneOfMany : found is null) found = expected;
        bool isOverridden = knowledge.Features.ATTR_PERMS_OVR && hypothesis.HasStream;
        ulong word = isOverridden ? hypothesis.StreamTableEntry[1] : 0;
        var oracle = Answer.Of(result, expected, (int)(word >> 48) & 3, (int)(word >> 50) & 3);
        return (Answer.Of(in asked.Result, found), Distort is null ? oracle : Distort(oracle));
    }

    // Faults that a cached descriptor would have to cause by being none.
    private bool IsNeverCached(OracleResult result)
    {
        if (result.Outcome == OracleOutcome.Success) return false;
        return result.Event?.Kind switch
        {
            OracleEventKind.Translation => hypothesis.EndsAtInvalid,
            OracleEventKind.AccessFlag => hypothesis.EndsAtUnaccessed,
            null => hypothesis.EndsAtInvalid,
            _ => false,
        };
    }

    private bool IsForeign(uint stream)
    {
        if (knowledge.HasOtherTables(stream)) return true;
        if (!hypothesis.HasStream) return false;
        var (regime, stage1, stage2) = Tags();
        return knowledge.HasOthers(in regime, stage1, stage2);
    }

    private (Regime Regime, ulong Stage1, ulong Stage2) Tags()
    {
        var regime = hypothesis.Regime;
        ulong stage2 = Regime.FingerprintOfStage2(hypothesis.StreamTableEntry, regime.HasStage2);
        return (regime, Regime.FingerprintOfStage1(hypothesis.ContextDescriptor, stage2), stage2);
    }

    private Judgement Accept(Question asked, Verdict verdict, OracleResult result)
    {
        var (engine, oracle) = AnswersOf(asked, result);
        foreach (var (address, value) in hypothesis.Written) memory.TryWrite(address, value);
        asked.Pair.Deliver(result.Event);
        NoteUse(hypothesis.Read.Count != 0);
        return new Judgement(verdict, engine, oracle, result, null);
    }

    // Nothing is known of the answer but that it is allowed: the Oracle takes over what came of it.
    private Judgement Give(Question asked, Verdict verdict, OracleResult exact)
    {
        hypothesis.Begin(asked.Access.Stream, asked.Access.Substream ?? 0, asked.Address, asked.Pair.E2H);
        asked.Pair.Oracle.Evaluate(hypothesis, asked.Access.Stream, asked.Access.Substream, asked.Address, asked.Marks);
        NoteUse(hypothesis.HasStream);   // The engine may have got further than the Oracle.
        var (engine, oracle) = AnswersOf(asked, exact);
        asked.Pair.Follow(asked.Record);
        return new Judgement(verdict, engine, oracle, exact, null);
    }

    private void NoteUse(bool hasLearnt)
    {
        knowledge.LookUp();
        if (!hasLearnt) return;
        var (regime, stage1, stage2) = Tags();
        knowledge.Use(in regime, stage1, stage2, hypothesis.LeafOfStage1.IsGlobal, memory.Now);
    }

    private sealed class Question(
        MachinePair pair, TranslateStep access, ulong address, OracleAccess marks, in TranslationResult result,
        EventRecord? record, bool isOneOfMany)
    {
        public readonly TranslationResult Result = result;

        public MachinePair Pair { get; } = pair;

        public OracleDelivery Delivery { get; } = pair.DeliveryOfEngine();

        public TranslateStep Access { get; } = access;

        public ulong Address { get; } = address;

        public OracleAccess Marks { get; } = marks;

        public EventRecord? Record { get; } = record;

        public bool IsOneOfMany { get; } = isOneOfMany;
    }
}
