using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;
using Smmu.Fast.Tlbs;

namespace Smmu.Fast.Device;

/// <summary>The connection of one client device to the SMMU: translates and makes its accesses.</summary>
/// <remarks>
/// A port serves one thread at a time; it may move between threads that hand it over properly. It is <em>active</em> on
/// the thread that used it last, until that thread parks it: a port at rest costs other threads' CMD_SYNCs a process-wide
/// barrier unless it is parked.
/// </remarks>
public sealed unsafe partial class DmaPort : IDisposable
{
    private const int PageLog2 = PortTlb.PageLog2;

    private readonly SmmuDevice device;
    private readonly TranslationPath path;
    private readonly TranslationEpoch epoch;
    private readonly GuestMemory memory;
    private readonly NativeBlock table;
    private readonly InvalidationStamps* stamps;
    private readonly EpochSlot* slot;
    private bool isClosed;
    private StreamState state;
    private StreamState stateOfTranslated;

    internal PathStatistics Statistics;

    /// <summary>The client, if it can wait.</summary>
    internal readonly StallClient? StallClient;

    internal DmaPort(
        SmmuDevice device,
        TranslationPath path,
        TranslationEpoch epoch,
        EpochSlot* slot,
        GuestMemory memory,
        StreamId stream,
        SubstreamId? substream,
        IStallClient? stalls)
    {
        this.device = device;
        this.path = path;
        this.epoch = epoch;
        this.slot = slot;
        this.memory = memory;
        stamps = path.Stamps;
        Stream = stream;
        Substream = substream;
        StallClient = stalls == null ? null : new StallClient(stalls, substream);
        table = new NativeBlock(PortTlb.SizeBytes);
        state = path.NewState(stream, substream);
        state.Kept = new PortTlb(table);
        stateOfTranslated = path.NewState(stream, null, isOfTranslated: true);
    }

    /// <summary>The stream whose accesses these are.</summary>
    public StreamId Stream { get; }

    /// <summary>The substream, or none.</summary>
    public SubstreamId? Substream { get; }

    /// <summary>Begins a scope; dispose it soon.</summary>
    /// <exception cref="InvalidOperationException">The port is inside a scope on another thread.</exception>
    /// <exception cref="ObjectDisposedException">The port is closed.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public DmaScope Enter()
    {
        if (isClosed) ThrowClosed();
        return new DmaScope(this, epoch.Enter(slot));
    }

    /// <summary>Translates one access in a scope of its own: the answer is advice once this returns.</summary>
    /// <inheritdoc cref="DmaScope.Translate"/>
    public TranslationResult Translate(ulong iova, AccessKind access)
    {
        if (isClosed) ThrowClosed();
        bool isOutermost = epoch.Enter(slot);
        if (!TryHit(iova, access, out ulong payload)) return MissInScope(iova, access, isOutermost);

        if (isOutermost) Exit();   // Nothing so far could throw, so the scope ends without a try block.
        return TranslationPath.ResultOf(payload, iova);
    }

    /// <summary>Translates many accesses of one kind in one scope.</summary>
    /// <param name="iovas">Addresses.</param>
    /// <param name="results">Takes an answer for each.</param>
    /// <param name="access">What the client does at each of them.</param>
    /// <exception cref="ArgumentException"><paramref name="results"/> is shorter than <paramref name="iovas"/>.</exception>
    public void TranslateBatch(ReadOnlySpan<ulong> iovas, Span<TranslationResult> results, AccessKind access)
    {
        if (results.Length < iovas.Length) throw new ArgumentException(
            $"There are {iovas.Length} addresses but room for {results.Length} results: make it as long.", nameof(results));
        using var scope = Enter();
        uint required = RequiredPermissions.BitsOf(access);
        bool isPresent = false;
        for (int i = 0; i < iovas.Length; i++)
        {
            // The scope began before whatever is invalidated now, and its CMD_SYNC waits. But what runs inside of a miss may be
            // followed by a CMD_SYNC of this very thread.
            ulong iova = iovas[i];
            if (isPresent && state.Kept.TryFind(iova, required, out ulong payload))
            {
                results[i] = TranslationPath.ResultOf(payload, iova);
                continue;
            }

            results[i] = TranslateInside(iova, access);
            isPresent = state.IsPresent(stamps);
        }
    }

    /// <summary>Makes a read of the client: translated page by page, each page in a scope of its own.</summary>
    /// <param name="iova">First address.</param>
    /// <param name="destination">Takes the bytes.</param>
    /// <param name="access">Marks of the access (privilege, instruction); the read is added.</param>
    /// <returns>False when a part aborted; bytes of earlier pages are in the destination.</returns>
    public bool Read(ulong iova, Span<byte> destination, AccessKind access = AccessKind.Read)
    {
        var kind = (access & ~AccessKind.Write) | AccessKind.Read;
        if (destination.Length == sizeof(ulong) && (iova & (sizeof(ulong) - 1)) == 0 && TryReadWord(iova, kind, out ulong word))
        {
            Unsafe.WriteUnaligned(ref MemoryMarshal.GetReference(destination), word);
            return true;
        }

        return ReadAnyhow(iova, destination, kind);
    }

    /// <summary>Makes a read as <see cref="Read"/> does, and tells how far it came: a client that can stall goes on there.</summary>
    /// <inheritdoc cref="Read"/>
    /// <returns>The bytes that are read, and what stopped the rest.</returns>
    public DmaProgress ReadSome(ulong iova, Span<byte> destination, AccessKind access = AccessKind.Read)
    {
        access = (access & ~AccessKind.Write) | AccessKind.Read;
        int done = 0;
        var result = default(TranslationResult);
        while (done < destination.Length)
        {
            var part = destination.Slice(done, PartOf(iova, destination.Length - done));
            using (Enter())
            {
                result = TranslateInside(iova, access);
                if (result.Outcome == TranslationOutcome.FaultedReadZeroWriteIgnored) part.Clear();
                else if (!result.IsSuccess || !memory.Read(result.Address.Value, part)) return new(done, false, result);
            }

            done += part.Length;
            iova += (ulong)part.Length;
        }

        return new(done, true, result);
    }

    /// <summary>Makes a write of the client: translated page by page, each page in a scope of its own.</summary>
    /// <param name="iova">First address.</param>
    /// <param name="source">The bytes.</param>
    /// <param name="access">Marks of the access (privilege); the write is added.</param>
    /// <returns>False when a part aborted; earlier pages are written.</returns>
    public bool Write(ulong iova, ReadOnlySpan<byte> source, AccessKind access = AccessKind.Write)
    {
        var kind = (access & ~AccessKind.Read) | AccessKind.Write;
        return (source.Length == sizeof(ulong) && (iova & (sizeof(ulong) - 1)) == 0
                && TryWriteWord(iova, kind, Unsafe.ReadUnaligned<ulong>(ref MemoryMarshal.GetReference(source))))
            || WriteAnyhow(iova, source, kind);
    }

    /// <summary>Makes a write as <see cref="Write"/> does, and tells how far it came: a client that can stall goes on there.</summary>
    /// <inheritdoc cref="Write"/>
    /// <returns>The bytes that are written, and what stopped the rest.</returns>
    public DmaProgress WriteSome(ulong iova, ReadOnlySpan<byte> source, AccessKind access = AccessKind.Write)
    {
        access = (access & ~AccessKind.Read) | AccessKind.Write;
        int done = 0;
        var result = default(TranslationResult);
        while (done < source.Length)
        {
            var part = source.Slice(done, PartOf(iova, source.Length - done));
            using (Enter())
            {
                result = TranslateInside(iova, access);
                bool dropped = result.Outcome == TranslationOutcome.FaultedReadZeroWriteIgnored;
                if (!dropped && (!result.IsSuccess || !memory.Write(result.Address.Value, part))) return new(done, false, result);
            }

            done += part.Length;
            iova += (ulong)part.Length;
        }

        return new(done, true, result);
    }

    /// <summary>Parks the port: CMD_SYNCs of other threads need not ask it. The next access takes it into use again.</summary>
    /// <exception cref="InvalidOperationException">The port is inside a scope.</exception>
    /// <exception cref="ObjectDisposedException">The port is closed.</exception>
    public void Park()
    {
        if (isClosed) ThrowClosed();
        if (TranslationEpoch.IsInside(slot)) throw new InvalidOperationException(
            "The port is inside a scope: dispose the scope before parking or closing the port.");
        TranslationEpoch.Park(slot);
    }

    /// <summary>Closes the port.</summary>
    /// <exception cref="InvalidOperationException">The port is inside a scope.</exception>
    public void Dispose()
    {
        if (isClosed) return;
        Park();
        isClosed = true;
        StallClient?.Close();
        device.Close(this, slot);
        table.Dispose();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal TranslationResult TranslateInside(ulong iova, AccessKind access) =>
        TryHit(iova, access, out ulong payload) ? TranslationPath.ResultOf(payload, iova) : Miss(iova, access);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Exit()
    {
        if (epoch.Exit(slot)) device.RunPending();
    }

    // Apart from the words, which are the most frequent: a copy of any length beside them takes all registers.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool ReadAnyhow(ulong iova, Span<byte> destination, AccessKind access) =>
        TryReadQuickly(iova, destination, access) || ReadSome(iova, destination, access).IsComplete;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool WriteAnyhow(ulong iova, ReadOnlySpan<byte> source, AccessKind access) =>
        TryWriteQuickly(iova, source, access) || WriteSome(iova, source, access).IsComplete;

    // An aligned word in a page that the port knows, in the main memory. Nothing here can throw, so the scope needs no try block.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryReadWord(ulong iova, AccessKind access, out ulong word)
    {
        word = 0;
        if (isClosed) ThrowClosed();
        bool isOutermost = epoch.Enter(slot);
        bool isRead = TryHit(iova, access, out ulong payload)
            && TranslationResult.IsSuccessOf(payload)
            && memory.TryReadDirect64InScope((payload & TranslationResult.PageMask) | (iova & ((1UL << PageLog2) - 1)), out word);
        if (isOutermost) Exit();
        return isRead;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryWriteWord(ulong iova, AccessKind access, ulong word)
    {
        if (isClosed) ThrowClosed();
        bool isOutermost = epoch.Enter(slot);
        bool isWritten = TryHit(iova, access, out ulong payload)
            && TranslationResult.IsSuccessOf(payload)
            && memory.TryWriteDirect64InScope((payload & TranslationResult.PageMask) | (iova & ((1UL << PageLog2) - 1)), word);
        if (isOutermost) Exit();
        return isWritten;
    }

    // A part of a page, likewise.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryReadQuickly(ulong iova, Span<byte> destination, AccessKind access)
    {
        if (isClosed) ThrowClosed();
        if (destination.Length > PartOf(iova, destination.Length)) return false;
        bool isOutermost = epoch.Enter(slot);
        bool isRead = TryHit(iova, access, out ulong payload)
            && TranslationResult.IsSuccessOf(payload)
            && memory.TryReadDirectInScope((payload & TranslationResult.PageMask) | (iova & ((1UL << PageLog2) - 1)), destination);
        if (isOutermost) Exit();
        return isRead;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryWriteQuickly(ulong iova, ReadOnlySpan<byte> source, AccessKind access)
    {
        if (isClosed) ThrowClosed();
        if (source.Length > PartOf(iova, source.Length)) return false;
        bool isOutermost = epoch.Enter(slot);
        bool isWritten = TryHit(iova, access, out ulong payload)
            && TranslationResult.IsSuccessOf(payload)
            && memory.TryWriteDirectInScope((payload & TranslationResult.PageMask) | (iova & ((1UL << PageLog2) - 1)), source);
        if (isOutermost) Exit();
        return isWritten;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryHit(ulong iova, AccessKind access, out ulong payload) =>
        state.Kept.TryFind(iova, RequiredPermissions.BitsOf(access), out payload) && state.IsPresent(stamps);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private TranslationResult MissInScope(ulong iova, AccessKind access, bool isOutermost)
    {
        using var scope = new DmaScope(this, isOutermost);
        return Miss(iova, access);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private TranslationResult Miss(ulong iova, AccessKind access) =>
        path.Translate(ref state, iova, access, StallClient, ref Statistics);

    // A page at a time: every granule and every region is a multiple of 4 KiB.
    internal static int PartOf(ulong iova, int length) =>
        (int)Math.Min((ulong)length, (1UL << PageLog2) - (iova & ((1UL << PageLog2) - 1)));

    private static void ThrowClosed() => throw new ObjectDisposedException(
        nameof(DmaPort), "The port is closed: open another one with SmmuDevice.OpenPort.");
}
