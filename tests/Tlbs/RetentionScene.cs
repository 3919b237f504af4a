using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Commands;

namespace Smmu.Fast.Tests.Tlbs;

/// <summary>A client with pages that it uses again and again, and counters that tell what it had to walk for.</summary>
internal sealed class RetentionClient : IDisposable
{
    private const ulong FirstIova = 0x40_0000_0000;

    private readonly GuestMachine machine;
    private readonly Stage1Space space;
    private readonly int pages;
    private readonly DmaPort port;

    /// <summary>Maps the pages.</summary>
    /// <param name="machine">The machine.</param>
    /// <param name="stream">The client's stream, with stage 1 over <paramref name="space"/>.</param>
    /// <param name="space">Its tables.</param>
    /// <param name="pages">How many pages.</param>
    public RetentionClient(GuestMachine machine, uint stream, Stage1Space space, int pages)
    {
        (this.machine, this.space, this.pages) = (machine, space, pages);
        for (int page = 0; page < pages; page++) space.Map(AddressOf(page), OutputOf(page));
        port = machine.Smmu.OpenPort(new StreamId(stream));
    }

    /// <summary>First address of a page.</summary>
    public static ulong AddressOf(int page) => FirstIova + ((ulong)page << 12);

    /// <summary>Tag of its entries.</summary>
    public Asid Asid => new(space.Asid);

    /// <summary>Reads every page once.</summary>
    public void Fill() => Use(0, pages);

    /// <summary>Reads pages, and returns what that took: accesses that went beyond the port, and those that walked.</summary>
    /// <param name="first">The first page.</param>
    /// <param name="count">How many.</param>
    public (int BeyondPort, int Walks) Use(int first, int count)
    {
        var before = machine.Smmu.GetStatistics();
        for (int page = first; page < first + count; page++)
        {
            Assert.Equal(OutputOf(page), port.Translate(AddressOf(page), AccessKind.Read).Address.Value);
        }

        var after = machine.Smmu.GetStatistics();
        return ((int)(after.TlbLookups - before.TlbLookups), (int)(after.Walks - before.Walks));
    }

    /// <summary>Asserts that almost nothing has to be walked for: 99 % of the pages are still cached.</summary>
    public void AssertKept()
    {
        int walks = Use(0, pages).Walks;
        Assert.True(walks * 100 <= pages, $"{walks} of {pages} pages were forgotten.");
    }

    /// <inheritdoc/>
    public void Dispose() => port.Dispose();

    private static ulong OutputOf(int page) => GuestMachine.RamBase + ((ulong)page << 12);
}

/// <summary>Machines with clients.</summary>
internal sealed class RetentionScene : IDisposable
{
    private readonly CommandScene commands = new(CommandScene.TwoStages);
    private readonly Dictionary<ushort, Stage2Space> virtualMachines = [];
    private readonly List<RetentionClient> clients = [];
    private uint nextStream = 1;

    /// <summary>The machine.</summary>
    public GuestMachine Machine => commands.Machine;

    /// <summary>A client whose caches are warm.</summary>
    /// <param name="asid">Its ASID.</param>
    /// <param name="vmid">Its VMID.</param>
    /// <param name="pages">Pages that it uses.</param>
    /// <param name="nested">With a stage 2 below, one for each VMID.</param>
    /// <param name="world">STE.STRW.</param>
    public RetentionClient Client(ushort asid, ushort vmid, int pages, bool nested, ulong world = 0)
    {
        uint stream = nextStream++;
        Stage1Space space;
        if (nested)
        {
            if (!virtualMachines.TryGetValue(vmid, out var below)) virtualMachines[vmid] = below = new Stage2Space(Machine, vmid);
            space = below.AttachNested(stream, asid);
        }
        else
        {
            space = commands.Attach(stream, asid, vmid, world);
        }

        var client = new RetentionClient(Machine, stream, space, pages);
        clients.Add(client);
        client.Fill();
        client.AssertKept();   // Without any invalidation: or the cache is too small for the scene.
        return client;
    }

    /// <summary>Has commands consumed, and their CMD_SYNC.</summary>
    public void Run(params ReadOnlySpan<Command> issued)
    {
        Machine.SubmitAndSync(issued);
        Assert.True(Machine.IsCommandQueueEmpty);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var client in clients) client.Dispose();
        commands.Dispose();
    }
}
