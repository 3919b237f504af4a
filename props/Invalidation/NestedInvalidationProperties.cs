using Smmu.Fast.Formats;

namespace Smmu.Fast.Props.Invalidation;

/// <summary>
/// With two stages, and with stage 2 alone, what commands name is gone as well: leaves of both stages in all sizes, each of them
/// the larger one, so that caches hold pieces; tables of both stages; and the stage 2 leaf below a stage 1 table.
/// </summary>
public class NestedInvalidationProperties
{
    private const int NoStage1 = 0;

    public static TheoryData<int, int> Granules
    {
        get
        {
            var data = new TheoryData<int, int>();
            foreach (int granule1 in (int[])[NoStage1, 12, 14, 16])
            {
                foreach (int granule2 in (int[])[12, 14, 16]) data.Add(granule1, granule2);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Granules))]
    [Rule("CMD-TLBI-12")]
    [Rule("CMD-TLBI-13")]
    [Rule("CMD-TLBI-14")]
    [Rule("CMD-TLBI-16")]
    [Rule("CMD-TLBI-36")]
    [Rule("CMD-TLBI-37")]
    public void NothingOfEitherStageOutlivesTheCommandsThatNameIt(int granule1, int granule2)
    {
        int seen = 0;
        using var scene = new NestedScene(granule1, granule2);
        foreach (var target in Targets(granule1, granule2))
        {
            scene.Build(in target);
            scene.Change();
            foreach (var commands in EnoughFor(scene, target).ToList())
            {
                scene.Build(in target);
                scene.Change();
                scene.Check(commands);
                seen++;
            }
        }

        Assert.True(seen > 100, $"Only {seen} cases.");
    }

    [Fact]
    public void ACommandForStage2AloneIsSeenToBeTooLittle()
    {
        using var scene = new NestedScene(12, 12);
        scene.Build(new NestedTarget(3, 3, ChangedThing.Stage2, Level: 3, Part: 0, IsGlobal: false));
        scene.Change();

        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => scene.Check([Command.TlbiS2Ipa(new Vmid(NestedScene.Vmid), scene.Ipa)]));
    }

    [Fact]
    public void ACommandBesideTheLeafIsSeenToBeTooLittle()
    {
        using var scene = new NestedScene(12, 12);
        scene.Build(new NestedTarget(3, 3, ChangedThing.Stage1, Level: 3, Part: 0, IsGlobal: false));
        scene.Change();

        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => scene.Check([Command.TlbiNhVaa(new Vmid(NestedScene.Vmid), scene.Va + 0x1000)]));
    }

    private static IEnumerable<NestedTarget> Targets(int granule1, int granule2)
    {
        int first1 = granule1 == NoStage1 ? 0 : PlainTables.FirstBlockLevel(granule1);
        int last1 = granule1 == NoStage1 ? 0 : 3;
        for (int level1 = first1; level1 <= last1; level1++)
        {
            for (int level2 = PlainTables.FirstBlockLevel(granule2); level2 <= 3; level2++)
            {
                foreach (int part in (int[])[0, NestedScene.Parts - 1])
                {
                    for (int changed = PlainTables.StartLevelOf(granule2); changed <= level2; changed++)
                    {
                        yield return new NestedTarget(level1, level2, ChangedThing.Stage2, changed, part, IsGlobal: false);
                    }

                    if (granule1 == NoStage1) continue;
                    for (int changed = PlainTables.StartLevelOf(granule1); changed <= level1; changed++)
                    {
                        yield return new NestedTarget(level1, level2, ChangedThing.Stage1, changed, part, IsGlobal: false);
                    }

                    yield return new NestedTarget(level1, level2, ChangedThing.Stage1, level1, part, IsGlobal: true);
                    yield return new NestedTarget(level1, level2, ChangedThing.Stage2, level2, part, IsGlobal: true);
                    yield return new NestedTarget(level1, level2, ChangedThing.Stage2OfTable, 3, part, IsGlobal: false);
                }
            }
        }
    }

    private static IEnumerable<Command[]> EnoughFor(NestedScene scene, NestedTarget target)
    {
        var vmid = new Vmid(NestedScene.Vmid);
        yield return [Command.TlbiS12Vmall(vmid)];
        yield return [Command.TlbiNsnhAll()];
        if (target.Thing == ChangedThing.Stage1)
        {
            yield return [Command.TlbiNhAll(vmid)];
            if (!target.IsGlobal) yield return [Command.TlbiNhAsid(vmid, new Asid(NestedScene.Asid))];
            bool isLeaf = target.Level == target.Level1;
            foreach (bool leaf in isLeaf ? new[] { true, false } : [false])
            {
                foreach (var commands in ByStage1Address(scene, target, leaf)) yield return commands;
            }

            yield break;
        }

        foreach (var first in ByIntermediateAddress(scene, target))
        {
            if (!scene.HasStage1)
            {
                yield return first;
                continue;
            }

            // What both stages made together has to be named besides; with a table that moved, tables as well.
            bool leaf = target.Thing == ChangedThing.Stage2;
            ulong[] addresses = [.. scene.Concerned.Select(part => scene.Va + scene.OffsetOf(part))];
            yield return [.. first, Command.TlbiNhAll(vmid)];
            yield return [.. first, .. addresses.Select(address => Command.TlbiNhVaa(vmid, address, leaf))];
            if (target.IsGlobal) continue;
            yield return [.. first, Command.TlbiNhAsid(vmid, new Asid(NestedScene.Asid))];
            yield return [.. first, .. addresses.Select(address => Command.TlbiNhVa(vmid, new Asid(NestedScene.Asid), address, leaf))];
        }
    }

    private static IEnumerable<Command[]> ByStage1Address(NestedScene scene, NestedTarget target, bool leaf)
    {
        var vmid = new Vmid(NestedScene.Vmid);
        var asid = new Asid((ushort)(target.IsGlobal ? NestedScene.Asid ^ 1 : NestedScene.Asid));
        foreach (var form in FormsOf(scene, scene.Granule1, target.Level1, scene.Size1, scene.Va, target.Level))
        {
            yield return [.. form.Select(one => Command.TlbiNhVaa(vmid, one.Address, leaf, one.Range))];
            yield return [.. form.Select(one => Command.TlbiNhVa(vmid, asid, one.Address, leaf, one.Range))];
        }
    }

    private static IEnumerable<Command[]> ByIntermediateAddress(NestedScene scene, NestedTarget target)
    {
        var vmid = new Vmid(NestedScene.Vmid);
        if (target.Thing == ChangedThing.Stage2OfTable)
        {
            yield return [Command.TlbiS2Ipa(vmid, scene.TablePage)];
            yield return [Command.TlbiS2Ipa(vmid, scene.TablePage, leaf: false)];
            yield break;
        }

        bool isLeaf = target.Level == target.Level2;
        foreach (bool leaf in isLeaf ? new[] { true, false } : [false])
        {
            foreach (var form in FormsOf(scene, scene.Granule2, target.Level2, scene.Size2, scene.Ipa, target.Level))
            {
                yield return [.. form.Select(one => Command.TlbiS2Ipa(vmid, one.Address, leaf, one.Range))];
            }
        }
    }

    // The same form for every leaf that is concerned; where a table changed, also all that was below it in one range.
    private static IEnumerable<(ulong Address, InvalidationRange Range)[]> FormsOf(
        NestedScene scene, int granule, int leafLevel, int sizeLog2, ulong first, int changedLevel)
    {
        ulong[] leaves = [.. scene.Concerned.Select(part => (first + scene.OffsetOf(part)) >> sizeLog2 << sizeLog2).Distinct()];
        var forms = leaves.Select(leaf => RangeForms.Of(granule, leafLevel, leaf).ToArray()).ToArray();
        for (int i = 0; i < forms[0].Length; i++) yield return [.. forms.Select(each => each[i])];
        if (changedLevel == leafLevel) yield break;
        int changedLog2 = PlainTables.EntryLog2(granule, changedLevel);
        var whole = new InvalidationRange(RangeForms.CodeOf(granule), NUM: 0, (byte)(changedLog2 - granule), TTL: 0);
        yield return [(leaves[0] >> changedLog2 << changedLog2, whole)];
    }
}
