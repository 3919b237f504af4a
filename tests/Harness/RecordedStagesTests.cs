using System.Globalization;
using System.Text.RegularExpressions;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Recordings;

namespace Smmu.Fast.Tests.Harness;

/// <summary>
/// What a recording says about the stages of a translation and an answer does not hold (levels, granules, leaves and VMID,
/// the intermediate address) is what the explanation of the same access shows.
/// </summary>
public sealed partial class RecordedStagesTests
{
    private const string Nested = "nested_visible.smr.zst";
    private const int Every = 7;   // Of its translations: it repeats each kind thousands of times.
    private const ulong Page = 0x000f_ffff_ffff_f000;

    [Fact]
    public void ExplanationsShowTheRecordedStages()
    {
        var recording = Recording.Open(ShippedRecordings.Find().Single(path => Path.GetFileName(path) == Nested));
        var source = new ExplainingSource(recording);

        var report = ReplayerTests.Replay(recording, source);

        Assert.Equal(0, report.Differences);
        Assert.Empty(source.Mistakes.Take(10));
        Assert.All(source.Compared, compared => Assert.True(compared.Value > 15, $"{compared}"));
        Assert.Equal(
            [
                "fault of stage 2, ContextDescriptor", "fault of stage 2, Input", "fault of stage 2, TranslationTable",
                "stage 1", "stage 2", "stages 1 and 2",
            ],
            source.Compared.Keys.Order(StringComparer.Ordinal));
    }

    /// <summary>The SMMU, which explains some of the accesses before it answers them.</summary>
    private sealed class ExplainingSource(Recording recording) : IReplayTargetSource
    {
        private readonly SmmuReplayTargets inner = new();

        public IReadOnlyList<string> FeatureSets => inner.FeatureSets;

        public List<string> Mistakes { get; } = [];

        public SortedDictionary<string, int> Compared { get; } = [];

        public IReplayTarget Open(ReplayTargetOptions options) => new ExplainingTarget(inner.Open(options), recording, this);

        public IdentificationRegisters FeaturesOf(string name) => inner.FeaturesOf(name);
    }

    private sealed class ExplainingTarget(IReplayTarget inner, Recording recording, ExplainingSource source) : IReplayTarget
    {
        private readonly List<(RecordedStatus Status, byte[] Stages)> recorded = StagesOf(recording);
        private int next;

        public ReplayStatistics Statistics => inner.Statistics;

        public void AddMemory(ulong address, ulong sizeBytes) => inner.AddMemory(address, sizeBytes);

        public bool WriteMemory(ulong address, ReadOnlySpan<byte> bytes) => inner.WriteMemory(address, bytes);

        public bool ReadMemory(ulong address, Span<byte> bytes) => inner.ReadMemory(address, bytes);

        public void Reset(in IdentificationRegisters registers) => inner.Reset(in registers);

        public void WriteRegister(uint offset, int sizeBytes, ulong value) => inner.WriteRegister(offset, sizeBytes, value);

        public ulong ReadRegister(uint offset, int sizeBytes) => inner.ReadRegister(offset, sizeBytes);

        public InterruptLines TakeInterrupts() => inner.TakeInterrupts();

        public ExplainedTranslation Explain(StreamId stream, SubstreamId? substream, ulong inputAddress, AccessKind access) =>
            inner.Explain(stream, substream, inputAddress, access);

        public void Dispose() => inner.Dispose();

        public TranslationResult Translate(StreamId stream, ulong inputAddress, AccessKind access)
        {
            var (status, stages) = recorded[next++];
            if (next % Every == 0)
                Compare(status, new RecordedStages(stages), inner.Explain(stream, null, inputAddress, access));
            return inner.Translate(stream, inputAddress, access);
        }

        private static List<(RecordedStatus Status, byte[] Stages)> StagesOf(Recording recording)
        {
            var stages = new List<(RecordedStatus, byte[])>();
            var status = RecordedStatus.Disabled;
            var reader = recording.Read();
            while (reader.TryRead(out var record))
            {
                if (record.Type == RecordType.Translation) status = new RecordedTranslation(record.Payload).Status;
                if (record.Type == RecordType.TranslationStages) stages.Add((status, record.Payload.ToArray()));
            }

            return stages;
        }

        private void Compare(RecordedStatus status, RecordedStages stages, ExplainedTranslation explained)
        {
            if (status == RecordedStatus.Translated) CompareSuccess(stages, explained);
            if (status == RecordedStatus.Faulted && stages.IsStage2Fault) CompareFault(stages, explained);
        }

        private void CompareSuccess(RecordedStages stages, ExplainedTranslation explained)
        {
            var stage1 = explained.Steps.LastOrDefault(step => step.Kind == "Stage1Descriptor");
            var stage2 = explained.Steps.LastOrDefault(step => step.Kind == "Stage2Translation");
            Count(stages.Stage == 3 ? "stages 1 and 2" : $"stage {stages.Stage}");
            Require((stage1 is null ? 0 : 1) | (stage2 is null ? 0 : 2), stages.Stage, "stages");
            if (stages.Stage == 3) CompareLeaf(stage1!, stages.Stage1Level, stages.Stage1GranuleLog2, stages.Stage1Mask);
            if (stages.Vmid >= 0) Require(Field("StreamTableEntry", "S2VMID"), (ulong)stages.Vmid, "VMID");
            if (stage2 is null) return;
            Require(IntermediateAddressOf(stage2), stages.IntermediateAddress, "intermediate address");
            CompareLeaf(stage2.Children[^1], stages.Stage2Level, stages.Stage2GranuleLog2, stages.Stage2Mask);

            ulong Field(string kind, string name)
            {
                var field = explained.Steps.Single(step => step.Kind == kind).Fields.SingleOrDefault(field => field.Name == name);
                return field is null ? 0 : ulong.Parse(field.Value.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            }
        }

        private void CompareFault(RecordedStages stages, ExplainedTranslation explained)
        {
            var stage2 = explained.Steps.Last(step => step.Kind == "Stage2Translation");
            Count($"fault of stage 2, {stages.Class}");
            string of = stages.Class switch
            {
                FaultClass.ContextDescriptor => "of the Context Descriptor",
                FaultClass.TranslationTable => "of the stage 1 table",
                _ => "of the output",
            };
            if (!stage2.Title.Contains(of, StringComparison.Ordinal)) source.Mistakes.Add($"{next}: {stage2.Title}, {of}");
            Require(IntermediateAddressOf(stage2) & Page, stages.IntermediateAddress & Page, "intermediate address");
        }

        private void CompareLeaf(ExplainedStep leaf, int level, int granuleLog2, ulong mask)
        {
            Require(LevelOf().Match(leaf.Title).Groups[1].ValueSpan[0] - '0', level, "level");
            Require((1UL << (granuleLog2 + ((3 - level) * (granuleLog2 - 3)))) - 1, mask, "leaf");
        }

        private void Count(string kind) => source.Compared[kind] = source.Compared.GetValueOrDefault(kind) + 1;

        private void Require(ulong shown, ulong expected, string what)
        {
            if (shown != expected) source.Mistakes.Add($"translation {next}: {what} 0x{expected:x}, explained as 0x{shown:x}");
        }

        private void Require(int shown, int expected, string what) => Require((ulong)shown, (ulong)expected, what);

        private static ulong IntermediateAddressOf(ExplainedStep step) => ulong.Parse(
            IntermediateAddress().Match(step.Title).Groups[1].ValueSpan, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }

    [GeneratedRegex(@"level (\d)", RegexOptions.CultureInvariant)]
    private static partial Regex LevelOf();

    [GeneratedRegex(@"IPA 0x([0-9a-f]+)", RegexOptions.CultureInvariant)]
    private static partial Regex IntermediateAddress();
}
