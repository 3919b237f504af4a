namespace Smmu.Fast.Oracle;

/// <summary>A second SMMUv3: slow, plain, without caches, and written from the text of the architecture alone (IHI 0070 issue
/// G.b; Arm ARM, D8). What another implementation does can be held against it.</summary>
/// <remarks>Covered is the Non-secure side: configuration, VMSAv8-64 translation at both stages, fault records, the Event queue,
/// the Command queue and interrupts. Not covered are ATS, page requests, ATOS and MPAM. Not for use by several threads.</remarks>
public sealed class OracleSmmu
{
    private const uint LargestSubstreamId = (1 << 20) - 1;
    private readonly IOracleMemory memory;
    private readonly OracleFeatures features;
    private readonly OracleChoices choices;
    private readonly RegisterFile registers;
    private readonly InterruptSender interrupts;
    private readonly EventQueue events;
    private readonly CommandQueue commands;

    /// <summary>Makes an SMMU as it is after reset.</summary>
    /// <param name="features">What it announces.</param>
    /// <param name="memory">The physical memory.</param>
    /// <param name="choices">What it does where the architecture leaves that open; null for the defaults.</param>
    public OracleSmmu(OracleFeatures features, IOracleMemory memory, OracleChoices? choices = null)
    {
        ArgumentNullException.ThrowIfNull(features);
        ArgumentNullException.ThrowIfNull(memory);
        this.memory = memory;
        this.features = features;
        this.choices = choices ?? new OracleChoices();
        registers = new RegisterFile(features, this.choices);
        interrupts = new InterruptSender(memory, features, registers);
        events = new EventQueue(memory, registers, interrupts, this.choices);
        commands = new CommandQueue(memory, features, registers, events, interrupts);
    }

    /// <summary>The commands consumed so far, the oldest first. CMD_RESUME only counts: whoever plays the client translates a
    /// stalled transaction once more.</summary>
    public IReadOnlyList<OracleCommand> ConsumedCommands => commands.Consumed;

    /// <summary>The interrupts sent so far, the oldest first (3.18.2).</summary>
    public IReadOnlyList<OracleInterrupt> Interrupts => interrupts.Sent;

    /// <summary>Takes the errors that software made active by toggling GERRORN for errors that have happened, as an SMMU may at any
    /// time (6.3.20).</summary>
    public void TakeActiveErrors() => registers.TakeActiveErrors();

    /// <summary>Reads a whole register, of 32 or 64 bits (6.2).</summary>
    /// <param name="offset">Offset in bytes from page 0; the Event queue indexes are at 0x100A8 and 0x100AC, and at 0xA8 and 0xAC.</param>
    /// <returns>The value; 0 where there is no register.</returns>
    public ulong ReadRegister(uint offset) => registers.Read(offset);

    /// <summary>Writes a whole register, of 32 or 64 bits, and does what follows from it before it returns (6.2).</summary>
    /// <param name="offset">Offset in bytes from page 0.</param>
    /// <param name="value">The value; writes of registers that do not exist, are read-only or guarded have no effect.</param>
    public void WriteRegister(uint offset, ulong value)
    {
        bool wasEnabled = registers.IsEnabled;
        registers.Write(offset, value);
        if (wasEnabled && !registers.IsEnabled) events.Drop(streamId: null);   // 6.3.9.6: nothing stays stalled.
        events.Flush();
        commands.Process();
    }

    /// <summary>Writes 32 bits: a 32-bit register, or one half of a 64-bit one (6.2).</summary>
    /// <param name="offset">Offset in bytes from page 0, a multiple of 4.</param>
    /// <param name="value">The value.</param>
    public void WriteRegister32(uint offset, uint value)
    {
        uint whole = offset & ~7U;
        bool isHalf = whole is 0x68 or 0x80 or 0x90 or 0xA0 or 0xB0 or 0xC0 or 0xD0;
        if (!isHalf) WriteRegister(offset, value);
        else if (offset == whole) WriteRegister(whole, (registers.Read(whole) & 0xFFFF_FFFF_0000_0000) | value);
        else WriteRegister(whole, (registers.Read(whole) & 0xFFFF_FFFF) | ((ulong)value << 32));
    }

    /// <summary>Takes a client transaction through the SMMU, writes descriptors whose flags it has to update, and delivers the
    /// record it causes (IHI 0070, chapters 3, 7, 13 and 15).</summary>
    /// <param name="streamId">StreamID.</param>
    /// <param name="substreamId">SubstreamID, 20 bits at most; null for none.</param>
    /// <param name="address">Input address, all 64 bits.</param>
    /// <param name="access">What the transaction does.</param>
    /// <returns>How it ends.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The SubstreamID has more than 20 bits.</exception>
    /// <exception cref="InvalidOperationException">Another thread keeps writing the descriptors that are to be updated.</exception>
    public OracleResult Translate(uint streamId, uint? substreamId, ulong address, OracleAccess access)
    {
        var result = Evaluate(memory, streamId, substreamId, address, access);
        if (result.Event is OracleEvent record) Deliver(record);
        return result;
    }

    /// <summary>Says what would become of a client transaction if memory were another one; nothing is recorded, and what is
    /// updated is for that memory to keep.</summary>
    /// <param name="view">The memory.</param>
    /// <param name="streamId">StreamID.</param>
    /// <param name="substreamId">SubstreamID, 20 bits at most; null for none.</param>
    /// <param name="address">Input address, all 64 bits.</param>
    /// <param name="access">What the transaction does.</param>
    /// <returns>How it would end; <see cref="Deliver"/> takes the record.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The SubstreamID has more than 20 bits.</exception>
    /// <exception cref="InvalidOperationException">Another thread keeps writing the descriptors that are to be updated.</exception>
    public OracleResult Evaluate(IOracleMemory view, uint streamId, uint? substreamId, ulong address, OracleAccess access)
    {
        ArgumentNullException.ThrowIfNull(view);
        if (substreamId > LargestSubstreamId)
        {
            throw new ArgumentOutOfRangeException(nameof(substreamId), substreamId, "A SubstreamID has 20 bits: pass 0xFFFFF at most.");
        }

        return new TranslationProcedure(view, features, choices, registers, streamId, substreamId, address, access).Run();
    }

    /// <summary>Records that the Event queue would take now: none while it is off, full or stopped by an abort (7.2.1).</summary>
    public int EventRoom => events.Room;

    /// <summary>Says what would become of the record of a transaction.</summary>
    /// <param name="record">The record.</param>
    public OracleDelivery Preview(OracleEvent record) => events.Preview(record);

    /// <summary>Delivers the record of a transaction, keeps it, or loses it, as the Event queue stands (7.2.1).</summary>
    /// <param name="record">The record.</param>
    /// <returns>True when it is in the queue.</returns>
    public bool Deliver(OracleEvent record) => events.Record(record);
}
