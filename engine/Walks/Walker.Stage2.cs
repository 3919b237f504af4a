using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Walks;

internal static partial class Walker
{
    /// <summary>One translation through stage 2.</summary>
    /// <param name="memory">Where the tables are.</param>
    /// <param name="regime">With stage 2 on.</param>
    /// <param name="ipa">The address to translate.</param>
    /// <param name="access">The access as stage 2 has to judge it.</param>
    /// <param name="faultClass">What the address is of.</param>
    /// <param name="isProbe">Judges as if flags were updated, and leaves them alone.</param>
    /// <param name="trace">Watches.</param>
    /// <param name="result">Receives the fault and the counts, nothing else.</param>
    /// <param name="leaf">The translation.</param>
    /// <returns>True when there is a translation.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool TryStage2<TTrace>(
        GuestMemory memory,
        in TranslationRegime regime,
        ulong ipa,
        AccessKind access,
        FaultClass faultClass,
        bool isProbe,
        ref TTrace trace,
        ref WalkResult result,
        out Stage2Leaf leaf)
        where TTrace : struct, IWalkTrace
    {
        trace.OnStage2Begin(ipa, faultClass, access);
        bool succeeds = TryWalkStage2(memory, in regime, ipa, access, faultClass, isProbe, ref trace, ref result, out leaf);
        trace.OnStage2End(result.Event, leaf.Address);
        return succeeds;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool TryWalkStage2<TTrace>(
        GuestMemory memory,
        in TranslationRegime regime,
        ulong ipa,
        AccessKind access,
        FaultClass faultClass,
        bool isProbe,
        ref TTrace trace,
        ref WalkResult result,
        out Stage2Leaf leaf)
        where TTrace : struct, IWalkTrace
    {
        leaf = default;
        ref readonly var stage2 = ref regime.Stage2;
        int inputSizeBits = 64 - stage2.SizeOffset;
        if (BitField.Exceeds(ipa, inputSizeBits))
        {
            FaultAtStage2(ref result, EventType.Translation, faultClass, ipa, access, level: 0);
            return false;
        }

        int granule = stage2.GranuleLog2;
        int stride = granule - 3;
        int outputSizeBits = stage2.OutputSizeBits;
        int level = stage2.StartLevel;
        int shift = granule + (stride * (3 - level));
        var layout = new DescriptorLayout(granule, stage2.LargeAddresses, regime.OutputSizeBits);
        ulong table = stage2.TableBase;
        ulong slotMask = ulong.MaxValue << 3;   // The range check has bounded the first index, concatenation included.

        while (true)
        {
            ulong address = table + ((ipa >> (shift - 3)) & slotMask);
            result.DescriptorReads++;
            if (!memory.TryRead64(address, out ulong descriptor))
            {
                trace.OnDescriptor(TranslationStage.Stage2, level, address, 0, DescriptorMeaning.Aborted);
                FaultAtStage2(ref result, EventType.WalkExternalAbort, faultClass, ipa, access, level, address);
                return false;
            }

            if (stage2.BigEndian) descriptor = BinaryPrimitives.ReverseEndianness(descriptor);
            ulong output = layout.AddressOf(descriptor);
            if ((descriptor & 0b11) == 0b11 && level < 3)
            {
                trace.OnDescriptor(TranslationStage.Stage2, level, address, descriptor, DescriptorMeaning.Table);
                if (output >> outputSizeBits != 0)
                {
                    FaultAtStage2(ref result, EventType.AddressSize, faultClass, ipa, access, level);
                    return false;
                }

                table = output;
                slotMask = ((1UL << stride) - 1) << 3;
                level++;
                shift -= stride;
                continue;
            }

            if (TTrace.IsEnabled)
            {
                trace.OnDescriptor(
                    TranslationStage.Stage2, level, address, descriptor, layout.MeaningOf(descriptor, level));
            }

            if (!layout.IsLeaf(descriptor, level))
            {
                FaultAtStage2(ref result, EventType.Translation, faultClass, ipa, access, level);
                return false;
            }

            ulong inLeaf = (1UL << shift) - 1;
            output &= ~inLeaf;
            if (output >> outputSizeBits != 0)
            {
                FaultAtStage2(ref result, EventType.AddressSize, faultClass, ipa, access, level);
                return false;
            }

            bool isAccessed = (descriptor & DescriptorLayout.AccessFlag) != 0;
            if (!isAccessed && !stage2.HardwareAccessFlag && !stage2.AccessFlagFaultDisabled)
            {
                FaultAtStage2(ref result, EventType.AccessFlag, faultClass, ipa, access, level);
                return false;
            }

            var permissions = DirectPermissions.OfStage2(descriptor, in stage2);
            var granted = permissions.Granted;
            var denied = DirectPermissions.Required(access) & ~granted;
            var refused = denied & ~permissions.GrantedOnceDirty;
            int memAttr = (int)(descriptor >> 2) & 0xf;
            if (refused != 0 || IsRefusedDevice(in stage2, faultClass, memAttr))
            {
                result.RefusedAsRead = faultClass == FaultClass.Input && DirectPermissions.IsRefusedAsRead(access, refused);
                FaultAtStage2(ref result, EventType.Permission, faultClass, ipa, access, level);
                return false;
            }

            if (denied != 0 || (!isAccessed && stage2.HardwareAccessFlag))
            {
                if (!isProbe)
                {
                    var update = new LeafUpdate(
                        address,
                        ipa,
                        descriptor,
                        descriptor | DescriptorLayout.AccessFlag | (denied != 0 ? DescriptorLayout.WriteControl : 0),
                        level);
                    var outcome = UpdateStage2(memory, in stage2, in update, faultClass, access, ref trace, ref result);
                    if (outcome == UpdateOutcome.Faulted) return false;
                    if (outcome == UpdateOutcome.Lost) continue;   // Judges the descriptor anew, as it is now.
                }

                if (denied != 0) granted |= permissions.GrantedOnceDirty;
            }

            leaf.Address = output | (ipa & inLeaf);
            leaf.Permissions = granted;
            leaf.MemAttr = (byte)memAttr;
            leaf.Shareability = layout.KeepsShareability ? (byte)((descriptor >> 8) & 0b11) : stage2.Shareability;
            leaf.SizeLog2 = (byte)shift;
            leaf.Level = (sbyte)level;
            if ((descriptor & DescriptorLayout.Contiguous) != 0)
            {
                leaf.RunSizeLog2 = DescriptorLayout.RunSizeLog2(
                    descriptor, output, ipa, level, shift, granule, inputSizeBits, outputSizeBits);
            }

            return true;
        }
    }

    /// <summary>S2PTW: stage 1 tables and CDs must not lie in what stage 2 maps as Device (IHI 0070, 5.2).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsRefusedDevice(in Stage2Configuration stage2, FaultClass faultClass, int memAttr) =>
        stage2.ProtectedTableWalk
        && faultClass != FaultClass.Input
        && AttributeRules.IsDeviceAtStage2(memAttr, stage2.ForcedWriteBack);

    /// <summary>A stage 2 translation of one address.</summary>
    private struct Stage2Leaf
    {
        /// <summary>Where exactly the IPA leads to.</summary>
        public ulong Address;

        /// <summary>What the leaf permits, as in <see cref="WalkResult.Permissions"/>.</summary>
        public AccessPermissions Permissions;

        /// <summary>MemAttr[3:0].</summary>
        public byte MemAttr;

        /// <summary>SH, or S2SH0 with S2DS.</summary>
        public byte Shareability;

        /// <summary>Size of the leaf, log2.</summary>
        public byte SizeLog2;

        /// <summary>Size of its contiguous run, log2, or 0.</summary>
        public byte RunSizeLog2;

        /// <summary>-1 to 3.</summary>
        public sbyte Level;
    }
}
