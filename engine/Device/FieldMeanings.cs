using Smmu.Fast.Foundation;
using Smmu.Fast.Walks;

namespace Smmu.Fast.Device;

/// <summary>Words for coded fields of structures and descriptors, for people who ask why an address faulted.</summary>
internal static class FieldMeanings
{
    private static readonly string[] StreamConfigurations =
    [
        "abort", "abort", "abort", "abort", "bypass", "stage 1", "stage 2", "stage 1 and stage 2",
    ];

    private static readonly string[] Sizes = ["32 bits", "36 bits", "40 bits", "42 bits", "44 bits", "48 bits", "52 bits", "56 bits"];
    private static readonly string[] Granules = ["4 KiB", "64 KiB", "16 KiB", "reserved"];
    private static readonly string[] Granules1 = ["reserved", "16 KiB", "4 KiB", "64 KiB"];
    private static readonly string[] Shareabilities = ["non-shareable", "reserved", "outer shareable", "inner shareable"];

    private static readonly string[] Stage1Permissions =
    [
        "privileged read/write", "read/write", "privileged read-only", "read-only",
    ];

    private static readonly string[] Stage2Permissions = ["none", "read-only", "write-only", "read/write"];

    /// <summary>What a field of a structure stands for; empty where the number says it all.</summary>
    public static string Of(ExplanationKind structure, string field, ulong value) => (structure, field) switch
    {
        (ExplanationKind.StreamTableEntry or ExplanationKind.ContextDescriptor or ExplanationKind.Level1ContextDescriptor, "V") =>
            value != 0 ? "valid" : "invalid",
        (ExplanationKind.Level1StreamTableDescriptor, "Span") =>
            value is > 0 and < 12 ? $"{1UL << ((int)value - 1)} entries" : "no entries",
        (ExplanationKind.StreamTableEntry, "Config") => StreamConfigurations[value & 7],
        (ExplanationKind.StreamTableEntry, "S1DSS") => value switch
        {
            1 => "without SubstreamID: bypass stage 1",
            2 => "without SubstreamID: CD 0",
            _ => string.Empty,
        },
        (ExplanationKind.StreamTableEntry, "S2TG") => value == 0 ? string.Empty : Granules[value & 3],
        (ExplanationKind.StreamTableEntry, "S2PS") => value == 0 ? string.Empty : Sizes[value & 7],
        (ExplanationKind.StreamTableEntry, "S2T0SZ") => value == 0 ? string.Empty : $"{64 - (int)value}-bit IPA",
        (ExplanationKind.ContextDescriptor, "TG0") => Granules[value & 3],
        (ExplanationKind.ContextDescriptor, "TG1") => value == 0 ? string.Empty : Granules1[value & 3],
        (ExplanationKind.ContextDescriptor, "T0SZ" or "T1SZ") => value == 0 ? string.Empty : $"{64 - (int)value}-bit range",
        (ExplanationKind.ContextDescriptor, "IPS") => Sizes[value & 7],
        (ExplanationKind.ContextDescriptor, "EPD0" or "EPD1") => value != 0 ? "walks off" : string.Empty,
        _ => string.Empty,
    };

    /// <summary>The fields of a translation table descriptor that matter for what it is.</summary>
    public static IReadOnlyList<ExplanationField> OfDescriptor(
        TranslationStage stage, ulong descriptor, DescriptorMeaning meaning)
    {
        ulong address = descriptor & BitField.Mask(47, 12);
        return meaning switch
        {
            DescriptorMeaning.Table when stage == TranslationStage.Stage1 =>
            [
                new("Next table", address, string.Empty),
                new("APTable", BitField.Get(descriptor, 62, 61), string.Empty),
                new("UXNTable", BitField.Get(descriptor, 60, 60), string.Empty),
                new("PXNTable", BitField.Get(descriptor, 59, 59), string.Empty),
            ],
            DescriptorMeaning.Table => [new("Next table", address, string.Empty)],
            DescriptorMeaning.Block or DescriptorMeaning.Page when stage == TranslationStage.Stage1 =>
            [
                new("Output address", address, string.Empty),
                new("AttrIndx", BitField.Get(descriptor, 4, 2), string.Empty),
                new("AP", BitField.Get(descriptor, 7, 6), Stage1Permissions[BitField.Get(descriptor, 7, 6)]),
                new("SH", BitField.Get(descriptor, 9, 8), Shareabilities[BitField.Get(descriptor, 9, 8)]),
                new("AF", BitField.Get(descriptor, 10, 10), string.Empty),
                new("nG", BitField.Get(descriptor, 11, 11), BitField.Test(descriptor, 11) ? "this ASID" : "global"),
                new("DBM", BitField.Get(descriptor, 51, 51), string.Empty),
                new("Contiguous", BitField.Get(descriptor, 52, 52), string.Empty),
                new("PXN", BitField.Get(descriptor, 53, 53), string.Empty),
                new("UXN", BitField.Get(descriptor, 54, 54), string.Empty),
            ],
            DescriptorMeaning.Block or DescriptorMeaning.Page =>
            [
                new("Output address", address, string.Empty),
                new("MemAttr", BitField.Get(descriptor, 5, 2), string.Empty),
                new("S2AP", BitField.Get(descriptor, 7, 6), Stage2Permissions[BitField.Get(descriptor, 7, 6)]),
                new("SH", BitField.Get(descriptor, 9, 8), Shareabilities[BitField.Get(descriptor, 9, 8)]),
                new("AF", BitField.Get(descriptor, 10, 10), string.Empty),
                new("DBM", BitField.Get(descriptor, 51, 51), string.Empty),
                new("Contiguous", BitField.Get(descriptor, 52, 52), string.Empty),
                new("XN", BitField.Get(descriptor, 54, 53), string.Empty),
            ],
            _ => [],
        };
    }
}
