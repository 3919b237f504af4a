using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Tests.Streams.StreamScene;

namespace Smmu.Fast.Tests.Streams;

/// <summary>S2PTW keeps CDs and stage 1 tables out of Device memory, and touches nothing else.</summary>
public class ProtectedTableWalkTests
{
    private const ulong Iova = 0x12_3456_7000;
    private const ulong Output = 0x5678_9000;
    private const ulong Shift = 0x10_0000_0000;
    private const ulong Untyped = Stage2ReadWrite & ~(0xfUL << 2);

    public static TheoryData<uint, bool> Types
    {
        get
        {
            var data = new TheoryData<uint, bool>();
            for (uint type = 0; type < 32; type++) data.Add(type & 15, type > 15);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    [Rule("WN-09")]
    [Rule("WN-11")]
    [Rule("ATT-30")]
    public void ContextsAndTablesInDeviceMemoryAreRefusedByTheTypeThatFwbGivesThem(uint memAttr, bool forcedWriteBack)
    {
        bool isDevice = forcedWriteBack
            ? memAttr is not (5 or 6 or 7 or 13 or 14 or 15)
            : memAttr is 0 or 1 or 2 or 3 or 4 or 8 or 12;
        using var scene = new Scene();
        scene.Set(0b111, protect: true, forcedWriteBack);
        scene.Map(scene.Context, memAttr);
        AssertRefused(FaultClass.ContextDescriptor);
        scene.Map(scene.Context, 0b1111);
        scene.Map(scene.Root, memAttr);
        AssertRefused(FaultClass.TranslationTable);
        scene.Map(scene.Root, 0b1111);
        scene.Stage2.Map(Iova, Output, Untyped | ((ulong)memAttr << 2));
        scene.Streams.AssertReaches(Output, 1, Iova);   // What the client reaches may be Device.

        void AssertRefused(FaultClass faultClass)
        {
            if (!isDevice)
            {
                scene.Streams.AssertReaches(Output, 1, Iova);
                return;
            }

            var record = scene.Streams.AssertFaults(EventType.Permission, 1, Iova);
            ulong ipa = (faultClass == FaultClass.ContextDescriptor ? scene.Context : scene.Root) + Shift;
            Assert.Equal((true, faultClass, ipa & ~0xfffUL), (record.S2, record.Class, record.IntermediatePhysicalAddress));
        }
    }

    [Theory]
    [InlineData(0b0000u, false, 0u)]
    [InlineData(0b0011u, false, 0u)]
    [InlineData(0b0001u, true, 0u)]
    [InlineData(0b0000u, false, 1u)]
    [InlineData(0b0011u, false, 1u)]
    [InlineData(0b0001u, true, 1u)]
    [Rule("WN-10")]
    public void WithoutItContextsAndTablesAreReadFromDeviceMemoryWhateverPtwnncSays(
        uint memAttr, bool forcedWriteBack, uint normalNonCacheable)
    {
        using var scene = new Scene(Everything.With(SmmuFeatureField.PTWNNC, normalNonCacheable));
        scene.Set(0b111, protect: false, forcedWriteBack);
        scene.Map(scene.Context, memAttr);
        scene.Map(scene.Root, memAttr);

        Assert.Equal(new MemoryAttributes(0xff, 3), scene.Streams.AssertReaches(Output, 1, Iova).Attributes);
    }

    [Fact]
    [Rule("WN-12")]
    public void ItIsIgnoredWithOneStageAlone()
    {
        using var scene = new Scene();
        scene.Stage2.Map(Iova, Output, Untyped);   // Device-nGnRnE.
        scene.Set(0b110, protect: true, forcedWriteBack: false);
        Assert.True(scene.Streams.AssertReaches(Output, 1, Iova).Attributes.IsDevice);

        // Stage 1 alone: its structures are where they are, and no stage 2 has a say.
        var space = scene.Streams.NewSpace();
        space.Map(Iova, Output);
        scene.Streams.SetStream(2, Nested(scene.Streams.NewContext(space.Descriptor()), scene.Stage2)
            .With(StreamTableEntryField.Config, 0b101).With(StreamTableEntryField.S2PTW, 1));
        scene.Streams.AssertReaches(Output, 2, Iova);
    }

    /// <summary>A context and a first table on pages of their own behind stage 2; the table maps by a block.</summary>
    private sealed class Scene : IDisposable
    {
        public Scene(SmmuFeatures? features = null)
        {
            Streams = new StreamScene(features, cachesEnabled: false);
            Stage2 = Streams.NewIntermediateSpace();
            Context = Streams.Machine.Allocate(4096);
            Root = Streams.Machine.Allocate(4096);
            ulong block = Iova & (ulong.MaxValue << 30);
            Streams.Machine.Write64(
                Root + (((Iova >> 30) & 0x1ff) * 8), block | Stage1Space.ReadWrite | Stage1Space.Block);
            Streams.Machine.SetContext(
                Context, Streams.NewSpace().Descriptor().With(ContextDescriptorField.TTB0, Root + Shift)
                    .With(ContextDescriptorField.MAIR0, 0xff));
            Map(Context, 0b1111);
            Map(Root, 0b1111);
            Stage2.Map(Iova, Output, Stage2ReadWrite);
        }

        public StreamScene Streams { get; }

        public Stage1Space Stage2 { get; }

        public ulong Context { get; }

        public ulong Root { get; }

        public void Map(ulong page, ulong memAttr) => Stage2.Map(page + Shift, page, Untyped | (memAttr << 2));

        public void Set(uint config, bool protect, bool forcedWriteBack) => Streams.Machine.SetStream(
            1, Nested(Context + Shift, Stage2)
                .With(StreamTableEntryField.Config, config)
                .With(StreamTableEntryField.S2PTW, protect ? 1u : 0)
                .With(StreamTableEntryField.S2FWB, forcedWriteBack ? 1u : 0));

        public void Dispose() => Streams.Dispose();
    }
}
