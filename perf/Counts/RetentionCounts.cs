using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Commands;
using Smmu.Fast.Perf.Running;
using Smmu.Fast.Perf.Scenes;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Perf.Counts;

/// <summary>What an invalidation leaves alone: fast invalidation by forgetting everything is no invalidation.</summary>
internal sealed class RetentionCounts : ICounts
{
    private const int Cached = 4_096;
    private const int AsidCount = 8;
    private const int Flood = 10_000;

    /// <inheritdoc/>
    public IEnumerable<Count> Take()
    {
        yield return OtherPages("TLBI_NH_VA", page => Command.TlbiNhVa(default, CommandWorld.LoneAsid, page));
        yield return OtherPages("TLBI_NH_VAA", page => Command.TlbiNhVaa(default, page));
        yield return OtherPages("range TLBI of 31 pages", page => CommandKind.Range(31).Make(0, page), named: 31);
        yield return OtherAsids();
        yield return WalkCache(leaf: true);
        yield return WalkCache(leaf: false);
        yield return OtherVmOfFlood();
    }

    private static Count OtherPages(string name, Func<ulong, Command> make, int named = 1)
    {
        using var scene = new TranslationScene(Cached);
        Touch(scene.Port, Cached);
        scene.Machine.SubmitAndSync(make(TranslationScene.PageOf(Cached / 2)));
        ulong walks = WalksOf(scene.Machine, () => Touch(scene.Port, Cached));
        TranslationScene.Require(walks >= (ulong)named, "the command took nothing");
        return new Count($"other pages that still hit after one {name}", $"{Cached:N0} cached", Share(Cached - named, walks - (ulong)named), "%");
    }

    private static Count OtherAsids()
    {
        using var world = new CommandWorld(CommandKind.All["TLBI_NH_ASID"], Cached);
        world.RefillEngines();
        world.Feed(0).Publish(2);
        ulong taken = WalksOf(world.Scene(0).Machine, world.RefillEngines);
        int ofAsid = (Cached + world.PairsOfDevice - 1) / world.PairsOfDevice;
        TranslationScene.Require(taken > 0, "the command took nothing");
        ulong others = taken > (ulong)ofAsid ? taken - (ulong)ofAsid : 0;
        return new Count(
            "pages of other ASIDs that still hit after one TLBI_NH_ASID",
            $"{Cached:N0} cached, {world.PairsOfDevice} ASIDs",
            Share(Cached - ofAsid, others),
            "%");
    }

    private static Count WalkCache(bool leaf)
    {
        using var scene = new TranslationScene(Cached);
        Touch(scene.Port, Cached);
        var machine = scene.Machine;
        ulong page = TranslationScene.PageOf(Cached / 2);
        machine.SubmitAndSync(Command.TlbiNhVa(default, CommandWorld.LoneAsid, page, leaf));
        ulong before = machine.Smmu.GetStatistics().DescriptorReads;
        scene.Port.Translate(page, AccessKind.Read);
        ulong reads = machine.Smmu.GetStatistics().DescriptorReads - before;
        return new Count("descriptors that the next walk of the page reads", $"after TLBI_NH_VA, Leaf {(leaf ? 1 : 0)}", reads, "reads");
    }

    // Two VMs with the same tables and IPAs; one of them is told 10,000 times to forget things of all kinds.
    private static Count OtherVmOfFlood()
    {
        const int PagesOfVm = Cached / AsidCount;
        using var scene = new TranslationScene(Cached);
        var machine = scene.Machine;
        var stage2 = new Stage2Tables(machine);
        for (ulong at = 0; at < Cached * TranslationScene.PageBytes; at += 2 << 20)
        {
            stage2.Map(TranslationScene.FirstOutput + at, TranslationScene.FirstOutput + at, level: 2);
        }

        ushort[] vmids = [1, 2];
        DmaPort[] ports = [.. vmids.Select(vmid => OpenNested(scene, stage2, vmid))];
        foreach (var port in ports) Touch(port, PagesOfVm);
        var flooding = new Vmid(vmids[0]);
        ulong walks = 0;
        for (int i = 0; i < Flood; i++)
        {
            ulong page = TranslationScene.PageOf(i % PagesOfVm);
            machine.SubmitAndSync((i % 5) switch
            {
                0 => Command.TlbiNhVa(flooding, CommandWorld.LoneAsid, page),
                1 => Command.TlbiNhAsid(flooding, CommandWorld.LoneAsid),
                2 => Command.TlbiNhAll(flooding),
                3 => Command.TlbiS2Ipa(flooding, TranslationScene.FirstOutput + ((ulong)(i % PagesOfVm) << 12)),
                _ => Command.TlbiS12Vmall(flooding),
            });
            ports[0].Translate(page, AccessKind.Read);
            walks += WalksOf(machine, () => ports[1].Translate(page, AccessKind.Read));
        }

        foreach (var port in ports) port.Dispose();
        return new Count("accesses of another VM that hit while a VM floods TLBIs", $"{Flood:N0} TLBI + SYNC", Share(Flood, walks), "%");
    }

    private static DmaPort OpenNested(TranslationScene scene, Stage2Tables stage2, ushort vmid)
    {
        var machine = scene.Machine;
        ulong context = machine.Allocate(64, 64);
        machine.SetContext(context, scene.Space.Descriptor());
        machine.SetStream(vmid, stage2.Under(context, vmid));
        return machine.Smmu.OpenPort(new StreamId(vmid));
    }

    private static void Touch(DmaPort port, int pages)
    {
        for (int i = 0; i < pages; i++)
        {
            TranslationScene.Require(port.Translate(TranslationScene.PageOf(i), AccessKind.Read).IsSuccess, "a page is not mapped");
        }
    }

    private static ulong WalksOf(GuestMachine machine, Action work)
    {
        ulong before = machine.Smmu.GetStatistics().Walks;
        work();
        return machine.Smmu.GetStatistics().Walks - before;
    }

    private static double Share(int of, ulong lost) => 100.0 * (of - (double)lost) / of;
}
