using Smmu.Fast.Formats;

namespace Smmu.Fast.Device;

/// <content>PCIe ATS and PRI: the port of an endpoint that translates for itself.</content>
public sealed unsafe partial class DmaPort
{
    /// <summary>Makes an ATS Translation Request for the port's stream and PASID (IHI 0070, 3.9.1).</summary>
    /// <remarks>
    /// Keep the answer inside of the <see cref="DmaScope"/> that the request was made in: the CMD_SYNC that a driver puts
    /// between its TLB invalidation and its ATC invalidation then waits until the old answer is where the latter finds it.
    /// </remarks>
    /// <param name="iova">The untranslated address, all 64 bits.</param>
    /// <param name="wanted">
    /// What is wanted beside reads, which every request implies: <see cref="AccessKind.Write"/> is NW = 0. The marks of
    /// instructions (Exe) and privilege (Priv) count on ports with a substream only.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">There are unknown marks.</exception>
    /// <exception cref="ObjectDisposedException">The port is closed.</exception>
    public AtsCompletion RequestTranslation(ulong iova, AccessKind wanted)
    {
        using var scope = Enter();
        return path.RequestTranslation(ref state, iova, wanted, ref Statistics);
    }

    /// <summary>
    /// Judges an access to an address that a Translation Request returned: it passes, goes through stage 2 (Split-stage ATS),
    /// or aborts, as CR0.ATSCHK and STE.EATS say (IHI 0070, 3.9.1.3).
    /// </summary>
    /// <remarks>
    /// The answer is advice once this returns, unless a <see cref="DmaScope"/> of the port is open. Look the address up in the
    /// endpoint's own cache inside of that scope too, so that a CMD_SYNC behind an ATC invalidation waits for its use.
    /// </remarks>
    /// <param name="address">The translated address.</param>
    /// <param name="access">What is done there; it counts as unprivileged data.</param>
    /// <exception cref="ArgumentOutOfRangeException">The access neither reads nor writes.</exception>
    /// <exception cref="ObjectDisposedException">The port is closed.</exception>
    public TranslationResult TranslateTranslated(ulong address, AccessKind access)
    {
        using var scope = Enter();
        return path.TranslateTranslated(ref stateOfTranslated, address, access, ref Statistics);
    }

    /// <summary>Makes a read of translated addresses, page by page, each page in a scope of its own.</summary>
    /// <param name="address">First translated address.</param>
    /// <param name="destination">Takes the bytes.</param>
    /// <returns>False when a part aborted; bytes of earlier pages are in the destination.</returns>
    /// <exception cref="ObjectDisposedException">The port is closed.</exception>
    public bool ReadTranslated(ulong address, Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            int length = PartOf(address, destination.Length);
            using (Enter())
            {
                var result = path.TranslateTranslated(ref stateOfTranslated, address, AccessKind.Read, ref Statistics);
                if (!result.IsSuccess || !memory.Read(result.Address.Value, destination[..length])) return false;
            }

            destination = destination[length..];
            address += (ulong)length;
        }

        return true;
    }

    /// <summary>Makes a write to translated addresses, page by page, each page in a scope of its own.</summary>
    /// <param name="address">First translated address.</param>
    /// <param name="source">The bytes.</param>
    /// <returns>False when a part aborted; earlier pages are written.</returns>
    /// <exception cref="ObjectDisposedException">The port is closed.</exception>
    public bool WriteTranslated(ulong address, ReadOnlySpan<byte> source)
    {
        while (!source.IsEmpty)
        {
            int length = PartOf(address, source.Length);
            using (Enter())
            {
                var result = path.TranslateTranslated(ref stateOfTranslated, address, AccessKind.Write, ref Statistics);
                if (!result.IsSuccess || !memory.Write(result.Address.Value, source[..length])) return false;
            }

            source = source[length..];
            address += (ulong)length;
        }

        return true;
    }

    /// <summary>Sends a PCIe Page Request of the port's stream and PASID to the PRI queue.</summary>
    /// <param name="page">Address of the page; the low 12 bits do not count.</param>
    /// <param name="group">PRGIndex, 0 to 511.</param>
    /// <param name="wanted">R, W, X and Priv, the latter two with a PASID only.</param>
    /// <param name="last">True for the last request of its group.</param>
    /// <exception cref="ArgumentOutOfRangeException">The group has more than 9 bits, or there are unknown marks.</exception>
    /// <exception cref="ObjectDisposedException">The port is closed.</exception>
    public PageRequestOutcome SubmitPageRequest(ulong page, ushort group, AccessKind wanted, bool last)
    {
        if (isClosed) ThrowClosed();
        return device.SubmitPageRequest(Stream, Substream, page, group, wanted, last);
    }

    /// <summary>Sends a PASID Stop Marker: no page request of the port's PASID will follow. It gets no response.</summary>
    /// <exception cref="InvalidOperationException">The port has no PASID.</exception>
    /// <exception cref="ObjectDisposedException">The port is closed.</exception>
    public PageRequestOutcome SubmitStopMarker()
    {
        if (isClosed) ThrowClosed();
        if (Substream is not { } substream) throw new InvalidOperationException(
            "A Stop Marker tells of a PASID, and this port has none: open the port with a SubstreamID.");
        return device.SubmitStopMarker(Stream, substream);
    }
}
