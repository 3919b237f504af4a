using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Walks;

/// <summary>Walks VMSAv8-64 translation tables: stage 1, stage 2, or stage 1 through stage 2 (IHI 0070, 3.3 and 3.4).</summary>
/// <remarks>
/// Returns values: it raises no event and knows no queue. Whatever a guest has put into memory, a walk ends: a level is left
/// only for the next one, so a walk of five levels through five has at most 35 steps; only a hardware update that somebody
/// else forestalls repeats one, and <see cref="MaximumLostExchanges"/> bounds that for the walk as a whole.
/// <para>
/// Order of checks (IHI 0070, 7.3.22): range and EPDx; then level by level the stage 2 translation of the descriptor's
/// address, the read, validity, output size; at the leaf Access flag, then permission; then the final address at stage 2.
/// </para>
/// <para>
/// Hardware updates (3.13) come after every check that could deny the access: of the same stage, of stage 2 for the write
/// to a stage 1 descriptor, and of stage 2 for the output. So a denied access leaves the leaves that denied it, and those
/// before them, as they were; a stage 2 leaf that maps stage 1 tables may be left accessed, and dirty if it was about to be
/// written through.
/// </para>
/// </remarks>
[SkipLocalsInit]
internal static partial class Walker
{
    /// <summary>
    /// Updates that one walk may lose to others before it gives up with F_WALK_EABT. A descriptor that is merely shared
    /// costs a loss or two, as its flags only ever get set; a guest that keeps on changing it sees its memory refuse the
    /// update, and no access goes through on a flag that was never written.
    /// </summary>
    public const int MaximumLostExchanges = 64;

    private const ulong PageMask = ~0xfffUL;

    private enum UpdateOutcome
    {
        Written,
        Lost,
        Faulted,
    }

    /// <summary>What kind of addresses stage 1 tables hold. A type, so that each kind has a loop of its own.</summary>
    private interface ITableSpace
    {
        /// <summary>Table addresses are intermediate: stage 2 translates them.</summary>
        static abstract bool IsIntermediate { get; }
    }

    /// <summary>Translates an address.</summary>
    /// <param name="memory">Where the tables are.</param>
    /// <param name="regime">Valid, with one stage on or both.</param>
    /// <param name="inputAddress">All 64 bits, as the device gave them.</param>
    /// <param name="access">With the overrides of the STE applied.</param>
    /// <param name="start">The deepest table known for the address, of an earlier <see cref="WalkResult.LastTable"/>; or default.
    /// </param>
    /// <param name="trace">Watches; <see cref="NoTrace"/> if nobody does.</param>
    /// <param name="result">The translation or the fault.</param>
    public static void Walk<TTrace>(
        GuestMemory memory,
        in TranslationRegime regime,
        ulong inputAddress,
        AccessKind access,
        in WalkStart start,
        ref TTrace trace,
        out WalkResult result)
        where TTrace : struct, IWalkTrace
    {
        Invariant.Holds(regime.Stage1Enabled || regime.Stage2Enabled);
        result = default;
        if (!regime.Stage2Enabled)
        {
            WalkStage1<PhysicalTables, TTrace>(memory, in regime, inputAddress, access, in start, ref trace, ref result);
        }
        else if (regime.Stage1Enabled)
        {
            WalkStage1<IntermediateTables, TTrace>(memory, in regime, inputAddress, access, in start, ref trace, ref result);
        }
        else
        {
            WalkStage2Only(memory, in regime, inputAddress, access, ref trace, ref result);
        }
    }

    /// <summary>Translates the IPA of something that the SMMU itself is about to fetch, such as a CD, through stage 2.</summary>
    /// <param name="memory">Where the tables are.</param>
    /// <param name="regime">Valid, with stage 2 on.</param>
    /// <param name="ipa">The address of what is to be fetched.</param>
    /// <param name="access"><see cref="AccessKind.Read"/> for fetches: a data read, which never dirties a page.</param>
    /// <param name="faultClass">What is fetched; for all but <see cref="FaultClass.Input"/> S2PTW counts.</param>
    /// <param name="trace">Watches; <see cref="NoTrace"/> if nobody does.</param>
    /// <param name="result">The translation, without attributes, or the fault.</param>
    /// <returns>True when there is a translation.</returns>
    public static bool TranslateStage2<TTrace>(
        GuestMemory memory,
        in TranslationRegime regime,
        ulong ipa,
        AccessKind access,
        FaultClass faultClass,
        ref TTrace trace,
        out WalkResult result)
        where TTrace : struct, IWalkTrace
    {
        Invariant.Holds(regime.Stage2Enabled);
        result = default;
        if (!TryStage2(memory, in regime, ipa, access, faultClass, isProbe: false, ref trace, ref result, out var leaf)) return false;
        result.OutputAddress = leaf.Address;
        result.Ipa = ipa;
        result.IsGlobal = true;
        result.Permissions = leaf.Permissions;
        result.Stage2LeafSizeLog2 = leaf.SizeLog2;
        result.Stage2RunSizeLog2 = leaf.RunSizeLog2;
        result.LeafSizeLog2 = leaf.ReachLog2;
        result.Level = leaf.Level;
        return true;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void WalkStage2Only<TTrace>(
        GuestMemory memory,
        in TranslationRegime regime,
        ulong inputAddress,
        AccessKind access,
        ref TTrace trace,
        ref WalkResult result)
        where TTrace : struct, IWalkTrace
    {
        if (BitField.Exceeds(inputAddress, regime.InputSizeBits))
        {
            FaultAtStage1(ref result, EventType.AddressSize, level: 0);
            return;
        }

        if (!TryStage2(
            memory, in regime, inputAddress, access, FaultClass.Input, isProbe: false, ref trace, ref result, out var leaf)) return;
        result.OutputAddress = leaf.Address;
        result.Ipa = inputAddress;
        result.IsGlobal = true;
        result.Permissions = leaf.Permissions;
        result.Attributes = AttributeRules.Combine(
            AttributeRules.OfInput(in regime.Overrides), leaf.MemAttr, leaf.Shareability, regime.Stage2.ForcedWriteBack);
        result.Stage2LeafSizeLog2 = leaf.SizeLog2;
        result.Stage2RunSizeLog2 = leaf.RunSizeLog2;
        result.LeafSizeLog2 = leaf.ReachLog2;
        result.Level = leaf.Level;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void FaultAtStage1(ref WalkResult result, EventType type, int level, ulong fetchAddress = 0)
    {
        result.Event = type;
        result.Stage2 = false;
        result.FaultClass = type == EventType.WalkExternalAbort ? FaultClass.TranslationTable : FaultClass.Input;
        result.Level = (sbyte)level;
        result.FetchAddress = fetchAddress;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void FaultAtStage2(
        ref WalkResult result, EventType type, in Stage2Question asked, int level, ulong fetchAddress = 0)
    {
        result.Event = type;
        result.Stage2 = true;
        result.FaultClass = asked.Class;
        result.Ipa = asked.Ipa & PageMask;
        result.TableRead = asked.Class == FaultClass.TranslationTable && (asked.Access & AccessKind.Write) == 0;
        result.Level = (sbyte)level;
        result.FetchAddress = fetchAddress;
    }

    private readonly struct PhysicalTables : ITableSpace
    {
        public static bool IsIntermediate => false;
    }

    private readonly struct IntermediateTables : ITableSpace
    {
        public static bool IsIntermediate => true;
    }
}
