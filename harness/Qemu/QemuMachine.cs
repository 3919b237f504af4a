using System.Runtime.InteropServices;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Qemu;

/// <summary>What can be seen of an SMMU after a few accesses and commands.</summary>
/// <param name="EventProducer">EVENTQ_PROD.</param>
/// <param name="Errors">GERROR.</param>
/// <param name="CommandConsumer">CMDQ_CONS.</param>
/// <param name="AcknowledgedErrors">GERRORN.</param>
/// <param name="Acknowledged">CR0ACK.</param>
internal readonly record struct Observation(
    uint EventProducer, uint Errors, uint CommandConsumer, uint AcknowledgedErrors, uint Acknowledged)
{
    /// <summary>Errors that software has not acknowledged.</summary>
    public GlobalErrors Active => (GlobalErrors)(Errors ^ AcknowledgedErrors);

    /// <summary>Of the registers, the first two change with accesses; the others with writes of registers only.</summary>
    public const int AccessOffsets = 2;

    /// <summary>The registers behind the properties, in their order.</summary>
    public static uint[] Offsets { get; } =
    [
        RegisterOffset.EVENTQ_PROD, RegisterOffset.GERROR, RegisterOffset.CMDQ_CONS, RegisterOffset.GERRORN,
        RegisterOffset.CR0ACK,
    ];
}

/// <summary>A QEMU that waits for cases: its SMMU, its RAM, and its DMA engines.</summary>
/// <remarks>
/// Each <c>edu</c> device has a buffer of 4 KiB: tokens to write in its first half, what it read in the second one. An
/// access is a transfer of one word between the buffer and an input address.
/// </remarks>
internal sealed class QemuMachine : IDisposable
{
    private const ulong Transfers = 0x80;   // Source, destination, count and control, 64 bits each.
    private const ulong Control = 0x98;
    private const ulong Buffer = 0x4_0000;
    private const ulong ResultsInBuffer = Buffer + 0x800;
    private const ulong FromRam = 1;
    private const ulong ToRam = 3;
    private const uint GlobalBypass = 0x8000_1000;   // Of no effect on QEMU, which has no GBPA.
    private const int MostPolls = 10_000;

    private readonly QemuProcess? process;
    private readonly QtestClient client;
    private readonly SharedRam ram;
    private int lastStarted = -1;
    private bool wasWritten;   // Registers whose effect has not been looked at.
    private Observation last;

    private QemuMachine(QemuProcess? process, QtestClient client, SharedRam ram)
    {
        this.process = process;
        this.client = client;
        this.ram = ram;
    }

    public Span<byte> Ram => ram.Bytes;

    /// <summary>Starts QEMU and readies its devices.</summary>
    public static QemuMachine Start(string path)
    {
        var (process, client, ram) = QemuProcess.Start(path);
        return Take(process, client, ram);
    }

    /// <summary>Readies the devices of a peer that is already connected.</summary>
    public static QemuMachine Take(QemuProcess? process, QtestClient client, SharedRam ram)
    {
        var machine = new QemuMachine(process, client, ram);
        try
        {
            machine.CheckFeatures();
            MachineMap.FillPristine(machine.Ram);   // QEMU put a device tree there when it reset itself.
            machine.SetUpDevices();
            return machine;
        }
        catch
        {
            machine.Dispose();
            throw;
        }
    }

    /// <summary>Brings the SMMU into the state in which every case begins.</summary>
    public void Begin()
    {
        Write32(RegisterOffset.CR0, 0);
        Write32(RegisterOffset.GBPA, GlobalBypass);
        Write32(RegisterOffset.GERRORN, last.Errors);
        Write32(RegisterOffset.CR2, 0);
        Write32(RegisterOffset.IRQ_CTRL, 0);
        Write64(RegisterOffset.CMDQ_BASE, MachineMap.CleanQueue | 4);
        Write32(RegisterOffset.CMDQ_PROD, 0);
        Write32(RegisterOffset.CMDQ_CONS, 0);
        Write32(RegisterOffset.CR0, 8);
        Write32(RegisterOffset.CMDQ_PROD, 3);
        Write32(RegisterOffset.CR0, 0);
    }

    public void Write32(uint offset, uint value)
    {
        wasWritten = true;
        client.Write32(MachineMap.SmmuRegisters + offset, value);
    }

    public void Write64(uint offset, ulong value)
    {
        wasWritten = true;
        client.Write64(MachineMap.SmmuRegisters + offset, value);
    }

    /// <summary>Lets a device make an access; accesses of different devices happen in the order in which they start.</summary>
    /// <param name="device">Index of the device, which has nothing under way.</param>
    /// <param name="iova">Where.</param>
    /// <param name="isWrite">True when it writes its token of that number.</param>
    /// <param name="access">Number of the access among the device's, below <see cref="MachineMap.MostAccesses"/>.</param>
    public void Start(int device, ulong iova, bool isWrite, int access)
    {
        ulong inBuffer = (ulong)access * MachineMap.AccessBytes;
        if (isWrite) Transfer(device, Buffer + inBuffer, iova, MachineMap.AccessBytes, ToRam);
        else Transfer(device, iova, ResultsInBuffer + inBuffer, MachineMap.AccessBytes, FromRam);
    }

    /// <summary>Waits until everything that was asked for has happened, and looks at the SMMU.</summary>
    public Observation Finish()
    {
        if (lastStarted >= 0) client.Separate(MachineMap.SmmuRegisters + RegisterOffset.IDR0);
        for (int poll = 0; poll < MostPolls; poll++)
        {
            // Transfers end in the order in which they begin.
            int busy = lastStarted < 0 ? -1 : client.Read64(Registers(lastStarted) + Control);
            int first = client.Read32(MachineMap.SmmuRegisters + Observation.Offsets[0]);
            int count = wasWritten ? Observation.Offsets.Length : Observation.AccessOffsets;
            for (int i = 1; i < count; i++) client.Read32(MachineMap.SmmuRegisters + Observation.Offsets[i]);
            var values = client.Exchange();
            if (busy >= 0 && (values[busy] & 1) != 0) continue;

            lastStarted = -1;
            wasWritten = false;
            last = last with { EventProducer = (uint)values[first], Errors = (uint)values[first + 1] };
            if (count == Observation.Offsets.Length) last = last with
            {
                CommandConsumer = (uint)values[first + 2],
                AcknowledgedErrors = (uint)values[first + 3],
                Acknowledged = (uint)values[first + 4],
            };
            return last;
        }

        throw new QemuException("QEMU's DMA engines do not finish: this version may count time in another way.");
    }

    /// <summary>Fetches what a device read in this case. The SMMU is off afterwards.</summary>
    /// <param name="devices">How many accesses each device made.</param>
    /// <returns>For each device, the words by the numbers of its accesses.</returns>
    public uint[][] FetchResults(ReadOnlySpan<int> devices)
    {
        var results = new uint[devices.Length][];
        Write32(RegisterOffset.CR0, 0);
        Write32(RegisterOffset.GBPA, GlobalBypass);
        for (int device = 0; device < devices.Length; device++)
        {
            if (devices[device] == 0) continue;
            Transfer(device, ResultsInBuffer, ResultsOf(device), (ulong)devices[device] * MachineMap.AccessBytes, ToRam);
        }

        Finish();
        for (int device = 0; device < devices.Length; device++)
        {
            int at = (int)(ResultsOf(device) - MachineMap.RamBase);
            var words = MemoryMarshal.Cast<byte, uint>(Ram.Slice(at, devices[device] * MachineMap.AccessBytes));
            results[device] = [.. words];
            for (int i = 0; i < words.Length; i++) words[i] = (uint)(ResultsOf(device) + ((ulong)i * sizeof(uint)));
        }

        return results;
    }

    public void Dispose()
    {
        client.Dispose();
        process?.Dispose();
        ram.Dispose();
    }

    private static ulong ResultsOf(int device) => MachineMap.Results + ((ulong)device << 12);

    private static ulong Registers(int device) => MachineMap.PciWindow + ((ulong)device << 20);

    private void CheckFeatures()
    {
        var known = SmmuFeatures.QemuVirt;
        (uint Offset, uint Value, string Name)[] expected =
        [
            (RegisterOffset.IDR0, known.Idr0, "IDR0"), (RegisterOffset.IDR1, known.Idr1, "IDR1"),
            (RegisterOffset.IDR3, known.Idr3, "IDR3"), (RegisterOffset.IDR5, known.Idr5, "IDR5"),
        ];
        int[] asked = [.. expected.Select(register => client.Read32(MachineMap.SmmuRegisters + register.Offset))];
        var values = client.Exchange();
        for (int i = 0; i < expected.Length; i++)
        {
            if (values[asked[i]] != expected[i].Value) throw new QemuException(
                $"this QEMU's SMMU has {expected[i].Name} 0x{values[asked[i]]:x}, not 0x{expected[i].Value:x}: "
                + "the comparison knows that of QEMU 7.2; use that version");
        }
    }

    private void SetUpDevices()
    {
        const uint BaseAddress0 = 0x10;
        const uint CommandRegister = 0x04;
        const uint MemoryAndBusMaster = 6;
        const uint Identity = 0x11e8_1234;
        var asked = new int[MachineMap.Streams.Length];
        for (int device = 0; device < asked.Length; device++)
        {
            ulong configuration = MachineMap.PciConfiguration + ((ulong)MachineMap.Streams[device].Value << 12);
            client.Write32(configuration + BaseAddress0, (uint)Registers(device));
            client.Write32(configuration + CommandRegister, MemoryAndBusMaster);
            asked[device] = client.Read32(configuration);
        }

        var values = client.Exchange();
        if (asked.Any(answer => values[answer] != Identity)) throw new QemuException(
            "QEMU's edu devices do not appear on its PCI bus: this version may have moved them.");

        Begin();
        for (int device = 0; device < asked.Length; device++)
        {
            const ulong Bytes = MachineMap.MostAccesses * MachineMap.AccessBytes;
            Transfer(device, MachineMap.Tokens + ((ulong)device * Bytes), Buffer, Bytes, FromRam);
        }

        Finish();
    }

    private void Transfer(int device, ulong source, ulong destination, ulong count, ulong control)
    {
        client.WriteWords(Registers(device) + Transfers, [source, destination, count, control]);
        lastStarted = device;
    }
}
