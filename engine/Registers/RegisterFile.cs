using Smmu.Fast.Commands;
using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Queues;
using Smmu.Fast.Streams;
using Smmu.Fast.Tlbs;

namespace Smmu.Fast.Registers;

/// <summary>The Non-secure programming interface: state of all registers, and what a write sets going (IHI 0070, 6).</summary>
/// <remarks>
/// Writes come behind the control gate; reads come from any thread at any time and see each register whole. Updates are
/// complete when the write returns, so that CR0ACK equals CR0 (CTL-04, EN-04). There are two exceptions: EVENTQEN is not
/// acknowledged as clear while the host still writes records, nor CMDQEN while it still reads a command.
/// </remarks>
internal sealed unsafe partial class RegisterFile
{
    private const uint SmmuEnable = 1 << 0;
    private const uint PageRequestQueueEnable = 1 << 1;
    private const uint EventQueueEnable = 1 << 2;
    private const uint CommandQueueEnable = 1 << 3;
    private const uint AtsCheck = 1 << 4;
    private const uint VmidWildcard = 7 << 6;

    private const uint InvalidStreamRecord = 1 << 1;
    private const uint AtsErrorRecord = 1 << 3;
    private const uint TableAttributes = 0xfc0;
    private const uint QueueAttributes = 0x03f;
    private const uint BypassFields = 0x001f_3f1f;
    private const uint BypassUpdate = 1u << 31;
    private const ulong AllocateHint = 1UL << 62;

    private readonly SmmuFeatures features;
    private readonly InvalidationStamps* stamps;
    private readonly CommandQueueReader commands;
    private readonly CommandConsumer consumer;
    private readonly CommandContext context;
    private readonly EventQueueWriter events;
    private readonly StallTable stalls;
    private readonly EnhancedCommandQueues enhanced;
    private readonly uint globalBypassReset;
    private readonly uint controlMask;
    private readonly uint control2Mask;
    private readonly ulong tableBaseMask;
    private readonly uint tableConfigurationMask;
    private readonly ulong queueBaseMask;

    private uint control0;
    private uint control1;
    private uint control2;
    private ulong tableBase;
    private uint tableConfiguration;
    private ulong translationControl;
    private StreamControls streamControls;

    /// <summary>Makes the registers as they are after a reset.</summary>
    public RegisterFile(
        SmmuFeatures features,
        InvalidationStamps* stamps,
        CommandQueueReader commands,
        CommandConsumer consumer,
        CommandContext context,
        EventQueueWriter events,
        StallTable stalls,
        PageRequestQueueWriter pageRequests,
        EnhancedCommandQueues enhanced,
        uint globalBypassReset)
    {
        this.features = features;
        this.stamps = stamps;
        this.commands = commands;
        this.consumer = consumer;
        this.context = context;
        this.events = events;
        this.stalls = stalls;
        this.enhanced = enhanced;
        PageRequests = pageRequests;

        controlMask = SmmuEnable | EventQueueEnable | CommandQueueEnable
            | (features.PRI ? PageRequestQueueEnable : 0)
            | (features.ATS ? AtsCheck : 0)
            | (features.VMW ? VmidWildcard : 0);
        control2Mask = InvalidStreamRecord
            | (features.Hyp ? 1u << 0 : 0)
            | (features.BTM ? 1u << 2 : 0)
            | (features.ATSRECERR ? AtsErrorRecord : 0);
        int highest = Math.Min(55, features.OutputAddressBits - 1);
        tableBaseMask = BitField.Mask(highest, 6) | AllocateHint;
        tableConfigurationMask = 0x3f | (features.ST_LEVEL != 0 ? 0x3_07c0u : 0);
        queueBaseMask = BitField.Mask(highest, 5) | 0x1f | AllocateHint;

        Errors = new GlobalErrorState(ImplementedErrors(features));
        uint attributes = features.MSI ? 0x3fu : 0;
        GlobalErrorInterrupt = new InterruptSource(features.MSI, features.OutputAddressBits, attributes);
        EventQueueInterrupt = new InterruptSource(features.MSI, features.OutputAddressBits, attributes);
        PageRequestInterrupt = new InterruptSource(
            features.MSI && features.PRI, features.OutputAddressBits, features.PRI ? attributes | (1u << 31) : 0);
        this.globalBypassReset = globalBypassReset & BypassFields;
        translationControl = this.globalBypassReset;
        streamControls = MakeStreamControls();
    }

    /// <summary>GERROR and GERRORN.</summary>
    public GlobalErrorState Errors { get; }

    /// <summary>The interrupt of GERROR.</summary>
    public InterruptSource GlobalErrorInterrupt { get; }

    /// <summary>The interrupt of the Event queue.</summary>
    public InterruptSource EventQueueInterrupt { get; }

    /// <summary>The interrupt of the PRI queue.</summary>
    public InterruptSource PageRequestInterrupt { get; }

    /// <summary>The PRI queue.</summary>
    public PageRequestQueueWriter PageRequests { get; }

    /// <summary>CR0.ATSCHK: Translated transactions are checked against the configuration of their stream.</summary>
    public bool AreTranslatedChecked => (Volatile.Read(ref control0) & AtsCheck) != 0;

    /// <summary>CR0.SMMUEN in bit 32 and GBPA in [31:0], read as one so that an access sees one value of both (CTL-34).</summary>
    public ulong TranslationControl => Volatile.Read(ref translationControl);

    /// <summary>What stream look-ups need.</summary>
    public StreamControls StreamControls => Volatile.Read(ref streamControls);

    private bool IsSmmuEnabled => (control0 & SmmuEnable) != 0;

    private bool IsEventQueueActive => (control0 & EventQueueEnable) != 0 || events.IsActive;

    private bool IsAnyCommandQueueActive => IsCommandQueueActive || enhanced.IsAnyActive;

    private bool IsCommandQueueActive => (control0 & CommandQueueEnable) != 0 || consumer.IsFetching;

    private bool IsPageRequestQueueActive => (control0 & PageRequestQueueEnable) != 0 || PageRequests.IsBusy;

    // The PRI queue was in force when it took what it still writes, so neither of its two enables has been left yet.
    private uint Acknowledge0 =>
        (Volatile.Read(ref control0) & ~EventQueueEnable)
        | (events.IsActive ? EventQueueEnable : 0)
        | (PageRequests.IsBusy ? PageRequestQueueEnable | SmmuEnable : 0)
        | (consumer.IsFetching ? CommandQueueEnable : 0);

    /// <summary>Returns every register to its reset state, and forgets what rests on the old ones.</summary>
    public void Reset()
    {
        WriteControl0(0);
        events.Reset();
        PageRequests.Reset();
        consumer.EndFetch();
        WriteControl1(0);
        WriteControl2(0);
        WriteTableBase(0);
        WriteTableConfiguration(0);
        Errors.Reset();
        GlobalErrorInterrupt.Reset();
        EventQueueInterrupt.Reset();
        PageRequestInterrupt.Reset();
        commands.Reset();
        consumer.SetStopped(false);
        consumer.ForgetInvalidations();
        enhanced.Reset();
        context.Schedule.Invalidations.Clear();
        PublishTranslationControl(globalBypassReset);
    }

    /// <summary>Activates an error; false when it is active already.</summary>
    public bool TryActivate(GlobalErrors error)
    {
        bool activated = Errors.TryActivate(error);
        if (error == GlobalErrors.EVENTQ_ABT_ERR) events.AcceptAbortShown();
        if (error == GlobalErrors.PRIQ_ABT_ERR) PageRequests.AcceptAbortShown();
        return activated;
    }

    /// <summary>Writes CMDQ_PROD, while no Command queue has anything to do, and consumes what can be consumed at once.</summary>
    /// <returns>True when nothing is left; else the write is to be made once more, as any other.</returns>
    public bool TryWriteCommandProducer(uint value)
    {
        commands.WriteProducer(value);
        return consumer.ConsumeAtOnce();
    }

    /// <summary>Writes a 32-bit register, or half of a 64-bit one. Offsets without a register ignore it.</summary>
    public void Write32(uint offset, uint value)
    {
        if (offset >= RegisterOffset.FirstOptionalPage)
        {
            enhanced.Write32(offset, value);
            return;
        }

        switch (offset)
        {
            case RegisterOffset.CR0: WriteControl0(value); break;
            case RegisterOffset.CR1: WriteControl1(value); break;
            case RegisterOffset.CR2: WriteControl2(value); break;
            case RegisterOffset.GBPA: WriteGlobalBypass(value); break;
            case RegisterOffset.IRQ_CTRL: WriteInterruptControl(value); break;
            case RegisterOffset.GERRORN: WriteAcknowledge(value); break;
            case RegisterOffset.GERROR_IRQ_CFG1: GlobalErrorInterrupt.WriteData(value); break;
            case RegisterOffset.GERROR_IRQ_CFG2: GlobalErrorInterrupt.WriteAttributes(value); break;
            case RegisterOffset.STRTAB_BASE_CFG: WriteTableConfiguration(value); break;
            case RegisterOffset.CMDQ_PROD: WriteCommandProducer(value); break;
            case RegisterOffset.CMDQ_CONS: WriteCommandConsumer(value); break;
            case RegisterOffset.EVENTQ_IRQ_CFG1: EventQueueInterrupt.WriteData(value); break;
            case RegisterOffset.EVENTQ_IRQ_CFG2: EventQueueInterrupt.WriteAttributes(value); break;
            case RegisterOffset.PRIQ_IRQ_CFG1: PageRequestInterrupt.WriteData(value); break;
            case RegisterOffset.PRIQ_IRQ_CFG2: PageRequestInterrupt.WriteAttributes(value); break;

            case RegisterOffset.EVENTQ_PROD_ALIAS:
            case RegisterOffset.EVENTQ_PROD: WriteEventProducer(value); break;
            case RegisterOffset.EVENTQ_CONS_ALIAS:
            case RegisterOffset.EVENTQ_CONS: events.WriteConsumer(value); break;
            case RegisterOffset.PRIQ_PROD_ALIAS:
            case RegisterOffset.PRIQ_PROD: WritePageRequestProducer(value); break;
            case RegisterOffset.PRIQ_CONS_ALIAS:
            case RegisterOffset.PRIQ_CONS: WritePageRequestConsumer(value); break;

            default: WriteHalf(offset, value); break;
        }
    }

    /// <summary>Writes a 64-bit register whole; false when there is none at the offset.</summary>
    public bool TryWrite64(uint offset, ulong value)
    {
        switch (offset)
        {
            case RegisterOffset.GERROR_IRQ_CFG0: GlobalErrorInterrupt.WriteAddress(value); return true;
            case RegisterOffset.STRTAB_BASE: WriteTableBase(value); return true;
            case RegisterOffset.CMDQ_BASE: WriteCommandBase(value); return true;
            case RegisterOffset.EVENTQ_BASE: WriteEventBase(value); return true;
            case RegisterOffset.EVENTQ_IRQ_CFG0: EventQueueInterrupt.WriteAddress(value); return true;
            case RegisterOffset.PRIQ_BASE: WritePageRequestBase(value); return true;
            case RegisterOffset.PRIQ_IRQ_CFG0: PageRequestInterrupt.WriteAddress(value); return true;
            default: return enhanced.TryWrite64(offset, value);
        }
    }

    private void WriteHalf(uint offset, uint value)
    {
        const uint UpperHalf = 4;
        uint whole = offset & ~UpperHalf;
        if (!TryRead64(whole, out ulong present)) return;
        ulong merged = (offset & UpperHalf) != 0
            ? (present & uint.MaxValue) | ((ulong)value << 32)
            : (present & ~(ulong)uint.MaxValue) | value;
        TryWrite64(whole, merged);
    }

    private void WriteControl0(uint value)
    {
        uint changed = (control0 ^ value) & controlMask;
        Volatile.Write(ref control0, value & controlMask);
        context.IgnoredVmidBits = VmidBitsIgnored();
        context.IsSmmuEnabled = IsSmmuEnabled;
        PageRequests.SetEnabled(IsSmmuEnabled && (control0 & PageRequestQueueEnable) != 0);
        if ((changed & EventQueueEnable) != 0) events.SetEnabled((value & EventQueueEnable) != 0);
        if ((changed & CommandQueueEnable) != 0) consumer.SetEnabled((value & CommandQueueEnable) != 0);
        if ((changed & SmmuEnable) == 0) return;

        // An access that began before SMMUEN is cleared may still fault: it finds the table closed.
        if (IsSmmuEnabled) stalls.SetEnabled(true);
        PublishTranslationControl((uint)translationControl);
        if (!IsSmmuEnabled) stalls.SetEnabled(false);
    }

    private int VmidBitsIgnored()
    {
        int wildcard = (int)((control0 & VmidWildcard) >> 6);
        return wildcard <= 4 ? wildcard : 0;
    }

    private void WriteControl1(uint value)
    {
        bool anyQueue = IsAnyCommandQueueActive || IsEventQueueActive || IsPageRequestQueueActive;
        uint writable = (IsSmmuEnabled ? 0 : TableAttributes) | (anyQueue ? 0 : QueueAttributes);
        Volatile.Write(ref control1, (control1 & ~writable) | (value & writable));
    }

    private void WriteControl2(uint value)
    {
        if (IsSmmuEnabled) return;
        Volatile.Write(ref control2, value & control2Mask);
        context.E2h = (control2 & 1) != 0;
        Volatile.Write(ref streamControls, MakeStreamControls());
    }

    private void WriteGlobalBypass(uint value)
    {
        if ((value & BypassUpdate) == 0) return;
        PublishTranslationControl(value & BypassFields);
    }

    // Ports keep what they learnt under the old value only while their stamp is the present one.
    private void PublishTranslationControl(uint globalBypass)
    {
        Volatile.Write(ref translationControl, globalBypass | ((ulong)(control0 & SmmuEnable) << 32));
        stamps->RaiseAny();
    }

    private void WriteInterruptControl(uint value)
    {
        GlobalErrorInterrupt.SetEnabled((value & 1) != 0);
        PageRequestInterrupt.SetEnabled(features.PRI && (value & 2) != 0);
        EventQueueInterrupt.SetEnabled((value & 4) != 0);
    }

    private void WriteAcknowledge(uint value)
    {
        bool commandError = Errors.IsActive(GlobalErrors.CMDQ_ERR);
        bool eventAbort = Errors.IsActive(GlobalErrors.EVENTQ_ABT_ERR);
        bool requestAbort = Errors.IsActive(GlobalErrors.PRIQ_ABT_ERR);
        Errors.WriteAcknowledge(value);
        if (commandError && !Errors.IsActive(GlobalErrors.CMDQ_ERR)) consumer.SetStopped(false);
        if (eventAbort && !Errors.IsActive(GlobalErrors.EVENTQ_ABT_ERR)) events.ResumeAfterAbort();
        if (requestAbort && !Errors.IsActive(GlobalErrors.PRIQ_ABT_ERR)) PageRequests.ResumeAfterAbort();
    }

    private void WriteTableBase(ulong value)
    {
        if (IsSmmuEnabled || features.TABLES_PRESET) return;
        Volatile.Write(ref tableBase, value & tableBaseMask);
        Volatile.Write(ref streamControls, MakeStreamControls());
    }

    private void WriteTableConfiguration(uint value)
    {
        if (IsSmmuEnabled || features.TABLES_PRESET) return;
        Volatile.Write(ref tableConfiguration, value & tableConfigurationMask);
        Volatile.Write(ref streamControls, MakeStreamControls());
    }

    private void WriteCommandBase(ulong value)
    {
        if (!IsCommandQueueActive && !features.QUEUES_PRESET) commands.WriteBase(value & queueBaseMask);
    }

    private void WriteCommandProducer(uint value)
    {
        commands.WriteProducer(value);
        consumer.Reconsider();
    }

    private void WriteCommandConsumer(uint value)
    {
        if (!IsCommandQueueActive) commands.WriteConsumer(value);
    }

    private void WriteEventBase(ulong value)
    {
        if (!IsEventQueueActive && !features.QUEUES_PRESET) events.WriteBase(value & queueBaseMask);
    }

    private void WriteEventProducer(uint value)
    {
        if (!IsEventQueueActive) events.WriteProducer(value);
    }

    private void WritePageRequestBase(ulong value)
    {
        bool isWritable = features.PRI && !IsPageRequestQueueActive && !features.QUEUES_PRESET;
        if (isWritable) PageRequests.WriteBase(value & queueBaseMask);
    }

    private void WritePageRequestProducer(uint value)
    {
        if (features.PRI && !IsPageRequestQueueActive) PageRequests.WriteProducer(value);
    }

    private void WritePageRequestConsumer(uint value)
    {
        if (features.PRI) PageRequests.WriteConsumer(value);
    }

    private StreamControls MakeStreamControls() => new(
        new StreamTableLayout(tableBase, tableConfiguration, features),
        E2h: (control2 & 1) != 0,
        RecordInvalidStreams: (control2 & InvalidStreamRecord) != 0,
        RecordAtsErrors: (control2 & AtsErrorRecord) != 0);

    private static GlobalErrors ImplementedErrors(SmmuFeatures features)
    {
        var errors = GlobalErrors.CMDQ_ERR | GlobalErrors.EVENTQ_ABT_ERR | GlobalErrors.SFM_ERR;
        if (features.PRI) errors |= GlobalErrors.PRIQ_ABT_ERR;
        if (features.ECMDQ) errors |= GlobalErrors.CMDQP_ERR;
        if (!features.MSI) return errors;
        errors |= GlobalErrors.MSI_CMDQ_ABT_ERR | GlobalErrors.MSI_EVENTQ_ABT_ERR | GlobalErrors.MSI_GERROR_ABT_ERR;
        return features.PRI ? errors | GlobalErrors.MSI_PRIQ_ABT_ERR : errors;
    }
}
