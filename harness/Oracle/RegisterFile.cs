namespace Smmu.Fast.Oracle;

/// <summary>The Non-secure registers that matter here, with their guards (IHI 0070, 6.2 and 6.3). Updates complete at once.</summary>
internal sealed class RegisterFile(OracleFeatures features, OracleChoices choices)
{
    /// <summary>GERROR.CMDQ_ERR.</summary>
    public const int CommandQueueError = 0;

    /// <summary>GERROR.EVENTQ_ABT_ERR.</summary>
    public const int EventQueueAbort = 2;

    /// <summary>GERROR.MSI_CMDQ_ABT_ERR.</summary>
    public const int CommandMsiAbort = 4;

    /// <summary>GERROR.MSI_EVENTQ_ABT_ERR.</summary>
    public const int EventMsiAbort = 5;

    /// <summary>GERROR.MSI_GERROR_ABT_ERR.</summary>
    public const int GlobalErrorMsiAbort = 7;

    private readonly InterruptRegisters globalErrorInterrupt = new(features, features.Msi, hasLastOnly: false);
    private readonly InterruptRegisters eventInterrupt = new(features, features.Msi, hasLastOnly: false);
    private readonly InterruptRegisters pageRequestInterrupt = new(features, features.Msi && features.Pri, hasLastOnly: features.Pri);

    // Errors that have happened since they were acknowledged last.
    private uint stops;

    // GBPA.SHCFG "use incoming" and nothing else: what a reset leaves.
    private uint gbpa = 0x1000;
    private uint cr0;
    private uint cr1;
    private uint cr2;
    private uint irqControl;
    private uint gerrorAcknowledged;
    private ulong streamTableBase;
    private uint streamTableConfiguration;
    private ulong commandBase;
    private uint commandProducer;
    private ulong eventBase;
    private uint eventConsumer;
    private ulong pageRequestBase;
    private uint pageRequestProducer;
    private uint pageRequestConsumer;

    /// <summary>GERROR as it is read.</summary>
    public uint Gerror { get; private set; }

    /// <summary>CMDQ_CONS: RD [19:0] and ERR [30:24].</summary>
    public uint CommandConsumer { get; set; }

    /// <summary>EVENTQ_PROD: WR [19:0] and OVFLG [31].</summary>
    public uint EventProducer { get; set; }

    public bool IsEnabled => Bits.Bit(cr0, 0);

    public bool IsEventQueueEnabled => Bits.Bit(cr0, 2);

    public bool IsCommandQueueEnabled => Bits.Bit(cr0, 3);

    public bool E2H => Bits.Bit(cr2, 0);

    public bool RecordsInvalidStreamIds => Bits.Bit(cr2, 1);

    public bool AbortsGlobally => Bits.Bit(gbpa, 20);

    public AttributeRules.Overrides GlobalOverrides => new(
        Bits.Bit(gbpa, 4), Number(gbpa, 3, 0), Number(gbpa, 11, 8), Number(gbpa, 13, 12), Number(gbpa, 17, 16), Number(gbpa, 19, 18));

    public ulong StreamTableBase => Bits.Field(streamTableBase, 51, 6) << 6;

    public int StreamTableLog2 => Number(streamTableConfiguration, 5, 0);

    /// <summary>SPLIT: 6, 8 or 10; any other value acts as 6 (6.3.25).</summary>
    public int StreamTableSplit => Number(streamTableConfiguration, 10, 6) is 8 or 10 ? Number(streamTableConfiguration, 10, 6) : 6;

    public bool IsStreamTableTwoLevel => features.TwoLevelStreamTable && Number(streamTableConfiguration, 17, 16) == 0b01;

    /// <summary>Log2 of the entries of the Command queue: LOG2SIZE capped by IDR1.CMDQS.</summary>
    public int CommandQueueLog2 => Math.Min((int)Bits.Field(commandBase, 4, 0), Math.Min(features.CommandQueueLog2, 19));

    public ulong CommandQueueBase => QueueBase(commandBase, CommandQueueLog2 + 4);

    public uint CommandProducer => commandProducer & 0xFFFFF;

    /// <summary>Log2 of the entries of the Event queue: LOG2SIZE capped by IDR1.EVENTQS.</summary>
    public int EventQueueLog2 => Math.Min((int)Bits.Field(eventBase, 4, 0), Math.Min(features.EventQueueLog2, 19));

    public ulong EventQueueBase => QueueBase(eventBase, EventQueueLog2 + 5);

    public uint EventConsumer => eventConsumer & 0xFFFFF;

    /// <summary>True while EVENTQ_PROD.OVFLG differs from EVENTQ_CONS.OVACKFLG (7.4).</summary>
    public bool IsEventOverflowPresent => ((EventProducer ^ eventConsumer) & 0x8000_0000) != 0;

    /// <summary>The registers of an interrupt that has some.</summary>
    public InterruptRegisters SourceOf(OracleInterrupt interrupt) =>
        interrupt == OracleInterrupt.EventQueue ? eventInterrupt : globalErrorInterrupt;

    /// <summary>The enable of an interrupt in IRQ_CTRL.</summary>
    public bool IsInterruptEnabled(OracleInterrupt interrupt) =>
        Bits.Bit(irqControl, interrupt == OracleInterrupt.EventQueue ? 2 : 0);

    /// <summary>True while a GERROR bit differs from its GERRORN bit.</summary>
    public bool IsActive(int error) => Bits.Bit(Gerror ^ gerrorAcknowledged, error);

    /// <summary>True while an error keeps its queue from going on.</summary>
    public bool IsStopped(int error) => choices.ToggledErrorsStopQueues ? IsActive(error) : Bits.Bit(stops, error);

    /// <summary>Takes the errors that are active for errors that have happened.</summary>
    public void TakeActiveErrors() => stops = Gerror ^ gerrorAcknowledged;

    /// <summary>Toggles a GERROR bit unless it is active (7.5).</summary>
    public void Activate(int error)
    {
        stops |= 1U << error;
        if (!IsActive(error)) Gerror ^= 1U << error;
    }

    /// <summary>Reads a register by its offset from page 0; what does not exist is 0.</summary>
    public ulong Read(uint offset) => offset switch
    {
        0x00 or 0x04 or 0x08 or 0x0C or 0x10 => features.Idr[(int)(offset / 4)],
        0x14 => features.Idr[5],
        0x1C => features.Aidr,
        0x20 or 0x24 => cr0,
        0x28 => cr1,
        0x2C => cr2,
        0x44 => gbpa,
        0x50 or 0x54 => irqControl,
        0x60 => Gerror,
        0x64 => gerrorAcknowledged,
        0x68 or 0x70 or 0x74 => globalErrorInterrupt.Read(offset - 0x68),
        0x80 => streamTableBase,
        0x88 => streamTableConfiguration,
        0x90 => commandBase,
        0x98 => commandProducer,
        0x9C => CommandConsumer,
        0xA0 => eventBase,
        0xA8 or 0x100A8 => EventProducer,
        0xAC or 0x100AC => eventConsumer,
        0xB0 or 0xB8 or 0xBC => eventInterrupt.Read(offset - 0xB0),
        0xC0 => pageRequestBase,
        0xC8 or 0x100C8 => pageRequestProducer,
        0xCC or 0x100CC => pageRequestConsumer,
        0xD0 or 0xD8 or 0xDC => pageRequestInterrupt.Read(offset - 0xD0),
        _ => 0,
    };

    /// <summary>Writes a register by its offset from page 0; what does not exist or is guarded keeps its value.</summary>
    public void Write(uint offset, ulong value)
    {
        switch (offset)
        {
            case 0x20:
                cr0 = (uint)value & ImplementedCR0();
                break;
            case 0x28:
                WriteCR1((uint)value);
                break;
            case 0x2C when !IsEnabled:
                cr2 = (uint)value & ImplementedCR2();
                break;
            case 0x44 when Bits.Bit(value, 31):
                gbpa = (uint)value & 0x001F_3F1F;
                break;
            case 0x50:
                irqControl = (uint)value & (features.Pri ? 0b111U : 0b101U);
                break;
            case 0x64:
                stops &= ~(Gerror ^ gerrorAcknowledged) | (Gerror ^ ((uint)value & ImplementedErrors()));
                gerrorAcknowledged = (uint)value & ImplementedErrors();
                break;
            case 0x68 or 0x70 or 0x74 when !Bits.Bit(irqControl, 0):
                globalErrorInterrupt.Write(offset - 0x68, value);
                break;
            case 0xB0 or 0xB8 or 0xBC when !Bits.Bit(irqControl, 2):
                eventInterrupt.Write(offset - 0xB0, value);
                break;
            case 0xD0 or 0xD8 or 0xDC when !Bits.Bit(irqControl, 1):
                pageRequestInterrupt.Write(offset - 0xD0, value);
                break;
            default:
                WriteTablesAndQueues(offset, value);
                break;
        }
    }

    private void WriteTablesAndQueues(uint offset, ulong value)
    {
        switch (offset)
        {
            case 0x80 when !IsEnabled && !features.TablesPreset:
                streamTableBase = value & (AddressMask(6) | (1UL << 62));
                break;
            case 0x88 when !IsEnabled && !features.TablesPreset:
                streamTableConfiguration = (uint)value & (features.TwoLevelStreamTable ? 0x3_07FFU : 0x3FU);
                break;
            case 0x90 when !IsCommandQueueEnabled && !features.QueuesPreset:
                commandBase = value & (AddressMask(5) | (1UL << 62) | 0x1F);
                CommandConsumer &= 0x7F00_0000 | IndexMask(CommandQueueLog2);
                break;
            case 0x98:
                commandProducer = (uint)value & 0xFFFFF;
                break;
            case 0x9C when !IsCommandQueueEnabled:
                CommandConsumer = (uint)value & (0x7F00_0000 | IndexMask(CommandQueueLog2));
                break;
            case 0xA0 when !IsEventQueueEnabled && !features.QueuesPreset:
                eventBase = value & (AddressMask(5) | (1UL << 62) | 0x1F);
                EventProducer &= 0x8000_0000 | IndexMask(EventQueueLog2);
                break;
            case 0xA8 or 0x100A8 when !IsEventQueueEnabled:
                EventProducer = (uint)value & (0x8000_0000 | IndexMask(EventQueueLog2));
                break;
            case 0xAC or 0x100AC:
                eventConsumer = (uint)value & 0x800F_FFFF;
                break;
            default:
                if (features.Pri) WritePageRequestQueue(offset, value);
                break;
        }
    }

    // 6.3.9.5: guarded by PRIQEN itself, whatever SMMUEN is.
    private void WritePageRequestQueue(uint offset, ulong value)
    {
        bool isEnabled = Bits.Bit(cr0, 1);
        int log2 = Math.Min((int)Bits.Field(pageRequestBase, 4, 0), Math.Min(features.PageRequestQueueLog2, 19));
        switch (offset)
        {
            case 0xC0 when !isEnabled && !features.QueuesPreset:
                pageRequestBase = value & (AddressMask(5) | (1UL << 62) | 0x1F);
                log2 = Math.Min((int)Bits.Field(pageRequestBase, 4, 0), Math.Min(features.PageRequestQueueLog2, 19));
                pageRequestProducer &= 0x8000_0000 | IndexMask(log2);
                break;
            case 0xC8 or 0x100C8 when !isEnabled:
                pageRequestProducer = (uint)value & (0x8000_0000 | IndexMask(log2));
                break;
            case 0xCC or 0x100CC:
                pageRequestConsumer = (uint)value & 0x800F_FFFF;
                break;
            default:
                break;
        }
    }

    // 6.3.20: fields of what is not announced are RES0.
    private uint ImplementedErrors() =>
        0x105U | (features.Pri ? 1U << 3 : 0) | (features.Msi ? 0b1011_0000U : 0) | (features.Msi && features.Pri ? 1U << 6 : 0);

    /// <summary>The bits of an index with its wrap flag.</summary>
    public static uint IndexMask(int queueLog2) => (uint)Bits.Below(queueLog2 + 1);

    // 6.3.11: TABLE_* is guarded by SMMUEN, QUEUE_* by the queue enables.
    private void WriteCR1(uint value)
    {
        uint writable = (IsEnabled ? 0U : 0xFC0) | ((cr0 & 0b1110) != 0 ? 0U : 0x3F);
        cr1 = (cr1 & ~writable) | (value & writable);
    }

    // 6.3.9: what the features do not have reads 0.
    private uint ImplementedCR0()
    {
        uint mask = 0b1101;
        if (features.Pri) mask |= 1U << 1;
        if (features.Ats) mask |= 1U << 4;
        if (features.VmidWildcard) mask |= 0b111U << 6;
        if (features.DevicePermissionTable) mask |= 1U << 10;
        return mask;
    }

    private uint ImplementedCR2()
    {
        uint mask = 0b0010;
        if (features.Hyp) mask |= 1U << 0;
        if (features.Broadcast) mask |= 1U << 2;
        if (features.RecordsConfigurationErrorsOfAts) mask |= 1U << 3;
        return mask;
    }

    // 3.4.3: base registers hold no address bit above the OAS.
    private ulong AddressMask(int lowest) => Bits.AlignDown(Bits.Below(features.OutputBits), lowest);

    // 6.3.26: aligned to the size of the queue, and to 32 bytes at least.
    private static ulong QueueBase(ulong register, int sizeLog2) =>
        Bits.AlignDown(Bits.Field(register, 51, 5) << 5, Math.Max(sizeLog2, 5));

    private static int Number(uint word, int high, int low) => (int)Bits.Field(word, high, low);
}
