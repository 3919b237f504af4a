using Smmu.Fast.Formats;

namespace Smmu.Fast.Qemu;

/// <content>The comparison.</content>
internal sealed partial class CaseRunner
{
    private const uint OverflowFlag = 1u << 31;
    private const uint ImplementedEnables = 0xd;

    // Waits for QEMU, and compares what has happened since the last time.
    private void Flush()
    {
        var theirsBefore = theirs;
        ours = engine.Observe();
        theirs = qemu.Finish();
        var events = engine.Events(qemu.Ram, theirsBefore.EventProducer, theirs.EventProducer);
        foreach (var pending in round) Compare(pending, events);
        foreach (var left in events) Differ("an event without an access", "none", $"{left}");
        CompareRegisters();
        round.Clear();
        if (result.Differences.Count == 0) Drain();
    }

    private void Compare(PendingAccess pending, List<EventRecord> events)
    {
        int at = events.FindIndex(record => record.StreamId == pending.Step.Stream);
        EventRecord? seen = at < 0 ? null : events[at];
        if (at >= 0) events.RemoveAt(at);
        var (step, engineAnswer, expected) = (pending.Step, pending.Engine, pending.Expected);
        bool oursIsArchitected = engineAnswer.Event == expected.Architected.Event
            && engineAnswer.Output == expected.Architected.Output
            && engineAnswer.Value == (step.IsWrite ? 0 : expected.Architected.Value);
        pending.EventsAgree = seen == engineAnswer.Event;
        pending.EventsDepart = seen == expected.Stock.Event && oursIsArchitected && !expected.Departures.IsEmpty;
        if (!pending.EventsAgree && !pending.EventsDepart)
        {
            Differ(step, Describe(engineAnswer.Event), Describe(seen));
            return;
        }

        pending.IsCompared = true;
        if (!step.IsWrite) return;
        bool agrees = pending.EventsAgree && HasLanded(pending, engineAnswer.Output, true)
            && (engineAnswer.Output == pending.StockOutput || !HasLanded(pending, pending.StockOutput, false));
        if (agrees) return;
        if (!pending.EventsDepart || !HasLanded(pending, pending.StockOutput, true))
        {
            Differ(step, $"writes to {Describe(engineAnswer.Output)}", $"not there, perhaps to {Describe(pending.StockOutput)}");
            return;
        }

        Count(expected.Departures);
        Adopt(engineAnswer.Output);
        Adopt(pending.StockOutput);
    }

    private bool HasLanded(PendingAccess pending, ulong? output, bool outsideOfRam) =>
        output is { } address && MachineMap.IsRam(address)
            ? WordAt(qemu.Ram, address) == MachineMap.Token(pending.Step.Device, pending.Access)
            : outsideOfRam;

    // QEMU departed and wrote where we did not, or the other way round: from here on both have what QEMU has.
    private void Adopt(ulong? output)
    {
        if (output is not { } address || !MachineMap.IsRam(address)) return;
        uint word = WordAt(qemu.Ram, address);
        System.Runtime.InteropServices.MemoryMarshal.Write(engine.Ram[Offset(address)..], in word);
    }

    private void CompareReads()
    {
        if (reads.Count == 0) return;
        var results = qemu.FetchResults(accessCounts);
        foreach (var read in reads)
        {
            if (!read.IsCompared) continue;
            uint seen = results[read.Step.Device][read.Access];
            if (read.EventsAgree && seen == read.Engine.Value) continue;
            if (read.EventsDepart && seen == read.Expected.Stock.Value) Count(read.Expected.Departures);
            else Differ(read.Step, Step.Text($"reads 0x{read.Engine.Value:x}"), Step.Text($"reads 0x{seen:x}"));
        }
    }

    private void CompareRegisters()
    {
        uint mask = (2u << (int)(commandBase & 0x1f)) - 1;
        if (((ours.CommandConsumer ^ theirs.CommandConsumer) & mask) != 0)
        {
            bool isDeparture = ((theirs.CommandConsumer ^ model.CommandConsumer) & mask) == 0 && IsAhead(mask);
            if (isDeparture) Count(default(DepartureSet) | Departure.IllegalCommandIsConsumed);
            else Differ("CMDQ_CONS", Step.Text($"0x{ours.CommandConsumer:x}"), Step.Text($"0x{theirs.CommandConsumer:x}"));
            return;
        }

        CompareErrors();
        uint acknowledged = ours.Acknowledged ^ theirs.Acknowledged;
        if ((acknowledged & ImplementedEnables) != 0)
            Differ("CR0ACK", Step.Text($"0x{ours.Acknowledged:x}"), Step.Text($"0x{theirs.Acknowledged:x}"));
        else if (acknowledged != 0) Count(default(DepartureSet) | Departure.AbsentEnableIsAcknowledged);
    }

    private bool IsAhead(uint mask) =>
        ((commandProducer - theirs.CommandConsumer) & mask) < ((commandProducer - ours.CommandConsumer) & mask);

    private void CompareErrors()
    {
        var active = ours.Active;
        bool isOverflow = ((ours.EventProducer ^ ourOverflowSeen) & OverflowFlag) != 0;
        bool isTheirOverflow = ((theirs.EventProducer ^ theirOverflowSeen) & OverflowFlag) != 0;
        bool aborts = active.HasFlag(GlobalErrors.EVENTQ_ABT_ERR);
        bool stockAborts = theirs.Active.HasFlag(GlobalErrors.EVENTQ_ABT_ERR);
        bool agrees = active == theirs.Active && isOverflow == isTheirOverflow;
        bool departs = ((active ^ theirs.Active) & ~GlobalErrors.EVENTQ_ABT_ERR) == 0 && stockAborts == model.StockAborts
            && aborts == model.ArchitectureAborts && isOverflow == model.ArchitectureOverflows && !isTheirOverflow;
        if (!agrees && !departs) Differ("GERROR", isOverflow ? $"{active}, OVFLG" : $"{active}", $"{theirs.Active}");
        else if (isOverflow && stockAborts) Count(default(DepartureSet) | Departure.FullEventQueueIsAbort);

        if (!active.HasFlag(GlobalErrors.CMDQ_ERR)) return;
        const int ErrorShift = 24;
        uint error = (ours.CommandConsumer >> ErrorShift) & 0x7f;
        result.Coverage.Add(Step.Text($"Command queue stopped, error {error}"));
        if (error != ((theirs.CommandConsumer >> ErrorShift) & 0x7f))
            Differ("CMDQ_CONS.ERR", Step.Text($"0x{ours.CommandConsumer:x}"), Step.Text($"0x{theirs.CommandConsumer:x}"));
    }

    // What a driver does with events: reads them, and acknowledges what happened to the queue.
    private void Drain()
    {
        if (!keepsEvents)
        {
            engine.Write32(RegisterOffset.EVENTQ_CONS, ours.EventProducer);
            ourOverflowSeen = ours.EventProducer;
            theirOverflowSeen = theirs.EventProducer;
            qemu.Write32(RegisterOffset.EVENTQ_CONS, theirs.EventProducer);
        }

        const uint Abort = (uint)GlobalErrors.EVENTQ_ABT_ERR;
        if ((ours.Active & GlobalErrors.EVENTQ_ABT_ERR) != 0)
        {
            engine.Write32(RegisterOffset.GERRORN, ours.AcknowledgedErrors ^ Abort);
            ours = ours with { AcknowledgedErrors = ours.AcknowledgedErrors ^ Abort };
        }

        if ((theirs.Active & GlobalErrors.EVENTQ_ABT_ERR) != 0)
        {
            qemu.Write32(RegisterOffset.GERRORN, theirs.AcknowledgedErrors ^ Abort);
            theirs = theirs with { AcknowledgedErrors = theirs.AcknowledgedErrors ^ Abort };
        }

        model.Drain(keepsEvents);
    }

    private void Count(DepartureSet departures)
    {
        foreach (var departure in departures.Members)
            result.Departures[departure] = result.Departures.GetValueOrDefault(departure) + 1;
    }

    private void Differ(Step where, string mine, string other) => Differ(where.ToString(), mine, other);

    private void Differ(string where, string mine, string other) =>
        result.Differences.Add(new CaseDifference(where, mine, other));

    private static string Describe(EventRecord? record) => record is { } known
        ? Step.Text($"{known} (0x{known.Word0:x16} 0x{known.Word1:x16} 0x{known.Word2:x16} 0x{known.Word3:x16})")
        : "no event";

    private static string Describe(ulong? address) => address is { } known ? Step.Text($"0x{known:x}") : "nowhere";
}
