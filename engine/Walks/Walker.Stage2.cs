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
        leaf = default;
        var asked = new Stage2Question(ipa, access, faultClass, isProbe);
        WalkStage2(memory, in regime, in asked, ref trace, ref result, ref leaf);
        trace.OnStage2End(result.Event, leaf.Address);
        return result.Event == EventType.None;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void WalkStage2<TTrace>(
        GuestMemory memory,
        in TranslationRegime regime,
        in Stage2Question asked,
        ref TTrace trace,
        ref WalkResult result,
        ref Stage2Leaf leaf)
        where TTrace : struct, IWalkTrace
    {
        ulong ipa = asked.Ipa;
        if (BitField.Exceeds(ipa, 64 - regime.Stage2.SizeOffset))
        {
            FaultAtStage2(ref result, EventType.Translation, in asked, level: 0);
            return;
        }

        int granule = regime.Stage2.GranuleLog2;
        int stride = granule - 3;
        int outputSizeBits = regime.Stage2.OutputSizeBits;
        int level = regime.Stage2.StartLevel;
        int shift = granule + (stride * (3 - level));
        var layout = new DescriptorLayout(granule, regime.Stage2.LargeAddresses);
        ulong table = regime.Stage2.TableBase;
        ulong slotMask = ulong.MaxValue << 3;   // The range check has bounded the first index, concatenation included.

        while (true)
        {
            ulong address = table + ((ipa >> (shift - 3)) & slotMask);
            result.DescriptorReads++;
            if (!memory.TryRead64InScope(address, out ulong descriptor))
            {
                trace.OnDescriptor(TranslationStage.Stage2, level, address, 0, DescriptorMeaning.Aborted);
                FaultAtStage2(ref result, EventType.WalkExternalAbort, in asked, level, address);
                return;
            }

            if (regime.Stage2.BigEndian) descriptor = BinaryPrimitives.ReverseEndianness(descriptor);
            ulong output = layout.AddressOf(descriptor);
            if ((descriptor & 0b11) == 0b11 && level < 3)
            {
                trace.OnDescriptor(TranslationStage.Stage2, level, address, descriptor, DescriptorMeaning.Table);
                table = output;
                if (table >> outputSizeBits != 0)
                {
                    FaultAtStage2(ref result, EventType.AddressSize, in asked, level);
                    return;
                }

                slotMask = ((1UL << stride) - 1) << 3;
                level++;
                shift -= stride;
                continue;
            }

            if (TryFinishStage2(
                memory, in regime, in asked, address, descriptor, output, level, shift, ref trace, ref result, ref leaf)) return;
        }
    }

    /// <summary>Judges what a stage 2 walk found where it ends.</summary>
    /// <returns>False when the descriptor has to be read again: it needed an update and changed before that.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool TryFinishStage2<TTrace>(
        GuestMemory memory,
        in TranslationRegime regime,
        in Stage2Question asked,
        ulong address,
        ulong descriptor,
        ulong output,
        int level,
        int sizeLog2,
        ref TTrace trace,
        ref WalkResult result,
        ref Stage2Leaf leaf)
        where TTrace : struct, IWalkTrace
    {
        ref readonly var stage2 = ref regime.Stage2;
        bool isLeaf = DescriptorLayout.IsLeaf(
            descriptor, level, stage2.GranuleLog2, stage2.LargeAddresses, regime.OutputSizeBits);
        if (TTrace.IsEnabled)
        {
            trace.OnDescriptor(
                TranslationStage.Stage2, level, address, descriptor, DescriptorLayout.MeaningOf(descriptor, level, isLeaf));
        }

        ulong inLeaf = (1UL << sizeLog2) - 1;
        output = (output & ~inLeaf) | (asked.Ipa & inLeaf);   // Of a block larger than the output size, a part fits.
        bool isAccessed = (descriptor & DescriptorLayout.AccessFlag) != 0;
        var permissions = DirectPermissions.OfStage2(descriptor, in stage2);
        var granted = permissions.Granted;
        var denied = DirectPermissions.Required(asked.Access) & ~granted;
        var refused = denied & ~permissions.GrantedOnceDirty;
        int memAttr = (int)(descriptor >> 2) & 0xf;
        var fault = !isLeaf ? EventType.Translation
            : output >> stage2.OutputSizeBits != 0 ? EventType.AddressSize
            : !isAccessed && !stage2.HardwareAccessFlag && !stage2.AccessFlagFaultDisabled ? EventType.AccessFlag
            : refused != 0 || IsRefusedDevice(in stage2, asked.Class, memAttr) ? EventType.Permission
            : EventType.None;
        if (fault != EventType.None)
        {
            result.RefusedAsRead = fault == EventType.Permission && DirectPermissions.IsRefusedAsRead(asked.Access, refused);
            FaultAtStage2(ref result, fault, in asked, level);
            return true;
        }

        if (denied != 0 || (!isAccessed && stage2.HardwareAccessFlag))
        {
            if (!asked.IsProbe)
            {
                var update = new LeafUpdate(
                    address,
                    asked.Ipa,
                    descriptor,
                    descriptor | DescriptorLayout.AccessFlag | (denied != 0 ? DescriptorLayout.WriteControl : 0),
                    level);
                var outcome = UpdateStage2(memory, in stage2, in update, in asked, ref trace, ref result);
                if (outcome != UpdateOutcome.Written) return outcome == UpdateOutcome.Faulted;
            }

            if (denied != 0) granted |= permissions.GrantedOnceDirty;
        }

        leaf.Address = output;
        leaf.Permissions = granted;
        leaf.MemAttr = (byte)memAttr;
        leaf.Shareability = DescriptorLayout.KeepsShareability(stage2.GranuleLog2, stage2.LargeAddresses)
            ? (byte)((descriptor >> 8) & 0b11)
            : stage2.Shareability;
        leaf.SizeLog2 = (byte)sizeLog2;
        leaf.ReachLog2 = (byte)Math.Min(sizeLog2, stage2.OutputSizeBits);
        leaf.Level = (sbyte)level;
        if ((descriptor & DescriptorLayout.Contiguous) != 0)
        {
            leaf.RunSizeLog2 = DescriptorLayout.RunSizeLog2(
                descriptor, output, asked.Ipa, level, sizeLog2, stage2.GranuleLog2, 64 - stage2.SizeOffset,
                stage2.OutputSizeBits);
        }

        return true;
    }

    /// <summary>S2PTW: stage 1 tables and CDs must not lie in what stage 2 maps as Device (IHI 0070, 5.2).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsRefusedDevice(in Stage2Configuration stage2, FaultClass faultClass, int memAttr) =>
        stage2.ProtectedTableWalk
        && faultClass != FaultClass.Input
        && AttributeRules.IsDeviceAtStage2(memAttr, stage2.ForcedWriteBack);

    /// <summary>What stage 2 is asked.</summary>
    /// <param name="ipa">The address to translate.</param>
    /// <param name="access">The access as stage 2 has to judge it.</param>
    /// <param name="faultClass">What the address is of.</param>
    /// <param name="isProbe">Judges as if flags were updated, and leaves them alone.</param>
    private readonly struct Stage2Question(ulong ipa, AccessKind access, FaultClass faultClass, bool isProbe)
    {
        public readonly ulong Ipa = ipa;
        public readonly AccessKind Access = access;
        public readonly FaultClass Class = faultClass;
        public readonly bool IsProbe = isProbe;
    }

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

        /// <summary>Bytes around the address for which the translation holds, log2: the leaf, but no more than has outputs.</summary>
        public byte ReachLog2;

        /// <summary>Size of its contiguous run, log2, or 0.</summary>
        public byte RunSizeLog2;

        /// <summary>-1 to 3.</summary>
        public sbyte Level;
    }
}
