using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Faults;

/// <summary>The stalled accesses of a device: at most IDR5.STALL_MAX, each named by its tag (IHI 0070, 3.12.2).</summary>
/// <remarks>
/// An access is held before its record is written, because the record names it. When the Event queue takes no record, the
/// access is retried once the queue does, and makes a new one (IHI 0070, 7.2.1): nothing of it has to be kept. A tag is
/// free again once its answer was told. One port never takes more than what it leaves free, so no client can keep the
/// others from stalling.
/// </remarks>
internal sealed partial class StallTable
{
    private const int TagBits = 16;

    private readonly Entry[] entries;
    private readonly TagRing free;
    private readonly TagRing answered;
    private SpinGate gate;
    private bool isOpen;
    private int heldCount;
    private int unrecordedCount;
    private int answeredCount;
    private int retryCursor;

    public StallTable(SmmuFeatures features)
    {
        int capacity = (int)features.STALL_MAX;
        entries = new Entry[capacity];
        free = new TagRing(capacity);
        answered = new TagRing(capacity);
        for (int tag = 0; tag < capacity; tag++) free.Add((ushort)tag);
    }

    private enum State : byte
    {
        Free,
        Recording,
        Recorded,
        Unrecorded,
        Answered,
    }

    /// <summary>The most accesses that can be stalled at a time.</summary>
    public int Capacity => entries.Length;

    /// <summary>True when no stall wants anything done.</summary>
    public bool IsIdle => (Volatile.Read(ref unrecordedCount) | Volatile.Read(ref answeredCount)) == 0;

    /// <summary>True when accesses wait for the Event queue to take a record.</summary>
    public bool HasUnrecorded => Volatile.Read(ref unrecordedCount) != 0;

    /// <summary>True when ends of stalls have to be told.</summary>
    public bool HasAnswered => Volatile.Read(ref answeredCount) != 0;

    /// <summary>Follows CR0.SMMUEN: when it is cleared every stall ends with an abort, and no other begins (FLT-21).</summary>
    public void SetEnabled(bool value)
    {
        gate.Enter();
        isOpen = value;
        if (!value) AnswerAll(null);
        gate.Exit();
    }

    /// <summary>Holds an access whose record is about to be written.</summary>
    /// <param name="stream">Whose access.</param>
    /// <param name="client">Hears of its end.</param>
    /// <param name="token">Names it to the client; <see cref="TagOf"/> to software.</param>
    /// <returns>False when there is no room, or the SMMU was disabled: the access must not stall.</returns>
    public bool TryHold(StreamId stream, StallClient client, out uint token)
    {
        token = 0;
        gate.Enter();
        bool held = isOpen && client.Held < free.Count;
        if (held)
        {
            ushort tag = free.Take();
            ref var entry = ref entries[tag];
            entry.Generation = (ushort)((entry.Generation % ushort.MaxValue) + 1);   // Never 0: no token is 0.
            entry.Stream = stream;
            entry.Substream = client.Substream;
            entry.Client = client;
            entry.State = State.Recording;
            client.Held++;
            heldCount++;
            token = TokenOf(tag);
        }

        gate.Exit();
        return held;
    }

    /// <summary>The tag in the record of a held access.</summary>
    public static ushort TagOf(uint token) => (ushort)token;

    /// <summary>Takes note of whether the record of a held access is in the queue.</summary>
    public void EndRecording(uint token, bool isRecorded)
    {
        gate.Enter();
        ref var entry = ref entries[TagOf(token)];
        if (TokenOf(TagOf(token)) == token && entry.State == State.Recording)   // Else it was answered meanwhile.
        {
            entry.State = isRecorded ? State.Recorded : State.Unrecorded;
            if (!isRecorded) Volatile.Write(ref unrecordedCount, unrecordedCount + 1);
        }

        gate.Exit();
    }

    /// <summary>Makes another attempt to record a held access; false when its retry was begun meanwhile.</summary>
    public bool TryRecordAgain(uint token)
    {
        gate.Enter();
        ref var entry = ref entries[TagOf(token)];
        bool isWaiting = TokenOf(TagOf(token)) == token && entry.State == State.Unrecorded;
        if (isWaiting)
        {
            entry.State = State.Recording;
            Volatile.Write(ref unrecordedCount, unrecordedCount - 1);
        }

        gate.Exit();
        return isWaiting;
    }

    /// <summary>Lets accesses without a record be retried, as many as the Event queue has room for.</summary>
    public void RetryUnrecorded(int room)
    {
        gate.Enter();
        int unseen = entries.Length;
        while (room > 0 && unrecordedCount != 0 && unseen > 0)
        {
            retryCursor = retryCursor + 1 == entries.Length ? 0 : retryCursor + 1;
            unseen--;
            if (entries[retryCursor].State != State.Unrecorded) continue;
            Answer((ushort)retryCursor, StallAnswer.Retry);
            room--;
        }

        gate.Exit();
    }

    /// <summary>CMD_RESUME: ends the one access that tag and stream name together, and none when they do not match.</summary>
    public void Resume(StreamId stream, ushort tag, StallAnswer answer)
    {
        gate.Enter();
        if (tag < entries.Length && entries[tag].Stream == stream && entries[tag].State is State.Recording or State.Recorded)
        {
            Answer(tag, answer);
        }

        gate.Exit();
    }

    /// <summary>CMD_STALL_TERM: ends all accesses of a stream with an abort.</summary>
    public void Terminate(StreamId stream)
    {
        gate.Enter();
        AnswerAll(stream);
        gate.Exit();
    }

    /// <summary>Takes the next end of a stall that its client has to hear of.</summary>
    public bool TryTakeAnswered(out StallEnd end)
    {
        gate.Enter();
        bool taken = answered.Count != 0;
        end = default;
        if (taken)
        {
            ushort tag = answered.Take();
            ref var entry = ref entries[tag];
            end = new StallEnd(entry.Client, entry.Stream, entry.Substream, TokenOf(tag), entry.Answer);
            if (entry.Client != null) entry.Client.Held--;
            entry.Client = null;
            entry.State = State.Free;
            heldCount--;
            free.Add(tag);
            Volatile.Write(ref answeredCount, answered.Count);
        }

        gate.Exit();
        return taken;
    }

    private void AnswerAll(StreamId? stream)
    {
        if (heldCount == answered.Count) return;
        for (int tag = 0; tag < entries.Length; tag++)
        {
            ref var entry = ref entries[tag];
            bool isMeant = stream == null || entry.Stream == stream.Value;
            if (isMeant && entry.State is not (State.Free or State.Answered)) Answer((ushort)tag, StallAnswer.Abort);
        }
    }

    private void Answer(ushort tag, StallAnswer answer)
    {
        ref var entry = ref entries[tag];
        if (entry.State == State.Unrecorded) Volatile.Write(ref unrecordedCount, unrecordedCount - 1);
        entry.State = State.Answered;
        entry.Answer = answer;
        answered.Add(tag);
        Volatile.Write(ref answeredCount, answered.Count);
    }

    private uint TokenOf(ushort tag) => ((uint)entries[tag].Generation << TagBits) | tag;

    private struct Entry
    {
        public StallClient? Client;
        public StreamId Stream;
        public SubstreamId? Substream;
        public ushort Generation;
        public State State;
        public StallAnswer Answer;
    }

    /// <summary>Tags in the order of their arrival. None is in it twice, so it never overflows.</summary>
    private sealed class TagRing(int capacity)
    {
        private readonly ushort[] tags = new ushort[capacity];
        private int first;

        public int Count { get; private set; }

        public void Add(ushort tag)
        {
            Invariant.Holds(Count < tags.Length);
            tags[(first + Count++) % tags.Length] = tag;
        }

        public ushort Take()
        {
            Invariant.Holds(Count != 0);
            ushort tag = tags[first];
            first = (first + 1) % tags.Length;
            Count--;
            return tag;
        }
    }
}
