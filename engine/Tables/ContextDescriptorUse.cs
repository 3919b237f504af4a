using Smmu.Fast.Formats;

namespace Smmu.Fast.Tables;

/// <summary>What an SMMU looks at in a CD, by V and EPDx (IHI 0070, 5.4).</summary>
/// <remarks>EPDx counts as it stands: CDs of any-EL2 and EL3 streams, which do not know it, are to have it 0.</remarks>
internal readonly struct ContextDescriptorUse : IEntryUse
{
    private static readonly ContextDescriptorField[] Range0 =
    [
        ContextDescriptorField.T0SZ, ContextDescriptorField.TG0, ContextDescriptorField.IR0, ContextDescriptorField.OR0,
        ContextDescriptorField.SH0, ContextDescriptorField.TTB0,
    ];

    private static readonly ContextDescriptorField[] Range1 =
    [
        ContextDescriptorField.T1SZ, ContextDescriptorField.TG1, ContextDescriptorField.IR1, ContextDescriptorField.OR1,
        ContextDescriptorField.SH1, ContextDescriptorField.TTB1,
    ];

    /// <inheritdoc/>
    public static ulong Valid => BitRange.Place((int)ContextDescriptorField.V, 1);

    /// <inheritdoc/>
    public static void GetUsed(ReadOnlySpan<ulong> entry, Span<ulong> used)
    {
        used.Clear();
        used[0] = Valid;
        if ((entry[0] & Valid) == 0) return;
        used.Fill(ulong.MaxValue);
        if (BitRange.Get(entry[0], (int)ContextDescriptorField.EPD0) != 0) Ignore(used, Range0);
        if (BitRange.Get(entry[0], (int)ContextDescriptorField.EPD1) != 0) Ignore(used, Range1);
    }

    /// <inheritdoc/>
    public static void GetSafe(ReadOnlySpan<ulong> current, ReadOnlySpan<ulong> target, Span<ulong> safe) => safe.Clear();

    private static void Ignore(Span<ulong> used, ContextDescriptorField[] fields)
    {
        foreach (ContextDescriptorField field in fields)
        {
            used[BitRange.WordOf((int)field)] &= ~BitRange.Place((int)field, ulong.MaxValue);
        }
    }
}
