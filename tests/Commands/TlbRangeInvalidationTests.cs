using System.Diagnostics;
using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Commands;

/// <summary>Ranges and level hints of invalidations by address (IHI 0070, 4.4.1.1).</summary>
public class TlbRangeInvalidationTests
{
    private const ushort Asid = 5;
    private const ulong Base = 0x4000_0000;
    private const ulong Old = 0x8000_0000;
    private const ulong New = 0xc000_0000;

    [Theory]
    [InlineData(0, 0, 0, 0)]
    [InlineData(1, 0, 0, 0)]
    [InlineData(1, 31, 31, 3)]
    [InlineData(3, 1, 0, 1)]
    [Rule("CMD-TLBI-20")]
    public void WithoutRangesTheBitsAreIgnored(byte granule, byte number, byte scale, byte level)
    {
        using var scene = new CommandScene(SmmuFeatures.Default
            .With(SmmuFeatureField.ArchMinorRev, 1)
            .With(SmmuFeatureField.RIL, 0));
        AssertRemoves(scene, [Base], Base, new InvalidationRange(granule, number, scale, level));
    }

    [Fact]
    [Rule("CMD-TLBI-20")]
    public void FieldsLieWhereTheArchitectureHasThem()
    {
        var command = new Command(0x12 | (0x15UL << 12) | (0x2aUL << 20), (1UL << 7) | (2UL << 8) | (3UL << 10));

        Assert.Equal((0x15, 0x2a, true, 2, 3), (command.NUM, command.SCALE, command.TTL128, command.TTL, command.TG));
    }

    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(31, 31, 3)]
    [InlineData(5, 0, 1)]
    [Rule("CMD-TLBI-21")]
    public void WithoutGranuleOneAddressIsMeantWhateverElseIsSet(byte number, byte scale, byte level)
    {
        using var scene = new CommandScene();
        AssertRemoves(scene, [Base], Base, new InvalidationRange(0, number, scale, level));
    }

    [Theory]
    [InlineData(0, 0, 3, 1)]
    [InlineData(1, 0, 0, 2)]
    [InlineData(0, 1, 0, 2)]
    [InlineData(2, 3, 0, 24)]
    [InlineData(30, 0, 3, 31)]
    [InlineData(31, 4, 0, 512)]
    [Rule("CMD-TLBI-22")]
    public void RangeIsRemovedToItsLastGranule(byte number, byte scale, byte level, int granules)
    {
        using var scene = new CommandScene();
        ulong last = Base + ((ulong)(granules - 1) << 12);
        AssertRemoves(
            scene,
            [.. ((ulong[])[Base, Base + ((last - Base) >> 13 << 12), last]).Distinct()],
            Base,
            new InvalidationRange(1, number, scale, level));
    }

    [Theory]
    [InlineData(2, 14)]
    [InlineData(3, 16)]
    [Rule("CMD-TLBI-22")]
    public void GranuleIsTheUnitOfTheRange(byte granule, int granuleLog2)
    {
        using var scene = new CommandScene();
        ulong last = Base + (3UL << granuleLog2) - 0x1000;
        AssertRemoves(scene, [Base, last], Base, new InvalidationRange(granule, NUM: 2, SCALE: 0, TTL: 0));
    }

    [Theory]
    [InlineData(CommandOpcode.TlbiNhVa)]
    [InlineData(CommandOpcode.TlbiNhVaa)]
    [InlineData(CommandOpcode.TlbiEl2Va)]
    [InlineData(CommandOpcode.TlbiEl2Vaa)]
    [InlineData(CommandOpcode.TlbiS2Ipa)]
    [Rule("CMD-TLBI-23")]
    public void GranuleWithoutRangeAndLevelIsIllegal(CommandOpcode opcode)
    {
        using var scene = new CommandScene(CommandScene.TwoStages);
        for (ulong granule = 1; granule <= 3; granule++)
        {
            Assert.Equal(CommandScene.Illegal, scene.Judge(new Command((ulong)opcode, granule << 10)));
            Assert.Equal(0u, scene.Judge(new Command((ulong)opcode, (granule << 10) | (3UL << 8))));
            Assert.Equal(0u, scene.Judge(new Command((ulong)opcode | (1UL << 12), granule << 10)));
            Assert.Equal(0u, scene.Judge(new Command((ulong)opcode | (1UL << 20), granule << 10)));
        }
    }

    [Fact]
    [Rule("CMD-TLBI-23")]
    public void GranuleWithoutRangeAndLevelRemovesNothingUnlessItIsTolerated()
    {
        using var scene = new CommandScene();
        var space = scene.Attach(1, Asid);
        scene.MoveBehindCaches(space, 1, Base, Old, New);

        Assert.Equal(CommandScene.Illegal, scene.Judge(Reserved(1, 0)));

        Assert.Equal(Old, scene.Output(1, Base));
    }

    [Theory]
    [InlineData(1, 0, 12)]
    [InlineData(2, 0, 14)]
    [InlineData(2, 1, 14)]   // Without large addresses there is no such level.
    [InlineData(3, 0, 16)]
    public void GranuleWithoutRangeAndLevelRemovesThatGranuleWhereItIsTolerated(byte granule, byte level, int granuleLog2)
    {
        using var scene = new CommandScene(configure: options => options with { TolerateReservedRange = true });
        var space = scene.Attach(1, Asid);
        ulong last = Base + (1UL << granuleLog2) - 0x1000;
        foreach (ulong page in (ulong[])[Base, last, last + 0x1000]) scene.MoveBehindCaches(space, 1, page, Old, New);

        scene.Run(Reserved(granule, level));

        Assert.Equal(New, scene.Output(1, Base));
        Assert.Equal(New, scene.Output(1, last));
        Assert.Equal(Old, scene.Output(1, last + 0x1000));
    }

    [Theory]
    [InlineData(0, CommandScene.Illegal)]
    [InlineData(1, 0u)]
    [Rule("CMD-TLBI-24")]
    public void Level1Of16KibNeedsLargeAddresses(ulong large, uint expected)
    {
        using var scene = new CommandScene(SmmuFeatures.Wide.With(SmmuFeatureField.DS, large));

        Assert.Equal(expected, scene.Judge(Command.TlbiNhVa(
            default, default, Base, range: new InvalidationRange(TG: 2, NUM: 0, SCALE: 0, TTL: 1))));
        Assert.Equal(0u, scene.Judge(Command.TlbiNhVa(
            default, default, Base, range: new InvalidationRange(TG: 2, NUM: 1, SCALE: 0, TTL: 1))));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(1, 2)]
    [InlineData(1, 3)]
    [InlineData(2, 2)]
    [InlineData(3, 3)]
    [Rule("CMD-TLBI-25")]
    [Rule("CMD-TLBI-28")]
    public void HintsDoNotNarrowTheRange(byte granule, byte level)
    {
        using var scene = new CommandScene();
        const ulong Odd = Base + 0x5000;   // Aligned to no more than 4 KiB, whatever the hints imply.
        ulong first = granule == 1 ? Odd : Base;
        AssertRemoves(scene, [first, first + 0x1000], first, new InvalidationRange(granule, NUM: 1, SCALE: 0, level));
    }

    [Theory]
    [InlineData(1, 3)]
    [InlineData(1, 0)]
    [Rule("CMD-TLBI-25")]
    public void TablesAboveGoWithTheRange(byte granule, byte level)
    {
        using var scene = new CommandScene();
        var space = scene.Attach(1, Asid);
        space.Map(Base, Old);
        space.Map(Base + 0x1000, Old);
        Assert.Equal(Old, scene.Output(1, Base));
        ulong table = scene.Machine.Allocate(4096);
        ulong leaf = New | Scenarios.Machines.Stage1Space.ReadWrite | Scenarios.Machines.Stage1Space.TableOrPage;
        scene.Machine.Write64(table, [leaf, leaf, leaf]);
        scene.Machine.Write64(space.Slot(Base, 2), table | Scenarios.Machines.Stage1Space.TableOrPage);
        Assert.Equal(Old, scene.Output(1, Base + 0x1000));

        scene.Run(Command.TlbiNhVa(
            default, new Asid(Asid), Base, leaf: false, new InvalidationRange(granule, NUM: 1, SCALE: 0, level)));

        Assert.Equal(New, scene.Output(1, Base));
        Assert.Equal(New, scene.Output(1, Base + 0x1000));
        Assert.Equal(New, scene.Output(1, Base + 0x2000));
    }

    [Fact]
    [Rule("CMD-TLBI-26")]
    public void ScaleHas5BitsWithoutLargeAddresses()
    {
        using var scene = new CommandScene();

        // Bit 25 does not count, so this is the reserved combination.
        Assert.Equal(CommandScene.Illegal, scene.Judge(Command.TlbiNhVa(
            default, default, Base, range: new InvalidationRange(TG: 1, NUM: 0, SCALE: 32, TTL: 0))));

        AssertRemoves(scene, [Base, Base + 0xf000], Base, new InvalidationRange(TG: 1, NUM: 0, SCALE: 32 + 4, TTL: 0));
    }

    [Theory]
    [InlineData(32)]
    [InlineData(39)]
    [InlineData(40)]
    [InlineData(63)]
    [Rule("CMD-TLBI-26")]
    public void ScaleHas6BitsWithLargeAddresses(byte scale)
    {
        using var scene = new CommandScene(SmmuFeatures.Wide.With(SmmuFeatureField.DS, 1));
        AssertRemoves(
            scene, [Base, 0x2000_0000_0000, 0xfff_ffff_f000], Base, new InvalidationRange(TG: 1, NUM: 3, scale, TTL: 0));
    }

    [Theory]
    [InlineData(31, 31, 1)]
    [InlineData(31, 31, 3)]
    [InlineData(0, 31, 1)]
    [Rule("CMD-TLBI-22")]
    [Rule("CMD-TLBI-27")]
    public void HugeRangesEndAtTheTopInBoundedTime(byte number, byte scale, byte granule)
    {
        const ulong Low = 0xffff_ffff_0000;
        using var scene = new CommandScene();
        var space = new Scenarios.Machines.Stage1Space(scene.Machine, Asid);
        scene.Attach(1, space, change: descriptor => descriptor
            .With(ContextDescriptorField.EPD0, 1)
            .With(ContextDescriptorField.EPD1, 0)
            .With(ContextDescriptorField.T1SZ, 16)
            .With(ContextDescriptorField.TG1, 2)
            .With(ContextDescriptorField.TTB1, space.Root));
        const ulong High = 0xffff_0000_0000_0000 | Low;
        space.Map(Low, Old);
        Assert.Equal(Old, scene.Output(1, High));
        space.Map(Low, New);
        Assert.Equal(Old, scene.Output(1, High));
        var begin = Stopwatch.StartNew();

        scene.Run(Command.TlbiNhVa(
            default, new Asid(Asid), High, range: new InvalidationRange(granule, number, scale, TTL: 0)));

        Assert.True(begin.Elapsed < TimeSpan.FromSeconds(5));
        Assert.Equal(New, scene.Output(1, High));
    }

    private static Command Reserved(byte granule, byte level) => Command.TlbiNhVa(
        default, new Asid(Asid), Base, range: new InvalidationRange(granule, NUM: 0, SCALE: 0, level));

    private static void AssertRemoves(CommandScene scene, ulong[] pages, ulong address, InvalidationRange range)
    {
        var space = scene.Attach(1, Asid);
        foreach (ulong page in pages) scene.MoveBehindCaches(space, 1, page, Old, New);

        scene.Run(Command.TlbiNhVa(default, new Asid(Asid), address, range: range));

        foreach (ulong page in pages) Assert.Equal((page, New), (page, scene.Output(1, page)));
    }
}
