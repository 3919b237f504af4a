using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Memory;
using Smmu.Fast.Qemu;

namespace Smmu.Fast.Tests.Harness;

/// <summary>How a peer answers wrongly.</summary>
public enum Lie
{
    None,
    ReadsAnotherWord,
    WritesAnotherWord,
    DropsWrites,
    WritesMore,
    LosesEvents,
    RecordsAnotherAddress,
    RecordsAnotherType,
    ForgetsTheClass,
    HidesErrors,
    StopsCommandsEarly,
    KeepsWhatIsInvalidated,
}

/// <summary>
/// A peer that speaks the qtest protocol as QEMU does, with our own SMMU behind it: it agrees in everything, unless it lies.
/// </summary>
internal sealed class FakeQemu : IDisposable
{
    private const int BufferBytes = 4096;
    private const ulong BufferStart = 0x4_0000;

    private readonly TemporaryFolder folder = new();
    private readonly SharedRam ram;
    private readonly GuestMemory memory = new();
    private readonly SmmuDevice smmu;
    private readonly DmaPort[] ports;
    private readonly ulong[,] engines = new ulong[MachineMap.Streams.Length, 4];
    private readonly byte[][] buffers;
    private readonly Lie lie;
    private readonly Socket server;
    private readonly Thread thread;
    private QemuMachine? machine;
    private bool isOff = true;

    public unsafe FakeQemu(Lie lie = Lie.None)
    {
        this.lie = lie;
        ram = new SharedRam(Path.Combine(folder.Root, "ram"));
        fixed (byte* start = ram.Bytes) memory.AddBorrowed(MachineMap.RamBase, start, MachineMap.RamBytes);
        smmu = new SmmuDevice(new SmmuOptions { Memory = memory, Features = SmmuFeatures.QemuVirt });
        ports = [.. MachineMap.Streams.Select(stream => smmu.OpenPort(stream))];
        buffers = [.. ports.Select(_ => new byte[BufferBytes])];
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        var place = new UnixDomainSocketEndPoint(Path.Combine(folder.Root, "qtest"));
        listener.Bind(place);
        listener.Listen(1);
        Client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        Client.Connect(place);
        server = listener.Accept();
        thread = new Thread(Serve) { IsBackground = true };
        thread.Start();
    }

    public Socket Client { get; }

    /// <summary>The machine that the harness makes of it.</summary>
    public QemuMachine Machine => machine ??= QemuMachine.Take(null, new QtestClient(Client, TimeSpan.FromSeconds(20)), ram);

    public void Dispose()
    {
        Client.Dispose();
        thread.Join();
        server.Dispose();
        smmu.Dispose();
        memory.Dispose();
        machine?.Dispose();
        ram.Dispose();
        folder.Dispose();
    }

    private void Serve()
    {
        using var reader = new StreamReader(new NetworkStream(server), Encoding.ASCII);
        try
        {
            while (reader.ReadLine() is { } line)
            {
                string[] words = line.Split(' ');
                ulong address = Number(words[1]);
                string answer = words[0] switch
                {
                    "readl" or "readq" => string.Create(CultureInfo.InvariantCulture, $"OK 0x{Read(address):x16}"),
                    "writel" or "writeq" => Write(address, Number(words[2]), words[0] == "writeq"),
                    "write" => WriteBytes(address, words[3]),
                    _ => "FAIL Unknown command",
                };
                server.Send(Encoding.ASCII.GetBytes(answer + "\n"));
            }
        }
        catch (Exception exception) when (exception is IOException or SocketException)
        {
            // The harness hung up.
        }
    }

    private static ulong Number(string text) =>
        ulong.Parse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    private ulong Read(ulong address)
    {
        if (address - MachineMap.PciConfiguration < 1 << 20) return 0x11e8_1234;
        if (address < MachineMap.SmmuRegisters || address >= MachineMap.SmmuRegisters + 0x2_0000) return 0;
        uint offset = (uint)(address - MachineMap.SmmuRegisters);
        uint value = smmu.ReadRegister32(offset);
        return (lie, offset) switch
        {
            (Lie.LosesEvents, RegisterOffset.EVENTQ_PROD) => smmu.ReadRegister32(RegisterOffset.EVENTQ_CONS),
            (Lie.HidesErrors, RegisterOffset.GERROR) => smmu.ReadRegister32(RegisterOffset.GERRORN),
            (Lie.StopsCommandsEarly, RegisterOffset.CMDQ_CONS)
                when value != smmu.ReadRegister32(RegisterOffset.CMDQ_PROD) => value - 1,
            _ => value,
        };
    }

    private string Write(ulong address, ulong value, bool isWide)
    {
        uint offset = (uint)(address - MachineMap.SmmuRegisters);
        if (address < MachineMap.SmmuRegisters || offset >= 0x2_0000) return "OK";
        if (offset == RegisterOffset.CR0) isOff = (value & 1) == 0;
        if (lie == Lie.KeepsWhatIsInvalidated && offset == RegisterOffset.CMDQ_PROD && !isOff) ReplaceInvalidations((uint)value);
        if (isWide) smmu.WriteRegister64(offset, value);
        else smmu.WriteRegister32(offset, (uint)value);
        return "OK";
    }

    private string WriteBytes(ulong address, string hexadecimal)
    {
        byte[] bytes = Convert.FromHexString(hexadecimal.AsSpan(2));
        var values = MemoryMarshal.Cast<byte, ulong>(bytes);
        int device = (int)((address - MachineMap.PciWindow) >> 20);
        int length = (int)values[2];
        if (values[3] == 1) Fetch(device, values[0], buffers[device].AsSpan((int)(values[1] - BufferStart), length));
        else Store(device, values[1], buffers[device].AsSpan((int)(values[0] - BufferStart), length));
        return "OK";
    }

    private void Fetch(int device, ulong address, Span<byte> destination)
    {
        destination.Clear();
        uint before = smmu.ReadRegister32(RegisterOffset.EVENTQ_PROD);
        ports[device].Read(!isOff && lie == Lie.ReadsAnotherWord ? address ^ 4 : address, destination);
        Tamper(before);
    }

    private void Store(int device, ulong address, ReadOnlySpan<byte> source)
    {
        uint before = smmu.ReadRegister32(RegisterOffset.EVENTQ_PROD);
        ulong place = !isOff && lie == Lie.WritesAnotherWord ? address ^ 4 : address;
        if (isOff || lie != Lie.DropsWrites) ports[device].Write(place, source);
        if (!isOff && lie == Lie.WritesMore) memory.Write(MachineMap.Outputs + 0x123450, source);
        Tamper(before);
    }

    // Changes the record that an access has left.
    private void Tamper(uint before)
    {
        if (before == smmu.ReadRegister32(RegisterOffset.EVENTQ_PROD)) return;
        ulong register = smmu.ReadRegister64(RegisterOffset.EVENTQ_BASE);
        ulong mask = (1UL << (int)(register & 0x1f)) - 1;
        int at = (int)((register & ~0x1fUL) + ((before & mask) * EventRecord.SizeBytes) - MachineMap.RamBase);
        var words = MemoryMarshal.Cast<byte, ulong>(ram.Bytes.Slice(at, EventRecord.SizeBytes));
        bool hasClass = (words[0] & 0xff) is >= 0x10 and <= 0x13;
        if (lie == Lie.RecordsAnotherAddress) words[2] ^= 0x1000;
        if (lie == Lie.RecordsAnotherType) words[0] ^= 1;
        if (lie == Lie.ForgetsTheClass && hasClass) words[1] &= ~(3UL << 40);
    }

    private void ReplaceInvalidations(uint producer)
    {
        ulong register = smmu.ReadRegister64(RegisterOffset.CMDQ_BASE);
        ulong mask = (1UL << (int)(register & 0x1f)) - 1;
        if ((register & ~0x1fUL) != MachineMap.CommandQueue) return;
        for (uint i = 0; i <= mask; i++)
        {
            var command = MemoryMarshal.Cast<byte, ulong>(
                ram.Bytes.Slice((int)((register & ~0x1fUL) + (i * 16) - MachineMap.RamBase), 16));
            if ((command[0] & 0xff) is not (0x11 or 0x12 or 0x13)) continue;
            command[0] = Command.Sync().Word0;
            command[1] = Command.Sync().Word1;
        }
    }
}
