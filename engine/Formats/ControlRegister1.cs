namespace Smmu.Fast.Formats;

/// <summary>CR1: attributes of the accesses that the SMMU makes for itself (IHI 0070, 6.3.11).</summary>
/// <param name="Value">The register as a word.</param>
public readonly record struct ControlRegister1(uint Value)
{
    private const int QUEUE_ICRange = 1_000;
    private const int QUEUE_OCRange = 3_002;
    private const int QUEUE_SHRange = 5_004;
    private const int TABLE_ICRange = 7_006;
    private const int TABLE_OCRange = 9_008;
    private const int TABLE_SHRange = 11_010;

    /// <summary>Inner cacheability of queue accesses: 0 NC, 1 WB, 2 WT; 3 acts as 0.</summary>
    public byte QUEUE_IC
    {
        get => (byte)BitRange.Get(Value, QUEUE_ICRange);
        init => Value = (uint)BitRange.With(Value, QUEUE_ICRange, value);
    }

    /// <summary>Outer cacheability of queue accesses, coded alike.</summary>
    public byte QUEUE_OC
    {
        get => (byte)BitRange.Get(Value, QUEUE_OCRange);
        init => Value = (uint)BitRange.With(Value, QUEUE_OCRange, value);
    }

    /// <summary>Shareability of queue accesses: 0 NSH, 2 OSH, 3 ISH; 1 acts as 0.</summary>
    public byte QUEUE_SH
    {
        get => (byte)BitRange.Get(Value, QUEUE_SHRange);
        init => Value = (uint)BitRange.With(Value, QUEUE_SHRange, value);
    }

    /// <summary>Inner cacheability of Stream table reads, coded as QUEUE_IC.</summary>
    public byte TABLE_IC
    {
        get => (byte)BitRange.Get(Value, TABLE_ICRange);
        init => Value = (uint)BitRange.With(Value, TABLE_ICRange, value);
    }

    /// <summary>Outer cacheability of Stream table reads, coded as QUEUE_IC.</summary>
    public byte TABLE_OC
    {
        get => (byte)BitRange.Get(Value, TABLE_OCRange);
        init => Value = (uint)BitRange.With(Value, TABLE_OCRange, value);
    }

    /// <summary>Shareability of Stream table reads, coded as QUEUE_SH.</summary>
    public byte TABLE_SH
    {
        get => (byte)BitRange.Get(Value, TABLE_SHRange);
        init => Value = (uint)BitRange.With(Value, TABLE_SHRange, value);
    }

    /// <summary>The bits of the queue fields.</summary>
    public const uint QueueMask = 0x03f;

    /// <summary>The bits of the table fields.</summary>
    public const uint TableMask = 0xfc0;
}
