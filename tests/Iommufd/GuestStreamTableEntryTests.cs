using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd;

namespace Smmu.Fast.Tests.Iommufd;

/// <summary>What a guest may write into its STE, and what the hardware gets.</summary>
public class GuestStreamTableEntryTests
{
    private const ulong AllowedWord0 = 0xf80f_ffff_ffff_ffff;   // [63:59], [51:6], [5:4], [3:1], [0].
    private const ulong AllowedWord1 = 0x3800_00ff;             // [29:27], [7:0].
    private const ulong Stage1 = 0b1011;

    private static readonly StreamTableEntry Host = default(StreamTableEntry)
        .With(StreamTableEntryField.V, 1)
        .With(StreamTableEntryField.Config, (ulong)StreamConfiguration.Stage2)
        .With(StreamTableEntryField.S2VMID, 0x1234)
        .With(StreamTableEntryField.S2TTB, 0x4000_0000)
        .With(StreamTableEntryField.S2AA64, 1)
        .With(StreamTableEntryField.S2R, 1)
        .With(StreamTableEntryField.SHCFG, 1)
        .With(StreamTableEntryField.S2T0SZ, 24);

    [Fact]
    public void EachBitIsAGuestsOrIsRefused()
    {
        for (int bit = 0; bit < 128; bit++)
        {
            (ulong word0, ulong word1) = bit < 64 ? (Stage1 ^ (1UL << bit), 0UL) : (Stage1, 1UL << (bit - 64));
            bool isAllowed = bit < 64 ? (AllowedWord0 & (1UL << bit)) != 0 : (AllowedWord1 & (1UL << (bit - 64))) != 0;
            bool isOther = bit is 2 or 93;   // Config 7 and EATS 2.
            if (bit == 3) isOther = true;    // Config 1.
            Errno expected = isAllowed && !isOther ? Errno.None : Errno.EIO;

            Assert.Equal(expected, GuestStreamTableEntry.Check(word0, word1, out _));
        }
    }

    [Theory]
    [InlineData(0, 0, StreamConfiguration.Abort)]
    [InlineData(4, 0, StreamConfiguration.Bypass)]
    [InlineData(5, 0, StreamConfiguration.Stage1)]
    [InlineData(1, (int)Errno.EIO, StreamConfiguration.Abort)]
    [InlineData(2, (int)Errno.EIO, StreamConfiguration.Abort)]
    [InlineData(3, (int)Errno.EIO, StreamConfiguration.Abort)]
    [InlineData(6, (int)Errno.EIO, StreamConfiguration.Abort)]
    [InlineData(7, (int)Errno.EIO, StreamConfiguration.Abort)]
    public void OnlyAbortBypassAndStage1AreAGuests(int config, int errno, StreamConfiguration meaning)
    {
        Assert.Equal((Errno)errno, GuestStreamTableEntry.Check(((ulong)config << 1) | 1, 0, out StreamConfiguration found));
        Assert.Equal(meaning, found);
    }

    [Fact]
    public void AnEntryThatIsNotValidMeansAbortWhateverElseItHolds()
    {
        Assert.Equal(Errno.None, GuestStreamTableEntry.Check(ulong.MaxValue - 1, ulong.MaxValue, out StreamConfiguration config));
        Assert.Equal(StreamConfiguration.Abort, config);
        Assert.Equal(0b0001UL, GuestStreamTableEntry.Join(ulong.MaxValue - 1, ulong.MaxValue, in Host, allowAts: true)[0]);
    }

    [Fact]
    public void Stage1BecomesNestedOverTheHostsStage2()
    {
        const ulong Word0 = 0x2800_00ab_cdef_0fc0 | Stage1 | (2UL << 4);
        const ulong Word1 = 0xe6 | (1UL << 27) | (1UL << 28);
        Assert.Equal(Errno.None, GuestStreamTableEntry.Check(Word0, Word1, out _));
        StreamTableEntry entry = GuestStreamTableEntry.Join(Word0, Word1, in Host, allowAts: true);

        Assert.Equal(StreamConfiguration.Nested, entry.Config);
        Assert.Equal(Word0 & ~0xeUL, entry[0] & ~0xeUL);
        Assert.Equal((0x1234, 0x4000_0000UL), ((int)entry.S2VMID.Value, entry.S2TTB));
        Assert.True(entry.MEV);
        Assert.Equal((1, 0, 1), ((int)entry.EATS, (int)entry.STRW, (int)entry.SHCFG));
        Assert.Equal((Host[2], Host[3]), (entry[2], entry[3]));
        Assert.Equal(Word1, entry[1] & AllowedWord1);
        Assert.Equal(0, GuestStreamTableEntry.Join(Word0, Word1, in Host, allowAts: false).EATS);
        Assert.Equal(0, GuestStreamTableEntry.Join(Word0, Word1 & ~(1UL << 28), in Host, allowAts: true).EATS);
    }

    [Fact]
    public void BypassIsTheHostsStage2AndAtsTheHostsChoice()
    {
        const ulong Bypass = 0b1001;

        Assert.Equal(Host, GuestStreamTableEntry.Join(Bypass | 0x1000, 0xff, in Host, allowAts: false));
        Assert.Equal(Host.With(StreamTableEntryField.EATS, 1), GuestStreamTableEntry.Join(Bypass, 0, in Host, allowAts: true));
        StreamTableEntry abort = GuestStreamTableEntry.Join(1, 0, in Host, allowAts: true);
        Assert.Equal((true, StreamConfiguration.Abort), (abort.IsValid, abort.Config));
    }
}
