using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;
using Smmu.Fast.Queues;

namespace Smmu.Fast.Commands;

/// <summary>Consumes a Command queue step by step (IHI 0070, 4, 3.5.6 and 7.1).</summary>
/// <remarks>
/// Steps are made behind the control gate by one thread at a time. Whatever must not happen there (host code, asking other
/// threads) is asked of the caller, who opens the gate for it and reports back; registers may have changed meanwhile, so
/// every report is checked against the queue as it is then. <see cref="CommandSchedule"/> knows which queues can go on, so
/// each change of what a step would find ends in <see cref="Reconsider"/>.
/// </remarks>
internal sealed unsafe partial class CommandConsumer
{
    private const int CommandsPerTurn = 64;

    private readonly CommandQueueReader reader;
    private readonly CommandContext context;
    private readonly TranslationEpoch epoch;
    private readonly EventQueueWriter events;
    private readonly CommandSchedule schedule;
    private readonly bool tellsOfRoom;   // IDR0.SEV.

    private CommandObstacles obstacles;
    private bool graceElapsed;
    private bool coversRecords;
    private bool awaitsTag;
    private int invalidationsOut;
    private ulong grace;
    private ulong generation;

    private bool isFetching;
    private ulong fetchGeneration;
    private bool fetchSucceeded;
    private Command fetched;

    public CommandConsumer(
        CommandQueueReader reader, CommandContext context, TranslationEpoch epoch, EventQueueWriter events)
    {
        this.reader = reader;
        this.context = context;
        this.epoch = epoch;
        this.events = events;
        schedule = context.Schedule;
        tellsOfRoom = context.Features.SEV;
        obstacles.IsDisabled = true;
    }

    /// <summary>True for an Enhanced Command queue.</summary>
    public bool IsEnhanced => reader.IsEnhanced;

    /// <summary>Judges and converts the commands of a guest that has the queue to itself; null for queues of the host.</summary>
    public GuestCommandFilter? Filter { get; set; }

    /// <summary>Hears of commands that are refused, in place of CMDQ_ERR and CMDQP_ERR.</summary>
    public IRefusalListener? Listener { get; init; }

    /// <summary>Entries of the queue.</summary>
    public int Entries => reader.Layout.Entries;

    /// <summary>Where the schedule has put it.</summary>
    public CommandSchedule.Position Position { get; } = new();

    /// <summary>The CMD_SYNC whose signal is due after <see cref="ConsumerStep.Signal"/>.</summary>
    public Command CompletedSync { get; private set; }

    /// <summary>The command to send after <see cref="ConsumerStep.ReachEndpoint"/>.</summary>
    public Command Outgoing { get; private set; }

    /// <summary>Names it, if it is an invalidation; else 0.</summary>
    public uint OutgoingToken { get; private set; }

    /// <summary>Grace period to ask for after <see cref="ConsumerStep.AskEpoch"/>.</summary>
    public ulong Grace => grace;

    /// <summary>Address to read after <see cref="ConsumerStep.FetchThroughHost"/>.</summary>
    public ulong FetchAddress { get; private set; }

    /// <summary>True when a step would find something to do.</summary>
    public bool HasWork => !obstacles.IsLasting && reader.HasWork;

    /// <summary>True from an error until it is acknowledged.</summary>
    public bool IsStopped => obstacles.IsStopped;

    /// <summary>True from <see cref="ConsumerStep.FetchThroughHost"/> to <see cref="EndFetch"/>: a read of the queue is out.</summary>
    public bool IsFetching => Volatile.Read(ref isFetching);

    /// <summary>True while a CMD_SYNC waits for scopes to end.</summary>
    public bool IsWaiting => obstacles.IsWaiting;

    /// <summary>Follows CMDQEN, or EN. A CMD_SYNC in waiting is not consumed and will be read again.</summary>
    public void SetEnabled(bool value)
    {
        if (obstacles.IsDisabled != value) return;
        obstacles.IsDisabled = !value;
        Restart();
    }

    /// <summary>Follows CMDQ_ERR, or ERR and ERRACK: stops at an error, goes on when it is acknowledged.</summary>
    public void SetStopped(bool value)
    {
        obstacles.IsStopped = value;
        Restart();
    }

    /// <summary>Tells the schedule what a step would find now.</summary>
    public void Reconsider()
    {
        var place = obstacles.IsWaiting ? CommandSchedule.Place.Waiting
            : HasWork ? CommandSchedule.Place.Ready
            : awaitsTag ? CommandSchedule.Place.WithoutTag
            : CommandSchedule.Place.Nowhere;
        schedule.Put(this, place);
    }

    /// <summary>Makes steps until one needs the caller, or a turn is over.</summary>
    /// <param name="budget">Commands that may be consumed; lowered by those that were.</param>
    public ConsumerStep Step(ref int budget)
    {
        for (int turn = 0; turn < CommandsPerTurn; turn++)
        {
            if (obstacles.IsWakeUpDue)
            {
                obstacles.IsWakeUpDue = false;
                return ConsumerStep.WakeUp;
            }

            if (context.Stalls.HasAnswered) return ConsumerStep.EndStall;   // What a CMD_SYNC follows was told before it.
            if (obstacles.IsWaiting) return ConsumerStep.Waiting;
            if (!HasWork || budget <= 0) return ConsumerStep.Idle;
            if (!TryFetch(out var command, out var step)) return step;
            if (Filter is { } filter && !filter.TryConvert(ref command)) return Refuse(CommandError.Illegal);

            if (command.Opcode == CommandOpcode.Sync)
            {
                const CompletionSignal ReservedSignal = (CompletionSignal)3;
                if (command.CS == ReservedSignal) return Refuse(CommandError.Illegal);
                if (HasTimedOutInvalidation) return RefuseSync();
                if (invalidationsOut != 0) return AwaitEndpoint(forTag: false);
                if (!HasGraceElapsed()) return ConsumerStep.AskEpoch;
                CompleteSync(in command, ref budget);
                if (command.CS != CompletionSignal.None) return ConsumerStep.Signal;
                continue;
            }

            var error = CommandExecutor.Execute(in command, context);
            if (error != CommandError.None) return Refuse(error);
            if (AtcCommands.HasReceiver(in command, context)) return Send(in command, ref budget);
            Consume(ref budget);
        }

        return ConsumerStep.Yield;
    }

    /// <summary>Reads a command through the host, after <see cref="ConsumerStep.FetchThroughHost"/>, with the gate open.</summary>
    public bool TryRead(ulong address, ulong* words) => reader.TryRead(address, words);

    /// <summary>Takes note that the read of <see cref="ConsumerStep.FetchThroughHost"/> is over, however it went.</summary>
    public void EndFetch() => Volatile.Write(ref isFetching, false);

    /// <summary>Takes the answer to <see cref="ConsumerStep.FetchThroughHost"/>.</summary>
    public void AcceptFetch(bool succeeded, ulong* words)
    {
        obstacles.HasFetched = true;
        fetchSucceeded = succeeded;
        fetched = new Command(words[0], words[1]);
    }

    /// <summary>Makes the ends of scopes call back, before the epoch is asked once more.</summary>
    public void ExpectWaiting()
    {
        if (obstacles.IsWaiting || !obstacles.HasGrace) return;
        obstacles.IsWaiting = true;
        epoch.AddWaiter();
        Reconsider();
    }

    /// <summary>Takes the answer to <see cref="ConsumerStep.AskEpoch"/>.</summary>
    /// <param name="asked">The grace period it is about; an answer that comes too late is dropped.</param>
    /// <param name="elapsed">True when no scope that began before it is open.</param>
    public void AcceptEpoch(ulong asked, bool elapsed)
    {
        if (!elapsed || !obstacles.HasGrace || grace != asked) return;
        EndWaiting();
        Accept();
        Reconsider();
    }

    /// <summary>Takes the end of one of its ATS invalidations.</summary>
    public void EndInvalidation(bool timedOut)
    {
        invalidationsOut--;
        HasTimedOutInvalidation |= timedOut;
        JudgeAnew();
    }

    /// <summary>Lets the command that waits for an endpoint or a tag be judged anew; it may go on waiting.</summary>
    public void JudgeAnew()
    {
        obstacles.AwaitsEndpoint = false;
        awaitsTag = false;
        Reconsider();
    }

    /// <summary>True when an invalidation timed out that no CMD_SYNC has told of.</summary>
    public bool HasTimedOutInvalidation { get; private set; }

    /// <summary>Makes the next CMD_SYNC tell of a timeout.</summary>
    public void RestoreTimeout() => HasTimedOutInvalidation = true;

    /// <summary>Takes over an ATS invalidation that another queue had out.</summary>
    public void AdoptInvalidation() => invalidationsOut++;

    /// <summary>Forgets the ATS invalidations that are out.</summary>
    public void ForgetInvalidations()
    {
        invalidationsOut = 0;
        HasTimedOutInvalidation = false;
    }

    private ConsumerStep Send(in Command command, ref int budget)
    {
        uint token = 0;
        if (command.Opcode == CommandOpcode.AtcInv)
        {
            if (!schedule.Invalidations.TryBegin(this, out token)) return AwaitEndpoint(forTag: true);
            invalidationsOut++;
        }

        Outgoing = command;
        OutgoingToken = token;
        Consume(ref budget);
        return ConsumerStep.ReachEndpoint;
    }

    private ConsumerStep AwaitEndpoint(bool forTag)
    {
        obstacles.AwaitsEndpoint = true;
        awaitsTag = forTag;
        Reconsider();
        return ConsumerStep.Waiting;
    }

    // Told once: software that resumes the queue has dealt with it, and the CMD_SYNC is judged anew (IHI 0070, 4.7.3).
    private ConsumerStep RefuseSync()
    {
        HasTimedOutInvalidation = false;
        return Refuse(CommandError.AtcInvalidationSync);
    }

    private void EndWaiting()
    {
        if (!obstacles.IsWaiting) return;
        obstacles.IsWaiting = false;
        epoch.RemoveWaiter();
    }

    private bool HasGraceElapsed()
    {
        if (graceElapsed || ControlBuild.Breaks(Breakage.ScopesNotAsked)) return true;
        if (!obstacles.HasGrace)
        {
            grace = epoch.Start();
            obstacles.HasGrace = true;
            coversRecords = false;
        }

        if (epoch.HasElapsedAtOnce(grace)) Accept();
        return graceElapsed;
    }

    // A record can outlive the scope of its access: when its place in the queue is behind that of a record which another
    // thread writes through the host. That thread is inside a scope until then, perhaps a younger one, so one more grace
    // period covers it; what is recorded meanwhile is of younger accesses (CMD-SYNC-13).
    private void Accept()
    {
        if (coversRecords || !events.HasWritesUnderWay)
        {
            graceElapsed = true;
            return;
        }

        coversRecords = true;
        grace = epoch.Start();
    }

    // What was fetched and not consumed is dropped, and read again from memory later (QUE-18).
    private void Restart()
    {
        generation++;
        obstacles.HasFetched = false;
        obstacles.AwaitsEndpoint = false;
        awaitsTag = false;
        EndGrace();
        EndWaiting();
        Reconsider();
    }

    private void EndGrace()
    {
        obstacles.HasGrace = false;
        graceElapsed = false;
    }

    private bool TryFetch(out Command command, out ConsumerStep step)
    {
        ulong* words = stackalloc ulong[2];
        step = ConsumerStep.Idle;
        if (obstacles.HasFetched && fetchGeneration == generation && FetchAddress == reader.CurrentAddress)
        {
            obstacles.HasFetched = false;
            command = fetched;
            if (fetchSucceeded) return true;
            step = Refuse(CommandError.Abort);
            return false;
        }

        var status = reader.TryReadDirect(words);
        command = new Command(words[0], words[1]);
        if (status == MemoryStatus.Done) return true;
        if (status == MemoryStatus.Aborted)
        {
            step = Refuse(CommandError.Abort);
            return false;
        }

        obstacles.HasFetched = false;
        Volatile.Write(ref isFetching, true);
        fetchGeneration = generation;
        FetchAddress = reader.CurrentAddress;
        step = ConsumerStep.FetchThroughHost;
        return false;
    }

    private void CompleteSync(in Command command, ref int budget)
    {
        CompletedSync = command;
        Consume(ref budget);
    }

    // A grace period ends with any command: a guest may have overwritten the CMD_SYNC that asked for it, and the next one
    // needs a period that began after the commands in between.
    private void Consume(ref int budget)
    {
        EndGrace();
        obstacles.IsWakeUpDue |= tellsOfRoom && reader.IsFull;   // IHI 0070, 4.1.2.
        reader.Advance();
        schedule.Consumed++;
        budget--;
    }

    private ConsumerStep Refuse(CommandError error)
    {
        reader.SetError((uint)error);   // Visible before CMDQ_ERR or CMDQP_ERR toggles (RQ-32, ECMDQ-13).
        SetStopped(true);
        return ConsumerStep.Error;
    }
}
