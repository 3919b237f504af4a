using Smmu.Fast.Formats;
using Smmu.Fast.Tables;

namespace Smmu.Fast.Tests.Tables;

/// <summary>Reads tables descriptor by descriptor, apart from the builder, and holds them against what the builder says.</summary>
internal sealed class TableAudit(TablesScene scene, PageTable table)
{
    private const ulong Contiguous = 1UL << 52;

    private readonly int granule = table.Options.GranuleLog2;
    private readonly DescriptorAddressForm form = TranslationTableDescriptor.AddressForm(
        table.Options.GranuleLog2, table.Options.LargeAddresses, table.Options.OutputBits);

    private int tables;
    private ulong bytes;

    /// <summary>Leaves by the log2 of their size.</summary>
    public Dictionary<int, int> Leaves { get; } = [];

    public TableAudit Check()
    {
        int rootLog2 = table.Options.InputBits - TranslationTableDescriptor.LeafSizeLog2(table.StartLevel, granule);
        CheckTable(table.Root, table.StartLevel, 1 << rootLog2, 0);
        Assert.Equal(table.TableCount, tables);
        Assert.Equal(table.MappedBytes, bytes);
        return this;
    }

    private void CheckTable(ulong address, int level, int count, ulong first)
    {
        tables++;
        int live = 0;
        int sizeLog2 = TranslationTableDescriptor.LeafSizeLog2(level, granule);
        for (int index = 0; index < count; index++)
        {
            ulong word = scene.Read64(address + ((ulong)index * 8));
            if (word == 0) continue;
            live++;
            var descriptor = new TranslationTableDescriptor(word);
            ulong at = first + ((ulong)index << sizeLog2);
            DescriptorKind kind = descriptor.Classify(level, granule, form);
            Assert.NotEqual(DescriptorKind.Invalid, kind);
            if (kind == DescriptorKind.Table)
            {
                CheckTable(descriptor.TableAddress(granule, form), level + 1, 1 << (granule - 3), at);
                continue;
            }

            bytes += 1UL << sizeLog2;
            Leaves[sizeLog2] = Leaves.GetValueOrDefault(sizeLog2) + 1;
            Assert.Equal(descriptor.LeafAddress(level, granule, form), descriptor.TableAddress(granule, form));
            if ((word & Contiguous) != 0) CheckRun(address, index, level, sizeLog2);
        }

        Assert.Equal(live, table.LiveDescriptors(table.FirstAddress + first, level));
    }

    // Members of a run are all there, alike, and in step with their addresses.
    private void CheckRun(ulong address, int index, int level, int sizeLog2)
    {
        int members = 1 << TranslationTableDescriptor.ContiguousRunLog2(level, granule);
        ulong word = scene.Read64(address + ((ulong)index * 8));
        ulong output = new TranslationTableDescriptor(word).LeafAddress(level, granule, form);
        int member = index & (members - 1);
        Assert.True(members > 1);
        Assert.Equal((ulong)member, (output >> sizeLog2) & (ulong)(members - 1));
        ulong other = scene.Read64(address + ((ulong)(index ^ 1) * 8));
        Assert.True((other & Contiguous) != 0);
        Assert.Equal(output ^ (1UL << sizeLog2), new TranslationTableDescriptor(other).LeafAddress(level, granule, form));
    }
}
