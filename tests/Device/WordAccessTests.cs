using System.Buffers.Binary;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Device;

/// <summary>Aligned words have a way of their own through a port: it gives what every other length gives.</summary>
public sealed class WordAccessTests : IDisposable
{
    private const uint Stream = 7;
    private const ulong Iova = 0x12_3400_0000;
    private const ulong Privileged = Stage1Space.ReadWrite & ~(1UL << 6);   // AP = 00.

    private readonly GuestMachine machine = new();
    private readonly ulong output;
    private readonly Stage1Space space;

    public WordAccessTests()
    {
        machine.Start();
        output = machine.Allocate(2 * 4096);
        space = new Stage1Space(machine, asid: 1);
        space.Map(Iova + 4096, output + 4096);
        machine.AttachStage1(Stream, space);
    }

    public void Dispose() => machine.Dispose();

    [Theory]
    [InlineData(Stage1Space.ReadWrite, true, true, true, true)]
    [InlineData(Stage1Space.ReadOnly, true, false, true, false)]
    [InlineData(Privileged, false, false, true, true)]
    [InlineData(Privileged | (1UL << 7), false, false, true, false)]
    [Rule("PERM-06")]
    public void PermissionsAreThoseOfTheAccess(
        ulong attributes, bool mayRead, bool mayWrite, bool mayReadPrivileged, bool mayWritePrivileged)
    {
        space.Map(Iova, output, attributes);
        using var port = machine.Smmu.OpenPort(new StreamId(Stream));
        for (int round = 0; round < 3; round++)
        {
            foreach (int length in new[] { 8, 16, 4 })
            {
                byte[] bytes = new byte[length];
                Assert.Equal(mayRead, port.Read(Iova, bytes));
                Assert.Equal(mayWrite, port.Write(Iova, bytes));
                Assert.Equal(mayReadPrivileged, port.Read(Iova, bytes, AccessKind.Privileged));
                Assert.Equal(mayWritePrivileged, port.Write(Iova, bytes, AccessKind.Privileged));
                Assert.Equal(mayRead, port.Read(Iova, bytes, AccessKind.Read));
            }
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    [InlineData(4088)]
    [InlineData(4092)]   // Half of it on the next page.
    public void AWordIsReadAndWrittenWhereItLies(ulong offset)
    {
        const ulong Word = 0x0807_0605_0403_0201;
        space.Map(Iova, output);
        using var port = machine.Smmu.OpenPort(new StreamId(Stream));
        byte[] bytes = new byte[8];
        byte[] expected = new byte[8];
        for (ulong round = 1; round <= 3; round++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, Word * round);
            Assert.True(port.Write(Iova + offset, bytes));
            Assert.True(machine.Memory.Read(output + offset, expected));
            Assert.Equal(expected, bytes);
            Array.Clear(bytes);
            Assert.True(port.Read(Iova + offset, bytes));
            Assert.Equal(Word * round, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        }
    }

    [Fact]
    public void AWordOfAClosedPortIsRefused()
    {
        space.Map(Iova, output);
        var port = machine.Smmu.OpenPort(new StreamId(Stream));
        Assert.True(port.Read(Iova, new byte[8]));
        port.Dispose();
        Assert.Throws<ObjectDisposedException>(() => port.Read(Iova, new byte[8]));
        Assert.Throws<ObjectDisposedException>(() => port.Write(Iova, new byte[8]));
        Assert.Throws<ObjectDisposedException>(() => port.Translate(Iova, AccessKind.Read));
    }

    [Fact]
    [Rule("CMD-SYNC-12")]
    public void WordsInsideOfAScopeLeaveItOpen()
    {
        space.Map(Iova, output);
        ulong message = machine.Allocate(64);
        using var port = machine.Smmu.OpenPort(new StreamId(Stream));
        Assert.True(port.Read(Iova, new byte[8]));
        using (port.Enter())
        {
            machine.Submit(Command.SyncWithMsi(new PhysicalAddress(message), 5));
            Assert.True(port.Read(Iova, new byte[8]));
            Assert.True(port.Write(Iova, new byte[8]));
            Assert.True(port.Translate(Iova, AccessKind.Read).IsSuccess);
            Assert.Equal(0u, machine.Read32(message));
        }

        Assert.Equal(5u, machine.Read32(message));
    }
}
