using System.Diagnostics;
#if !SMMU_CONTROL
using System.Runtime.CompilerServices;
#endif

namespace Smmu.Fast.Foundation;

/// <summary>Safeguards that the control build can leave out: of the concurrent protocols, and of invalidation.</summary>
internal enum Breakage
{
    /// <summary>All safeguards hold.</summary>
    None,

    /// <summary>A grace period looks at scopes without the process-wide barrier.</summary>
    BarrierLeftOut,

    /// <summary>CMD_SYNC completes without asking for scopes.</summary>
    ScopesNotAsked,

    /// <summary>Nobody reads at the end of a scope that a CMD_SYNC waits for it.</summary>
    WaiterNotAnnounced,

    /// <summary>TLB invalidations leave the entries of ports alive.</summary>
    StampNotRaised,

    /// <summary>The entries of ports are dated before the shared TLB is searched.</summary>
    PortsDatedFirst,

    /// <summary>A port dates its entry by what it reads after the walk.</summary>
    StampReadLate,

    /// <summary>The shared TLB is filled whatever was invalidated during the walk.</summary>
    FillNotDated,

    /// <summary>A copy out of the shared TLB is used without looking whether somebody wrote meanwhile.</summary>
    CopyNotRechecked,

    /// <summary>EVENTQ_PROD covers a record that is not written yet.</summary>
    ProducerFirst,

    /// <summary>CMD_TLBI_* are consumed without effect.</summary>
    TlbiIgnored,

    /// <summary>Cached translations are not told apart by VMID.</summary>
    VmidNotCompared,

    /// <summary>Cached translations are not told apart by ASID.</summary>
    AsidNotCompared,

    /// <summary>An invalidation by address takes only that piece of a leaf in which the address lies.</summary>
    FragmentsKept,

    /// <summary>Invalidations leave cached table descriptors alive.</summary>
    TablesKept,

    /// <summary>CMD_CFGI_* are consumed without effect.</summary>
    CfgiIgnored,
}

/// <summary>Tells which safeguard is left out: none, unless this is the control build of the tests.</summary>
/// <remarks>
/// A test that never fails proves nothing. So the same sources are compiled once more with SMMU_CONTROL, each safeguard is
/// left out in turn, and the litmus scenarios or the replays of recordings have to notice. In all other builds
/// <see cref="Breaks"/> is the constant false, and what hangs on it is not compiled.
/// </remarks>
internal static unsafe class ControlBuild
{
#if SMMU_CONTROL
    private static readonly long LingerTicks = Stopwatch.Frequency / 2_000_000;
    private static readonly long[] Entries = new long[1 << 16];

    /// <summary>The safeguard to leave out; set before the first device is made.</summary>
    public static Breakage Broken { get; set; }

    /// <summary>True when the safeguard is left out.</summary>
    public static bool Breaks(Breakage breakage) => Broken == breakage;

    /// <summary>Half a microsecond for other threads to get into a gap that is open.</summary>
    public static void Linger()
    {
        long end = Stopwatch.GetTimestamp() + LingerTicks;
        while (Stopwatch.GetTimestamp() < end) Thread.SpinWait(1);
    }

    /// <summary>
    /// True when the store that entered the scope of a slot may still sit in a store buffer, so that without a barrier
    /// nobody else sees it. Processors do that by themselves, only more seldom than a short test can wait for.
    /// </summary>
    public static bool HidesEntry(EpochSlot* slot) =>
        Broken == Breakage.BarrierLeftOut && Stopwatch.GetTimestamp() - Volatile.Read(ref EntryOf(slot)) < LingerTicks;

    private static ref long EntryOf(EpochSlot* slot) =>
        ref Entries[((nuint)slot / EpochSlot.SizeBytes) % (nuint)Entries.Length];
#else
    /// <summary>False: every safeguard holds.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Breaks(Breakage breakage) => false;

    /// <summary>Nothing.</summary>
    public static void Linger()
    {
    }

    /// <summary>False: who looks has made a barrier.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool HidesEntry(EpochSlot* slot) => false;
#endif

    /// <summary>Takes the time of an entry for <see cref="HidesEntry"/>.</summary>
    [Conditional("SMMU_CONTROL")]
    public static void NoteEntry(EpochSlot* slot)
    {
#if SMMU_CONTROL
        if (Broken == Breakage.BarrierLeftOut) Volatile.Write(ref EntryOf(slot), Stopwatch.GetTimestamp());
#endif
    }
}
