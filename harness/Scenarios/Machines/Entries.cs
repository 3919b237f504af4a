using Smmu.Fast.Formats;

namespace Smmu.Fast.Scenarios.Machines;

/// <summary>Stream Table Entries as drivers write them.</summary>
public static class Entries
{
    private const ulong UseIncomingShareability = 1;

    /// <summary>Config = 0b000: aborts.</summary>
    public static StreamTableEntry Abort => Valid(0b000);

    /// <summary>Config = 0b100: passes untranslated.</summary>
    public static StreamTableEntry Bypass => Valid(0b100);

    /// <summary>Config = 0b101 with a lone CD.</summary>
    public static StreamTableEntry Stage1(ulong context) =>
        Valid(0b101).With(StreamTableEntryField.S1ContextPtr, context);

    /// <summary>V = 1 with a Config code.</summary>
    public static StreamTableEntry Valid(ulong config) => default(StreamTableEntry)
        .With(StreamTableEntryField.V, 1)
        .With(StreamTableEntryField.Config, config)
        .With(StreamTableEntryField.SHCFG, UseIncomingShareability);
}
