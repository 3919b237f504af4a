using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Tests.Registers;

/// <summary>What software and clients do to a machine in these tests.</summary>
internal static class Scenes
{
    /// <summary>A stream whose STE stays zero.</summary>
    public static readonly StreamId StreamWithoutEntry = new(1);

    /// <summary>A command that no SMMU has.</summary>
    public static readonly Command IllegalCommand = new(0xff, 0);

    /// <summary>The default features without MSIs.</summary>
    public static SmmuFeatures WithoutMsi { get; } = SmmuFeatures.Default.With(SmmuFeatureField.MSI, 0);

    /// <summary>Writes down the pulses of the machine from here on.</summary>
    public static List<InterruptLine> RecordPulses(this GuestMachine machine)
    {
        var pulses = new List<InterruptLine>();
        machine.Smmu.InterruptRaised += pulses.Add;
        return pulses;
    }

    /// <summary>Causes one event record, C_BAD_STE.</summary>
    public static void CauseEvent(this GuestMachine machine)
    {
        var result = machine.Smmu.Translate(StreamWithoutEntry, null, 0x1000, AccessKind.Read);
        Assert.Equal(EventType.BadStreamTableEntry, result.Event);
    }

    /// <summary>Frees all entries of the Event queue.</summary>
    public static void EmptyEventQueue(this GuestMachine machine) =>
        machine.Write(RegisterOffset.EVENTQ_CONS, machine.Read(RegisterOffset.EVENTQ_PROD));

    /// <summary>Reads a 64-bit register.</summary>
    public static ulong ReadWhole(this GuestMachine machine, uint offset) => machine.Smmu.ReadRegister64(offset);

    /// <summary>Writes a 64-bit register.</summary>
    public static void WriteWhole(this GuestMachine machine, uint offset, ulong value) =>
        machine.Smmu.WriteRegister64(offset, value);

    /// <summary>Writes IRQ_CTRL.</summary>
    public static void EnableInterrupts(this GuestMachine machine, InterruptEnables enables) =>
        machine.Write(RegisterOffset.IRQ_CTRL, (uint)enables);

    /// <summary>Points the MSI of a source, whose IRQ_CFG0 is given, somewhere.</summary>
    public static void PointMsi(this GuestMachine machine, uint configuration, ulong address, uint data)
    {
        const uint ToData = 8;
        machine.WriteWhole(configuration, address);
        machine.Write(configuration + ToData, data);
    }

    /// <summary>Errors that are active: bits in which GERROR and GERRORN differ.</summary>
    public static GlobalErrors ActiveErrors(this GuestMachine machine) =>
        (GlobalErrors)(machine.Read(RegisterOffset.GERROR) ^ machine.Read(RegisterOffset.GERRORN));

    /// <summary>Acknowledges whatever is active.</summary>
    public static void AcknowledgeErrors(this GuestMachine machine) =>
        machine.Write(RegisterOffset.GERRORN, machine.Read(RegisterOffset.GERROR));

    /// <summary>CMDQ_CONS.</summary>
    public static CommandQueueConsumer CommandConsumer(this GuestMachine machine) =>
        new(machine.Read(RegisterOffset.CMDQ_CONS));

    /// <summary>Every word of both pages, as software reads them.</summary>
    public static uint[] ReadAllRegisters(this GuestMachine machine)
    {
        var words = new uint[RegisterOffset.FirstOptionalPage / sizeof(uint)];
        for (uint i = 0; i < words.Length; i++) words[i] = machine.Read(i * sizeof(uint));
        return words;
    }
}
