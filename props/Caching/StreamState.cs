using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Props.Caching;

/// <summary>What an STE makes of its stream.</summary>
internal enum StreamKind
{
    /// <summary>One address space for all accesses.</summary>
    Lone,

    /// <summary>An address space for each of four substreams.</summary>
    Substreams,

    /// <summary>V = 0.</summary>
    Invalid,

    /// <summary>Config = 0b000.</summary>
    Abort,

    /// <summary>Config = 0b100.</summary>
    Bypass,
}

/// <summary>Overrides of an STE: one of a few, so that they collide.</summary>
internal enum StreamOverride
{
    None,
    Unprivileged,
    Privileged,
    Data,
    Instruction,
    MemoryType,
    Shareability,
    AllocationHints,
    NoAllocation,
}

/// <summary>One stream, as its driver knows it. Its CDs lie in a table of its own.</summary>
internal sealed class StreamState(uint id, ulong contextTable)
{
    /// <summary>Substreams that a CD table resolves; an access may have one more than there are.</summary>
    public const int Substreams = 4;

    public StreamId Id => new(id);

    public StreamKind Kind { get; set; }

    /// <summary>Which space each CD of the table is of; null leaves the CD invalid. A lone CD is number 0.</summary>
    public SpaceState?[] Contexts { get; } = new SpaceState?[Substreams];

    /// <summary>S1DSS: what accesses without a substream do.</summary>
    public int DefaultSubstream { get; set; }

    public StreamOverride Override { get; set; }

    /// <summary>Address of a CD.</summary>
    public ulong ContextAddress(int index) => contextTable + ((ulong)index * ContextDescriptor.SizeBytes);

    /// <summary>Indexes of CDs that describe the space.</summary>
    public IEnumerable<int> ContextsOf(SpaceState space) =>
        Enumerable.Range(0, Substreams).Where(index => Contexts[index] == space);

    /// <summary>The STE as it is to be now.</summary>
    public StreamTableEntry Entry()
    {
        switch (Kind)
        {
            case StreamKind.Invalid: return default;
            case StreamKind.Abort: return Entries.Abort;
            case StreamKind.Bypass: return WithOverride(Entries.Bypass);
            default: break;
        }

        // All CDs of a table are of one world and VMID: those belong to the STE.
        var shape = Contexts.First(space => space is not null)!.Group.Shape;
        var entry = Entries.Stage1(contextTable)
            .With(StreamTableEntryField.S2VMID, shape.Vmid)
            .With(StreamTableEntryField.STRW, shape.World == StreamWorld.NonSecureEl1 ? 0UL : 2);
        if (Kind == StreamKind.Substreams) entry = entry
            .With(StreamTableEntryField.S1CDMax, 2)
            .With(StreamTableEntryField.S1DSS, (ulong)DefaultSubstream);
        return WithOverride(entry);
    }

    private StreamTableEntry WithOverride(StreamTableEntry entry) => Override switch
    {
        StreamOverride.Unprivileged => entry.With(StreamTableEntryField.PRIVCFG, 2),
        StreamOverride.Privileged => entry.With(StreamTableEntryField.PRIVCFG, 3),
        StreamOverride.Data => entry.With(StreamTableEntryField.INSTCFG, 2),
        StreamOverride.Instruction => entry.With(StreamTableEntryField.INSTCFG, 3),
        StreamOverride.MemoryType => entry.With(StreamTableEntryField.MTCFG, 1).With(StreamTableEntryField.MemAttr, 0b1010),
        StreamOverride.Shareability => entry.With(StreamTableEntryField.SHCFG, 2),
        StreamOverride.AllocationHints => entry.With(StreamTableEntryField.ALLOCCFG, 0b1101),
        StreamOverride.NoAllocation => entry.With(StreamTableEntryField.ALLOCCFG, 0b1000),
        _ => entry,
    };
}
