using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Props.Caching;

/// <summary>Two SMMUs over the same tables, one with caches and one without, and the driver's knowledge of the tables.</summary>
internal sealed partial class TwinWorld : IDisposable
{
    public const int Streams = 6;

    private const int Log2Streams = 3;
    private const ulong RamBytes = 32 << 20;

    private static readonly ushort[] Asids = [1, 2, 3, 0, 0x100, 0x101, 0xffff, 0x8001];

    private readonly GuestMachine machine;
    private readonly GuestMachine plain;
    private readonly TablePool pool;
    private readonly ulong[] streamTables;
    private readonly bool obeys;
    private int streamTable;
    private bool smmuEnabled = true;

    /// <summary>Makes a world: every stream has a space, no space maps anything.</summary>
    /// <param name="shape">What there is.</param>
    /// <param name="obeys">False for a driver that forgets its invalidations.</param>
    public TwinWorld(WorldShape shape, bool obeys = true)
    {
        this.obeys = obeys;
        machine = new GuestMachine(Features, RamBytes, configure: options => options with
        {
            MaximumPorts = 64,
            TlbEntries = shape.CacheEntries,
            WalkCacheEntries = shape.CacheEntries,
            ConfigurationCacheEntries = shape.CacheEntries,
        });
        plain = machine.AddSmmu(options => options with { CachesEnabled = false });
        pool = new TablePool(machine);

        foreach (var groupShape in shape.Groups)
        {
            var group = new GroupState(groupShape);
            Groups.Add(group);
            for (int i = 0; i < groupShape.Spaces; i++)
            {
                var space = new SpaceState(group, Spaces.Count, groupShape.HasAsids ? Asids[Spaces.Count] : (ushort)0, pool);
                group.Spaces.Add(space);
                Spaces.Add(space);
            }
        }

        const ulong TableBytes = 64UL << Log2Streams;
        streamTables = [machine.Allocate(TableBytes, TableBytes), machine.Allocate(TableBytes, TableBytes)];
        for (uint id = 0; id < Streams; id++)
        {
            var stream = new StreamState(id, machine.Allocate(64 * StreamState.Substreams, 64 * StreamState.Substreams));
            stream.Contexts[0] = Spaces[(int)id % Spaces.Count];
            AllStreams.Add(stream);
            Store(stream);
        }

        SetStreamTable();
        foreach (var each in Machines)
        {
            each.SetUpCommandQueue();
            each.SetUpEventQueue(log2Entries: 6);
            each.Write(RegisterOffset.CR1, 0xd75);
            each.Write(RegisterOffset.CR2, shape.E2h ? 3u : 2u);
        }

        SetEnabled(true);
    }

    /// <summary>What both SMMUs can do: stage 1 in all worlds, VMIDs and substreams.</summary>
    public static SmmuFeatures Features { get; } = SmmuFeatures.Default.With(SmmuFeatureField.SSIDSIZE, 8);

    public List<GroupState> Groups { get; } = [];

    public List<SpaceState> Spaces { get; } = [];

    public List<StreamState> AllStreams { get; } = [];

    /// <summary>The SMMU with caches.</summary>
    public SmmuDevice Cached => machine.Smmu;

    /// <summary>The SMMU without.</summary>
    public SmmuDevice Plain => plain.Smmu;

    private GuestMachine[] Machines => [machine, plain];

    /// <summary>Writes CR0 of both.</summary>
    public void SetEnabled(bool enabled)
    {
        smmuEnabled = enabled;
        var bits = ControlBits.CommandQueue | ControlBits.EventQueue | (enabled ? ControlBits.Smmu : ControlBits.None);
        foreach (var each in Machines) each.Enable(bits);
    }

    /// <summary>Writes GBPA of both.</summary>
    public void SetGlobalBypass(bool abort)
    {
        const uint Update = 1u << 31;
        foreach (var each in Machines) each.Write(RegisterOffset.GBPA, Update | (abort ? 1u << 20 : 0x1000u));
    }

    /// <summary>Moves the Stream table, with SMMUEN off for that time; the old one is zeroed.</summary>
    public void MoveStreamTable()
    {
        bool enabled = smmuEnabled;
        SetEnabled(false);
        ulong old = streamTables[streamTable];
        streamTable ^= 1;
        foreach (var stream in AllStreams) Store(stream);
        machine.Write64(old, new ulong[8 << Log2Streams]);
        SetStreamTable();
        Invalidate([Command.CfgiAll()]);
        SetEnabled(enabled);
    }

    /// <summary>Stores the STE and the CDs of a stream.</summary>
    public void Store(StreamState stream)
    {
        for (int i = 0; i < StreamState.Substreams; i++)
        {
            machine.SetContext(stream.ContextAddress(i), stream.Contexts[i]?.Descriptor() ?? default);
        }

        Span<ulong> words = stackalloc ulong[8];
        stream.Entry().CopyTo(words);
        machine.Write64(streamTables[streamTable] + (stream.Id.Value * 64UL), words);
    }

    /// <summary>Stores every CD that describes the space.</summary>
    public void Store(SpaceState space)
    {
        foreach (var stream in AllStreams)
        {
            foreach (int index in stream.ContextsOf(space)) machine.SetContext(stream.ContextAddress(index), space.Descriptor());
        }
    }

    /// <summary>An ASID that no space has.</summary>
    public ushort UnusedAsid(int choice)
    {
        var unused = Asids.Where(asid => Spaces.TrueForAll(space => space.Asid != asid)).ToArray();
        return unused[choice % unused.Length];
    }

    /// <summary>Gives the SMMU with caches its commands, and a CMD_SYNC; then tables out of use are free.</summary>
    public void Invalidate(IReadOnlyCollection<Command> commands)
    {
        if (obeys) machine.SubmitAndSync([.. commands]);
        Assert.True(machine.IsCommandQueueEmpty, $"Not consumed, GERROR 0x{machine.Read(RegisterOffset.GERROR):x}.");
        pool.FreeRetired();
        DropEvents();
    }

    public void Dispose()
    {
        plain.Dispose();
        machine.Dispose();
    }

    private void SetStreamTable()
    {
        foreach (var each in Machines)
        {
            each.Smmu.WriteRegister64(RegisterOffset.STRTAB_BASE, streamTables[streamTable]);
            each.Write(RegisterOffset.STRTAB_BASE_CFG, Log2Streams);
        }
    }

    private void DropEvents()
    {
        foreach (var each in Machines)
        {
            while (each.TryTakeEvent(out _))
            {
                // Of accesses between a change and its invalidation, which may see either side of it.
            }
        }
    }
}
