using Smmu.Fast.Device;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Comparison.Machine;

/// <summary>What a runner is to do beside comparing.</summary>
internal sealed record MachineOptions
{
    /// <summary>Counts what was reached.</summary>
    public MachineDistribution Distribution { get; init; } = new();

    /// <summary>Takes keys of what was reached, or null.</summary>
    public CoverageKeys? Coverage { get; init; }

    /// <summary>Hears what each step did, line by line; null when nobody asks.</summary>
    public Action<string>? Trace { get; init; }

    /// <summary>Sees the engine when a script has come to its end without a difference; null when nobody asks.</summary>
    public Action<SmmuDevice>? AtEnd { get; init; }

    /// <summary>Changes what the Oracle answers: a checker that sees nothing is no checker.</summary>
    public Func<Answer, Answer>? Distort { get; init; }

    /// <summary>Changes the commands that the engine gets to see, for the same reason.</summary>
    public Func<Command, Command>? Plant { get; init; }
}

/// <summary>Where the engine and the Oracle part.</summary>
/// <param name="Index">Index of the step.</param>
/// <param name="Step">The step; null for what shows at the end alone.</param>
/// <param name="Text">What differs.</param>
internal sealed record MachineDifference(int Index, ScriptStep? Step, string Text)
{
    public override string ToString() => Step is null ? Text
        : Step.Line == 0 ? FormattableString.Invariant($"step {Index + 1}, {Step}: {Text}")
        : FormattableString.Invariant($"line {Step.Line}, {Step}: {Text}");
}

/// <summary>Runs scripts on the engine and on the Oracle, side by side, until they part.</summary>
internal sealed partial class MachineRunner(MachineOptions options) : IDisposable
{
    private const int MostRetries = 16;
    private const uint CommandError = 1;

    private readonly Knowledge knowledge = new();
    private readonly List<StalledAccess> retried = [];
    private readonly List<string> notes = [];
    private MachineMemory? memory;
    private AccessJudge? judge;
    private MachinePair pair = null!;
    private MachineClients clients = null!;
    private Script script = null!;
    private ScriptStep step = null!;
    private uint queued;
    private int batch;
    private bool wasEnabled;
    private Judgement? last;

    /// <summary>Runs a script.</summary>
    /// <returns>The first difference, or null.</returns>
    public MachineDifference? Run(Script runs)
    {
        SetUp(runs);
        int index = 0;
        try
        {
            for (; index < runs.Steps.Count; index++)
            {
                step = runs.Steps[index];
                Say(step.Line == 0 ? step.ToString() : FormattableString.Invariant($"{step.Line,5}: {step}"));
                string? difference = Do(step) ?? Settle();
                SayNotes();
                if (difference is not null) return new MachineDifference(index, step, difference);
            }

            if (Memory.FirstDifference() is not null) return new MachineDifference(index, null, "at the end " + pair.CompareMemory());
            options.AtEnd?.Invoke(pair.Engine);
            return null;
        }
        catch (Exception exception) when (exception is not (OutOfMemoryException or OperationCanceledException))
        {
            SayNotes();
            return new MachineDifference(index, step, $"an exception: {exception.GetType().Name}: {exception.Message}\n{exception.StackTrace}");
        }
        finally
        {
            TearDown();
        }
    }

    /// <summary>Looks at all of the memory, which is zero on both sides between scripts.</summary>
    public string? CompareEverything() => memory?.FirstDifferenceAnywhere() is { } address
        ? FormattableString.Invariant($"an SMMU wrote outside of all structures, at 0x{address:x}") : null;

    public void Dispose() => memory?.Dispose();

    private MachineMemory Memory => memory!;

    private void SetUp(Script runs)
    {
        script = runs;
        if (memory is null || !memory.Stretches.SequenceEqual(runs.Memory))
        {
            memory?.Dispose();
            memory = new MachineMemory([.. runs.Memory]);
            judge = new AccessJudge(memory, knowledge) { Distort = options.Distort };
        }

        knowledge.Clear();
        knowledge.Features = runs.Features;
        knowledge.IsAnythingCached = runs.CachesEnabled;
        clients = new MachineClients(runs.Features);
        pair = new MachinePair(runs, memory);
        queued = 0;
        batch = 0;
        wasEnabled = false;
        last = null;
        notes.Clear();
        options.Distribution.Begin();
    }

    private void TearDown()
    {
        options.Distribution.Add(pair.Engine.GetStatistics());
        options.Distribution.End();
        clients.CloseAll();
        pair.Dispose();
        Memory.Clear();
    }

    private string? Do(ScriptStep next)
    {
        Memory.Tick();
        switch (next)
        {
            case StoreStep store:
                for (int i = 0; i < store.Words.Count; i++) Memory.Store(store.Address + ((ulong)i * sizeof(ulong)), store.Words[i]);
                return null;
            case StructureStep structure:
                Change(structure);
                return null;
            case WriteStep write:
                Write(write.Offset, write.Value, write.IsWide);
                return null;
            case CommandStep command:
                Enqueue(command.Command, command.Publishes);
                return null;
            case TranslateStep access:
                return Translate(access);
            case ResumeStep resume:
                Resume(resume);
                return null;
            case ExpectStep expect:
                return Check(expect);
            case PlainStep plain:
                Do(plain.Action);
                return null;
            default:
                throw new InvalidOperationException($"The runner does not know {next.GetType().Name}.");
        }
    }

    private void Do(PlainAction action)
    {
        switch (action)
        {
            case PlainAction.Consume:
                Write(RegisterOffset.EVENTQ_CONS, pair.ReadOracle(RegisterOffset.EVENTQ_PROD), isWide: false);
                break;
            case PlainAction.Recover:
                Recover();
                break;
            case PlainAction.Close:
                clients.CloseIdle();
                break;
            case PlainAction.Reset:
                clients.AbortAll(stream: null);
                pair.Reset();
                ForgetCaches();
                wasEnabled = false;
                queued = 0;
                break;
            default:
                options.Distribution.Add(pair.Engine.GetStatistics());
                pair.Restore(clients.CloseAll);
                clients.Reopen(pair.Engine);
                ForgetCaches();
                break;
        }
    }

    // The engine's caches are empty after a reset, and no part of what is saved.
    private void ForgetCaches()
    {
        knowledge.Clear();
        Memory.ForgetPast();
    }

    private void Change(StructureStep structure)
    {
        Span<ulong> words = stackalloc ulong[8];
        for (int i = 0; i < words.Length; i++) words[i] = Memory.Get(structure.Address + ((ulong)i * sizeof(ulong)));
        foreach (var (field, value) in structure.Values) field.Set(words, value);
        for (int i = 0; i < words.Length; i++) Memory.Store(structure.Address + ((ulong)i * sizeof(ulong)), words[i]);
    }

    private void Write(uint offset, ulong value, bool isWide)
    {
        var before = Tables();
        pair.Write(offset, value, isWide);
        if ((offset & ~7u) == (RegisterOffset.CMDQ_PROD & ~7u)) queued = 0;
        if (Tables() != before) knowledge.ChangeTables(Memory.Now);
        options.Coverage?.OfRegister(offset, pair);
    }

    private (ulong Base, ulong Configuration, ulong Control) Tables() => (
        pair.ReadOracle(RegisterOffset.STRTAB_BASE), pair.ReadOracle(RegisterOffset.STRTAB_BASE_CFG),
        pair.ReadOracle(RegisterOffset.CR2));

    private void Enqueue(Command command, bool publishes)
    {
        uint wraps = (2u << pair.CommandLog2) - 1;
        uint index = (uint)pair.ReadOracle(RegisterOffset.CMDQ_PROD) + queued;
        ulong address = pair.CommandAddress(index);
        Memory.Store(address, command.Word0);
        Memory.Store(address + 8, command.Word1);
        queued++;
        if (!publishes) return;
        Command? planted = options.Plant is { } plant && plant(command) != command ? plant(command) : null;
        if (planted is { } other)
        {
            Memory.Twin.SetEngine(address, other.Word0);
            Memory.Twin.SetEngine(address + 8, other.Word1);
        }

        Write(RegisterOffset.CMDQ_PROD, (index + 1) & wraps, isWide: false);
        if (planted is null) return;
        Memory.Twin.SetEngine(address, command.Word0);
        Memory.Twin.SetEngine(address + 8, command.Word1);
    }

    private void Recover()
    {
        if ((pair.ActiveErrors & CommandError) != 0)
        {
            var sync = Command.Sync();
            ulong address = pair.CommandAddress((uint)pair.ReadOracle(RegisterOffset.CMDQ_CONS));
            Memory.Store(address, sync.Word0);
            Memory.Store(address + 8, sync.Word1);
            options.Distribution.CountRecovery();
        }

        Write(RegisterOffset.GERRORN, pair.ReadOracle(RegisterOffset.GERROR), isWide: false);
    }

    private void Resume(ResumeStep resume)
    {
        var waiting = clients.Stalled.Where(access => access.IsRecorded);
        var access = resume.IsNewest ? waiting.LastOrDefault() : waiting.FirstOrDefault();
        if (access is null) return;
        var stream = new StreamId(access.Access.Stream);
        Enqueue(
            resume.Answer == ResumeAnswer.Retry
                ? Command.ResumeRetry(stream, access.Tag)
                : Command.ResumeTerminate(stream, access.Tag, resume.Answer == ResumeAnswer.Abort),
            publishes: true);
    }

    private string? Settle()
    {
        string? difference = SettleOnce();
        for (int i = 0; i < MostRetries && difference is null && retried.Count != 0; i++)
        {
            var access = retried[0];
            retried.RemoveAt(0);
            options.Distribution.CountRetry();
            Note(FormattableString.Invariant($"retry of 0x{access.Address:x}"));
            Memory.Tick();
            difference = Translate(access.Access with { Addresses = [access.Address] }) ?? SettleOnce();
        }

        retried.Clear();   // Their clients have given up.
        return difference;
    }

    private string? SettleOnce()
    {
        pair.RunPending();
        bool isEnabled = pair.IsEnabled;
        if (wasEnabled && !isEnabled) clients.AbortAll(stream: null);
        wasEnabled = isEnabled;

        batch++;
        foreach (var command in pair.NewCommands())
        {
            knowledge.Consume(command, batch, Memory.Tick(), pair.IgnoredVmidBits, pair.E2H);
            clients.Consume(command);
            options.Distribution.CountCommand(command);
            options.Coverage?.OfCommand(command, pair);
            if (options.Trace is not null) Note("consumed " + ScriptNames.Describe(command));
        }

        string? difference = clients.Compare(pair.EventRoom, retried) ?? pair.Compare(options.Trace is null ? null : notes);
        options.Coverage?.OfState(pair);
        options.Distribution.CountErrors(pair.ActiveErrors);
        return difference;
    }

    private string? Check(ExpectStep expect)
    {
        switch (expect.What)
        {
            case ExpectedThing.Register:
                ulong value = pair.ReadOracle(expect.Offset);
                return value == expect.Value ? null : FormattableString.Invariant($"it is 0x{value:x}");
            case ExpectedThing.Event:
                if (last is null) return "there was no access";
                var type = (EventType)(byte)(last.Result.Event?.Kind ?? 0);
                return (ulong)type == expect.Value ? null : $"it is {ScriptNames.OfEvent(type)}";
            default:
                if (last is null) return "there was no access";
                bool isAs = last.Oracle.Outcome == expect.Outcome && (expect.Value is null || expect.Value == last.Oracle.Address);
                return isAs ? null : FormattableString.Invariant($"it is {ScriptNames.OfOutcome(last.Oracle.Outcome)} 0x{last.Oracle.Address:x}");
        }
    }

    private void Say(string line) => options.Trace?.Invoke(line);

    private void Note(string text)
    {
        if (options.Trace is not null) notes.Add(text);
    }

    private void SayNotes()
    {
        foreach (string note in notes) Say("         " + note);
        notes.Clear();
    }
}
