using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Oracle;

namespace Smmu.Fast.Comparison;

/// <summary>Runs cases on the engine and on the Oracle, side by side, and says where they disagree.</summary>
/// <param name="distribution">Counts what was reached.</param>
internal sealed class CaseRunner(Distribution distribution) : IDisposable
{
    private const uint TableEnabled = 1;
    private const uint QueuesEnabled = 0b1100;
    private readonly TwinMemory memory = new();

    /// <summary>What the engine chose where the architecture leaves it open: see README.md.</summary>
    public static OracleChoices Choices { get; } = new()
    {
        DirtyTableBeforeFinalStageTwo = true,
        StreamTablePointerBeyondOutputSizeFaults = true,
        ReservedForcedWriteBackIsDevice = true,
    };

    /// <summary>Changes what the Oracle answers: a checker that sees nothing is no checker.</summary>
    public Func<Answer, Answer>? Distort { get; init; }

    /// <summary>Changes what the Oracle wrote to memory, too.</summary>
    public bool DistortsMemory { get; init; }

    /// <summary>Runs a case.</summary>
    /// <returns>The first disagreement, or null.</returns>
    public string? Run(OracleCase runs)
    {
        var image = runs.Scene.Image;
        foreach (var (address, value) in image.Words) memory.Set(address, value);
        foreach (var mutation in runs.Mutations.Where(mutation => !mutation.IsRegister)) Apply(mutation);

        using var smmu = new SmmuDevice(new SmmuOptions
        {
            Features = runs.Scene.Features,
            Memory = memory.Engine,
            CachesEnabled = runs.CachesEnabled,
            MaximumPorts = 4,
            TlbEntries = 256,
            WalkCacheEntries = 64,
            ConfigurationCacheEntries = 16,
        });
        var oracle = new OracleSmmu(FeatureGenerator.ForOracle(runs.Scene.Features), memory, Choices);
        var pair = new SmmuPair(smmu, oracle, memory);
        try
        {
            return SetUp(runs, pair) ?? Play(runs, pair) ?? Compare(pair, image);
        }
        finally
        {
            pair.ClosePort();
            distribution.Add(smmu.GetStatistics(), pair.Accesses);
            memory.Clear(image.Used);
        }
    }

    /// <summary>Looks at all of the memory, which is zero on both sides between cases.</summary>
    public string? CompareEverything()
    {
        Span<ulong> all = stackalloc ulong[TwinMemory.Stretches.Count];
        for (int i = 0; i < all.Length; i++) all[i] = TwinMemory.Stretches[i].Size;
        return memory.FirstDifference(all) is { } address ? $"an SMMU wrote outside of all structures, at 0x{address:x}" : null;
    }

    public void Dispose() => memory.Dispose();

    private static string? SetUp(OracleCase runs, SmmuPair pair)
    {
        pair.SetUpQueues();
        foreach (var register in runs.Scene.Registers)
        {
            ulong value = runs.Mutations.Where(mutation => mutation.IsRegister && mutation.Address == register.Offset)
                .Aggregate(register.Value, (word, mutation) => mutation.Apply(word));
            pair.Write(register.Offset, value);
        }

        pair.Write(RegisterOffset.CR0, QueuesEnabled | (runs.Scene.IsEnabled ? TableEnabled : 0));
        return pair.CompareRegisters();
    }

    private string? Play(OracleCase runs, SmmuPair pair)
    {
        var image = runs.Scene.Image;
        AccessStep? before = null;
        foreach (var step in runs.Steps)
        {
            if (step is EditStep edit)
            {
                Apply(edit.Mutation);
                pair.Forget();
                continue;
            }

            // Clients may share tags without sharing tables here: each begins with empty caches.
            var access = (AccessStep)step;
            if (before is not null && (before.Stream, before.Substream) != (access.Stream, access.Substream)) pair.Forget();
            before = access;
            if (Compare(runs, pair, access) is { } difference) return difference;
            if (HasWrittenElsewhere(image)) pair.Forget();
        }

        return null;
    }

    // Tables that lead to themselves or into an STE may have been updated as what they are not: then nothing known holds.
    private bool HasWrittenElsewhere(CaseImage image) => memory.Written.Exists(address =>
        address - CaseImage.EventQueue >= CaseImage.EventQueueBytes && !image.IsDescriptor(address));

    private string? Compare(OracleCase runs, SmmuPair pair, AccessStep access)
    {
        memory.Written.Clear();
        var (result, raw) = pair.Access(access);
        var engine = Answer.Of(in result, pair.TakeRecord(ofEngine: true));
        var record = pair.TakeRecord(ofEngine: false);
        var (privilege, instruction) = Overrides(runs, access.Stream);
        var oracle = Answer.Of(raw, record, privilege, instruction);
        if (Distort is not null) oracle = Distort(oracle);
        if (DistortsMemory && memory.Written.Count != 0) memory.SpoilOracle(memory.Written[0]);
        distribution.Add(in engine, runs);

        string? difference = AnswerComparison.Differs(runs.Scene.Features, access.Kind, in engine, in oracle);
        if (difference is null && raw.Event is { } told && (byte)result.Event != (byte)told.Kind) difference = "event of the answer";
        ulong wrong = memory.Written.FirstOrDefault(address => memory.OfEngine(address) != memory.OfOracle(address));
        if (difference is null && wrong != 0)
        {
            difference = $"memory at 0x{wrong:x}: engine 0x{memory.OfEngine(wrong):x}, oracle 0x{memory.OfOracle(wrong):x}";
        }

        return difference is null
            ? null : $"{difference} differs: {access}\n  engine: {engine}\n  oracle: {oracle}\n  by way of: {string.Join("; ", raw.Steps)}";
    }

    // The effective overrides of a stream that translates or passes, by bit numbers of the STE (IHI 0070, 5.2).
    private (int Privilege, int Instruction) Overrides(OracleCase runs, uint stream)
    {
        bool isKnown = runs.Scene.Features.ATTR_PERMS_OVR && runs.Scene.IsEnabled;
        if (!isKnown || !runs.Scene.StreamEntries.TryGetValue(stream, out ulong entry)) return (0, 0);
        ulong word = memory.OfOracle(entry + 8);
        return ((int)(word >> 48) & 3, (int)(word >> 50) & 3);
    }

    private string? Compare(SmmuPair pair, CaseImage image) => pair.CompareRegisters()
        ?? (memory.FirstDifference(image.Used) is { } address
            ? $"memory at 0x{address:x} differs at the end: engine 0x{memory.OfEngine(address):x}, oracle 0x{memory.OfOracle(address):x}"
            : null);

    private void Apply(Mutation mutation) => memory.Set(mutation.Address, mutation.Apply(memory.OfOracle(mutation.Address)));
}
