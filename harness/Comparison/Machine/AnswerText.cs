using System.Globalization;
using Smmu.Fast.Formats;
using Smmu.Fast.Oracle;

namespace Smmu.Fast.Comparison.Machine;

/// <summary>Answers in one line.</summary>
internal static class AnswerText
{
    public static string Of(in Answer answer)
    {
        string outcome = ScriptNames.OfOutcome(answer.Outcome);
        string text = answer.Outcome != AnswerOutcome.Success ? outcome : string.Create(
            CultureInfo.InvariantCulture,
            $"{outcome} 0x{answer.Address:x}, {Size(answer.LeafSizeLog2)}, {Of(answer.Permissions)}, {Of(answer.Attributes)}");
        return answer.Record is not { } record ? text : string.Create(
            CultureInfo.InvariantCulture,
            $"{text}, record {record} [{record.Word0:x16} {record.Word1:x16} {record.Word2:x16} {record.Word3:x16}]");
    }

    private static string Size(int log2) =>
        log2 == OracleResult.NoLeaf ? "not translated" : string.Create(CultureInfo.InvariantCulture, $"leaf 2^{log2}");

    // Unprivileged first.
    private static string Of(AccessPermissions permissions)
    {
        Span<char> text = stackalloc char[7];
        for (int i = 0; i < 6; i++) text[i < 3 ? i : i + 1] = ((int)permissions >> i & 1) != 0 ? "rwx"[i % 3] : '-';
        text[3] = '/';
        return text.ToString();
    }

    private static string Of(OracleAttributes attributes) => attributes.Type != OracleMemoryType.Normal
        ? $"{attributes.Type}, {attributes.Shareability}"
        : $"Normal, inner {attributes.Inner}{Of(attributes.InnerHints)}, outer {attributes.Outer}{Of(attributes.OuterHints)}, {attributes.Shareability}";

    private static string Of(OracleHints hints) =>
        $"{(hints.Read ? "+RA" : "")}{(hints.Write ? "+WA" : "")}{(hints.Transient ? "+transient" : "")}";
}
