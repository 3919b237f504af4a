using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;
using Smmu.Fast.Tlbs;

namespace Smmu.Fast.Device;

/// <summary>
/// The connection of many client devices to the SMMU, which names the requester with each access: a PCIe root complex, an
/// interconnect.
/// </summary>
/// <remarks>
/// <para>
/// A device that is known for long is better served by a <see cref="DmaPort"/> of its own, which keeps its pages through
/// invalidations of others. Nobody waits for the end of a stall, so an access that would stall is aborted.
/// </para>
/// <para>
/// A bus serves one thread at a time, like a port, and like a port it is <em>active</em> on the thread that used it last until
/// that thread parks it.
/// </para>
/// </remarks>
public sealed unsafe class DmaBus : IDisposable
{
    private readonly SmmuDevice device;
    private readonly TranslationPath path;
    private readonly TranslationEpoch epoch;
    private readonly EpochSlot* slot;
    private readonly GuestMemory memory;
    private readonly InvalidationStamps* stamps;
    private readonly StreamStates states;
    private readonly NativeBlock table;
    private readonly BusTlb kept;
    private bool isClosed;
    private int missesUnderWay;

    internal PathStatistics Statistics;

    internal DmaBus(SmmuDevice device, TranslationPath path, TranslationEpoch epoch, EpochSlot* slot, GuestMemory memory, int requesters)
    {
        this.device = device;
        this.path = path;
        this.epoch = epoch;
        this.slot = slot;
        this.memory = memory;
        stamps = path.Stamps;
        states = new StreamStates(requesters);
        table = new NativeBlock(BusTlb.SizeBytes);
        kept = new BusTlb(table);
    }

    /// <summary>Begins a scope; dispose it soon.</summary>
    /// <exception cref="InvalidOperationException">The bus is inside a scope on another thread.</exception>
    /// <exception cref="ObjectDisposedException">The bus is closed.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public DmaBusScope Enter()
    {
        if (isClosed) ThrowClosed();
        return new DmaBusScope(this, epoch.Enter(slot));
    }

    /// <summary>Translates one access in a scope of its own: the answer is advice once this returns.</summary>
    /// <param name="stream">The StreamID of the requester.</param>
    /// <param name="substream">The SubstreamID (PASID), or none.</param>
    /// <param name="iova">The address that the requester uses, all 64 bits.</param>
    /// <param name="access">What it does there.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// The access neither reads nor writes, or the SubstreamID has more than 20 bits.
    /// </exception>
    /// <exception cref="InvalidOperationException">The bus is in use on another thread.</exception>
    /// <exception cref="ObjectDisposedException">The bus is closed.</exception>
    public TranslationResult Translate(StreamId stream, SubstreamId? substream, ulong iova, AccessKind access)
    {
        // A hit, as that of a port.
        if (isClosed || !epoch.TryEnter(slot)) return TranslateAnyhow(stream, substream, iova, access);
        ulong requester = StreamStates.KeyOf(stream, substream);
        if (!kept.TryFind(requester, iova, RequiredPermissions.BitsOf(access), stamps, out ulong payload))
        {
            return MissInScope(stream, substream, iova, access);
        }

        return epoch.Exit(slot) ? RunPending(payload, iova) : TranslationResult.OfKept(payload, iova);
    }

    /// <summary>Makes a read of a requester: translated page by page, each page in a scope of its own.</summary>
    /// <param name="stream">The StreamID of the requester.</param>
    /// <param name="substream">The SubstreamID (PASID), or none.</param>
    /// <param name="iova">First address.</param>
    /// <param name="destination">Where the bytes go.</param>
    /// <param name="access">Marks of the access (privilege, instruction); the read is added.</param>
    /// <returns>False when a part aborted; bytes of earlier pages are in the destination.</returns>
    /// <inheritdoc cref="Translate"/>
    public bool Read(
        StreamId stream, SubstreamId? substream, ulong iova, Span<byte> destination, AccessKind access = AccessKind.Read)
    {
        access = (access & ~AccessKind.Write) | AccessKind.Read;
        while (!destination.IsEmpty)
        {
            var part = destination[..DmaPort.PartOf(iova, destination.Length)];
            using (Enter())
            {
                var result = TranslateInside(stream, substream, iova, access);
                if (result.Outcome == TranslationOutcome.FaultedReadZeroWriteIgnored) part.Clear();
                else if (!result.IsSuccess || !TryRead(result.Address.Value, part)) return false;
            }

            destination = destination[part.Length..];
            iova += (ulong)part.Length;
        }

        return true;
    }

    /// <summary>Makes a write of a requester: translated page by page, each page in a scope of its own.</summary>
    /// <param name="stream">The StreamID of the requester.</param>
    /// <param name="substream">The SubstreamID (PASID), or none.</param>
    /// <param name="iova">First address.</param>
    /// <param name="source">The bytes.</param>
    /// <param name="access">Marks of the access (privilege); the write is added.</param>
    /// <returns>False when a part aborted; earlier pages are written.</returns>
    /// <inheritdoc cref="Translate"/>
    public bool Write(
        StreamId stream, SubstreamId? substream, ulong iova, ReadOnlySpan<byte> source, AccessKind access = AccessKind.Write)
    {
        access = (access & ~AccessKind.Read) | AccessKind.Write;
        while (!source.IsEmpty)
        {
            var part = source[..DmaPort.PartOf(iova, source.Length)];
            using (Enter())
            {
                var result = TranslateInside(stream, substream, iova, access);
                bool dropped = result.Outcome == TranslationOutcome.FaultedReadZeroWriteIgnored;
                if (!dropped && (!result.IsSuccess || !TryWrite(result.Address.Value, part))) return false;
            }

            source = source[part.Length..];
            iova += (ulong)part.Length;
        }

        return true;
    }

    /// <summary>Parks the bus: CMD_SYNCs of other threads need not ask it. The next access takes it into use again.</summary>
    /// <exception cref="InvalidOperationException">An access is under way.</exception>
    /// <exception cref="ObjectDisposedException">The bus is closed.</exception>
    public void Park()
    {
        if (isClosed) ThrowClosed();
        if (TranslationEpoch.IsInside(slot)) throw new InvalidOperationException(
            "An access of the bus is under way: park or close it once that has returned.");
        TranslationEpoch.Park(slot);
    }

    /// <summary>Closes the bus.</summary>
    /// <exception cref="InvalidOperationException">An access is under way.</exception>
    public void Dispose()
    {
        if (isClosed) return;
        Park();
        isClosed = true;
        device.Close(this, slot);
        states.Dispose();
        table.Dispose();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal TranslationResult TranslateInside(StreamId stream, SubstreamId? substream, ulong iova, AccessKind access)
    {
        ulong requester = StreamStates.KeyOf(stream, substream);
        return kept.TryFind(requester, iova, RequiredPermissions.BitsOf(access), stamps, out ulong payload)
            || TryAnswerQuickly(requester, iova, access, out payload)
            ? TranslationResult.OfKept(payload, iova)
            : Miss(stream, substream, iova, access);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Exit()
    {
        if (epoch.Exit(slot)) device.RunPending();
    }

    // Out of the TLB that all share. The answer is right as of the stamps that the state has seen.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TryAnswerQuickly(ulong requester, ulong iova, AccessKind access, out ulong payload)
    {
        payload = 0;
        StreamState* state = states.Find(requester);
        if (state == null || !path.TryAnswerQuickly(ref *state, iova, access, ref Statistics, out payload)) return false;
        kept.Fill(requester, iova, payload, state->Domain, state->SeenDomain, state->SeenDevice);
        return true;
    }

    // Inside of a scope already, or the first access on this thread.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private TranslationResult TranslateAnyhow(StreamId stream, SubstreamId? substream, ulong iova, AccessKind access)
    {
        using var scope = Enter();
        return TranslateInside(stream, substream, iova, access);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private TranslationResult MissInScope(StreamId stream, SubstreamId? substream, ulong iova, AccessKind access)
    {
        using var scope = new DmaBusScope(this, isOutermost: true);
        return TryAnswerQuickly(StreamStates.KeyOf(stream, substream), iova, access, out ulong payload)
            ? TranslationResult.OfKept(payload, iova)
            : Miss(stream, substream, iova, access);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private TranslationResult RunPending(ulong payload, ulong iova)
    {
        device.RunPending();
        return TranslationResult.OfKept(payload, iova);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private TranslationResult Miss(StreamId stream, SubstreamId? substream, ulong iova, AccessKind access)
    {
        SmmuDevice.CheckSubstream(substream);
        ulong requester = StreamStates.KeyOf(stream, substream);
        StreamState* state = states.Find(requester);
        var fresh = state == null ? path.NewState(stream, substream) : default;

        // Host code of an outer access may have come back here, while that works with a state: none may be forgotten then.
        if (state == null && missesUnderWay == 0) state = states.Add(requester, in fresh);
        missesUnderWay++;
        try
        {
            return path.Translate(ref state == null ? ref fresh : ref *state, iova, access, null, ref Statistics);
        }
        finally
        {
            missesUnderWay--;
        }
    }

    private bool TryRead(ulong address, Span<byte> destination) =>
        memory.TryReadDirectInScope(address, destination) || memory.Read(address, destination);

    private bool TryWrite(ulong address, ReadOnlySpan<byte> source) =>
        memory.TryWriteDirectInScope(address, source) || memory.Write(address, source);

    private static void ThrowClosed() => throw new ObjectDisposedException(
        nameof(DmaBus), "The bus is closed: open another one with SmmuDevice.OpenBus.");
}
