using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Commands;

/// <summary>CMD_CFGI_CD and CMD_CFGI_CD_ALL (IHI 0070, 4.3.3 and 4.3.4).</summary>
public class ContextInvalidationTests
{
    private const uint Stream = 5;
    private const ulong Iova = 0x12_3000;
    private const ulong Old = 0x4100_0000;
    private const ulong New = 0x4200_0000;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Rule("CMD-CFGI-09")]
    public void LoneCdCountsAsIndex0(bool leaf)
    {
        using var scene = new CommandScene();
        ulong context = scene.Machine.AttachStage1(Stream, scene.Space(1, Iova, Old));
        ChangeBehindCaches(scene, context, 2);

        scene.Run(Command.CfgiCd(new StreamId(Stream), default, leaf));

        Assert.Equal(New, scene.Output(Stream, Iova));
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(1u)]
    [InlineData(7u)]
    [InlineData(255u)]   // The highest there is.
    [Rule("CMD-CFGI-09")]
    [Rule("CACHE-19")]
    public void CdOfASubstreamChangesWithItsCommand(uint substream)
    {
        using var scene = new CommandScene(CommandScene.Substreams);
        ulong table = scene.AttachSubstreams(Stream, 8);
        scene.Machine.SetContext(table + (substream * 64), scene.Space(1, Iova, Old).Descriptor());
        ChangeBehindCaches(scene, table + (substream * 64), 2, substream);

        scene.Run(Command.CfgiCd(new StreamId(Stream), new SubstreamId(substream)));

        Assert.Equal(New, scene.Output(Stream, Iova, substream));
    }

    [Fact]
    [Rule("CMD-CFGI-10")]
    public void Index0IsAlsoTheCdOfTrafficWithoutSubstream()
    {
        const ulong UseContext0 = 2;
        using var scene = new CommandScene(CommandScene.Substreams);
        ulong table = scene.AttachSubstreams(Stream, 3, disabledSubstream: UseContext0);
        scene.Machine.SetContext(table, scene.Space(1, Iova, Old).Descriptor());
        ChangeBehindCaches(scene, table, 2);

        scene.Run(Command.CfgiCd(new StreamId(Stream)));

        Assert.Equal(New, scene.Output(Stream, Iova));
    }

    [Fact]
    [Rule("CMD-CFGI-11")]
    public void Level1CdGoesWithTheCdItLedTo()
    {
        using var scene = new CommandScene(CommandScene.Substreams);
        ulong level1 = scene.AttachSubstreams(Stream, 7, format: 1);
        scene.Machine.Write64(level1, LeafTable(scene, 1, Old) | 1);
        Assert.Equal(Old, scene.Output(Stream, Iova, substream: 3));
        scene.Machine.Write64(level1, LeafTable(scene, 2, New) | 1);
        Assert.Equal(Old, scene.Output(Stream, Iova, substream: 3));

        scene.Run(Command.CfgiCd(new StreamId(Stream), new SubstreamId(3), leaf: false));

        Assert.Equal(New, scene.Output(Stream, Iova, substream: 3));
    }

    [Fact]
    [Rule("CMD-CFGI-12")]
    public void SharedCdIsInvalidatedThroughEachStream()
    {
        using var scene = new CommandScene();
        ulong context = scene.Machine.AttachStage1(Stream, scene.Space(1, Iova, Old));
        scene.Machine.SetStream(6, Scenarios.Machines.Entries.Stage1(context));
        Assert.Equal(Old, scene.Output(6, Iova));
        ChangeBehindCaches(scene, context, 2);
        Assert.Equal(Old, scene.Output(6, Iova));

        scene.Run(Command.CfgiCd(new StreamId(Stream)), Command.CfgiCd(new StreamId(6)));

        Assert.Equal(New, scene.Output(Stream, Iova));
        Assert.Equal(New, scene.Output(6, Iova));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [Rule("CMD-CFGI-13")]
    public void AllCdsOfAStreamGoTogether(ulong format)
    {
        const ulong UseContext0 = 2;
        using var scene = new CommandScene(CommandScene.Substreams);
        ulong table = scene.AttachSubstreams(Stream, 7, format, UseContext0);
        if (format == 1)
        {
            ulong leafTable = scene.Machine.Allocate(64 * 64, 64 * 64);
            scene.Machine.Write64(table, leafTable | 1);
            table = leafTable;
        }

        uint?[] substreams = [null, 1, 2, 63];
        foreach (uint? substream in substreams)
        {
            uint index = substream ?? 0;
            scene.Machine.SetContext(table + (index * 64), scene.Space((ushort)(index + 1), Iova, Old).Descriptor());
            ChangeBehindCaches(scene, table + (index * 64), (ushort)(index + 0x101), substream);
        }

        scene.Run(Command.CfgiCdAll(new StreamId(Stream)));

        foreach (uint? substream in substreams) Assert.Equal(New, scene.Output(Stream, Iova, substream));
    }

    [Fact]
    [Rule("CACHE-19")]
    public void CdsAreKeptApartByStreamAndSubstream()
    {
        using var scene = new CommandScene(CommandScene.Substreams);
        ulong first = scene.AttachSubstreams(1, 1);
        ulong second = scene.AttachSubstreams(2, 1);
        ushort asid = 0;
        foreach (ulong context in (ulong[])[first, first + 64, second, second + 64])
        {
            asid++;
            scene.Machine.SetContext(context, scene.Space(asid, Iova, Old + (asid * 0x1000UL)).Descriptor());
        }

        for (int round = 0; round < 2; round++)   // The second round is answered by the caches.
        {
            Assert.Equal(Old + 0x1000, scene.Output(1, Iova, substream: 0));
            Assert.Equal(Old + 0x2000, scene.Output(1, Iova, substream: 1));
            Assert.Equal(Old + 0x3000, scene.Output(2, Iova, substream: 0));
            Assert.Equal(Old + 0x4000, scene.Output(2, Iova, substream: 1));
            Assert.Null(scene.Output(1, Iova));
        }
    }

    // The new CD has an ASID of its own, so that no translation of the old one answers in its place.
    private static void ChangeBehindCaches(CommandScene scene, ulong context, ushort asid, uint? substream = null)
    {
        Assert.Equal(Old, scene.Output(Stream, Iova, substream));
        scene.Machine.SetContext(context, scene.Space(asid, Iova, New).Descriptor());
        Assert.Equal(Old, scene.Output(Stream, Iova, substream));
    }

    private static ulong LeafTable(CommandScene scene, ushort asid, ulong output)
    {
        ulong table = scene.Machine.Allocate(64 * 64, 64 * 64);
        scene.Machine.SetContext(table + (3 * 64), scene.Space(asid, Iova, output).Descriptor());
        return table;
    }
}
