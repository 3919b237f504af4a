using Smmu.Fast.Formats;
using Smmu.Fast.Streams;
using Smmu.Fast.Walks;

namespace Smmu.Fast.Device;

/// <summary>Notes the steps of a resolution for <see cref="SmmuDevice.Explain"/>.</summary>
internal readonly struct ExplanationRecorder : IStreamTrace
{
    private readonly Stack<Frame> open = new();

    public ExplanationRecorder() => open.Push(new Frame(0, FaultClass.Input, []));

    /// <summary>The steps so far.</summary>
    public IReadOnlyList<ExplanationStep> Steps => open.Peek().Steps;

    /// <summary>Adds a step.</summary>
    public void Add(ExplanationStep step) => open.Peek().Steps.Add(step);

    /// <inheritdoc/>
    public static bool IsEnabled => true;

    /// <inheritdoc/>
    public void StructureRead(StructureKind kind, ulong address, ReadOnlySpan<ulong> words)
    {
        var (step, title, fields) = kind switch
        {
            StructureKind.Level1StreamTableDescriptor => (
                ExplanationKind.Level1StreamTableDescriptor, "Level 1 Stream table descriptor",
                Level1StreamTableDescriptor.Fields),
            StructureKind.StreamTableEntry => (
                ExplanationKind.StreamTableEntry, "Stream Table Entry", StreamTableEntry.Fields),
            StructureKind.Level1ContextDescriptor => (
                ExplanationKind.Level1ContextDescriptor, "Level 1 Context Descriptor", Level1ContextDescriptor.Fields),
            _ => (ExplanationKind.ContextDescriptor, "Context Descriptor", ContextDescriptor.Fields),
        };
        var decoded = new List<ExplanationField>();
        foreach (var field in fields)
        {
            ulong value = field.Get(words);
            string meaning = FieldMeanings.Of(step, field.Name, value);
            if (value != 0 || meaning.Length != 0) decoded.Add(new ExplanationField(field.Name, value, meaning));
        }

        Add(new ExplanationStep(step, title, address, words.ToArray(), decoded, []));
    }

    /// <inheritdoc/>
    public void OnDescriptor(TranslationStage stage, int level, ulong address, ulong descriptor, DescriptorMeaning meaning)
    {
        var kind = stage == TranslationStage.Stage1 ? ExplanationKind.Stage1Descriptor : ExplanationKind.Stage2Descriptor;
        string what = meaning switch
        {
            DescriptorMeaning.Aborted => "read aborted",
            DescriptorMeaning.Invalid => "invalid",
            DescriptorMeaning.Reserved => "reserved encoding",
            DescriptorMeaning.Table => "table",
            DescriptorMeaning.Block => "block",
            _ => "page",
        };
        Add(new ExplanationStep(
            kind,
            $"Stage {(int)stage} level {level}: {what}",
            address,
            [descriptor],
            FieldMeanings.OfDescriptor(stage, descriptor, meaning),
            []));
    }

    /// <inheritdoc/>
    public void OnStage2Begin(ulong ipa, FaultClass faultClass, AccessKind access) =>
        open.Push(new Frame(ipa, faultClass, []));

    /// <inheritdoc/>
    public void OnStage2End(EventType fault, ulong physicalAddress)
    {
        var frame = open.Pop();
        string of = frame.Class switch
        {
            FaultClass.ContextDescriptor => "of the Context Descriptor",
            FaultClass.TranslationTable => "of the stage 1 table",
            _ => "of the output",
        };
        string end = fault == EventType.None ? $"0x{physicalAddress:x}" : fault.ToString();
        Add(new ExplanationStep(
            ExplanationKind.Stage2Translation, $"Stage 2 {of}: IPA 0x{frame.Ipa:x} → {end}", 0, [], [], frame.Steps));
    }

    /// <inheritdoc/>
    public void OnFlagUpdate(TranslationStage stage, int level, ulong address, ulong before, ulong after, bool written)
    {
    }

    private sealed record Frame(ulong Ipa, FaultClass Class, List<ExplanationStep> Steps);
}
