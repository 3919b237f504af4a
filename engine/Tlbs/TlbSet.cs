using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Tlbs;

/// <summary>A set of the TLB: one cache line.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct TlbSet
{
    /// <summary>Entries of a set.</summary>
    public const int Ways = 3;

    /// <summary>Places of 16 bytes in a set: one is taken by the version.</summary>
    public const int Places = 4;

    private const uint WayMask = (1 << Ways) - 1;

    /// <summary>0 for an empty way.</summary>
    public fixed ulong Keys[Ways];

    /// <summary>Odd while somebody writes.</summary>
    public long Version;

    public fixed ulong Payloads[Places];

    /// <summary>Finds the way of a key.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryFindWay(ulong key, out int way)
    {
        if (Vector256.IsHardwareAccelerated)
        {
            uint equal = EqualWays(key);
            way = BitOperations.TrailingZeroCount(equal);
            return equal != 0;
        }

        for (way = 0; way < Ways; way++)
        {
            if (Keys[way] == key) return true;
        }

        return false;
    }

    /// <summary>Empties the way of a key, if there is one. The version is even.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Remove(ulong key)
    {
        if (TryFindWay(key, out int way)) Volatile.Write(ref Keys[way], 0);
    }

    /// <summary>Empties the way of a key, while nobody else reads or fills the set.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void RemoveAlone(ulong key)
    {
        Invariant.Holds((Version & 1) == 0);
        if (!Vector256.IsHardwareAccelerated)
        {
            Remove(key);
            return;
        }

        // Without a branch, and all words of the line's half at once: the version is stored as it was.
        var words = Vector256.LoadUnsafe(ref Keys[0]);
        var equal = Vector256.Equals(words, Vector256.Create(key)) & Vector256.Create(ulong.MaxValue, ulong.MaxValue, ulong.MaxValue, 0);
        Vector256.AndNot(words, equal).StoreUnsafe(ref Keys[0]);
    }

    /// <summary>Reads the payload of a key; false when there is none, or somebody is writing.</summary>
    /// <param name="key">The key.</param>
    /// <param name="payload">The payload.</param>
    /// <param name="version">When that was so, for <see cref="Add"/>.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryRead(ulong key, out ulong payload, out long version)
    {
        version = Volatile.Read(ref Version);
        if (TryFindWay(key, out int way))
        {
            if (ControlBuild.Breaks(Breakage.CopyNotRechecked)) ControlBuild.Linger();   // As if the read took that long.
            payload = Payloads[way];
            if (ControlBuild.Breaks(Breakage.CopyNotRechecked)) return true;
            Volatile.ReadBarrier();   // Key and payload are read before the version is read again.
            return (version & 1) == 0 && Volatile.Read(ref Version) == version;
        }

        payload = 0;
        return false;
    }

    /// <summary>Keeps a payload, unless something was invalidated since the dates were read, or somebody else is writing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Fill(ulong key, ulong payload, in InvalidationDates dates)
    {
        if (ControlBuild.Breaks(Breakage.FillNotDated)) ControlBuild.Linger();
        long version = Volatile.Read(ref Version);
        if (TryClose(version)) Store(key, version, key, payload, in dates);
    }

    /// <summary><see cref="Fill"/> after <see cref="TryRead"/> has found nothing: nor is there anything while the version is the same.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(ulong key, ulong payload, long version, in InvalidationDates dates)
    {
        if (ControlBuild.Breaks(Breakage.FillNotDated)) ControlBuild.Linger();
        if (TryClose(version)) Store(0, version, key, payload, in dates);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryClose(long version) =>
        (version & 1) == 0 && Interlocked.CompareExchange(ref Version, version + 1, version) == version;

    // Where the same translation may be, in an empty way, or in the way whose turn it is.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Store(ulong same, long version, ulong key, ulong payload, in InvalidationDates dates)
    {
        if (dates.AreTranslationsPresent || ControlBuild.Breaks(Breakage.FillNotDated))
        {
            if ((same == 0 || !TryFindWay(same, out int way)) && !TryFindWay(0, out way)) way = (int)((ulong)(version >> 1) % Ways);
            Payloads[way] = payload;
            Keys[way] = key;
        }

        Volatile.Write(ref Version, version + 2);   // Release; pairs with the first read in TryRead.
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private uint EqualWays(ulong key)
    {
        // The fourth word is the version; it is masked out.
        return Vector256.Equals(Vector256.LoadUnsafe(ref Keys[0]), Vector256.Create(key)).ExtractMostSignificantBits() & WayMask;
    }
}
