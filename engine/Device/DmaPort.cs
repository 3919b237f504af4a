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
[SkipLocalsInit]
public sealed unsafe partial class DmaPort : IDisposable
{
    private const int PageLog2 = PortTlb.PageLog2;

    private readonly SmmuDevice device;
    private readonly TranslationPath path;
    private readonly TranslationEpoch epoch;
    private readonly GuestMemory memory;
    private readonly NativeBlock table;
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
        // A hit, of which nothing lives across a call, so that no register is saved; nor can anything throw, so that the scope
        // needs no try block.
        if (isClosed || !epoch.TryEnter(slot)) return TranslateAnyhow(iova, access);
        if (!TryHit(iova, access, out ulong payload)) return MissInScope(iova, access);
        return epoch.Exit(slot) ? RunPending(payload, iova) : TranslationResult.OfKept(payload, iova);
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
            if (isPresent) i += state.Kept.FindRun(iovas[i..], required, results[i..]);
            if (i == iovas.Length) return;
            results[i] = TranslateInside(iovas[i], access);
            isPresent = state.IsPresent();
        }
    }

    /// <summary>Makes a read of the client: translated page by page, each page in a scope of its own.</summary>
    /// <param name="iova">First address.</param>
    /// <param name="destination">Takes the bytes.</param>
    /// <param name="access">Marks of the access (privilege, instruction); the read is added.</param>
    /// <returns>False when a part aborted; bytes of earlier pages are in the destination.</returns>
    public bool Read(ulong iova, Span<byte> destination, AccessKind access = AccessKind.Read)
    {
        // An aligned word in a page that the port knows, in the main memory: as in Translate.
        bool isWord = destination.Length == sizeof(ulong) && (iova & (sizeof(ulong) - 1)) == 0 && access == AccessKind.Read;
        if (!isWord || isClosed || !epoch.TryEnter(slot)) return ReadAnyhow(iova, destination, access);
        if (!TryHit(iova, AccessKind.Read, out ulong payload)
            || !TranslationResult.IsSuccessOf(payload)
            || !memory.TryReadDirect64InScope(TranslationResult.OfKept(payload, iova).KnownAddress, out ulong word))
        {
            return ReadInScope(iova, destination);
        }

        Unsafe.WriteUnaligned(ref MemoryMarshal.GetReference(destination), word);
        return !epoch.Exit(slot) || RunPending();
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
        bool isWord = source.Length == sizeof(ulong) && (iova & (sizeof(ulong) - 1)) == 0 && access == AccessKind.Write;
        if (!isWord || isClosed || !epoch.TryEnter(slot)) return WriteAnyhow(iova, source, access);
        if (!TryHit(iova, AccessKind.Write, out ulong payload)
            || !TranslationResult.IsSuccessOf(payload)
            || !memory.TryWriteDirect64InScope(
                TranslationResult.OfKept(payload, iova).KnownAddress,
                Unsafe.ReadUnaligned<ulong>(ref MemoryMarshal.GetReference(source))))
        {
            return WriteInScope(iova, source);
        }

        return !epoch.Exit(slot) || RunPending();
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
        TryHit(iova, access, out ulong payload) ? TranslationResult.OfKept(payload, iova) : Miss(iova, access);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Exit()
    {
        if (epoch.Exit(slot)) RunPending();
    }

    // Apart from the words, which are the most frequent: a copy of any length beside them takes all registers.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool ReadAnyhow(ulong iova, Span<byte> destination, AccessKind access)
    {
        access = (access & ~AccessKind.Write) | AccessKind.Read;
        return TryReadQuickly(iova, destination, access) || ReadSome(iova, destination, access).IsComplete;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool WriteAnyhow(ulong iova, ReadOnlySpan<byte> source, AccessKind access)
    {
        access = (access & ~AccessKind.Read) | AccessKind.Write;
        return TryWriteQuickly(iova, source, access) || WriteSome(iova, source, access).IsComplete;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool ReadInScope(ulong iova, Span<byte> destination)
    {
        using var scope = new DmaScope(this, isOutermost: true);
        return ReadSome(iova, destination).IsComplete;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool WriteInScope(ulong iova, ReadOnlySpan<byte> source)
    {
        using var scope = new DmaScope(this, isOutermost: true);
        return WriteSome(iova, source).IsComplete;
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
            && memory.TryReadDirectInScope(TranslationResult.OfKept(payload, iova).KnownAddress, destination);
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
            && memory.TryWriteDirectInScope(TranslationResult.OfKept(payload, iova).KnownAddress, source);
        if (isOutermost) Exit();
        return isWritten;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryHit(ulong iova, AccessKind access, out ulong payload)
    {
        ref var known = ref state;   // One place to count from.
        return known.Kept.TryFind(iova, RequiredPermissions.BitsOf(access), out payload) && known.IsPresent();
    }

    // Inside of a scope already, or the first access on this thread.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private TranslationResult TranslateAnyhow(ulong iova, AccessKind access)
    {
        using var scope = Enter();
        return TranslateInside(iova, access);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private TranslationResult MissInScope(ulong iova, AccessKind access)
    {
        using var scope = new DmaScope(this, isOutermost: true);
        return Miss(iova, access);
    }

    // True, so that it can end an access that has succeeded.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool RunPending()
    {
        device.RunPending();
        return true;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private TranslationResult RunPending(ulong payload, ulong iova)
    {
        device.RunPending();
        return TranslationResult.OfKept(payload, iova);
    }

    // As in Translate: a hit of the shared TLB by few registers, and the rest apart.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private TranslationResult Miss(ulong iova, AccessKind access) =>
        TranslationPath.TryFindFavoured(
            ref state, iova, access, ref Statistics, out ulong payload, out TlbSet* set, out ulong key, out long version)
            ? TranslationResult.OfKept(payload, iova)
            : MissFavoured(iova, access, set, key, version);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private TranslationResult MissFavoured(ulong iova, AccessKind access, TlbSet* set, ulong key, long version) =>
        path.TranslateFurther(ref state, iova, access, set, key, version, StallClient, ref Statistics);

    // A page at a time: every granule and every region is a multiple of 4 KiB.
    internal static int PartOf(ulong iova, int length) =>
        (int)Math.Min((ulong)length, (1UL << PageLog2) - (iova & ((1UL << PageLog2) - 1)));

    private static void ThrowClosed() => throw new ObjectDisposedException(
        nameof(DmaPort), "The port is closed: open another one with SmmuDevice.OpenPort.");
}
