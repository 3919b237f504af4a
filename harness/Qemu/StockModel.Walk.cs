using Smmu.Fast.Formats;

namespace Smmu.Fast.Qemu;

/// <content>Contexts, tables, and the TLB.</content>
internal sealed partial class StockModel
{
    private const ulong ReadNotWrite = 1UL << 35;
    private const ulong ClassOfTable = 1UL << 40;
    private const ulong ClassOfInput = 2UL << 40;

    private readonly Dictionary<(ushort Asid, int Granule, int Level, ulong Iova), CachedLeaf> tlb = [];
    private bool leafIsReadOnly;

    private readonly record struct CachedLeaf(ulong Output, int SizeLog2, bool IsReadOnly, bool IsUpper);

    private readonly record struct Range(int SizeOffset, int GranuleLog2, ulong TableBase, bool IgnoresHierarchy, bool IsUpper)
    {
        public int StartLevel => 4 - ((64 - SizeOffset - 4) / (GranuleLog2 - 3));
    }

    private static bool IsLegal(in ContextDescriptor context)
    {
        if (!context.IsValid || !context.AA64 || !context.A || context.S || context.HA || context.HD) return false;
        int bits = SizeOf(in context);
        return (context.EPD0 || IsLegal(in context, (int)context.T0SZ, Granule0(in context), context.TTB0, bits))
            && (context.EPD1 || IsLegal(in context, (int)context.T1SZ, Granule1(in context), context.TTB1, bits));
    }

    private static bool IsLegal(in ContextDescriptor context, int sizeOffset, int granule, ulong table, int bits) =>
        sizeOffset is >= 16 and <= 39 && granule != 0 && !context.ENDI && table >> bits == 0;

    private static int SizeOf(in ContextDescriptor context) =>
        Math.Min(OutputBits, (int)context.IPS switch { 0 => 32, 1 => 36, 2 => 40, 3 => 42, _ => OutputBits });

    private static int Granule0(in ContextDescriptor context) => (int)context.TG0 switch { 0 => 12, 1 => 16, 2 => 14, _ => 0 };

    private static int Granule1(in ContextDescriptor context) => (int)context.TG1 switch { 1 => 14, 2 => 12, 3 => 16, _ => 0 };

    private bool TrySelect(in ContextDescriptor context, ulong iova, out Range range)
    {
        var lower = new Range((int)context.T0SZ, Granule0(in context), context.TTB0, context.HAD0, false);
        var upper = new Range((int)context.T1SZ, Granule1(in context), context.TTB1, context.HAD1, true);
        bool isUpper = ((iova >> 55) & 1) != 0;
        range = isUpper ? upper : lower;
        if (!(isUpper ? context.EPD1 : context.EPD0)
            && IsInside(iova, range.SizeOffset, isUpper ? context.TBI1 : context.TBI0, isUpper)) return true;
        if (isUpper || context.EPD1 || iova >> (64 - upper.SizeOffset) != 0) return false;
        range = upper;
        return Departs(Departure.UpperRangeBeginsAtZero);
    }

    private static bool IsInside(ulong iova, int sizeOffset, bool ignoresTopByte, bool isUpper)
    {
        ulong mask = ulong.MaxValue << (64 - sizeOffset);
        if (ignoresTopByte) mask &= (1UL << 56) - 1;
        return ((iova ^ (isUpper ? ulong.MaxValue : 0)) & mask) == 0;
    }

    private void Translate(in ContextDescriptor context, StreamId stream, ulong iova, bool isWrite, ref ExpectedAnswer answer)
    {
        if (!TrySelect(in context, iova, out var range))
        {
            Fault(in context, EventType.Translation, stream, iova, isWrite, ref answer);
            return;
        }

        answer.GranuleLog2 = range.GranuleLog2;
        var known = departures;
        Walk(in context, stream, iova, isWrite, in range, ref answer);
        if (isStock) UseTlb(in context, stream, iova, isWrite, in range, known, ref answer);
    }

    // A cached entry answers in place of the walk. It makes a difference where tables deny what the leaf allows, and where
    // it is of the upper range, which overlaps the lower one.
    private void UseTlb(
        in ContextDescriptor context, StreamId stream, ulong iova, bool isWrite, in Range range, DepartureSet known,
        ref ExpectedAnswer answer)
    {
        int granule = range.GranuleLog2;
        ushort asid = context.ASID.Value;
        for (int level = range.StartLevel; level <= 3; level++)
        {
            int sizeLog2 = granule + ((3 - level) * (granule - 3));
            if (!tlb.TryGetValue((asid, granule, level, iova >> sizeLog2), out var cached)) continue;
            bool isDenied = isWrite && cached.IsReadOnly;
            ulong output = cached.Output | (iova & ((1UL << sizeLog2) - 1));
            if (answer.Output == (isDenied ? null : output)) return;
            bool deniedByTable = answer.Output is null && isWrite && departures.Has(Departure.ApTableIsJudgedEarly);
            departures = cached.IsUpper != range.IsUpper ? known | Departure.UpperRangeBeginsAtZero
                : deniedByTable ? known | Departure.CachedWritePassesApTable
                : default;   // Nothing that QEMU is known for: software invalidated what it changed.
            answer.Event = null;
            answer.Output = null;
            if (isDenied) Fault(in context, EventType.Permission, stream, iova, isWrite, ref answer);
            else answer.Output = output;
            return;
        }

        if (answer.Output is not { } fresh) return;
        int leafLog2 = granule + ((3 - answer.Level) * (granule - 3));
        ulong inLeaf = (1UL << leafLog2) - 1;
        tlb[(asid, granule, answer.Level, iova >> leafLog2)] = new CachedLeaf(
            fresh & ~inLeaf, leafLog2, leafIsReadOnly, range.IsUpper);
    }

    private void Walk(
        in ContextDescriptor context, StreamId stream, ulong iova, bool isWrite, in Range range, ref ExpectedAnswer answer)
    {
        const ulong AddressMask = (1UL << 48) - 1;
        int granule = range.GranuleLog2;
        int stride = granule - 3;
        int inputBits = 64 - range.SizeOffset;
        int level = range.StartLevel;
        int bits = SizeOf(in context);
        ulong table = range.TableBase & AddressMask & ~((1UL << (inputBits - (stride * (4 - level)))) - 1);
        ulong hierarchy = 0;
        while (true)
        {
            int sizeLog2 = granule + ((3 - level) * stride);
            ulong index = ((iova & ((1UL << inputBits) - 1)) >> sizeLog2) & ((1UL << stride) - 1);
            ulong at = table + (index * sizeof(ulong));
            answer.Level = level;
            if (!TryRead64(at, out ulong descriptor))
            {
                answer.Event = Record(
                    EventType.WalkExternalAbort, stream, (isWrite ? 0 : ReadNotWrite) | ClassOfTable, iova, at);
                return;
            }

            bool isTable = (descriptor & 3) == 3 && level < 3;
            if ((descriptor & 1) == 0 || (level == 3 && (descriptor & 3) != 3))
            {
                Fault(in context, EventType.Translation, stream, iova, isWrite, ref answer);
                return;
            }

            if (!isTable)
            {
                Finish(in context, stream, iova, isWrite, in range, descriptor, hierarchy, ref answer);
                return;
            }

            const ulong DeniesWrites = 1UL << 62;
            if (!range.IgnoresHierarchy && isWrite && (descriptor & DeniesWrites) != 0 && Departs(Departure.ApTableIsJudgedEarly))
            {
                Fault(in context, EventType.Permission, stream, iova, isWrite, ref answer);
                return;
            }

            table = descriptor & AddressMask & ~((1UL << granule) - 1);
            if ((table >> bits != 0 && !Departs(Departure.TableSizeIsUnchecked)) || HasHighBits(descriptor, granule))
            {
                Fault(in context, EventType.AddressSize, stream, iova, isWrite, ref answer);
                return;
            }

            hierarchy |= range.IgnoresHierarchy ? 0 : descriptor;
            level++;
        }
    }

    private bool HasHighBits(ulong descriptor, int granule) =>
        granule == 16 && ((descriptor >> 12) & 0xf) != 0 && !Departs(Departure.HighAddressBitsAreIgnored);

    // In the order of the architecture; QEMU looks at nothing of it but AP[2].
    private void Finish(
        in ContextDescriptor context, StreamId stream, ulong iova, bool isWrite, in Range range, ulong descriptor,
        ulong hierarchy, ref ExpectedAnswer answer)
    {
        int granule = range.GranuleLog2;
        int sizeLog2 = granule + ((3 - answer.Level) * (granule - 3));
        bool isBlockLevel = answer.Level == 3 || answer.Level >= (granule == 12 ? 1 : 2);
        ulong output = descriptor & ((1UL << 48) - 1) & ~((1UL << sizeLog2) - 1);
        bool isAccessed = ((descriptor >> 10) & 1) != 0;
        bool allowsUnprivileged = ((descriptor >> 6) & 1) != 0 && ((hierarchy >> 61) & 1) == 0;
        bool tableDeniesWrites = ((hierarchy >> 62) & 1) != 0;
        leafIsReadOnly = ((descriptor >> 7) & 1) != 0;
        var fault = !isBlockLevel && !Departs(Departure.BlockLevelIsUnchecked) ? EventType.Translation
            : (output >> SizeOf(in context) != 0 && !Departs(Departure.OutputSizeIsUnchecked))
                || HasHighBits(descriptor, granule) ? EventType.AddressSize
            : !isAccessed && !context.AFFD && !Departs(Departure.AccessFlagIsIgnored) ? EventType.AccessFlag
            : !allowsUnprivileged && !Departs(Departure.AccessesArePrivileged) ? EventType.Permission
            : isWrite && (leafIsReadOnly || (tableDeniesWrites && !isStock)) ? EventType.Permission
            : EventType.None;
        if (fault != EventType.None) Fault(in context, fault, stream, iova, isWrite, ref answer);
        else answer.Output = output | (iova & ((1UL << sizeLog2) - 1));
    }

    private void Fault(
        in ContextDescriptor context, EventType type, StreamId stream, ulong iova, bool isWrite, ref ExpectedAnswer answer)
    {
        if (!context.R) return;
        ulong faultClass = Departs(Departure.FaultClassIsZero) ? 0 : ClassOfInput;
        answer.Event = Record(type, stream, (isWrite ? 0 : ReadNotWrite) | faultClass, iova);
    }
}
