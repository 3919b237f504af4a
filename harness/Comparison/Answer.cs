using System.Globalization;
using Smmu.Fast.Formats;
using Smmu.Fast.Oracle;

namespace Smmu.Fast.Comparison;

/// <summary>How an access ends, as far as both SMMUs say it.</summary>
internal enum AnswerOutcome
{
    Success,
    Aborted,
    ReadZeroWriteIgnored,
    Stalled,
}

/// <summary>What one SMMU answers to one access.</summary>
/// <param name="Outcome">How it ends.</param>
/// <param name="Address">Output address.</param>
/// <param name="LeafSizeLog2">64 where nothing is translated.</param>
/// <param name="Permissions">For the marks that the client sends.</param>
/// <param name="Attributes">On output.</param>
/// <param name="Record">The record that appeared in the Event queue, or null.</param>
internal readonly record struct Answer(
    AnswerOutcome Outcome,
    ulong Address,
    int LeafSizeLog2,
    AccessPermissions Permissions,
    OracleAttributes Attributes,
    EventRecord? Record)
{
    private const int NonCacheable = 0b0100;

    /// <summary>The engine's answer.</summary>
    public static Answer Of(in TranslationResult result, EventRecord? record)
    {
        var outcome = result.Outcome switch
        {
            TranslationOutcome.Stalled => AnswerOutcome.Stalled,
            TranslationOutcome.FaultedReadZeroWriteIgnored => AnswerOutcome.ReadZeroWriteIgnored,
            _ => result.IsSuccess ? AnswerOutcome.Success : AnswerOutcome.Aborted,
        };
        if (outcome != AnswerOutcome.Success) return new Answer(outcome, result.Address.Value, 0, default, default, record);
        int size = result.LeafSize == 0 ? OracleResult.NoLeaf : System.Numerics.BitOperations.Log2(result.LeafSize);
        return new Answer(outcome, result.Address.Value, size, result.Permissions, AttributesOf(result.Attributes), record);
    }

    /// <summary>The Oracle's answer.</summary>
    /// <param name="result">What it says.</param>
    /// <param name="record">What it recorded.</param>
    /// <param name="privilege">STE.PRIVCFG in effect.</param>
    /// <param name="instruction">STE.INSTCFG in effect.</param>
    public static Answer Of(OracleResult result, EventRecord? record, int privilege, int instruction)
    {
        var outcome = result.Outcome switch
        {
            OracleOutcome.Success => AnswerOutcome.Success,
            OracleOutcome.Aborted => AnswerOutcome.Aborted,
            OracleOutcome.Stalled => AnswerOutcome.Stalled,
            _ => AnswerOutcome.ReadZeroWriteIgnored,
        };
        if (outcome != AnswerOutcome.Success) return new Answer(outcome, result.OutputAddress, 0, default, default, record);

        // What the client may do follows from what it counts as (IHI 0070, 13.1.2).
        var unprivileged = ForClient(privilege == 3 ? result.Privileged : result.Unprivileged, instruction);
        var privileged = ForClient(privilege == 2 ? result.Unprivileged : result.Privileged, instruction);
        var permissions = (AccessPermissions)((uint)unprivileged | ((uint)privileged << 3));
        return new Answer(outcome, result.OutputAddress, result.LeafSizeLog2, permissions, result.Attributes, record);
    }

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Outcome} 0x{Address:x}, leaf 2^{LeafSizeLog2}, {Permissions}, {Attributes}, record: {Describe(Record)}");

    private static string Describe(EventRecord? record) => record is not { } some ? "none" : string.Create(
        CultureInfo.InvariantCulture, $"{some} [{some.Word0:x16} {some.Word1:x16} {some.Word2:x16} {some.Word3:x16}]");

    private static AccessPermissions ForClient(OraclePermissions counted, int instruction)
    {
        bool read = instruction == 3 ? counted.Execute : counted.Read;
        bool execute = instruction == 2 ? counted.Read : counted.Execute;
        return (AccessPermissions)((read ? 1u : 0) | (counted.Write ? 2u : 0) | (execute ? 4u : 0));
    }

    private static OracleAttributes AttributesOf(MemoryAttributes attributes)
    {
        var shareability = attributes.Shareability switch
        {
            2 => OracleShareability.OuterShareable,
            3 => OracleShareability.InnerShareable,
            _ => OracleShareability.NonShareable,
        };
        if (attributes.IsDevice)
        {
            return new OracleAttributes(
                (OracleMemoryType)(attributes.Type >> 2), OracleCacheability.NonCacheable, OracleCacheability.NonCacheable,
                default, default, shareability);
        }

        int outer = attributes.Type >> 4;
        int inner = attributes.Type & 0xf;
        return new OracleAttributes(
            OracleMemoryType.Normal, Cacheability(inner), Cacheability(outer), Hints(inner), Hints(outer), shareability);
    }

    private static OracleCacheability Cacheability(int nibble) => nibble == NonCacheable ? OracleCacheability.NonCacheable
        : (nibble & 0b0100) != 0 ? OracleCacheability.WriteBack : OracleCacheability.WriteThrough;

    private static OracleHints Hints(int nibble) => nibble == NonCacheable ? default
        : new OracleHints((nibble & 0b10) != 0, (nibble & 0b01) != 0, (nibble & 0b1000) == 0);
}
