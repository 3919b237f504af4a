using Smmu.Fast.Commands;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;
using Smmu.Fast.Queues;
using Smmu.Fast.Registers;

namespace Smmu.Fast.Device;

/// <summary>Sends interrupts: MSIs to memory, pulses to the host (IHI 0070, 3.18). Called with no gate closed.</summary>
internal sealed class InterruptDelivery
{
    // Host code that takes a message may cause the next one: a guest can aim an MSI at the doorbell of a device, and have the
    // device empty the Event queue and make a faulting access. The message beyond this depth meets an abort.
    private const int DeepestNesting = 4;

    [ThreadStatic]
    private static int messagesOfThread;

    private readonly ControlGate gate;
    private readonly RegisterFile registers;
    private readonly GuestMemory memory;
    private readonly SmmuFeatures features;
    private readonly CommandContext context;
    private readonly Lock listening = new();
    private Action<InterruptLine>? raised;

    public InterruptDelivery(ControlGate gate, RegisterFile registers, GuestMemory memory, CommandContext context)
    {
        this.gate = gate;
        this.registers = registers;
        this.memory = memory;
        this.context = context;
        features = context.Features;
    }

    /// <summary>Takes the pulses.</summary>
    public event Action<InterruptLine>? Raised
    {
        add => Listen(value, isNew: true);
        remove => Listen(value, isNew: false);
    }

    /// <summary>Does what the write of an event record asks for.</summary>
    public void AfterEvent(EventWriteResult result)
    {
        if ((result & (EventWriteResult.BecameNonEmpty | EventWriteResult.Aborted)) != 0) SignalEvent(result);
    }

    private void SignalEvent(EventWriteResult result)
    {
        if ((result & EventWriteResult.BecameNonEmpty) != 0)
        {
            Send(registers.EventQueueInterrupt, InterruptLine.EventQueue, GlobalErrors.MSI_EVENTQ_ABT_ERR);
        }

        if ((result & EventWriteResult.Aborted) != 0) RaiseError(GlobalErrors.EVENTQ_ABT_ERR);
    }

    /// <summary>Sends the interrupt of the PRI queue if its condition is met (IHI 0070, 6.3.36).</summary>
    /// <param name="becameNonEmpty">What counts with LO = 0.</param>
    /// <param name="cameLast">What counts with LO = 1: a request with Last = 1 was written, or discarded by an overflow.</param>
    public void AfterPageRequest(bool becameNonEmpty, bool cameLast)
    {
        const int LastOnlyBit = 31;
        bool lastOnly = BitField.Test(registers.PageRequestInterrupt.AttributeRegister, LastOnlyBit);
        if (lastOnly ? cameLast : becameNonEmpty)
        {
            Send(registers.PageRequestInterrupt, InterruptLine.PageRequestQueue, GlobalErrors.MSI_PRIQ_ABT_ERR);
        }
    }

    /// <summary>Activates a global error, and sends its interrupt if that is news.</summary>
    public void RaiseError(GlobalErrors error)
    {
        gate.Enter();
        bool activated = registers.TryActivate(error);
        gate.Exit();
        if (activated) AfterError(error);
    }

    /// <summary>Sends the interrupt of an error that was activated behind the gate.</summary>
    public void AfterError(GlobalErrors error)
    {
        // The one error that must not call for the interrupt that failed (GERR-15).
        if (error == GlobalErrors.MSI_GERROR_ABT_ERR) return;
        Send(registers.GlobalErrorInterrupt, InterruptLine.GlobalError, GlobalErrors.MSI_GERROR_ABT_ERR);
    }

    /// <summary>Signals a completed CMD_SYNC (IHI 0070, 4.7.3). No IRQ_CTRL bit gates it.</summary>
    public void Signal(in Command sync)
    {
        if (sync.CS == CompletionSignal.Event)
        {
            if (features.SEV) WakeUp();
            return;
        }

        if (context.HasMessages && sync.MSIAddress != 0)
        {
            ulong address = sync.MSIAddress & context.MessageMask;
            if (!memory.TryWrite32(address, sync.MSIData)) RaiseError(GlobalErrors.MSI_CMDQ_ABT_ERR);
        }

        raised?.Invoke(InterruptLine.CommandSync);
    }

    /// <summary>Wakes PEs from their WFE.</summary>
    public void WakeUp() => raised?.Invoke(InterruptLine.WakeUpEvent);

    private void Listen(Action<InterruptLine>? listener, bool isNew)
    {
        lock (listening)
        {
            var listeners = isNew ? raised + listener : raised - listener;
            gate.Enter();
            raised = listeners;
            context.HasListeners = listeners is not null;
            gate.Exit();
        }
    }

    private void Send(InterruptSource source, InterruptLine line, GlobalErrors abort)
    {
        gate.Enter();
        if (!source.IsEnabled)
        {
            gate.Exit();
            return;
        }

        ulong address = source.AddressRegister;
        uint data = source.DataRegister;
        source.BeginDelivery();
        var status = address == 0 ? MemoryStatus.Done : memory.TryWrite32Direct(address, data);
        gate.Exit();

        bool escalates;
        try
        {
            if (status == MemoryStatus.NeedsHost) status = WriteThroughHost(address, data);
            raised?.Invoke(line);
        }
        finally
        {
            gate.Enter();
            escalates = status == MemoryStatus.Aborted && registers.Errors.TryActivate(abort);
            source.EndDelivery();   // May acknowledge a disable, which promises that the abort shows (IHI 0070, 3.18.1).
            gate.Exit();
        }

        if (escalates) AfterError(abort);
    }

    private MemoryStatus WriteThroughHost(ulong address, uint data)
    {
        if (messagesOfThread == DeepestNesting) return MemoryStatus.Aborted;
        messagesOfThread++;
        try
        {
            return memory.TryWrite32(address, data) ? MemoryStatus.Done : MemoryStatus.Aborted;
        }
        finally
        {
            messagesOfThread--;
        }
    }
}
