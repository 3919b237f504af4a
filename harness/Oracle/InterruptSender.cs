namespace Smmu.Fast.Oracle;

/// <summary>Sends interrupts, and the messages that go with them (IHI 0070, 3.18 and 7.5.1).</summary>
internal sealed class InterruptSender(IOracleMemory memory, OracleFeatures features, RegisterFile registers)
{
    private readonly List<OracleInterrupt> sent = [];

    /// <summary>The interrupts sent so far.</summary>
    public IReadOnlyList<OracleInterrupt> Sent => sent;

    /// <summary>Activates a global error, and sends its interrupt if it was inactive.</summary>
    public void Raise(int error)
    {
        bool isNews = !registers.IsActive(error);
        registers.Activate(error);

        // 7.5.1: no interrupt for the failure of that interrupt.
        if (isNews && error != RegisterFile.GlobalErrorMsiAbort) Send(OracleInterrupt.GlobalError);
    }

    /// <summary>Sends an interrupt that is configured in registers, if it is enabled there.</summary>
    public void Send(OracleInterrupt interrupt)
    {
        var source = registers.SourceOf(interrupt);
        if (!registers.IsInterruptEnabled(interrupt)) return;
        bool arrives = !features.Msi || source.Address == 0 || TryWriteMessage(source.Address, source.Data);
        sent.Add(interrupt);
        if (!arrives) Raise(interrupt == OracleInterrupt.EventQueue ? RegisterFile.EventMsiAbort : RegisterFile.GlobalErrorMsiAbort);
    }

    /// <summary>Sends the interrupt of a CMD_SYNC; no register enables it (4.7.3).</summary>
    /// <param name="address">MSIAddress as the command holds it.</param>
    /// <param name="data">MSIData.</param>
    public void SendSync(ulong address, uint data)
    {
        // The zero test looks at the whole field, the address is then cut to the OAS.
        bool arrives = !features.Msi || address == 0 || TryWriteMessage(address & Bits.Below(features.OutputBits), data);
        if (!arrives) Raise(RegisterFile.CommandMsiAbort);
        sent.Add(OracleInterrupt.CommandSync);
    }

    /// <summary>Wakes the PEs, where IDR0.SEV says so.</summary>
    public void WakeUp()
    {
        if (features.WakeUpEvents) sent.Add(OracleInterrupt.WakeUpEvent);
    }

    private bool TryWriteMessage(ulong address, uint data)
    {
        int low = address % 8 == 0 ? 0 : 32;
        ulong word = Bits.AlignDown(address, 3);
        return memory.TryRead(word, out ulong before)
            && memory.TryWrite(word, (before & ~(0xFFFF_FFFFUL << low)) | ((ulong)data << low));
    }
}
