using Smmu.Fast.Formats;

namespace Smmu.Fast.Iommufd;

/// <summary>The part of an STE that a guest has a say in: its first two words, checked and joined with the host's stage 2.</summary>
public static class GuestStreamTableEntry
{
    /// <summary>Bytes of the user data: words 0 and 1.</summary>
    public const int SizeBytes = 16;

    private static readonly (ulong Word0, ulong Word1) Allowed = MaskOf(
        StreamTableEntryField.V, StreamTableEntryField.Config, StreamTableEntryField.S1Fmt, StreamTableEntryField.S1ContextPtr,
        StreamTableEntryField.S1CDMax, StreamTableEntryField.S1DSS, StreamTableEntryField.S1CIR, StreamTableEntryField.S1COR,
        StreamTableEntryField.S1CSH, StreamTableEntryField.S1STALLD, StreamTableEntryField.EATS);

    /// <summary>Checks what a guest has written.</summary>
    /// <param name="word0">Word 0 of its STE.</param>
    /// <param name="word1">Word 1 of its STE.</param>
    /// <param name="config">What it means for the stream: abort, bypass (of stage 1) or stage 1.</param>
    /// <returns>None; EIO for bits that are not a guest's, another Config, or another kind of ATS.</returns>
    public static Errno Check(ulong word0, ulong word1, out StreamConfiguration config)
    {
        config = StreamConfiguration.Abort;
        StreamTableEntry entry = Of(word0, word1);
        if (!entry.IsValid) return Errno.None;   // Nothing else of it counts.
        if ((word0 & ~Allowed.Word0) != 0 || (word1 & ~Allowed.Word1) != 0 || entry.EATS > 1) return Errno.EIO;
        if (entry.Config is not (StreamConfiguration.Abort or StreamConfiguration.Bypass or StreamConfiguration.Stage1)) return Errno.EIO;
        config = entry.Config;
        return Errno.None;
    }

    /// <summary>Makes the STE that the hardware gets.</summary>
    /// <param name="word0">Word 0 of the guest's STE, which <see cref="Check"/> has passed.</param>
    /// <param name="word1">Word 1 of the guest's STE.</param>
    /// <param name="stage2">The STE that attaches the stream to the stage 2 of the parent, with the host's VMID.</param>
    /// <param name="allowAts">The host lets the device use ATS.</param>
    /// <returns>Stage 1 becomes nested translation, bypass the stage 2 alone, and all else an abort.</returns>
    public static StreamTableEntry Join(ulong word0, ulong word1, in StreamTableEntry stage2, bool allowAts)
    {
        StreamTableEntry guest = Of(word0, word1);
        ulong ats = allowAts ? 1UL : 0;
        if (!guest.IsValid) return Abort();
        switch (guest.Config)
        {
            case StreamConfiguration.Stage1:
                return stage2
                    .With(StreamTableEntryField.V, 1)
                    .With(StreamTableEntryField.Config, (ulong)StreamConfiguration.Nested)
                    .With(StreamTableEntryField.S1Fmt, guest.S1Fmt)
                    .With(StreamTableEntryField.S1ContextPtr, guest.S1ContextPtr)
                    .With(StreamTableEntryField.S1CDMax, guest.S1CDMax)
                    .With(StreamTableEntryField.S1DSS, guest.S1DSS)
                    .With(StreamTableEntryField.S1CIR, guest.S1CIR)
                    .With(StreamTableEntryField.S1COR, guest.S1COR)
                    .With(StreamTableEntryField.S1CSH, guest.S1CSH)
                    .With(StreamTableEntryField.S1STALLD, guest.S1STALLD ? 1UL : 0)
                    .With(StreamTableEntryField.EATS, guest.EATS & ats)
                    .With(StreamTableEntryField.STRW, 0)
                    .With(StreamTableEntryField.MEV, 1);   // A guest cannot flood the host's queue with equal events.
            case StreamConfiguration.Bypass:
                return stage2.With(StreamTableEntryField.EATS, ats);
            default:
                return Abort();
        }
    }

    private static StreamTableEntry Abort() => default(StreamTableEntry)
        .With(StreamTableEntryField.V, 1)
        .With(StreamTableEntryField.Config, (ulong)StreamConfiguration.Abort);

    private static StreamTableEntry Of(ulong word0, ulong word1) => new([word0, word1, 0, 0, 0, 0, 0, 0]);

    private static (ulong Word0, ulong Word1) MaskOf(params ReadOnlySpan<StreamTableEntryField> fields)
    {
        // S1ContextPtr has bits up to 55 in later versions of the architecture; Linux allows 51.
        (ulong word0, ulong word1) = (0UL, 0UL);
        foreach (StreamTableEntryField field in fields)
        {
            int place = (int)field;
            ulong mask = BitRange.Place(place, ulong.MaxValue);
            if (field == StreamTableEntryField.S1ContextPtr) mask &= Foundation.BitField.Mask(51, 6);
            if (BitRange.WordOf(place) == 0) word0 |= mask;
            else word1 |= mask;
        }

        return (word0, word1);
    }
}
