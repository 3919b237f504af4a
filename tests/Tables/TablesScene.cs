using Smmu.Fast.Formats;
using Smmu.Fast.Memory;
using Smmu.Fast.Streams;
using Smmu.Fast.Tables;
using Smmu.Fast.Walks;

namespace Smmu.Fast.Tests.Tables;

/// <summary>A pool, a page table in it, and the SMMU's walker as an independent reader of what lies in memory.</summary>
internal sealed class TablesScene : IDisposable
{
    /// <summary>Where the pool lies unless told otherwise.</summary>
    public const ulong PoolAddress = 0x8000_0000;

    /// <summary>Every stage, granule and size there is.</summary>
    public static readonly SmmuFeatures Features = SmmuFeatures.Wide
        .With(SmmuFeatureField.S2P, 1)
        .With(SmmuFeatureField.VMID16, 1)
        .With(SmmuFeatureField.HTTU, 2)
        .With(SmmuFeatureField.STT, 1)
        .With(SmmuFeatureField.DS, 1);

    private readonly GuestMemory memory = new();
    private readonly ulong initialBytes;
    private readonly TranslationRegime regime;

    public TablesScene(PageTableOptions options, ulong poolBytes = 64 << 20, ulong poolAddress = PoolAddress)
    {
        Pool = new FramePool(memory.AddOwned(poolAddress, poolBytes));
        initialBytes = Pool.FreeBytes;
        Table = new PageTable(Pool, options);
        regime = RegimeOf(Table);
    }

    public FramePool Pool { get; }

    public PageTable Table { get; }

    public LeafAttributes ReadWrite => Table.Options.Stage == PageTableStage.Stage1
        ? LeafAttributes.Stage1(LeafPermissions.Read | LeafPermissions.Write)
        : LeafAttributes.Stage2(LeafPermissions.Read | LeafPermissions.Write);

    public LeafAttributes Managed(DirtyState state) => Table.Options.Stage == PageTableStage.Stage1
        ? LeafAttributes.Stage1(LeafPermissions.Read | LeafPermissions.Write, dirty: state)
        : LeafAttributes.Stage2(LeafPermissions.Read | LeafPermissions.Write, dirty: state);

    public void Map(ulong iova, ulong pa, ulong bytes) => Map(iova, pa, bytes, ReadWrite);

    public void Map(ulong iova, ulong pa, ulong bytes, LeafAttributes attributes) =>
        Assert.Equal(PageTableStatus.Done, Table.Map(iova, pa, bytes, attributes));

    public PageTableChange Unmap(ulong iova, ulong bytes, bool keepTables = false)
    {
        PageTableChange change = default;
        Assert.Equal(PageTableStatus.Done, Table.Unmap(iova, bytes, ref change, keepTables));
        return change;
    }

    /// <summary>What an SMMU finds.</summary>
    public WalkResult Walk(ulong iova, AccessKind access = AccessKind.Read)
    {
        var trace = default(NoTrace);
        Walker.Walk(memory, in regime, iova, access, default, ref trace, out var result);
        return result;
    }

    /// <summary>Asserts that an SMMU and a look-up find the same: an output address, or for null a translation fault.</summary>
    public void AssertLeadsTo(ulong? expected, ulong iova)
    {
        WalkResult walk = Walk(iova);
        Assert.Equal(expected.HasValue, Table.TryFind(iova, out PageMapping found));
        if (expected is { } address)
        {
            Assert.Equal(EventType.None, walk.Event);
            Assert.Equal(address, walk.OutputAddress);
            Assert.Equal(address, found.Address);
            Assert.Equal(walk.LeafSizeLog2, found.SizeLog2);
        }
        else
        {
            Assert.Equal(EventType.Translation, walk.Event);
        }
    }

    public ulong Read64(ulong address)
    {
        Span<byte> bytes = stackalloc byte[8];
        Assert.True(memory.Read(address, bytes));
        return BitConverter.ToUInt64(bytes);
    }

    /// <summary>Gives back what was unlinked, as after its invalidation.</summary>
    public int Reclaim()
    {
        UnlinkedTables unlinked = Table.TakeUnlinked();
        Pool.Return(unlinked);
        return unlinked.Count;
    }

    /// <summary>Reads all tables from memory: counts, runs and sums are as the builder says.</summary>
    public void Audit() => new TableAudit(this, Table).Check();

    public void Dispose()
    {
        Table.Dispose();
        Assert.Equal(initialBytes, Pool.FreeBytes);   // Every table came home.
        Pool.Dispose();
        memory.Dispose();
    }

    // From the CD or STE that the table describes itself with, by the SMMU's own reading of them.
    private static TranslationRegime RegimeOf(PageTable table)
    {
        TranslationRegime regime = default;
        if (table.Options.Stage == PageTableStage.Stage2)
        {
            var stage2 = table.ApplyTo(default(StreamTableEntry)
                .With(StreamTableEntryField.V, 1)
                .With(StreamTableEntryField.Config, (ulong)StreamConfiguration.Stage2)
                .With(StreamTableEntryField.S2HA, 1)
                .With(StreamTableEntryField.S2HD, 1));
            Assert.True(StreamTableEntryRules.IsLegal(in stage2, Features, StreamWorld.NonSecureEl1));
            RegimeBuilder.Apply(in stage2, Features, StreamWorld.NonSecureEl1, ref regime);
            Assert.Equal(table.Root, regime.Stage2.TableBase);
            return regime;
        }

        var entry = default(StreamTableEntry)
            .With(StreamTableEntryField.V, 1)
            .With(StreamTableEntryField.Config, (ulong)StreamConfiguration.Stage1);
        var descriptor = table.ApplyTo(default(ContextDescriptor)
            .With(ContextDescriptorField.V, 1)
            .With(ContextDescriptorField.A, 1)
            .With(table.Options.UpperRange ? ContextDescriptorField.EPD0 : ContextDescriptorField.EPD1, 1)
            .With(ContextDescriptorField.HA, 1)
            .With(ContextDescriptorField.HD, 1)
            .With(ContextDescriptorField.MAIR0, 0xff));
        Assert.True(ContextDescriptorRules.IsLegal(in descriptor, in entry, Features, StreamWorld.NonSecureEl1));
        RegimeBuilder.Apply(in entry, Features, StreamWorld.NonSecureEl1, ref regime);
        RegimeBuilder.Apply(in descriptor, Features, ref regime);
        Assert.Equal(table.Root, table.Options.UpperRange ? regime.Stage1.Range1.TableBase : regime.Stage1.Range0.TableBase);
        return regime;
    }
}
