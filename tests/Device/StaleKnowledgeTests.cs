using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Device;

/// <summary>
/// What an access read before an invalidation is not kept after it: each test changes a structure and invalidates it at the
/// very moment when an access has read the old one through the bus.
/// </summary>
public sealed class StaleKnowledgeTests : IDisposable
{
    private const ulong Iova = 0x20_0000;   // In a table of level 3 of its own.

    private readonly ConcurrencyScene scene = new();
    private readonly ulong old;
    private readonly ulong young;

    public StaleKnowledgeTests()
    {
        old = scene.Machine.Allocate(4096);
        young = scene.Machine.Allocate(4096);
    }

    public void Dispose() => scene.Dispose();

    [Fact]
    [Rule("CMD-SYNC-12")]
    public void ALeafThatWasReadBeforeATlbiIsKeptNowhere()
    {
        UseSlowTable();
        using var port = scene.OpenPort();
        using var other = scene.OpenPort();
        OnceReadAt(TestBus.Slow, () =>
        {
            scene.Machine.Write64(TestBus.Slow, Leaf(young));
            scene.Machine.SubmitAndSync(Command.TlbiNhVa(default, new Asid(ConcurrencyScene.Asid), Iova));
        });

        Assert.Equal(old, port.Translate(Iova, AccessKind.Read).Address.Value);   // It began before.
        Assert.True(scene.Machine.IsCommandQueueEmpty);
        Assert.Equal(young, port.Translate(Iova, AccessKind.Read).Address.Value);
        Assert.Equal(young, other.Translate(Iova, AccessKind.Read).Address.Value);
    }

    [Fact]
    [Rule("CMD-SYNC-12")]
    public void ATableThatWasFoundBeforeATlbiIsKeptNowhere()
    {
        UseSlowTable();
        ulong table = scene.Machine.Allocate(4096);
        scene.Machine.Write64(table, Leaf(young));
        scene.Machine.Write64(table + 8, Leaf(young));
        scene.Machine.Write64(TestBus.Slow + 8, Leaf(old));
        using var port = scene.OpenPort();
        OnceReadAt(TestBus.Slow, () =>
        {
            scene.Machine.Write64(scene.Space.Slot(Iova, level: 2), table | Stage1Space.TableOrPage);
            scene.Machine.SubmitAndSync(Command.TlbiNhVa(default, new Asid(ConcurrencyScene.Asid), Iova, leaf: false));
        });

        Assert.Equal(old, port.Translate(Iova, AccessKind.Read).Address.Value);
        Assert.Equal(young, port.Translate(Iova, AccessKind.Read).Address.Value);
        Assert.Equal(young, port.Translate(Iova + 0x1000, AccessKind.Read).Address.Value);   // By way of the table.
    }

    [Fact]
    [Rule("CMD-SYNC-12")]
    public void AConfigurationThatWasReadBeforeACfgiFillsNoTlb()
    {
        const uint Stream = 40;
        var next = new Stage1Space(scene.Machine, ConcurrencyScene.Asid);
        scene.Space.Map(Iova, old);
        next.Map(Iova, young);
        scene.Machine.SetContext(TestBus.Slow, scene.Space.Descriptor());
        scene.Machine.SetStream(Stream, Entries.Stage1(TestBus.Slow));
        using var port = scene.Smmu.OpenPort(new StreamId(Stream));
        OnceReadAt(TestBus.Slow, () =>
        {
            scene.Machine.SetContext(TestBus.Slow, next.Descriptor());
            scene.Machine.SubmitAndSync(
                Command.CfgiCd(new StreamId(Stream)), Command.TlbiNhAsid(default, new Asid(ConcurrencyScene.Asid)));
        });

        Assert.Contains(port.Translate(Iova, AccessKind.Read).Address.Value, new[] { old, young });   // It was under way.
        Assert.Equal(young, port.Translate(Iova, AccessKind.Read).Address.Value);
        Assert.Equal(young, scene.Smmu.Translate(new StreamId(Stream), null, Iova, AccessKind.Read).Address.Value);
    }

    private static ulong Leaf(ulong output) => output | Stage1Space.ReadWrite | Stage1Space.TableOrPage;

    private void UseSlowTable()
    {
        scene.Space.Map(Iova, old);
        scene.Machine.Write64(scene.Space.Slot(Iova, level: 2), TestBus.Slow | Stage1Space.TableOrPage);
        scene.Machine.Write64(TestBus.Slow, Leaf(old));
    }

    private void OnceReadAt(ulong address, Action action)
    {
        bool isDone = false;
        scene.Bus.HasRead = read =>
        {
            if (read != address || isDone) return;
            isDone = true;
            action();
        };
    }
}
