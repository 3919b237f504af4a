using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Formats.ContextDescriptorField;
using static Smmu.Fast.Tests.Streams.StreamScene;

namespace Smmu.Fast.Tests.Streams;

/// <summary>A CD describes a stage 1 address space: its halves, tables, checks and attributes.</summary>
public class ContextDescriptorTests
{
    private const ulong Iova = 0x12_3456_7000;
    private const ulong Output = 0x5678_0000;
    private const ulong AccessFlag = 1UL << 10;
    private const ulong PrivilegedOnly = Stage1Space.ReadWrite & ~(1UL << 6);

    [Theory]
    [InlineData(16)]
    [InlineData(24)]
    [InlineData(25)]
    [InlineData(32)]
    [InlineData(39)]
    [Rule("CD-01")]
    [Rule("CD-18")]
    public void TheRangesHaveTheSizesThatTheDescriptorGivesThem(int sizeOffset)
    {
        using var scene = new StreamScene(cachesEnabled: false);
        var lower = new Stage1Space(scene.Machine, 1, sizeOffset);
        var upper = new Stage1Space(scene.Machine, 1, 16 + 39 - sizeOffset);
        ulong lastLower = (1UL << (64 - sizeOffset)) - 0x1000;
        ulong firstUpper = ulong.MaxValue << (64 - upper.SizeOffset);
        lower.Map(lastLower, Output);
        upper.Map(0, Output + 0x1000);
        Attach(scene, TwoRanges(lower, upper));

        scene.AssertReaches(Output + 0xfff, 1, lastLower + 0xfff);
        scene.AssertReaches(Output + 0x1000, 1, firstUpper);
        scene.AssertFaults(EventType.Translation, 1, lastLower + 0x1000);
        scene.AssertFaults(EventType.Translation, 1, firstUpper - 1);
    }

    [Fact]
    [Rule("CD-02")]
    [Rule("CD-03")]
    public void EachRangeHasAGranuleOfItsOwnInACodeOfItsOwn()
    {
        int[] granules = [12, 14, 16];
        foreach (int granule0 in granules)
        {
            foreach (int granule1 in granules)
            {
                using var scene = new StreamScene(cachesEnabled: false);
                var lower = scene.NewSpace(granuleLog2: granule0);
                var upper = scene.NewSpace(granuleLog2: granule1);
                ulong offset0 = (1UL << granule0) - 1, offset1 = (1UL << granule1) - 1;
                lower.Map(Iova & ~offset0, Output);
                upper.Map(Iova & ~offset1, Output + 0x1_0000);
                Attach(scene, TwoRanges(lower, upper)
                    .With(TG0, granule0 switch { 12 => 0u, 16 => 1, _ => 2 })
                    .With(TG1, granule1 switch { 14 => 1u, 12 => 2, _ => 3 }));

                scene.AssertReaches(Output + (Iova & offset0), 1, Iova);
                scene.AssertReaches(Output + 0x1_0000 + (Iova & offset1), 1, Iova | (ulong.MaxValue << 39));
            }
        }
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    [Rule("CD-06")]
    [Rule("ORD-09")]
    public void EpdTurnsTheWalksOfItsRangeOff(bool epd0, bool epd1)
    {
        using var scene = new StreamScene(cachesEnabled: false);
        Attach(scene, BothMapped(scene).With(EPD0, epd0 ? 1u : 0).With(EPD1, epd1 ? 1u : 0));

        AssertReachesOrFaults(scene, !epd0, Iova);
        AssertReachesOrFaults(scene, !epd1, Iova | (ulong.MaxValue << 39));

        static void AssertReachesOrFaults(StreamScene scene, bool reaches, ulong iova)
        {
            ulong before = scene.Machine.Smmu.GetStatistics().DescriptorReads;
            if (reaches)
            {
                scene.AssertReaches(Output, 1, iova);
                return;
            }

            scene.AssertFaults(EventType.Translation, 1, iova);
            Assert.Equal(before, scene.Machine.Smmu.GetStatistics().DescriptorReads);
        }
    }

    [Fact]
    [Rule("CD-08")]
    public void EndiChoosesTheByteOrderOfTables()
    {
        using var scene = new StreamScene(cachesEnabled: false);
        ulong root = scene.Machine.Allocate(4096);
        byte[] block = [0, 0, 0, 0, 0x40, 0, 0x0f, 0x41];   // 1 GiB at 0x4000_0000.
        Assert.True(scene.Machine.Memory.Write(root, block));
        var descriptor = scene.NewSpace().Descriptor().With(TTB0, root);

        Attach(scene, descriptor.With(ENDI, 1));
        scene.AssertReaches(0x4567_8000, 1, 0x0567_8000);
        Attach(scene, descriptor);
        scene.AssertFaults(EventType.Translation, 1, 0x0567_8000);
    }

    [Theory]
    [InlineData(0u, 32)]
    [InlineData(1u, 36)]
    [InlineData(2u, 40)]
    [InlineData(3u, 42)]
    [InlineData(4u, 44)]
    [Rule("CD-09")]
    [Rule("ADS-14")]
    [Rule("ASZ-09")]
    public void IpsBoundsWhatStage1PutsOut(uint code, int bits)
    {
        using var scene = new StreamScene(cachesEnabled: false);
        var space = scene.NewSpace();
        space.Map(0x1000, (1UL << bits) - 0x1000);
        space.Map(0x2000, 1UL << bits);
        Attach(scene, space.Descriptor().With(IPS, code));

        scene.AssertReaches((1UL << bits) - 1, 1, 0x1fff);
        scene.AssertFaults(EventType.AddressSize, 1, 0x2000);
    }

    [Theory]
    [InlineData(3u)]
    [InlineData(5u)]
    [InlineData(6u)]
    [InlineData(7u)]
    [Rule("CD-09")]
    [Rule("ASZ-13")]
    public void IpsCountsNoMoreThanOas(uint code)
    {
        using var scene = new StreamScene(Everything.With(SmmuFeatureField.OAS, 2), cachesEnabled: false);
        var space = scene.NewSpace();
        space.Map(0x1000, (1UL << 40) - 0x1000);
        space.Map(0x2000, 1UL << 40);
        Attach(scene, space.Descriptor().With(IPS, code));

        scene.AssertReaches((1UL << 40) - 1, 1, 0x1fff);
        scene.AssertFaults(EventType.AddressSize, 1, 0x2000);
    }

    [Theory]
    [InlineData(false, false, EventType.AccessFlag)]
    [InlineData(true, false, EventType.None)]
    [InlineData(false, true, EventType.None)]
    [InlineData(true, true, EventType.None)]
    [Rule("CD-11")]
    [Rule("CD-19")]
    [Rule("AFD-09")]
    public void AffdExcusesAClearAccessFlagAndHaSetsItInstead(bool affd, bool ha, EventType expected)
    {
        using var scene = new StreamScene(cachesEnabled: false);
        var space = scene.NewSpace();
        space.Map(Iova, Output, Stage1Space.ReadWrite & ~AccessFlag);
        Attach(scene, space.Descriptor().With(AFFD, affd ? 1u : 0).With(HA, ha ? 1u : 0));

        Assert.Equal(expected, scene.Access(1, Iova).Event);
        Assert.Equal(ha, (scene.Machine.Read64(space.Slot(Iova, 3)) & AccessFlag) != 0);   // AFFD counts for nothing with HA.
    }

    [Fact]
    [Rule("CD-12")]
    public void WxnTakesExecutionFromWhatIsWritable()
    {
        const AccessKind Fetch = AccessKind.Read | AccessKind.Instruction | AccessKind.Privileged;
        using var scene = new StreamScene(cachesEnabled: false);
        var space = scene.NewSpace();
        space.Map(0x1000, Output, PrivilegedOnly);
        space.Map(0x2000, Output, PrivilegedOnly | (1UL << 7));
        Attach(scene, space.Descriptor());
        scene.AssertReaches(Output, 1, 0x1000, Fetch);

        Attach(scene, space.Descriptor().With(WXN, 1));
        scene.AssertFaults(EventType.Permission, 1, 0x1000, Fetch);
        scene.AssertReaches(Output, 1, 0x1000, AccessKind.Write | AccessKind.Privileged);
        scene.AssertReaches(Output, 1, 0x2000, Fetch);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(1u)]
    [Rule("CD-13")]
    public void WhatEl0MayWriteIsNeverExecutedWithPrivilegeWhateverUwxnSays(uint uwxn)
    {
        const AccessKind Fetch = AccessKind.Read | AccessKind.Instruction;
        using var scene = new StreamScene(cachesEnabled: false);
        var space = scene.NewSpace();
        space.Map(Iova, Output);
        Attach(scene, space.Descriptor().With(UWXN, uwxn));

        scene.AssertReaches(Output, 1, Iova, Fetch);
        scene.AssertFaults(EventType.Permission, 1, Iova, Fetch | AccessKind.Privileged);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    [Rule("CD-14")]
    [Rule("ADS-10")]
    public void TbiExcludesTheTopByteOfItsHalf(bool tbi0, bool tbi1)
    {
        const ulong Tag = 0x5aUL << 56;
        const ulong Upper = ulong.MaxValue << 39;
        using var scene = new StreamScene();
        Attach(scene, BothMapped(scene).With(TBI0, tbi0 ? 1u : 0).With(TBI1, tbi1 ? 1u : 0));

        for (int round = 0; round < 2; round++)   // Cold and warm.
        {
            AssertTagged(scene, tbi0, Iova | Tag, Iova);
            AssertTagged(scene, tbi1, (Iova | Upper) ^ Tag, Iova | Upper);
            scene.AssertFaults(EventType.Translation, 1, Iova | (1UL << 48));
            scene.AssertFaults(EventType.Translation, 1, (Iova | Upper) ^ (1UL << 48));
        }

        static void AssertTagged(StreamScene scene, bool ignored, ulong tagged, ulong plain)
        {
            scene.AssertReaches(Output, 1, plain);
            if (ignored) scene.AssertReaches(Output, 1, tagged);
            else scene.AssertFaults(EventType.Translation, 1, tagged);
        }
    }

    [Fact]
    [Rule("CD-16")]
    public void PanKeepsPrivilegeOutOfWhatEl0MayUse()
    {
        using var scene = new StreamScene(cachesEnabled: false);
        var space = scene.NewSpace();
        space.Map(0x1000, Output);
        space.Map(0x2000, Output, PrivilegedOnly);
        Attach(scene, space.Descriptor().With(PAN, 1));

        scene.AssertFaults(EventType.Permission, 1, 0x1000, AccessKind.Read | AccessKind.Privileged);
        scene.AssertFaults(EventType.Permission, 1, 0x1000, AccessKind.Write | AccessKind.Privileged);
        scene.AssertReaches(Output, 1, 0x1000, AccessKind.Write);
        scene.AssertReaches(Output, 1, 0x2000, AccessKind.Write | AccessKind.Privileged);
    }

    [Theory]
    [InlineData(0x0101)]
    [InlineData(0xff01)]
    [Rule("CD-23")]
    [Rule("CD-22")]
    public void AllSixteenBitsOfAnAsidCount(int other)
    {
        using var scene = new StreamScene();
        scene.AttachPage(1, Iova, Output, asid: 0x0001);
        scene.AttachPage(2, Iova, Output + 0x1000, asid: (ushort)other);

        scene.AssertReaches(Output, 1, Iova);
        scene.AssertReaches(Output + 0x1000, 2, Iova);

        // By-ASID invalidation takes the one and leaves the other.
        scene.Machine.SubmitAndSync(Command.TlbiNhAsid(default, new Asid((ushort)other)));
        ulong hits = scene.Machine.Smmu.GetStatistics().TlbHits;
        scene.AssertReaches(Output, 1, Iova);
        Assert.Equal(hits + 1, scene.Machine.Smmu.GetStatistics().TlbHits);
        scene.AssertReaches(Output + 0x1000, 2, Iova);
        Assert.Equal(hits + 1, scene.Machine.Smmu.GetStatistics().TlbHits);
    }

    [Fact]
    [Rule("CD-25")]
    public void GlobalTranslationsServeOtherAsidsOfTheSameAsetOnly()
    {
        const ulong Global = Stage1Space.ReadWrite & ~(1UL << 11);
        using var scene = new StreamScene();
        var space = scene.NewSpace();
        space.Map(Iova, Output, Global);
        ulong context = scene.NewContext(space.Descriptor());
        scene.SetStream(1, Entries.Stage1(context));
        scene.SetStream(2, Entries.Stage1(scene.NewContext(space.Descriptor().With(ASID, 2))));
        scene.SetStream(3, Entries.Stage1(scene.NewContext(space.Descriptor().With(ASID, 3).With(ASET, 1))));
        scene.AssertReaches(Output, 1, Iova);
        ulong hits = scene.Machine.Smmu.GetStatistics().TlbHits;

        scene.AssertReaches(Output, 2, Iova);
        Assert.Equal(hits + 1, scene.Machine.Smmu.GetStatistics().TlbHits);
        scene.AssertReaches(Output, 3, Iova);
        Assert.Equal(hits + 1, scene.Machine.Smmu.GetStatistics().TlbHits);
    }

    [Theory]
    [InlineData(25, 12)]   // 512 descriptors.
    [InlineData(28, 12)]   // 64.
    [InlineData(33, 12)]   // 2: every bit of TTB0 counts.
    [InlineData(25, 14)]   // 8.
    [InlineData(25, 16)]   // 1024.
    [Rule("CD-28")]
    public void TheFirstTableIsAlignedToItsSize(int sizeOffset, int granuleLog2)
    {
        using var scene = new StreamScene(cachesEnabled: false);
        var space = new Stage1Space(scene.Machine, 1, sizeOffset, granuleLog2);
        ulong iova = (1UL << (64 - sizeOffset)) - (1UL << granuleLog2);
        space.Map(iova, Output);
        ulong tableBytes = 8UL << (64 - sizeOffset - space.LeafLog2(space.StartLevel));

        ulong empty = scene.Machine.Allocate(2 * tableBytes, 2 * tableBytes);
        ulong table = empty + tableBytes;
        scene.Machine.Write64(table + tableBytes - 8, scene.Machine.Read64(space.Slot(iova, space.StartLevel)));

        Attach(scene, space.Descriptor().With(TTB0, table));
        scene.AssertReaches(Output, 1, iova);
        Attach(scene, space.Descriptor().With(TTB0, table + tableBytes - 16));
        scene.AssertReaches(Output, 1, iova);
        Attach(scene, space.Descriptor().With(TTB0, empty));
        scene.AssertFaults(EventType.Translation, 1, iova);
    }

    [Theory]
    [InlineData(34, 16)]   // 2 descriptors: 16 bytes.
    [InlineData(33, 12)]   // No descriptor of this table can hold 52 bits.
    [InlineData(38, 14)]
    [Rule("CD-28")]
    [Rule("W1-17")]
    public void WithAnOutputSizeOf52BitsTablesAreAlignedTo64Bytes(int sizeOffset, int granuleLog2)
    {
        using var scene = new StreamScene(Everything.With(SmmuFeatureField.OAS, 6), cachesEnabled: false);
        var space = new Stage1Space(scene.Machine, 1, sizeOffset, granuleLog2);
        ulong iova = (1UL << (64 - sizeOffset)) - (1UL << granuleLog2);
        space.Map(iova, Output);

        Attach(scene, space.Descriptor().With(IPS, 6).With(TTB0, space.Root | 0x30));
        scene.AssertReaches(Output, 1, iova);
        Attach(scene, space.Descriptor().With(IPS, 5).With(TTB0, space.Root | 0x30));
        scene.AssertFaults(EventType.Translation, 1, iova);
    }

    [Fact]
    [Rule("CD-31")]
    public void AttrIndxChoosesTheByteOfMair()
    {
        using var scene = new StreamScene(cachesEnabled: false);
        var space = scene.NewSpace();
        byte[] types = [0x44, 0xff, 0x00, 0x04, 0xbb, 0xaa, 0x0c, 0xee];
        for (uint i = 0; i < 8; i++) space.Map(i << 12, Output, Stage1Space.ReadWrite | (i << 2));
        Attach(scene, space.Descriptor()
            .With(MAIR0, BitConverter.ToUInt32(types, 0)).With(MAIR1, BitConverter.ToUInt32(types, 4)));

        for (uint i = 0; i < 8; i++) Assert.Equal(types[i], scene.AssertReaches(Output, 1, i << 12).Attributes.Type);
    }

    [Fact]
    [Rule("CD-26")]
    public void HadTurnsTheAttributesOfTablesOffInItsRange()
    {
        const ulong TableNeverWrites = 1UL << 62;
        using var scene = new StreamScene(cachesEnabled: false);
        var space = scene.NewSpace();
        space.Map(Iova, Output);
        ulong slot = space.Slot(Iova, 2);
        scene.Machine.Write64(slot, scene.Machine.Read64(slot) | TableNeverWrites);

        Attach(scene, space.Descriptor().With(HAD1, 1));
        scene.AssertFaults(EventType.Permission, 1, Iova, AccessKind.Write);
        Attach(scene, space.Descriptor().With(HAD0, 1));
        scene.AssertReaches(Output, 1, Iova, AccessKind.Write);
    }

    private static void Attach(StreamScene scene, ContextDescriptor descriptor) =>
        scene.SetStream(1, Entries.Stage1(scene.NewContext(descriptor)));

    private static ContextDescriptor TwoRanges(Stage1Space lower, Stage1Space upper) => lower.Descriptor()
        .With(EPD1, 0)
        .With(T1SZ, (ulong)upper.SizeOffset)
        .With(TG1, 2)
        .With(TTB1, upper.Root);

    private static ContextDescriptor BothMapped(StreamScene scene)
    {
        var lower = scene.NewSpace();
        var upper = scene.NewSpace();
        lower.Map(Iova, Output);
        upper.Map(Iova, Output);
        return TwoRanges(lower, upper);
    }
}
