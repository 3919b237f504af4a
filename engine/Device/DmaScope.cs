using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Device;

/// <summary>A span of time in which addresses that a port translated stay usable: CMD_SYNC waits for its end.</summary>
/// <remarks>
/// Keep it short, a few accesses: a driver that unmaps memory waits for it. Scopes of a port nest; the outermost counts.
/// </remarks>
public readonly ref struct DmaScope
{
    private readonly DmaPort port;
    private readonly bool isOutermost;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal DmaScope(DmaPort port, bool isOutermost)
    {
        this.port = port;
        this.isOutermost = isOutermost;
    }

    /// <summary>Translates an access of the port's client.</summary>
    /// <param name="iova">The address that the client uses, all 64 bits.</param>
    /// <param name="access">What it does there.</param>
    /// <exception cref="ArgumentOutOfRangeException">The access neither reads nor writes.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TranslationResult Translate(ulong iova, AccessKind access) => port.TranslateInside(iova, access);

    /// <inheritdoc cref="DmaPort.RequestTranslation"/>
    public AtsCompletion RequestTranslation(ulong iova, AccessKind wanted) => port.RequestTranslation(iova, wanted);

    /// <inheritdoc cref="DmaPort.TranslateTranslated"/>
    public TranslationResult TranslateTranslated(ulong address, AccessKind access) => port.TranslateTranslated(address, access);

    /// <summary>Ends the scope: addresses from it must not be used any more.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Dispose()
    {
        if (isOutermost) port.Exit();
    }
}
