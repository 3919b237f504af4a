using System.Collections.Concurrent;
using Smmu.Fast.Device;
using Smmu.Fast.Faults;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Tests.Hostile;

/// <summary>A client device behind a port: it remembers what stalled, and counts how often an end was told.</summary>
internal sealed class HostileClient : IStallClient, IDisposable
{
    private readonly DeviceActor owner;
    private readonly ConcurrentQueue<(uint Token, StallAnswer Answer)> ended = new();
    private readonly Dictionary<uint, (ulong Iova, AccessKind Access)> waiting = [];
    private long ends;

    /// <summary>Opens the port.</summary>
    /// <param name="machine">Whose SMMU it is.</param>
    /// <param name="owner">Who uses it.</param>
    /// <param name="words">Choose the stream.</param>
    /// <param name="canStall">False for a client that cannot wait.</param>
    public HostileClient(HostileMachine machine, DeviceActor owner, HostileWords words, bool canStall)
    {
        this.owner = owner;
        Port = machine.Smmu.OpenPort(words.Stream(), words.Substream(), stalls: canStall ? this : null);
    }

    public DmaPort Port { get; }

    /// <summary>Accesses that stalled.</summary>
    public long Stalls { get; private set; }

    /// <summary>Ends of stalls that were told.</summary>
    public long Ends => Volatile.Read(ref ends);

    /// <inheritdoc/>
    public void EndStall(uint stallToken, StallAnswer answer)
    {
        Interlocked.Increment(ref ends);
        ended.Enqueue((stallToken, answer));
        if (Actor.Current == owner) owner.CallBack();
    }

    /// <summary>Remembers an access that stalled.</summary>
    public void Remember(in TranslationResult result, ulong iova, AccessKind access)
    {
        if (result.Outcome != TranslationOutcome.Stalled) return;
        Stalls++;
        waiting[result.StallToken] = (iova, access);
    }

    /// <summary>Takes an access that is to be made again; false when there is none.</summary>
    public bool TryTakeRetry(out ulong iova, out AccessKind access)
    {
        (iova, access) = (0, AccessKind.Read);
        if (!ended.TryDequeue(out var end)) return false;
        bool isKnown = waiting.Remove(end.Token, out var stalled);
        (iova, access) = stalled;
        return isKnown && end.Answer == StallAnswer.Retry;
    }

    /// <summary>Makes up a stall that never was.</summary>
    public void Invent() => Stalls++;

    /// <inheritdoc/>
    public void Dispose() => Port.Dispose();
}
