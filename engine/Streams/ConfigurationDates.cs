using Smmu.Fast.Formats;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Streams;

/// <summary>Dates cached configuration, stream by stream: what bears an old date is dead.</summary>
/// <remarks>
/// Raised behind the control gate before ports are told, and read before the structures. Streams share numbers by hash, so
/// an invalidation of one stream takes a few others along; more than asked is allowed (CMD-CFGI-21).
/// </remarks>
internal sealed unsafe class ConfigurationDates : IDisposable
{
    private const int Slots = 1024;

    private readonly NativeBlock block = new(Slots * sizeof(ulong));
    private ulong ofAll = 1;

    /// <summary>The date of a stream. It only ever grows.</summary>
    public ulong Of(StreamId stream) => Volatile.Read(ref ofAll) + Volatile.Read(ref SlotOf(stream));

    /// <summary>Ends the life of what is cached of a stream.</summary>
    public void Raise(StreamId stream)
    {
        ref ulong slot = ref SlotOf(stream);
        Volatile.Write(ref slot, slot + 1);
    }

    /// <summary>Ends the life of all cached configuration.</summary>
    public void RaiseAll() => Volatile.Write(ref ofAll, ofAll + 1);

    public void Dispose() => block.Dispose();

    private ref ulong SlotOf(StreamId stream) =>
        ref ((ulong*)block.Pointer)[(uint)(stream.Value ^ (stream.Value >> 10) ^ (stream.Value >> 20)) % Slots];
}
