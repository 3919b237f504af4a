using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Device;

/// <summary>A span of time in which addresses that a bus translated stay usable: CMD_SYNC waits for its end.</summary>
/// <remarks>As a <see cref="DmaScope"/>: keep it short. Scopes of a bus nest; the outermost counts.</remarks>
public readonly ref struct DmaBusScope
{
    private readonly DmaBus bus;
    private readonly bool isOutermost;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal DmaBusScope(DmaBus bus, bool isOutermost)
    {
        this.bus = bus;
        this.isOutermost = isOutermost;
    }

    /// <summary>Translates an access of a requester.</summary>
    /// <param name="stream">The StreamID of the requester.</param>
    /// <param name="substream">The SubstreamID (PASID), or none.</param>
    /// <param name="iova">The address that the requester uses, all 64 bits.</param>
    /// <param name="access">What it does there.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// The access neither reads nor writes, or the SubstreamID has more than 20 bits.
    /// </exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TranslationResult Translate(StreamId stream, SubstreamId? substream, ulong iova, AccessKind access) =>
        bus.TranslateInside(stream, substream, iova, access);

    /// <summary>Ends the scope: addresses from it must not be used any more.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Dispose()
    {
        if (isOutermost) bus.Exit();
    }
}
