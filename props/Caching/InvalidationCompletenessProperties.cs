using Smmu.Fast.Formats;
using Smmu.Fast.Props.Invalidation;

namespace Smmu.Fast.Props.Caching;

/// <summary>
/// After a TLBI that names a mapping in any way, and a CMD_SYNC, its old output is gone from every cache: for each command
/// of stage 1, size of leaf, Leaf bit, form of a range, global mappings and those of one ASID, and for changed leaves as
/// well as changed tables on the way to them.
/// </summary>
public class InvalidationCompletenessProperties
{
    public static TheoryData<StreamWorld, int> WorldsAndGranules
    {
        get
        {
            var data = new TheoryData<StreamWorld, int>();
            foreach (var world in (StreamWorld[])[StreamWorld.NonSecureEl1, StreamWorld.NonSecureEl2, StreamWorld.NonSecureEl2E2h])
            {
                foreach (int granule in (int[])[12, 14, 16]) data.Add(world, granule);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(WorldsAndGranules))]
    [Rule("CMD-TLBI-01")]
    [Rule("CMD-TLBI-02")]
    [Rule("CMD-TLBI-03")]
    [Rule("CMD-TLBI-04")]
    [Rule("CMD-TLBI-05")]
    [Rule("CMD-TLBI-06")]
    [Rule("CMD-TLBI-07")]
    [Rule("CMD-TLBI-08")]
    [Rule("CMD-TLBI-09")]
    [Rule("CMD-TLBI-10")]
    [Rule("CMD-TLBI-12")]
    [Rule("CMD-TLBI-16")]
    [Rule("CMD-TLBI-21")]
    [Rule("CMD-TLBI-22")]
    [Rule("TAG-12")]
    public void NoMappingOutlivesATlbiThatNamesIt(StreamWorld world, int granuleLog2)
    {
        int seen = 0;
        using var scene = new InvalidationScene(world, new HalfShape(granuleLog2, SizeOffset: 16));
        foreach (var target in Targets(scene))
        {
            foreach (var command in EnoughFor(scene, target))
            {
                scene.Check(target, command);
                seen++;
            }
        }

        Assert.True(seen > 100, $"Only {seen} cases.");
    }

    [Fact]
    public void ACommandForAnotherAsidIsSeenToBeTooLittle()
    {
        using var scene = new InvalidationScene(StreamWorld.NonSecureEl1, new HalfShape(12, SizeOffset: 16));
        var target = new InvalidationTarget(IsUpper: false, Place: 5, Level: 3, ChangedLevel: 3, IsGlobal: false);
        var command = Command.TlbiNhVa(new Vmid(scene.Shape.Vmid), new Asid((ushort)(scene.Asid ^ 1)), scene.AddressOf(target));

        // More may go than is asked; the model's TLB entry stays, and only the entries of ports go.
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => scene.Check(target, command));
    }

    private static IEnumerable<InvalidationTarget> Targets(InvalidationScene scene)
    {
        const int LastOfEach = TableTree.FirstGlobalPlace - 1;
        foreach (bool isUpper in scene.Shape.HasAsids ? new[] { false, true } : [false])
        {
            foreach (bool isGlobal in new[] { false, true })
            {
                for (int level = scene.Shape.Low.FirstBlockLevel; level <= 3; level++)
                {
                    for (int changed = 1; changed <= level; changed++)
                    {
                        int first = isGlobal ? TableTree.FirstGlobalPlace : 0;
                        yield return new InvalidationTarget(isUpper, first + 5, level, changed, isGlobal);
                        yield return new InvalidationTarget(isUpper, first + LastOfEach, level, changed, isGlobal);
                    }
                }
            }
        }
    }

    private static IEnumerable<Command> EnoughFor(InvalidationScene scene, InvalidationTarget target)
    {
        var vmid = new Vmid(scene.Shape.Vmid);
        var asid = new Asid(scene.Asid);
        bool oneAsid = !target.IsGlobal && scene.Shape.HasAsids;
        bool anyAsid = target.ChangedLevel == target.Level && (target.IsGlobal || !scene.Shape.HasAsids);
        var forms = Forms(scene, target).ToArray();
        if (scene.Shape.World == StreamWorld.NonSecureEl1)
        {
            yield return Command.TlbiNhAll(vmid);
            yield return Command.TlbiS12Vmall(vmid);
            yield return Command.TlbiNsnhAll();
            if (oneAsid) yield return Command.TlbiNhAsid(vmid, asid);
            foreach (var (address, leaf, range) in forms)
            {
                yield return Command.TlbiNhVaa(vmid, address, leaf, range);
                if (oneAsid) yield return Command.TlbiNhVa(vmid, asid, address, leaf, range);
                if (anyAsid) yield return Command.TlbiNhVa(vmid, new Asid(0x7777), address, leaf, range);
            }
        }
        else
        {
            yield return Command.TlbiEl2All();
            if (oneAsid) yield return Command.TlbiEl2Asid(asid);
            foreach (var (address, leaf, range) in forms)
            {
                yield return Command.TlbiEl2Vaa(address, leaf, range);
                if (oneAsid) yield return Command.TlbiEl2Va(asid, address, leaf, range);
                if (anyAsid) yield return Command.TlbiEl2Va(new Asid(0x7777), address, leaf, range);
            }
        }
    }

    /// <summary>Addresses and ranges that touch the leaf; with Leaf = 1 when nothing but the leaf changed.</summary>
    private static IEnumerable<(ulong Address, bool Leaf, InvalidationRange Range)> Forms(
        InvalidationScene scene, InvalidationTarget target)
    {
        foreach (bool leaf in target.ChangedLevel == target.Level ? new[] { true, false } : [false])
        {
            foreach (var (address, range) in RangeForms.Of(scene.Shape.Low.GranuleLog2, target.Level, scene.AddressOf(target)))
            {
                yield return (address, leaf, range);
            }
        }
    }
}
