using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Device;

/// <summary>A port keeps the abort of its stream as it keeps a translation, and no longer.</summary>
public sealed class KeptAbortTests : IDisposable
{
    private const uint Stream = 3;
    private const ulong Iova = 0x4200_0008;   // Memory, for when it passes.

    private readonly GuestMachine machine = new();

    public KeptAbortTests()
    {
        machine.Start();
        machine.SetStream(Stream, Entries.Abort);
    }

    public void Dispose() => machine.Dispose();

    [Fact]
    public void EveryKindOfAccessAbortsWithoutAnAddress()
    {
        using var port = machine.Smmu.OpenPort(new StreamId(Stream));
        for (int round = 0; round < 3; round++)
        {
            foreach (var access in (AccessKind[])[AccessKind.Read, AccessKind.Write, AccessKind.Atomic | AccessKind.Privileged])
            {
                var result = port.Translate(Iova, access);
                Assert.Equal(TranslationOutcome.Aborted, result.Outcome);
                Assert.Equal(
                    (0UL, 0UL, AccessPermissions.None, EventType.None, 0u),
                    (result.Address.Value, result.LeafSize, result.Permissions, result.Event, result.StallToken));
            }

            Assert.False(port.Read(Iova, new byte[4]));
            Assert.False(port.Write(Iova, [1, 2, 3, 4]));
        }

        Assert.Equal(0u, machine.Read32(Iova));
        Assert.False(machine.TryTakeEvent(out _));
        Assert.Throws<ArgumentOutOfRangeException>(() => port.Translate(Iova, 0));
    }

    [Fact]
    public void AnAbortMovesNoWordThoughMemoryLiesAtAddressZero()
    {
        var low = machine.Memory.AddOwned(0, 128 << 20);   // The largest region.
        machine.Write64(8, 0x1122_3344);
        using var port = machine.Smmu.OpenPort(new StreamId(Stream));
        byte[] word = new byte[8];
        for (int round = 0; round < 3; round++)
        {
            Assert.False(port.Read(Iova, word));
            Assert.False(port.Write(Iova, [1, 2, 3, 4, 5, 6, 7, 8]));
        }

        Assert.Equal(new byte[8], word);
        Assert.Equal(0x1122_3344UL, machine.Read64(8));
        Assert.Equal(128UL << 20, low.Size);
    }

    [Fact]
    [Rule("CMD-SYNC-12")]
    public void AnAbortIsForgottenWithTheConfiguration()
    {
        using var port = machine.Smmu.OpenPort(new StreamId(Stream));
        Assert.False(port.Read(Iova, new byte[4]));
        Assert.False(port.Read(Iova, new byte[4]));

        machine.SetStream(Stream, Entries.Bypass);
        machine.SubmitAndSync(Command.CfgiSte(new StreamId(Stream)));

        Assert.True(port.Read(Iova, new byte[4]));
        Assert.Equal(Iova, port.Translate(Iova, AccessKind.Read).Address.Value);
    }

    [Fact]
    public void AnAbortOfGbpaEndsWithSmmuen()
    {
        using var port = machine.Smmu.OpenPort(new StreamId(Stream));
        machine.SetStream(Stream, Entries.Bypass);
        const uint Abort = (1u << 31) | (1u << 20);
        machine.Write(RegisterOffset.GBPA, Abort);
        machine.Enable(ControlBits.CommandQueue);
        for (int i = 0; i < 2; i++) Assert.Equal(TranslationOutcome.Aborted, port.Translate(Iova, AccessKind.Read).Outcome);

        machine.Start();

        Assert.Equal(TranslationOutcome.StreamBypassed, port.Translate(Iova, AccessKind.Read).Outcome);
    }
}
