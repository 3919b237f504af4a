namespace Smmu.Fast.Oracle;

/// <summary>Writes faults as event records (IHI 0070, 7.3). Bits that an event does not define are zero.</summary>
internal static class EventEncoder
{
    /// <summary>The record of a fault of a client transaction.</summary>
    /// <param name="fault">The fault.</param>
    /// <param name="streamId">StreamID.</param>
    /// <param name="substreamId">SubstreamID, or null for SSV 0.</param>
    /// <param name="address">Input address, all 64 bits.</param>
    /// <param name="access">The transaction after the overrides.</param>
    /// <param name="stallTag">STAG of a transaction that stalls, else null.</param>
    /// <param name="outputBits">OAS: FetchAddr and IPA hold no bit at or above it.</param>
    public static OracleEvent Encode(TranslationFault fault, uint streamId, uint? substreamId, ulong address,
        in EffectiveAccess access, ushort? stallTag, int outputBits)
    {
        ulong word0 = (ulong)fault.Kind | ((ulong)streamId << 32);
        switch (fault.Kind)
        {
            case OracleEventKind.StreamDisabled:
                return new OracleEvent(word0, 0, 0, 0);
            case OracleEventKind.BadSubstreamId:
                // SubstreamID is always valid, without SSV.
                return new OracleEvent(word0 | ((ulong)(fault.SubstreamId ?? substreamId ?? 0) << 12), 0, 0, 0);
            default:
                break;
        }

        if (substreamId is uint substream) word0 |= (1UL << 11) | ((ulong)substream << 12);
        switch (fault.Kind)
        {
            case OracleEventKind.StreamTableFetch:
            case OracleEventKind.ContextFetch:
                return new OracleEvent(word0, 0, 0, FetchAddress(fault, outputBits));
            case OracleEventKind.WalkAbort:
                return new OracleEvent(word0, Attributes(fault, access), address, FetchAddress(fault, outputBits));
            case OracleEventKind.Translation:
            case OracleEventKind.AddressSize:
            case OracleEventKind.AccessFlag:
            case OracleEventKind.Permission:
                ulong word1 = Attributes(fault, access);
                if (stallTag is ushort tag) word1 |= tag | (1UL << (95 - 64));
                if (fault.TableRead) word1 |= 1UL << (108 - 64);
                ulong intermediate = fault.IsStageTwo ? fault.IntermediateAddress & Bits.Below(outputBits) : 0;
                return new OracleEvent(word0, word1, address, Bits.AlignDown(intermediate & Bits.Below(56), 12));
            default:
                return new OracleEvent(word0, 0, 0, 0);
        }
    }

    // PnU [97], InD [98], RnW [99], S2 [103], CLASS [105:104].
    private static ulong Attributes(TranslationFault fault, in EffectiveAccess access)
    {
        // 13.1.1: an atomic transaction is recorded as a write, unless read permission alone is missing.
        bool isRead = !access.Writes || fault.LacksReadAlone;
        ulong word = 0;
        if (access.Privileged) word |= 1UL << (97 - 64);
        if (access.Instruction) word |= 1UL << (98 - 64);
        if (isRead) word |= 1UL << (99 - 64);
        if (fault.IsStageTwo) word |= 1UL << (103 - 64);
        return word | ((ulong)fault.Class << (104 - 64));
    }

    // FetchAddr[55:3] lies in [247:195], which puts it in place in the last word.
    private static ulong FetchAddress(TranslationFault fault, int outputBits) =>
        Bits.AlignDown(fault.FetchAddress & Bits.Below(Math.Min(outputBits, 56)), 3);
}
