using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Recordings;

namespace Smmu.Fast.Tests.Harness;

/// <summary>
/// A recording says by its commands whether its SMMU carried out invalidations that the architecture answers with CERROR_ILL
/// (IHI 0070, 4.4.1.1): a granule, but neither a range nor a level.
/// </summary>
public class ReservedRangeTests
{
    private const uint Ranges = 1 << 10;
    private const uint LargeAddresses = 1 << 7;

    private static readonly Command reserved =
        Command.TlbiNhVa(default, default, 0x1000, range: new InvalidationRange(TG: 1, NUM: 0, SCALE: 0, TTL: 0));

    [Theory]
    [InlineData(0x12, 1, 0, 0, 0, 1)]
    [InlineData(0x13, 2, 0, 0, 0, 1)]
    [InlineData(0x22, 3, 0, 0, 0, 1)]
    [InlineData(0x23, 1, 0, 0, 0, 1)]
    [InlineData(0x2a, 1, 0, 0, 0, 1)]
    [InlineData(0x12, 2, 0, 0, 1, 1)]    // There is no such level without large addresses,
    [InlineData(0x12, 1, 0, 32, 0, 1)]   // and no such bit of SCALE.
    [InlineData(0x11, 1, 0, 0, 0, 0)]
    [InlineData(0x12, 0, 0, 0, 0, 0)]
    [InlineData(0x12, 1, 1, 0, 0, 0)]
    [InlineData(0x12, 1, 0, 1, 0, 0)]
    [InlineData(0x12, 1, 0, 0, 1, 0)]
    [InlineData(0x12, 2, 0, 0, 2, 0)]
    public void TheReservedCombinationIsRecognised(
        byte opcode, ulong granule, ulong number, ulong scale, ulong level, long expected)
    {
        var command = new Command(opcode | (number << 12) | (scale << 20), (level << 8) | (granule << 10));

        Assert.Equal(expected, CountIn(Recorded(command)));
    }

    [Theory]
    [InlineData(2, 0, 1)]
    [InlineData(1, 32, 0)]
    public void LargeAddressesGiveMoreCombinationsAMeaning(ulong granule, ulong scale, ulong level)
    {
        var command = new Command(0x12 | (scale << 20), (level << 8) | (granule << 10));

        Assert.Equal(0, CountIn(Recorded(command, identification5: LargeAddresses)));
    }

    [Fact]
    public void WithoutRangesTheFieldsMeanNothing() => Assert.Equal(0, CountIn(Recorded(reserved, identification3: 0)));

    [Fact]
    public void ARefusedCommandWasNotCarriedOut() =>
        Assert.Equal(0, CountIn(Recorded(reserved).Add(RecordType.CommandError, [1])));

    [Fact]
    public void NamesAndNotesBetweenACommandAndItsErrorDoNotCount() =>
        Assert.Equal(0, CountIn(Recorded(reserved).Add(RecordType.Note, "a note"u8).Add(RecordType.CommandError, [1])));

    [Fact]
    public void EveryCommandOfAWriteCounts() =>
        Assert.Equal(3, CountIn(Recorded(reserved).AddCommand(0x4000_0010, reserved.Word0, reserved.Word1)
            .AddCommand(0x4000_0020, reserved.Word0, reserved.Word1)));

    private static RecordingWriter Recorded(Command command, uint identification3 = Ranges, uint identification5 = 0) =>
        new RecordingWriter()
            .AddReset(new IdentificationRegisters(0, 0, 0, identification3, 0, identification5, 0, 1))
            .AddRegisterAccess(RecordType.RegisterWrite, 0x98, 4, 1)
            .AddCommand(0x4000_0000, command.Word0, command.Word1);

    private static long CountIn(RecordingWriter writer) =>
        RecordingIndex.Build(writer.ToArray(), "small.smr").ReservedRanges;
}
