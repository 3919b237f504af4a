using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Walks;

/// <summary>How memory attributes of input, stage 1 and stage 2 become those of the output (IHI 0070, 13.1 to 13.4).</summary>
/// <remarks>
/// Types are MAIR bytes. A Normal nibble is 0100 Non-cacheable; else bit 3 says non-transient, bit 2 Write-Back and bits
/// [1:0] read and write allocation.
/// </remarks>
internal static class AttributeRules
{
    private const byte NonShareable = 0;
    private const byte OuterShareable = 2;
    private const byte InnerShareable = 3;
    private const int NonCacheable = 0b0100;
    private const int WriteThrough = 0b1011;
    private const int WriteBack = 0b1111;
    private const int WriteBackBit = 0b0100;
    private const int NonTransientBit = 0b1000;

    /// <summary>Attributes as they reach the first enabled stage: the incoming ones with the overrides of the STE.</summary>
    public static MemoryAttributes OfInput(in AttributeOverrides overrides)
    {
        var incoming = MemoryAttributes.Default;
        int type = overrides.ReplaceMemoryType ? TypeOfStage2(overrides.MemoryType) : incoming.Type;
        if (type > 0xf && (overrides.AllocationHints & 0b1000) != 0)
        {
            type = (WithHints(type >> 4, overrides.AllocationHints) << 4) | WithHints(type & 0xf, overrides.AllocationHints);
        }

        return Consistent(type, overrides.Shareability == 1 ? incoming.Shareability : overrides.Shareability);
    }

    /// <summary>Attributes after stage 1: those of the leaf, with the allocation hints of a cacheable input combined in.</summary>
    /// <param name="mair">The MAIR byte that AttrIndx chose.</param>
    /// <param name="shareability">SH of the leaf, or SHx with DS.</param>
    /// <param name="overrides">Of the STE. Without ALLOCCFG the hints of the input are the weakest, and change nothing.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static MemoryAttributes OfStage1(int mair, int shareability, in AttributeOverrides overrides)
    {
        var attributes = Consistent(mair, shareability);
        return (overrides.AllocationHints & 0b1000) == 0 ? attributes : WithInputHints(attributes, in overrides);
    }

    /// <summary>Combines what reaches stage 2 with its leaf.</summary>
    /// <param name="input">Consistent attributes of stage 1, or of the input.</param>
    /// <param name="memAttr">MemAttr[3:0] of the leaf.</param>
    /// <param name="shareability">SH of the leaf, or S2SH0 with S2DS.</param>
    /// <param name="forcedWriteBack">S2FWB.</param>
    public static MemoryAttributes Combine(MemoryAttributes input, int memAttr, int shareability, bool forcedWriteBack)
    {
        int type;
        if (IsDeviceAtStage2(memAttr, forcedWriteBack))
        {
            int device = DeviceTypeAtStage2(memAttr, forcedWriteBack);
            type = (input.IsDevice ? Math.Min(device, input.Type >> 2) : device) << 2;   // The smaller is the stronger.
            shareability = OuterShareable;
        }
        else if (forcedWriteBack)
        {
            type = (memAttr & 0b11) switch
            {
                0b01 => input.IsDevice ? input.Type : (NonCacheable << 4) | NonCacheable,
                0b10 => input.IsDevice ? 0xff : (ForcedWriteBack(input.Type >> 4) << 4) | ForcedWriteBack(input.Type & 0xf),
                _ => input.Type,
            };
            if ((memAttr & 0b11) == 0b01) shareability = OuterShareable;
        }
        else
        {
            type = input.IsDevice
                ? input.Type
                : (Weaker(input.Type >> 4, memAttr >> 2) << 4) | Weaker(input.Type & 0xf, memAttr & 0b11);
            if (memAttr == 0b0101) shareability = OuterShareable;
        }

        return Consistent(type, CombineShareability(input.Shareability, shareability));
    }

    /// <summary>True when the stage 2 type of a leaf is Device, whatever stage 1 says: what S2PTW asks.</summary>
    /// <remarks>
    /// Reserved encodings count as Device-nGnRnE, the strongest type: 0100, 1000 and 1100, and with S2FWB x100.
    /// </remarks>
    public static bool IsDeviceAtStage2(int memAttr, bool forcedWriteBack) => forcedWriteBack
        ? (memAttr & 0b100) == 0 || (memAttr & 0b111) == 0b100
        : (memAttr & 0b1100) == 0 || (memAttr & 0b0011) == 0;

    private static int DeviceTypeAtStage2(int memAttr, bool forcedWriteBack) =>
        forcedWriteBack || (memAttr & 0b1100) == 0 ? memAttr & 0b11 : 0;

    /// <summary>MemAttr[3:0] of a leaf without S2FWB, and of STE.MemAttr, as a MAIR byte.</summary>
    private static int TypeOfStage2(int memAttr) => IsDeviceAtStage2(memAttr, forcedWriteBack: false)
        ? DeviceTypeAtStage2(memAttr, forcedWriteBack: false) << 2
        : (CacheabilityOf(memAttr >> 2) << 4) | CacheabilityOf(memAttr & 0b11);

    private static int CacheabilityOf(int code) => code switch
    {
        0b01 => NonCacheable,
        0b10 => WriteThrough,
        _ => WriteBack,
    };

    private static int Weaker(int nibble, int stage2Code) => stage2Code switch
    {
        0b01 => NonCacheable,
        0b10 when nibble != NonCacheable => nibble & ~WriteBackBit,
        _ => nibble,
    };

    private static int ForcedWriteBack(int nibble) => nibble == NonCacheable ? WriteBack : nibble | WriteBackBit;

    private static int CombineShareability(int first, int second) =>
        first == OuterShareable || second == OuterShareable ? OuterShareable
        : first == InnerShareable || second == InnerShareable ? InnerShareable
        : NonShareable;

    private static int WithHints(int nibble, int hints)
    {
        if (nibble == NonCacheable) return nibble;
        int allocate = (hints >> 1) & 0b11;   // ALLOCCFG 0b1RWT
        bool transient = (hints & 1) != 0 && allocate != 0;   // Nothing allocated is nothing transient.
        return (nibble & WriteBackBit) | (transient ? 0 : NonTransientBit) | allocate;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static MemoryAttributes WithInputHints(MemoryAttributes attributes, in AttributeOverrides overrides)
    {
        var input = OfInput(in overrides);
        if (attributes.IsDevice || input.IsDevice) return attributes;
        int outer = CombineHints(attributes.Type >> 4, input.Type >> 4);
        int inner = CombineHints(attributes.Type & 0xf, input.Type & 0xf);
        return attributes with { Type = (byte)((outer << 4) | inner) };
    }

    private static int CombineHints(int nibble, int input)
    {
        if (nibble == NonCacheable || input == NonCacheable) return nibble;
        int allocate = nibble & input & 0b11;
        int nonTransient = allocate == 0 ? NonTransientBit : nibble & input & NonTransientBit;
        return (nibble & WriteBackBit) | nonTransient | allocate;
    }

    // Device: bits [1:0] say nothing of the type. Normal with inner 0000 is reserved: Write-Through transient, RW 11 (5.4).
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static MemoryAttributes Consistent(int type, int shareability)
    {
        if ((type & 0xf0) == 0) return new MemoryAttributes((byte)(type & 0x0c), OuterShareable);
        if ((type & 0x0f) == 0) type |= 0b0011;
        if (type == ((NonCacheable << 4) | NonCacheable)) return new MemoryAttributes((byte)type, OuterShareable);
        return new MemoryAttributes((byte)type, shareability == 1 ? NonShareable : (byte)shareability);
    }
}
