using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Walks;

internal static partial class Walker
{
    // Descends to the leaf; what becomes of the leaf is a method of its own, so that this loop stays in registers.
    private static void WalkStage1<TTables, TTrace>(
        GuestMemory memory,
        in TranslationRegime regime,
        ulong inputAddress,
        AccessKind access,
        in WalkStart start,
        ref TTrace trace,
        ref WalkResult result)
        where TTables : struct, ITableSpace
        where TTrace : struct, IWalkTrace
    {
        bool hasTwoRanges = regime.HasTwoRanges;
        bool isUpper = hasTwoRanges && BitField.Test(inputAddress, 55);
        ref readonly var range = ref isUpper ? ref regime.Stage1.Range1 : ref regime.Stage1.Range0;
        int inputSizeBits = 64 - range.SizeOffset;
        if (!IsInRange(inputAddress, inputSizeBits, range.TopByteIgnored, isUpper) || range.WalksDisabled)
        {
            FaultAtStage1(ref result, EventType.Translation, level: 0);
            return;
        }

        int granule = range.GranuleLog2;
        int stride = granule - 3;
        int outputSizeBits = regime.Stage1.OutputSizeBits;
        var layout = new DescriptorLayout(granule, regime.Stage1.LargeAddresses);
        ulong offset = inputAddress & ((1UL << inputSizeBits) - 1);   // Without sign bits, so that the first index is right.
        ulong slotMask = ((1UL << stride) - 1) << 3;

        // The table as stage 1 names it; while the nested walk knows where that lies, the place too.
        ulong table = start.IsSet ? start.TableIpa : range.TableBase;
        ulong hierarchy = start.IsSet ? (ulong)start.Hierarchy << DescriptorLayout.HierarchyShift : 0;
        int level = start.IsSet ? start.Level : DescriptorLayout.StartLevel(inputSizeBits, granule);
        int shift = granule + (stride * (3 - level));
        bool isPlaceKnown = TTables.IsIntermediate && start.IsSet;

        while (true)
        {
            ulong slot = (offset >> (shift - 3)) & slotMask;
            ulong address = table + slot;
            int placeSizeLog2 = 64;   // How far around the descriptor the translation of its address holds.
            if (TTables.IsIntermediate)
            {
                if (isPlaceKnown)
                {
                    address = start.Table + slot;
                }
                else if (TryStage2(
                    memory, in regime, address, AccessKind.Read, FaultClass.TranslationTable, isProbe: false,
                    ref trace, ref result, out var place))
                {
                    address = place.Address;
                    placeSizeLog2 = place.SizeLog2;
                }
                else
                {
                    return;
                }
            }

            result.DescriptorReads++;
            if (!memory.TryRead64InScope(address, out ulong descriptor))
            {
                trace.OnDescriptor(TranslationStage.Stage1, level, address, 0, DescriptorMeaning.Aborted);
                FaultAtStage1(ref result, EventType.WalkExternalAbort, level, address);
                return;
            }

            if (regime.Stage1.BigEndian) descriptor = BinaryPrimitives.ReverseEndianness(descriptor);
            ulong output = layout.AddressOf(descriptor);
            if ((descriptor & 0b11) == 0b11 && level < 3)
            {
                trace.OnDescriptor(TranslationStage.Stage1, level, address, descriptor, DescriptorMeaning.Table);
                table = output;
                if (table >> outputSizeBits != 0)
                {
                    FaultAtStage1(ref result, EventType.AddressSize, level);
                    return;
                }

                hierarchy |= descriptor;   // Bits [63:59] count; who reads them drops the rest.
                isPlaceKnown = false;
                level++;
                shift -= stride;
                continue;
            }

            var leaf = new Stage1Leaf(
                table, address, slot, descriptor, output, offset, (byte)(hierarchy >> DescriptorLayout.HierarchyShift), level,
                shift, placeSizeLog2, hasTwoRanges, isUpper);
            if (TryFinishStage1<TTables, TTrace>(memory, in regime, in leaf, access, ref trace, ref result)) return;

            // Somebody changed the descriptor: judges it anew, as it is now; a nested walk also asks anew where it is.
            isPlaceKnown = false;
        }
    }

    /// <summary>Judges what a walk found where it ends, and answers the walk.</summary>
    /// <returns>False when the descriptor has to be read again: it needed an update and changed before that.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool TryFinishStage1<TTables, TTrace>(
        GuestMemory memory,
        in TranslationRegime regime,
        in Stage1Leaf leaf,
        AccessKind access,
        ref TTrace trace,
        ref WalkResult result)
        where TTables : struct, ITableSpace
        where TTrace : struct, IWalkTrace
    {
        ref readonly var stage1 = ref regime.Stage1;
        ref readonly var range = ref leaf.IsUpper ? ref stage1.Range1 : ref stage1.Range0;
        ulong descriptor = leaf.Descriptor;
        bool isLeaf = DescriptorLayout.IsLeaf(
            descriptor, leaf.Level, range.GranuleLog2, stage1.LargeAddresses, regime.OutputSizeBits);
        if (TTrace.IsEnabled)
        {
            trace.OnDescriptor(
                TranslationStage.Stage1, leaf.Level, leaf.Address, descriptor,
                DescriptorLayout.MeaningOf(descriptor, leaf.Level, isLeaf));
        }

        ulong inLeaf = (1UL << leaf.SizeLog2) - 1;
        ulong output = (leaf.Output & ~inLeaf) | (leaf.Input & inLeaf);   // Of a block larger than the output size, a part fits.
        bool isAccessed = (descriptor & DescriptorLayout.AccessFlag) != 0;
        var fault = !isLeaf ? EventType.Translation
            : output >> stage1.OutputSizeBits != 0 ? EventType.AddressSize
            : !isAccessed && !stage1.HardwareAccessFlag && !stage1.AccessFlagFaultDisabled ? EventType.AccessFlag
            : EventType.None;
        if (fault != EventType.None)
        {
            FaultAtStage1(ref result, fault, leaf.Level);
            return true;
        }

        uint restrictions = range.HierarchicalAttributesDisabled ? 0u : leaf.Hierarchy;
        var permissions = leaf.HasTwoRanges
            ? DirectPermissions.OfStage1(descriptor, restrictions, in stage1)
            : DirectPermissions.OfStage1OnePrivilege(descriptor, restrictions, in stage1);
        var granted = permissions.Granted;
        var denied = DirectPermissions.Required(access) & ~granted;
        if (denied != 0 || (!isAccessed && stage1.HardwareAccessFlag))
        {
            var refused = denied & ~permissions.GrantedOnceDirty;
            if (refused != 0)
            {
                result.RefusedAsRead = DirectPermissions.IsRefusedAsRead(access, refused);
                FaultAtStage1(ref result, EventType.Permission, leaf.Level);
                return true;
            }

            var update = new LeafUpdate(
                leaf.Address,
                leaf.Table + leaf.Slot,
                descriptor,
                (descriptor | DescriptorLayout.AccessFlag) & ~(denied != 0 ? DescriptorLayout.WriteControl : 0),
                leaf.Level);
            var outcome = UpdateStage1<TTables, TTrace>(memory, in regime, in update, output, access, ref trace, ref result);
            if (outcome != UpdateOutcome.Written) return outcome == UpdateOutcome.Faulted;
            if (denied != 0) granted |= permissions.GrantedOnceDirty;
        }

        Unsafe.SkipInit(out Stage2Leaf final);
        if (TTables.IsIntermediate && !TryStage2(
            memory, in regime, output, access, FaultClass.Input, isProbe: false, ref trace, ref result, out final)) return true;

        result.OutputAddress = output;
        result.Level = (sbyte)leaf.Level;
        result.Permissions = granted;
        result.IsGlobal = !leaf.HasTwoRanges || (descriptor & DescriptorLayout.NotGlobal) == 0;
        result.Attributes = AttributeRules.OfStage1(
            (byte)(stage1.MemoryAttributes >> (int)((descriptor & 0b111_00) << 1)),   // AttrIndx [4:2], times 8.
            DescriptorLayout.KeepsShareability(range.GranuleLog2, stage1.LargeAddresses)
                ? (int)(descriptor >> 8) & 0b11
                : range.Shareability,
            in regime.Overrides);
        result.LeafSizeLog2 = (byte)Math.Min(leaf.SizeLog2, stage1.OutputSizeBits);
        result.Stage1LeafSizeLog2 = (byte)leaf.SizeLog2;
        if ((descriptor & DescriptorLayout.Contiguous) != 0)
        {
            result.Stage1RunSizeLog2 = DescriptorLayout.RunSizeLog2(
                descriptor, output, leaf.Input, leaf.Level, leaf.SizeLog2, range.GranuleLog2, 64 - range.SizeOffset,
                stage1.OutputSizeBits);
        }

        if (!TTables.IsIntermediate || leaf.PlaceSizeLog2 >= range.GranuleLog2)
        {
            result.LastTable = new WalkStart(leaf.Address - leaf.Slot, leaf.Table, leaf.Hierarchy, (sbyte)leaf.Level);
        }

        if (TTables.IsIntermediate) Combine(in regime, in final, output, ref result);
        return true;
    }

    /// <summary>True where the bits above the input size are those that the half demands (IHI 0070, 3.4.1).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsInRange(ulong address, int inputSizeBits, bool topByteIgnored, bool isUpper)
    {
        ulong ignored = topByteIgnored ? 0xffUL << 56 : 0;
        ulong sign = isUpper ? ulong.MaxValue : 0;
        return ((address ^ sign) & ~ignored) >> inputSizeBits == 0;
    }

    /// <summary>Adds what stage 2 says of the final address to a stage 1 translation.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Combine(in TranslationRegime regime, in Stage2Leaf final, ulong ipa, ref WalkResult result)
    {
        result.OutputAddress = final.Address;
        result.Ipa = ipa;
        result.Permissions &= final.Permissions;
        result.Attributes = AttributeRules.Combine(
            result.Attributes, final.MemAttr, final.Shareability, regime.Stage2.ForcedWriteBack);
        result.Stage2LeafSizeLog2 = final.SizeLog2;
        result.Stage2RunSizeLog2 = final.RunSizeLog2;
        result.Stage2Permissions = final.Permissions;
        result.Stage2MemoryAttribute = final.MemAttr;
        result.Stage2Shareability = final.Shareability;
        result.Stage2ReachLog2 = final.ReachLog2;
        result.LeafSizeLog2 = Math.Min(result.LeafSizeLog2, final.ReachLog2);
    }

    /// <summary>Where a descent of stage 1 has ended: at a descriptor that is no table.</summary>
    /// <param name="table">The table that holds it, as stage 1 names it.</param>
    /// <param name="address">Physical address of the descriptor.</param>
    /// <param name="slot">Its offset in the table, in bytes.</param>
    /// <param name="descriptor">Its value.</param>
    /// <param name="output">The address in it, not yet cut to the size of a leaf.</param>
    /// <param name="input">The input address without sign and tag.</param>
    /// <param name="hierarchy">As in <see cref="WalkStart.Hierarchy"/>.</param>
    /// <param name="level">-1 to 3.</param>
    /// <param name="sizeLog2">What a leaf of the level maps, log2.</param>
    /// <param name="placeSizeLog2">How far around the descriptor stage 2 keeps its addresses together, log2.</param>
    /// <param name="hasTwoRanges">As the regime says.</param>
    /// <param name="isUpper">Of the range of TTB1.</param>
    private readonly struct Stage1Leaf(
        ulong table,
        ulong address,
        ulong slot,
        ulong descriptor,
        ulong output,
        ulong input,
        byte hierarchy,
        int level,
        int sizeLog2,
        int placeSizeLog2,
        bool hasTwoRanges,
        bool isUpper)
    {
        public readonly ulong Table = table;
        public readonly ulong Address = address;
        public readonly ulong Slot = slot;
        public readonly ulong Descriptor = descriptor;
        public readonly ulong Output = output;
        public readonly ulong Input = input;
        public readonly int Level = level;
        public readonly int SizeLog2 = sizeLog2;
        public readonly int PlaceSizeLog2 = placeSizeLog2;
        public readonly byte Hierarchy = hierarchy;
        public readonly bool HasTwoRanges = hasTwoRanges;
        public readonly bool IsUpper = isUpper;
    }
}
