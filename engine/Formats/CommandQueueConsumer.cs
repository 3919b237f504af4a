namespace Smmu.Fast.Formats;

/// <summary>CMDQ_CONS: the next command, and the error that it met (IHI 0070, 6.3.28).</summary>
/// <param name="Value">The register as a word.</param>
public readonly record struct CommandQueueConsumer(uint Value)
{
    private const int RDRange = 19_000;
    private const int ERRRange = 30_024;

    /// <summary>Index and wrap flag of the next command.</summary>
    public uint RD
    {
        get => (uint)BitRange.Get(Value, RDRange);
        init => Value = (uint)BitRange.With(Value, RDRange, value);
    }

    /// <summary>Why the queue stopped; counts while GERROR.CMDQ_ERR is active.</summary>
    public CommandError ERR
    {
        get => (CommandError)BitRange.Get(Value, ERRRange);
        init => Value = (uint)BitRange.With(Value, ERRRange, (ulong)value);
    }
}
