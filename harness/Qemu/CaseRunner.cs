using System.Runtime.InteropServices;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Qemu;

/// <summary>Where the two sides differ, and no known departure says why.</summary>
/// <param name="Where">The step.</param>
/// <param name="Ours">What we say.</param>
/// <param name="Theirs">What QEMU says.</param>
public sealed record CaseDifference(string Where, string Ours, string Theirs)
{
    /// <summary>The difference without its numbers: smaller cases must show the same one.</summary>
    internal string Kind => $"{Word(Where)} {Word(Ours)} {Word(Theirs)}";

    /// <inheritdoc/>
    public override string ToString() => $"{Where}: ours {Ours}; QEMU {Theirs}";

    private static string Word(string text) => text.Split(' ', ':')[0];
}

/// <summary>What came out of one case.</summary>
/// <param name="Differences">What no departure explains; a case ends with the first step that has any.</param>
/// <param name="Departures">How often each departure explained a difference.</param>
/// <param name="Coverage">What it reached.</param>
internal sealed record CaseResult(
    List<CaseDifference> Differences, Dictionary<Departure, long> Departures, Coverage Coverage);

/// <summary>Runs a case on both sides in lockstep and compares all that can be seen.</summary>
/// <remarks>
/// Accesses of different devices that follow one another make a round: QEMU is asked once for all of them. Behind each round
/// the events, the error and queue registers and the words written are compared; what was read is compared at the end.
/// </remarks>
internal sealed partial class CaseRunner(EngineMachine engine)
{
    private const int MostRecoveries = 32;

    private readonly StockModel model = new();
    private readonly List<PendingAccess> round = [];
    private readonly List<PendingAccess> reads = [];
    private readonly HashSet<ulong> touched = [];
    private readonly int[] accessCounts = new int[MachineMap.Streams.Length];
    private QemuMachine qemu = null!;
    private CaseResult result = null!;
    private Observation ours;
    private Observation theirs;
    private ulong commandBase;
    private uint commandProducer;
    private bool keepsEvents;
    private bool isCut;
    private uint ourOverflowSeen;     // EVENTQ_CONS, whose OVACKFLG says which overflow software has seen.
    private uint theirOverflowSeen;

    /// <summary>An access that was made on our side and waits for QEMU's answer.</summary>
    private sealed record PendingAccess(AccessStep Step, int Access, EngineAnswer Engine, Expectation Expected)
    {
        /// <summary>QEMU's event is ours.</summary>
        public bool EventsAgree { get; set; }

        /// <summary>QEMU's event is that of its departures, and ours is that of the architecture.</summary>
        public bool EventsDepart { get; set; }

        /// <summary>The event was one of these, so that what is read is still to be judged.</summary>
        public bool IsCompared { get; set; }

        /// <summary>Where QEMU writes to if it departs.</summary>
        public ulong? StockOutput => Expected.Stock.Output;

        /// <summary>True when a side writes that word.</summary>
        public bool MayWrite(ulong address) => Step.IsWrite && (Engine.Output == address || StockOutput == address);
    }

    /// <summary>Runs a case.</summary>
    /// <param name="test">The case.</param>
    /// <param name="machine">The QEMU that has seen two-level tables if and only if the case has them.</param>
    public CaseResult Run(QemuCase test, QemuMachine machine)
    {
        qemu = machine;
        result = new CaseResult([], [], new Coverage());
        keepsEvents = test.KeepsEvents;
        isCut = false;
        ourOverflowSeen = 0;
        theirOverflowSeen = 0;
        round.Clear();
        reads.Clear();
        touched.Clear();
        Array.Clear(accessCounts);
        commandProducer = 0;
        commandBase = MachineMap.CommandQueue;
        engine.Begin();
        qemu.Begin();
        model.Begin(engine.Memory);
        model.BeginTwoLevel(sticks: test.IsTwoLevel);
        ours = engine.Observe();
        theirs = qemu.Finish();
        try
        {
            foreach (var step in test.Steps)
            {
                Execute(step);
                if (isCut || result.Differences.Count > 0) break;
            }

            if (result.Differences.Count == 0) Flush();
            CompareReads();
        }
        finally
        {
            Restore();
        }

        return result;
    }

    /// <summary>Looks for words that neither side should have left behind in RAM.</summary>
    /// <returns>The first one, or null.</returns>
    public static CaseDifference? FindLeftovers(ReadOnlySpan<byte> ours, ReadOnlySpan<byte> theirs, ReadOnlySpan<byte> pristine)
    {
        if (theirs.SequenceEqual(pristine) && ours.SequenceEqual(pristine)) return null;
        int at = Math.Min(ours.CommonPrefixLength(pristine), theirs.CommonPrefixLength(pristine)) & ~3;
        return new CaseDifference(
            Step.Text($"RAM at 0x{MachineMap.RamBase + (ulong)at:x}"),
            Step.Text($"0x{MemoryMarshal.Read<uint>(ours[at..]):x}"),
            Step.Text($"0x{MemoryMarshal.Read<uint>(theirs[at..]):x}"));
    }

    private void Execute(Step step)
    {
        switch (step)
        {
            case AccessStep access:
                if (round.Exists(pending => pending.Step.Device == access.Device)) Flush();
                if (result.Differences.Count == 0) Access(access);
                return;

            case ChangeStep change:
                foreach (var part in change.Parts)
                {
                    Execute(part);
                    if (isCut || result.Differences.Count > 0) return;
                }

                return;

            default:
                if (round.Count > 0) Flush();
                break;
        }

        if (result.Differences.Count > 0) return;
        switch (step)
        {
            case StoreStep store: Store(store.Address, store.Value); break;
            case RegisterStep register: WriteRegister(register.Offset, register.Value, register.IsWide); break;
            case CommandsStep commands: Submit(commands.Commands); break;
            case RecoverStep: Recover(); break;
            default: throw new ArgumentException($"No such step: {step.GetType().Name}.", nameof(step));
        }
    }

    private void Access(AccessStep step)
    {
        int access = accessCounts[step.Device];
        if (access == MachineMap.MostAccesses) return;
        var predicted = model.Predict(step.Stream, step.Iova, step.IsWrite);
        if (predicted.IsForbidden) return;
        if (predicted.Stock.Output is { } at && round.Exists(other => other.MayWrite(at)))
        {
            // What is there now depends on whether QEMU departs.
            Flush();
            if (result.Differences.Count > 0) return;
            predicted = model.Predict(step.Stream, step.Iova, step.IsWrite);
        }

        model.Accept(ref predicted);
        accessCounts[step.Device]++;
        qemu.Start(step.Device, step.Iova, step.IsWrite, access);
        var answer = engine.Access(step, access);
        if (step.IsWrite)
        {
            if (answer.Output is { } output) touched.Add(output);
            if (predicted.Stock.Output is { } stock) touched.Add(stock);
        }

        var pending = new PendingAccess(step, access, answer, predicted);
        round.Add(pending);
        if (!step.IsWrite) reads.Add(pending);
        result.Coverage.Add(in answer, in predicted.Architected, step.IsWrite);
    }

    private void Store(ulong address, ulong value)
    {
        touched.Add(address);
        touched.Add(address + sizeof(uint));
        MemoryMarshal.Write(engine.Ram[Offset(address)..], in value);
        MemoryMarshal.Write(qemu.Ram[Offset(address)..], in value);
    }

    private void WriteRegister(uint offset, ulong value, bool isWide)
    {
        if (offset == RegisterOffset.CMDQ_BASE) commandBase = value;
        if (offset == RegisterOffset.CMDQ_PROD) commandProducer = (uint)value;
        if (isWide)
        {
            engine.Write64(offset, value);
            qemu.Write64(offset, value);
        }
        else
        {
            engine.Write32(offset, (uint)value);
            qemu.Write32(offset, (uint)value);
        }

        model.WriteRegister(offset, value);
        if (offset == RegisterOffset.EVENTQ_PROD)
        {
            ours = ours with { EventProducer = (uint)value };
            theirs = theirs with { EventProducer = (uint)value };
        }
    }

    private void Submit(IReadOnlyList<Command> commands)
    {
        uint mask = (2u << (int)(commandBase & 0x1f)) - 1;
        ulong first = commandBase & ~0x1fUL;
        foreach (var command in commands)
        {
            ulong at = first + ((commandProducer & (mask >> 1)) * 16UL);
            Store(at, command.Word0);
            Store(at + 8, command.Word1);
            commandProducer = (commandProducer + 1) & mask;
        }

        WriteRegister(RegisterOffset.CMDQ_PROD, commandProducer, isWide: false);
        result.Coverage.Add("commands", commands.Count);
        CompareCommands();
    }

    // Whether both sides stop at the same command shows at once on ours, and on QEMU's with the next look at it.
    private void CompareCommands()
    {
        var now = engine.Observe();
        uint mask = (2u << (int)(commandBase & 0x1f)) - 1;
        if (((now.CommandConsumer ^ model.CommandConsumer) & mask) == 0
            && now.Active.HasFlag(GlobalErrors.CMDQ_ERR) == model.HasCommandError) return;
        Flush();
        isCut = true;   // The queues are at different places now, and so is all that commands did.
    }

    private void Recover()
    {
        for (int i = 0; i < MostRecoveries; i++)
        {
            Flush();
            if (isCut || result.Differences.Count > 0 || !ours.Active.HasFlag(GlobalErrors.CMDQ_ERR)) return;
            uint mask = (2u << (int)(commandBase & 0x1f)) - 1;
            ulong at = (commandBase & ~0x1fUL) + ((ours.CommandConsumer & (mask >> 1)) * 16UL);
            Store(at, Command.Sync().Word0);
            Store(at + 8, Command.Sync().Word1);
            engine.Write32(RegisterOffset.GERRORN, ours.AcknowledgedErrors ^ (uint)GlobalErrors.CMDQ_ERR);
            qemu.Write32(RegisterOffset.GERRORN, theirs.AcknowledgedErrors ^ (uint)GlobalErrors.CMDQ_ERR);
            model.AcknowledgeCommandError();
            result.Coverage.Add("recoveries of the Command queue");
            CompareCommands();
        }
    }

    // Brings both RAMs back to what they hold between cases.
    private void Restore()
    {
        foreach (ulong address in touched)
        {
            if (!MachineMap.IsRam(address)) continue;
            RestoreWord(engine.Ram, address);
            RestoreWord(qemu.Ram, address);
        }

        for (ulong i = 0; i < MachineMap.EventQueueBytes; i += sizeof(uint))
        {
            RestoreWord(engine.Ram, MachineMap.EventQueue + i);
            RestoreWord(qemu.Ram, MachineMap.EventQueue + i);
        }
    }

    private static void RestoreWord(Span<byte> ram, ulong address)
    {
        // Accesses are aligned, so a touched word is one whole word of the pattern.
        uint word = (uint)address;
        MemoryMarshal.Write(ram[Offset(address)..], in word);
    }

    private static uint WordAt(ReadOnlySpan<byte> ram, ulong address) => MemoryMarshal.Read<uint>(ram[Offset(address)..]);

    private static int Offset(ulong address) => (int)(address - MachineMap.RamBase);
}
