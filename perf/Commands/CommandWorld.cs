using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Scenes;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Perf.Commands;

/// <summary>
/// Devices whose TLBs hold a number of pages, and Command queues in whose memory lie pairs of a command and CMD_SYNC. There
/// are <see cref="Pairs"/> in all: for one device, or where few pages are cached for four, so that every command can find what
/// it names. Options of the devices are the defaults.
/// </summary>
internal sealed class CommandWorld : IDisposable
{
    /// <summary>Pairs of commands in all.</summary>
    public const int Pairs = 800;

    private const int CommandQueueLog2 = 11;
    private const int SeveralDevices = 4;
    private const uint FirstStream = 0x100;

    private readonly CommandKind kind;
    private readonly int cached;
    private readonly int stride;
    private readonly Command[] commands;
    private readonly TranslationScene[] scenes;
    private readonly CommandFeed[] feeds;

    /// <summary>Makes the devices; nothing is cached yet.</summary>
    /// <param name="kind">The command.</param>
    /// <param name="cached">Pages to be cached by each device.</param>
    /// <param name="stride">Pages from what one command names to what the next one does; 0 spreads them over what is cached.</param>
    public CommandWorld(CommandKind kind, int cached, int stride = 0)
    {
        this.kind = kind;
        this.cached = cached;
        this.stride = stride;
        int devices = cached is > 0 and < Pairs ? SeveralDevices : 1;
        PairsOfDevice = Pairs / devices;
        commands = new Command[2 * PairsOfDevice];
        for (int i = 0; i < PairsOfDevice; i++)
        {
            commands[2 * i] = kind.Make(i, TranslationScene.PageOf(TargetOf(i)));
            commands[(2 * i) + 1] = Command.Sync();
        }

        scenes = [.. Enumerable.Range(0, devices).Select(_ => NewScene())];
        feeds = [.. scenes.Select(scene => new CommandFeed(scene.Machine, Command.Sync()))];
        Prepare();
    }

    /// <summary>The ASID, where one owns all.</summary>
    public static Asid LoneAsid => new(TranslationScene.AsidNumber);

    /// <summary>Pairs for each device, and owners where there are many.</summary>
    public int PairsOfDevice { get; }

    /// <summary>Devices.</summary>
    public int Devices => scenes.Length;

    public static Asid AsidOf(int owner) => new((ushort)(0x1000 + owner));

    public static Vmid VmidOf(int owner) => new((ushort)(1 + owner));

    public static StreamId StreamOf(int owner) => new(FirstStream + (uint)owner);

    public TranslationScene Scene(int device) => scenes[device];

    public CommandFeed Feed(int device) => feeds[device];

    /// <summary>The page that a command names, where it names one.</summary>
    public int TargetOf(int pair)
    {
        if (kind.Owners != Owners.OneAsid) return 0;
        int pages = cached > 0 ? cached : Pairs;
        return stride > 0 ? (int)((long)pair * stride % pages) : (int)((long)pair * pages / PairsOfDevice);
    }

    /// <summary>Lets the engines cache all pages, and lays the commands into the queues.</summary>
    public void RefillEngines()
    {
        foreach (var scene in scenes) FillEngine(scene);
        Prepare();
    }

    /// <summary>The same of the textbooks.</summary>
    public void RefillTextbooks()
    {
        foreach (var scene in scenes)
        {
            for (int i = 0; i < cached; i++)
            {
                var (stream, address) = Access(i);
                scene.Textbook.Translate(stream, address, isWrite: false);
            }
        }

        Prepare();
    }

    /// <summary>Publishes all pairs, one at a time, to the engines.</summary>
    public ulong PublishToEngines()
    {
        foreach (var feed in feeds)
        {
            for (int i = 0; i < PairsOfDevice; i++) feed.Publish(2);
        }

        return feeds[0].RequireConsumed();
    }

    /// <summary>Publishes all pairs, one at a time, to the textbooks.</summary>
    public ulong PublishToTextbooks()
    {
        for (int device = 0; device < feeds.Length; device++)
        {
            var textbook = scenes[device].Textbook;
            for (int i = 0; i < PairsOfDevice; i++) textbook.WriteCommandProducer(feeds[device].Advance(2));
        }

        return feeds[0].Producer;
    }

    /// <summary>Checks that the first device has cached the pages, and how many of them the commands take away.</summary>
    public int RequireCached()
    {
        RefillEngines();
        ulong before = Walks;
        RefillEngines();
        TranslationScene.Require(Walks - before <= cached * MostLeftOut, $"{Walks - before} of {cached} pages are not cached");
        ulong consumed = scenes[0].Machine.Smmu.GetStatistics().CommandsConsumed;
        PublishToEngines();
        consumed = scenes[0].Machine.Smmu.GetStatistics().CommandsConsumed - consumed;
        TranslationScene.Require(consumed == 2 * (ulong)PairsOfDevice, $"{consumed} commands were consumed");
        before = Walks;
        FillEngine(scenes[0]);
        return (int)(Walks - before);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var scene in scenes) scene.Dispose();
    }

    // Pages of many address spaces share sets by chance: with two thirds of all entries in use, some of the 65,536 do not fit.
    private double MostLeftOut => (kind.Owners, cached) switch
    {
        (Owners.OneAsid, _) or (_, <= 4_096) => 0.01,
        (Owners.ManyVmids, _) => 0.6,
        _ => 0.4,
    };

    private ulong Walks => scenes[0].Machine.Smmu.GetStatistics().Walks;

    private void Prepare()
    {
        foreach (var feed in feeds) feed.Prepare(commands);
    }

    private void FillEngine(TranslationScene scene)
    {
        var smmu = scene.Machine.Smmu;
        for (int i = 0; i < cached; i++)
        {
            var (stream, address) = Access(i);
            if (kind.Owners == Owners.OneAsid) scene.Port.Translate(address, AccessKind.Read);
            else smmu.Translate(stream, null, address, AccessKind.Read);
        }
    }

    // Of many owners all have the same addresses, as processes and guests do.
    private (StreamId Stream, ulong Address) Access(int cachedPage) => kind.Owners == Owners.OneAsid
        ? (TranslationScene.Stream, TranslationScene.PageOf(cachedPage))
        : (StreamOf(cachedPage % PairsOfDevice), TranslationScene.PageOf(cachedPage / PairsOfDevice));

    private TranslationScene NewScene()
    {
        int pages = Math.Max(cached, Pairs);
        var scene = new TranslationScene(pages, commandQueueLog2: CommandQueueLog2);
        if (kind.Owners == Owners.OneAsid) return scene;
        var machine = scene.Machine;
        var stage2 = kind.Owners == Owners.ManyAsids ? null : NewStage2(machine, pages);
        for (int owner = 0; owner < PairsOfDevice; owner++)
        {
            ulong context = machine.Allocate(64, 64);
            machine.SetContext(context, scene.Space.Descriptor().With(ContextDescriptorField.ASID, AsidOf(owner).Value));
            ushort vmid = VmidOf(owner).Value;
            machine.SetStream(StreamOf(owner).Value, kind.Owners switch
            {
                Owners.ManyVmids => stage2!.Under(context, vmid),
                Owners.ManyVmidsOfStage2 => stage2!.Alone(vmid),
                _ => Entries.Stage1(context),
            });
        }

        return scene;
    }

    private Stage2Tables NewStage2(GuestMachine machine, int pages)
    {
        const int PagesOfBlock = 512;
        var stage2 = new Stage2Tables(machine);
        for (int i = 0; i < pages; i++)
        {
            ulong output = TranslationScene.FirstOutput + ((ulong)i * TranslationScene.PageBytes);
            if (kind.Owners == Owners.ManyVmidsOfStage2) stage2.Map(TranslationScene.PageOf(i), output);
            else if (i % PagesOfBlock == 0) stage2.Map(output, output, level: 2);
        }

        return stage2;
    }
}
