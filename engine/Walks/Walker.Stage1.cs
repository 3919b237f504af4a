using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Walks;

internal static partial class Walker
{
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
        ref readonly var stage1 = ref regime.Stage1;
        ref readonly var range = ref isUpper ? ref stage1.Range1 : ref stage1.Range0;
        int inputSizeBits = 64 - range.SizeOffset;
        if (!IsInRange(inputAddress, inputSizeBits, range.TopByteIgnored, isUpper) || range.WalksDisabled)
        {
            FaultAtStage1(ref result, EventType.Translation, level: 0);
            return;
        }

        int granule = range.GranuleLog2;
        int stride = granule - 3;
        int outputSizeBits = stage1.OutputSizeBits;
        var layout = new DescriptorLayout(granule, stage1.LargeAddresses, regime.OutputSizeBits);
        ulong offset = inputAddress & ((1UL << inputSizeBits) - 1);   // Without sign bits, so that the first index is right.
        ulong slotMask = ((1UL << stride) - 1) << 3;

        // Of a nested walk, table is the IPA until isTablePhysical.
        ulong table;
        ulong hierarchy;
        int level;
        bool isTablePhysical = !TTables.IsIntermediate || start.IsSet;
        if (start.IsSet)
        {
            table = start.Table;
            hierarchy = (ulong)start.Hierarchy << DescriptorLayout.HierarchyShift;
            level = start.Level;
        }
        else
        {
            table = range.TableBase;
            hierarchy = 0;
            level = DescriptorLayout.StartLevel(inputSizeBits, granule);
        }

        ulong tableIpa = TTables.IsIntermediate && start.IsSet ? start.TableIpa : table;
        int tableLeafSizeLog2 = 64;   // How far around the table its translation holds.
        int shift = granule + (stride * (3 - level));

        while (true)
        {
            ulong slot = (offset >> (shift - 3)) & slotMask;
            ulong address = table + slot;
            if (TTables.IsIntermediate && !isTablePhysical)
            {
                if (!TryStage2(
                    memory, in regime, tableIpa + slot, AccessKind.Read, FaultClass.TranslationTable, isProbe: false,
                    ref trace, ref result, out var tableLeaf)) return;
                address = tableLeaf.Address;
                tableLeafSizeLog2 = tableLeaf.SizeLog2;
            }

            result.DescriptorReads++;
            if (!memory.TryRead64(address, out ulong descriptor))
            {
                trace.OnDescriptor(TranslationStage.Stage1, level, address, 0, DescriptorMeaning.Aborted);
                FaultAtStage1(ref result, EventType.WalkExternalAbort, level, address);
                return;
            }

            if (stage1.BigEndian) descriptor = BinaryPrimitives.ReverseEndianness(descriptor);
            ulong output = layout.AddressOf(descriptor);
            if ((descriptor & 0b11) == 0b11 && level < 3)
            {
                trace.OnDescriptor(TranslationStage.Stage1, level, address, descriptor, DescriptorMeaning.Table);
                if (output >> outputSizeBits != 0)
                {
                    FaultAtStage1(ref result, EventType.AddressSize, level);
                    return;
                }

                hierarchy |= descriptor;   // Bits [63:59] count; who reads them drops the rest.
                table = output;
                tableIpa = output;
                isTablePhysical = !TTables.IsIntermediate;
                level++;
                shift -= stride;
                continue;
            }

            if (TTrace.IsEnabled)
            {
                trace.OnDescriptor(
                    TranslationStage.Stage1, level, address, descriptor, layout.MeaningOf(descriptor, level));
            }

            if (!layout.IsLeaf(descriptor, level))
            {
                FaultAtStage1(ref result, EventType.Translation, level);
                return;
            }

            ulong inLeaf = (1UL << shift) - 1;
            output &= ~inLeaf;
            if (output >> outputSizeBits != 0)
            {
                FaultAtStage1(ref result, EventType.AddressSize, level);
                return;
            }

            bool isAccessed = (descriptor & DescriptorLayout.AccessFlag) != 0;
            if (!isAccessed && !stage1.HardwareAccessFlag && !stage1.AccessFlagFaultDisabled)
            {
                FaultAtStage1(ref result, EventType.AccessFlag, level);
                return;
            }

            uint restrictions = range.HierarchicalAttributesDisabled ? 0 : (uint)(hierarchy >> DescriptorLayout.HierarchyShift);
            var permissions = hasTwoRanges
                ? DirectPermissions.OfStage1(descriptor, restrictions, in stage1)
                : DirectPermissions.OfStage1OnePrivilege(descriptor, restrictions, in stage1);
            var granted = permissions.Granted;
            var denied = DirectPermissions.Required(access) & ~granted;
            if ((denied & ~permissions.GrantedOnceDirty) != 0)
            {
                result.RefusedAsRead = DirectPermissions.IsRefusedAsRead(access, denied & ~permissions.GrantedOnceDirty);
                FaultAtStage1(ref result, EventType.Permission, level);
                return;
            }

            output |= offset & inLeaf;
            if (denied != 0 || (!isAccessed && stage1.HardwareAccessFlag))
            {
                var update = new LeafUpdate(
                    address,
                    tableIpa + slot,
                    descriptor,
                    (descriptor | DescriptorLayout.AccessFlag) & ~(denied != 0 ? DescriptorLayout.WriteControl : 0),
                    level);
                var outcome = UpdateStage1<TTables, TTrace>(
                    memory, in regime, in update, output, access, ref trace, ref result);
                if (outcome == UpdateOutcome.Faulted) return;
                if (outcome == UpdateOutcome.Lost)
                {
                    // Judges the descriptor anew, as it is now; a nested walk also asks stage 2 anew where it is.
                    isTablePhysical = !TTables.IsIntermediate;
                    continue;
                }

                if (denied != 0) granted |= permissions.GrantedOnceDirty;
            }

            Unsafe.SkipInit(out Stage2Leaf final);
            if (TTables.IsIntermediate && !TryStage2(
                memory, in regime, output, access, FaultClass.Input, isProbe: false, ref trace, ref result, out final)) return;

            result.OutputAddress = output;
            result.Level = (sbyte)level;
            result.Permissions = granted;
            result.IsGlobal = !hasTwoRanges || (descriptor & DescriptorLayout.NotGlobal) == 0;
            result.Attributes = AttributeRules.OfStage1(
                (byte)(stage1.MemoryAttributes >> (int)((descriptor & 0b111_00) << 1)),   // AttrIndx [4:2], times 8.
                layout.KeepsShareability ? (int)(descriptor >> 8) & 0b11 : range.Shareability,
                in regime.Overrides);
            result.LeafSizeLog2 = (byte)shift;
            result.Stage1LeafSizeLog2 = (byte)shift;
            if ((descriptor & DescriptorLayout.Contiguous) != 0)
            {
                result.Stage1RunSizeLog2 = DescriptorLayout.RunSizeLog2(
                    descriptor, output, offset, level, shift, granule, inputSizeBits, outputSizeBits);
            }

            if (tableLeafSizeLog2 >= granule || isTablePhysical)
            {
                result.LastTable = new WalkStart(
                    address - slot, tableIpa, (byte)(hierarchy >> DescriptorLayout.HierarchyShift), (sbyte)level);
            }

            if (TTables.IsIntermediate) Combine(in regime, in final, output, ref result);
            return;
        }
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
        result.LeafSizeLog2 = Math.Min(result.Stage1LeafSizeLog2, final.SizeLog2);
    }
}
