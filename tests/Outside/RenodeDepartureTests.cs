using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Tests.Outside;

/// <summary>Where Renode, when it is run, departs from the architecture and this SMMU must not.</summary>
public sealed class RenodeDepartureTests : IDisposable
{
    private const ulong Iova = 0x1234_5000;
    private const uint Stream = 8;

    private readonly GuestMachine machine = new();
    private readonly Stage1Space space;

    public RenodeDepartureTests()
    {
        machine.Start();
        space = new Stage1Space(machine, asid: 1);
        machine.AttachStage1(Stream, space);
    }

    public void Dispose() => machine.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(8)]
    [InlineData(16)]
    public void Departure01_AccessesOfEverySizeAreTranslated(int bytes)
    {
        ulong page = machine.Allocate(4096);
        space.Map(Iova, page);
        byte[] written = [.. Enumerable.Range(1, bytes).Select(value => (byte)value)];
        byte[] read = new byte[bytes];
        byte[] memory = new byte[bytes];
        using var port = machine.Smmu.OpenPort(new StreamId(Stream));

        Assert.True(port.Write(Iova + 0x40, written));
        Assert.True(port.Read(Iova + 0x40, read));

        Assert.True(machine.Memory.Read(page + 0x40, memory));
        Assert.Equal(written, memory);
        Assert.Equal(written, read);
    }

    [Fact]
    public void Departure02_ABurstOverTheEndOfAPageUsesBothTranslations()
    {
        ulong second = machine.Allocate(4096);
        ulong between = machine.Allocate(4096);
        ulong first = machine.Allocate(4096);
        space.Map(Iova, first);
        space.Map(Iova + 0x1000, second);
        using var port = machine.Smmu.OpenPort(new StreamId(Stream));

        Assert.True(port.Write(Iova + 0xff8, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]));

        Assert.Equal(0x0807_0605_0403_0201ul, machine.Read64(first + 0xff8));
        Assert.Equal(0x100f_0e0d_0c0b_0a09ul, machine.Read64(second));
        Assert.Equal(0ul, machine.Read64(between));
    }

    [Fact]
    public void Departure03_AStreamThatNoLongerBypassesAborts()
    {
        machine.SetStream(Stream, Entries.Bypass);
        machine.SubmitAndSync(Command.CfgiSte(new StreamId(Stream)));
        ulong page = machine.Allocate(4096);
        using var port = machine.Smmu.OpenPort(new StreamId(Stream));
        Assert.True(port.Write(page, [1, 2, 3, 4]));

        machine.SetStream(Stream, Entries.Abort);
        machine.SubmitAndSync(Command.CfgiSte(new StreamId(Stream)));

        Assert.False(port.Write(page, [5, 6, 7, 8]));
        Assert.Equal(0x0403_0201u, machine.Read32(page));
        Assert.Equal(TranslationOutcome.Aborted, port.Translate(page, AccessKind.Read).Outcome);
    }

    [Fact]
    public void Departure04_CfgiAllReachesEveryStream()
    {
        const uint Streams = 64;
        ulong page = machine.Allocate(4096);
        space.Map(Iova, page);
        ulong context = machine.Allocate(64, 64);
        machine.SetContext(context, space.Descriptor());
        for (uint stream = 0; stream < Streams; stream++) machine.SetStream(stream, Entries.Stage1(context));
        machine.SubmitAndSync(Command.CfgiAll());
        var ports = Enumerable.Range(0, (int)Streams)
            .Select(stream => machine.Smmu.OpenPort(new StreamId((uint)stream))).ToList();
        Assert.All(ports, port => Assert.Equal(page, port.Translate(Iova, AccessKind.Read).Address.Value));

        for (uint stream = 0; stream < Streams; stream++) machine.SetStream(stream, Entries.Abort);
        Assert.All(ports, port => Assert.True(port.Translate(Iova, AccessKind.Read).IsSuccess));
        machine.SubmitAndSync(Command.CfgiAll());

        Assert.All(ports, port => Assert.Equal(TranslationOutcome.Aborted, port.Translate(Iova, AccessKind.Read).Outcome));
    }

    [Fact]
    public void Departure05_ASmmuThatIsOffAbortsWhenItIsToldTo()
    {
        const uint Update = 1u << 31;
        const uint Abort = 1 << 20;
        ulong page = machine.Allocate(4096);
        using var port = machine.Smmu.OpenPort(new StreamId(Stream));
        machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue);
        Assert.True(port.Write(page, [1, 2, 3, 4]));

        machine.Write(RegisterOffset.GBPA, Update | Abort);

        Assert.False(port.Write(page, [5, 6, 7, 8]));
        Assert.Equal(0x0403_0201u, machine.Read32(page));
        Assert.False(machine.TryTakeEvent(out _));
    }
}
