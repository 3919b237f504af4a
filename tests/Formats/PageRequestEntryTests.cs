using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Formats;

/// <summary>Entries of the PRI queue have the architecture's fields.</summary>
public class PageRequestEntryTests
{
    private const string Fields = """
        [31:0] StreamId; [51:32] SubstreamId; [58] Priv; [59] X; [60] R; [61] W; [62] Last; [63] SSV; [72:64] PRGIndex
        """;

    [Fact]
    [Rule("PRI-01")]
    public void EveryPropertyReadsExactlyItsBits()
    {
        var address = new FieldMap("PageAddress", 127, 76);
        for (int bit = 0; bit < 128; bit++)
        {
            object entry = new PageRequestEntry(bit < 64 ? 1UL << bit : 0, bit < 64 ? 0 : 1UL << (bit - 64));
            foreach (FieldMap field in FieldMap.Parse(Fields).Append(address))
            {
                ulong expected = bit < field.Low || bit > field.High ? 0
                    : 1UL << (field == address ? bit - 64 : bit - field.Low);
                Assert.Equal(expected, FieldMap.Number(entry, field.Name));
            }
        }

        Assert.Equal(16, PageRequestEntry.SizeBytes);
        Assert.Equal(PageRequestEntry.SizeBytes, Unsafe.SizeOf<PageRequestEntry>());
    }

    [Theory]
    [InlineData(AccessKind.Read, false, 0x900a_bcde_8765_4321)]
    [InlineData(AccessKind.Write, true, 0xe00a_bcde_8765_4321)]
    [InlineData(AccessKind.Read | AccessKind.Instruction, false, 0x980a_bcde_8765_4321)]
    [InlineData(AccessKind.Atomic | AccessKind.Privileged, true, 0xf40a_bcde_8765_4321)]
    [Rule("PRI-01")]
    public void ARequestWithPasidHasAllItsFields(AccessKind access, bool last, ulong word0)
    {
        var entry = new PageRequestEntry(
            new StreamId(0x8765_4321), new SubstreamId(0xabcde), 0xffff_0000_1234_5678, 0x1ff, access, last);

        Assert.Equal(new PageRequestEntry(word0, 0xffff_0000_1234_51ff), entry);
    }

    [Fact]
    [Rule("PRI-02")]
    public void ARequestWithoutPasidHasNeitherPrivilegeNorExecute()
    {
        var entry = new PageRequestEntry(
            new StreamId(8), null, 0x1000, 1, AccessKind.Read | AccessKind.Instruction | AccessKind.Privileged, last: true);

        Assert.Equal(new PageRequestEntry(0x5000_0000_0000_0008, 0x1001), entry);
    }

    [Theory]
    [InlineData(true, true, default(AccessKind), true)]
    [InlineData(false, true, default(AccessKind), false)]
    [InlineData(true, false, default(AccessKind), false)]
    [InlineData(true, true, AccessKind.Read, false)]
    [InlineData(true, true, AccessKind.Write, false)]
    public void AStopMarkerHasAPasidAndAsksForNothing(bool pasid, bool last, AccessKind access, bool marker)
    {
        SubstreamId? substream = pasid ? new SubstreamId(1) : null;

        Assert.Equal(marker, new PageRequestEntry(new StreamId(8), substream, 0, 0, access, last).IsStopMarker);
    }

    [Fact]
    public void TextTellsWhoAsksForWhat() => Assert.Equal(
        "stream 0x8, substream 0x2 asks for privileged rw- at 0x5000, group 3, last",
        new PageRequestEntry(
            new StreamId(8), new SubstreamId(2), 0x5000, 3, AccessKind.Atomic | AccessKind.Privileged, last: true).ToString());
}
