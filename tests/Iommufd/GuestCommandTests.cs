using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd;

namespace Smmu.Fast.Tests.Iommufd;

/// <summary>Which commands of a guest reach the hardware, and as what.</summary>
public class GuestCommandTests
{
    private const uint VirtualStream = 7;
    private const uint Stream = 0x1234_5678;
    private static readonly GuestCommandRules Everything = new(new Vmid(0x4321), true, true, true, true, true);
    private static readonly GuestCommandRules Nothing = new(new Vmid(0x4321), false, false, false, false, false);

    [Fact]
    public void EachBitOfEachCommandIsListedOrRefused()
    {
        // Word 0 with all features, word 1 with all features, word 0 with none, word 1 with none.
        var lists = new Dictionary<CommandOpcode, (ulong, ulong, ulong, ulong)>
        {
            [CommandOpcode.TlbiNsnhAll] = (0, 0, 0, 0),
            [CommandOpcode.TlbiNhAll] = (0x0000_ffff_0000_0000, 0, 0x0000_ffff_0000_0000, 0),
            [CommandOpcode.TlbiNhAsid] = (0xffff_ffff_0000_0000, 0, 0x00ff_ffff_0000_0000, 0),
            [CommandOpcode.TlbiNhVa] = (0xffff_ffff_03f1_f000, 0xffff_ffff_ffff_ff01, 0x00ff_ffff_0000_0000, 0xffff_ffff_ffff_f001),
            [CommandOpcode.TlbiNhVaa] = (0x0000_ffff_03f1_f000, 0xffff_ffff_ffff_ff01, 0x0000_ffff_0000_0000, 0xffff_ffff_ffff_f001),
            [CommandOpcode.CfgiCd] = (0xffff_ffff_ffff_f000, 1, 0xffff_ffff_0000_0000, 1),
            [CommandOpcode.CfgiCdAll] = (0xffff_ffff_0000_0000, 0, 0xffff_ffff_0000_0000, 0),
            [CommandOpcode.AtcInv] = (0xffff_ffff_ffff_fa00, 0xffff_ffff_ffff_f03f, 0, 0),
        };
        int looks = 0;
        foreach ((CommandOpcode opcode, (ulong all0, ulong all1, ulong none0, ulong none1)) in lists)
        {
            for (int bit = 8; bit < 128; bit++)
            {
                (ulong bit0, ulong bit1) = bit < 64 ? (1UL << bit, 0UL) : (0UL, 1UL << (bit - 64));
                Check(opcode, bit0, bit1, in Everything, (bit0 & all0) != 0 || (bit1 & all1 & ~0xc00UL) != 0);
                if (opcode != CommandOpcode.AtcInv) Check(opcode, bit0, bit1, in Nothing, (bit0 & none0) != 0 || (bit1 & none1) != 0);
                looks++;
            }
        }

        Assert.Equal(8 * 120, looks);

        void Check(CommandOpcode opcode, ulong bit0, ulong bit1, in GuestCommandRules rules, bool isAllowed)
        {
            // Ranges need a granule, and a granule a range; sizes of ATC_INV are judged as numbers.
            bool isVa = opcode is CommandOpcode.TlbiNhVa or CommandOpcode.TlbiNhVaa;
            bool isRange = isVa && (((bit0 & 0x03f1_f000) | (bit1 & 0xf00)) != 0);
            ulong granule = isRange && rules.RangeInvalidation && (bit1 & 0xc00) == 0 ? 1UL << 10 : 0;
            if (isRange && rules.RangeInvalidation && (bit1 & 0xc00) != 0) return;   // By itself: tested below.
            var command = new Command((ulong)opcode | bit0, bit1 | granule);
            Errno errno = Convert(command, in rules, out _, anyStream: true);
            Assert.True((errno == Errno.None) == isAllowed, $"{opcode} bits {bit0:x16} {bit1:x16}: {errno}");
        }
    }

    [Theory]
    [InlineData(0, 0, 0, 0, true)]
    [InlineData(0, 1, 0, 0, false)]      // TG = 0 needs all of them 0.
    [InlineData(0, 0, 1, 0, false)]
    [InlineData(0, 0, 0, 3, false)]
    [InlineData(1, 0, 0, 0, false)]      // And a granule not all of them 0.
    [InlineData(1, 1, 0, 0, true)]
    [InlineData(1, 0, 31, 0, true)]
    [InlineData(1, 0, 32, 0, false)]     // SCALE above 31 needs DS.
    [InlineData(2, 0, 0, 1, false)]      // 16 KiB at level 1 needs DS.
    [InlineData(2, 0, 0, 2, true)]
    [InlineData(3, 31, 31, 3, true)]
    public void RangesFollowTheRulesOfTheArchitecture(int granule, int num, int scale, int level, bool isLegal)
    {
        var command = new Command(
            (ulong)CommandOpcode.TlbiNhVa | ((ulong)(uint)num << 12) | ((ulong)(uint)scale << 20), ((ulong)(uint)granule << 10) | ((ulong)(uint)level << 8));

        Assert.Equal(isLegal ? Errno.None : Errno.EIO, Convert(command, Everything with { LargeAddresses = false }, out _));
        bool needsDs = scale > 31 || (granule == 2 && level == 1);
        Assert.Equal(isLegal || needsDs ? Errno.None : Errno.EIO, Convert(command, in Everything, out _));
        Assert.Equal(Errno.None, Convert(command, Everything with { IsLoose = true }, out _));
    }

    [Theory]
    [InlineData(52, true)]
    [InlineData(53, false)]
    [InlineData(63, false)]
    public void AtcInvalidationsEndAtEverything(ulong size, bool isLegal)
    {
        var command = new Command((ulong)CommandOpcode.AtcInv | ((ulong)VirtualStream << 32), size);

        Assert.Equal(isLegal ? Errno.None : Errno.EIO, Convert(command, in Everything, out _));
        Assert.Equal(Errno.EIO, Convert(command, Everything with { Ats = false }, out _));
    }

    [Fact]
    public void TheGuestsVmidIsReplaced()
    {
        foreach (var opcode in new[] { CommandOpcode.TlbiNhAll, CommandOpcode.TlbiNhAsid, CommandOpcode.TlbiNhVa, CommandOpcode.TlbiNhVaa })
        {
            foreach (ulong vmid in new ulong[] { 0, 1, 0xffff })
            {
                Assert.Equal(Errno.None, Convert(new Command((ulong)(uint)opcode | (vmid << 32), 0), in Everything, out Command converted));
                Assert.Equal(((ulong)opcode | (0x4321UL << 32), 0UL), (converted.Word0, converted.Word1));
            }
        }

        Assert.Equal(Errno.None, Convert(new Command((ulong)CommandOpcode.TlbiNsnhAll, 0), in Everything, out Command all));
        Assert.Equal(new Command((ulong)CommandOpcode.TlbiNhAll | (0x4321UL << 32), 0), all);
        Assert.Equal(Errno.None, Convert(new Command((ulong)CommandOpcode.TlbiNsnhAll, 5), Everything with { IsLoose = true }, out all));
        Assert.Equal(0UL, all.Word1);
    }

    [Fact]
    public void VirtualStreamsAreReplacedAndStrangersRefused()
    {
        foreach (var opcode in new[] { CommandOpcode.CfgiCd, CommandOpcode.CfgiCdAll, CommandOpcode.AtcInv })
        {
            Assert.Equal(Errno.None, Convert(new Command((ulong)opcode | ((ulong)VirtualStream << 32), 0), in Everything, out Command converted));
            Assert.Equal(Stream, converted.StreamId.Value);
            Assert.Equal(Errno.EIO, Convert(new Command((ulong)opcode | (8UL << 32), 0), in Everything, out _));
        }
    }

    [Fact]
    public void AllOtherCommandsAreTheHosts()
    {
        int refused = 0;
        for (int opcode = 0; opcode < 256; opcode++)
        {
            if ((CommandOpcode)opcode is CommandOpcode.TlbiNsnhAll or CommandOpcode.CfgiCd or CommandOpcode.CfgiCdAll or CommandOpcode.AtcInv) continue;
            if (opcode is >= 0x10 and <= 0x13) continue;
            Assert.Equal(Errno.EIO, Convert(new Command((ulong)opcode, 0), in Everything, out _, anyStream: true));
            Assert.Equal(Errno.EIO, Convert(new Command((ulong)opcode, 0), Everything with { IsLoose = true }, out _, anyStream: true));
            refused++;
        }

        Assert.Equal(248, refused);
    }

    [Fact]
    public void AGroupIsConvertedWhollyOrNot()
    {
        Command[] commands = [new((ulong)CommandOpcode.TlbiNhAll, 0), new((ulong)CommandOpcode.Sync, 0)];
        var converted = new Command[2];

        Assert.Equal(Errno.EIO, GuestCommand.ConvertGroup(commands, in Everything, new Streams(false), converted));
        Assert.Equal(Errno.None, GuestCommand.ConvertGroup(commands.AsSpan(0, 1), in Everything, new Streams(false), converted));
        Assert.Equal(0x4321, converted[0].Vmid.Value);
        Assert.Throws<ArgumentException>(() => GuestCommand.ConvertGroup(commands, in Everything, new Streams(false), converted.AsSpan(0, 1)));
    }

    [Fact]
    public void EventsAreTheGuestsWhenTheyAreAboutItsOwnStage()
    {
        var guests = new List<int>();
        for (int type = 0; type < 256; type++)
        {
            var record = new EventRecord((ulong)(uint)type | (0x55UL << 32), 0, 1, 2);
            if (VirtualEvent.IsForGuest(in record)) guests.Add(type);
            EventRecord seen = VirtualEvent.ForGuest(in record, new StreamId(VirtualStream));
            Assert.Equal(record with { Word0 = (ulong)(uint)type | ((ulong)VirtualStream << 32) }, seen);
        }

        Assert.Equal([0x04, 0x06, 0x08, 0x0a, 0x10, 0x11, 0x12, 0x13], guests);
        foreach (ulong bit in new[] { 1UL << 31, 1UL << 39 })   // Stall, S2.
        {
            Assert.False(VirtualEvent.IsForGuest(new EventRecord(0x10, bit, 0, 0)));
        }
    }

    private static Errno Convert(Command command, in GuestCommandRules rules, out Command converted, bool anyStream = false) =>
        GuestCommand.Convert(command, in rules, new Streams(anyStream), out converted);

    private readonly struct Streams(bool any) : IVirtualStreams
    {
        public bool TryFind(StreamId virtualId, out StreamId stream)
        {
            stream = new StreamId(Stream);
            return any || virtualId.Value == VirtualStream;
        }
    }
}
