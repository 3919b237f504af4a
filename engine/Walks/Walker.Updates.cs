using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Walks;

internal static partial class Walker
{
    /// <summary>Sets the Access flag or dirty state of a stage 1 leaf whose own stage permits the access (IHI 0070, 3.13).</summary>
    /// <remarks>
    /// Of a nested walk, stage 2 first has to allow the write to the descriptor, which may dirty the page that holds it; its
    /// fault is of class TT. Then stage 2 is asked whether it will allow the access itself, so that an access it denies
    /// leaves the stage 1 leaf clean. The architecture allows both orders (Arm ARM, D8.5.2.1).
    /// </remarks>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static UpdateOutcome UpdateStage1<TTables, TTrace>(
        GuestMemory memory,
        in TranslationRegime regime,
        in LeafUpdate update,
        ulong output,
        AccessKind access,
        ref TTrace trace,
        ref WalkResult result)
        where TTables : struct, ITableSpace
        where TTrace : struct, IWalkTrace
    {
        if (TTables.IsIntermediate)
        {
            if (!TryStage2(
                memory, in regime, update.Ipa, AccessKind.Write, FaultClass.TranslationTable, isProbe: false,
                ref trace, ref result, out var table)) return UpdateOutcome.Faulted;
            if (!TryStage2(
                memory, in regime, output, access, FaultClass.Input, isProbe: true,
                ref trace, ref result, out _)) return UpdateOutcome.Faulted;

            // Stage 2 has moved the table since it was read; to write to the old place would corrupt somebody's memory.
            if (table.Address != update.Address && CountsAsLost(ref result)) return UpdateOutcome.Lost;
            if (table.Address != update.Address) return AbortStage1(in update, ref result);
        }

        var outcome = Exchange(
            memory, in update, TranslationStage.Stage1, regime.Stage1.BigEndian, ref trace, ref result);
        return outcome == UpdateOutcome.Faulted ? AbortStage1(in update, ref result) : outcome;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static UpdateOutcome UpdateStage2<TTrace>(
        GuestMemory memory,
        in Stage2Configuration stage2,
        in LeafUpdate update,
        in Stage2Question asked,
        ref TTrace trace,
        ref WalkResult result)
        where TTrace : struct, IWalkTrace
    {
        var outcome = Exchange(memory, in update, TranslationStage.Stage2, stage2.BigEndian, ref trace, ref result);
        if (outcome == UpdateOutcome.Faulted)
        {
            FaultAtStage2(ref result, EventType.WalkExternalAbort, in asked, update.Level, update.Address);
        }

        return outcome;
    }

    private static UpdateOutcome AbortStage1(in LeafUpdate update, ref WalkResult result)
    {
        FaultAtStage1(ref result, EventType.WalkExternalAbort, update.Level, update.Address);
        return UpdateOutcome.Faulted;
    }

    private static UpdateOutcome Exchange<TTrace>(
        GuestMemory memory,
        in LeafUpdate update,
        TranslationStage stage,
        bool bigEndian,
        ref TTrace trace,
        ref WalkResult result)
        where TTrace : struct, IWalkTrace
    {
        ulong before = bigEndian ? BinaryPrimitives.ReverseEndianness(update.Before) : update.Before;
        ulong after = bigEndian ? BinaryPrimitives.ReverseEndianness(update.After) : update.After;
        bool isMemory = memory.TryCompareExchange64(update.Address, before, after, out ulong observed);
        bool isWritten = isMemory && observed == before;
        trace.OnFlagUpdate(stage, update.Level, update.Address, update.Before, update.After, isWritten);
        if (isWritten) return UpdateOutcome.Written;
        return isMemory && CountsAsLost(ref result) ? UpdateOutcome.Lost : UpdateOutcome.Faulted;
    }

    /// <summary>Counts an update that came too late; false when the walk has lost too many.</summary>
    private static bool CountsAsLost(ref WalkResult result) => ++result.LostExchanges < MaximumLostExchanges;

    /// <summary>A flag update that a leaf calls for.</summary>
    /// <param name="address">Physical address of the descriptor.</param>
    /// <param name="ipa">Stage 1: the address of the descriptor before stage 2. Stage 2: the address being translated.</param>
    /// <param name="before">The descriptor as it was judged.</param>
    /// <param name="after">The descriptor as it is to be.</param>
    /// <param name="level">0 to 3.</param>
    private readonly struct LeafUpdate(ulong address, ulong ipa, ulong before, ulong after, int level)
    {
        public ulong Address { get; } = address;

        public ulong Ipa { get; } = ipa;

        public ulong Before { get; } = before;

        public ulong After { get; } = after;

        public int Level { get; } = level;
    }
}
