using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Formats.StreamTableEntryField;
using static Smmu.Fast.Tests.Streams.StreamScene;

namespace Smmu.Fast.Tests.Streams;

/// <summary>What an STE or GBPA puts in the place of what came with an access, before any stage sees it.</summary>
public class OverrideTests
{
    private const ulong Iova = 0x12_3456_7000;
    private const ulong Output = 0x5678_9000;

    [Fact]
    [Rule("ATT-01")]
    [Rule("ATT-04")]
    [Rule("ATT-05")]
    [Rule("ATT-06")]
    [Rule("ATT-31")]
    [Rule("ATT-32")]
    public void EveryOverrideOfTypeHintsAndShareabilityGivesABypassedStreamItsAttributes()
    {
        using var scene = new StreamScene(cachesEnabled: false);
        scene.Machine.Write(RegisterOffset.GBPA, 0x8000_2a1a);   // MTCFG, Write-Through, hints, OSH: not for this stream.
        var entry = Entries.Valid(0b100);
        for (uint type = 0; type <= 16; type++)
        {
            for (uint hints = 0; hints < 16; hints++)
            {
                for (uint share = 0; share < 4; share++)
                {
                    scene.Machine.SetStream(1, entry
                        .With(MTCFG, type == 16 ? 0u : 1).With(MemAttr, type & 15)
                        .With(ALLOCCFG, hints).With(SHCFG, share));
                    var expected = Expected(type, hints, share);
                    var actual = scene.AssertReaches(Iova, 1, Iova).Attributes;
                    Assert.Equal((type, hints, share, expected), (type, hints, share, actual));
                }
            }
        }
    }

    [Fact]
    [Rule("ATT-03")]
    [Rule("ATT-04")]
    public void GbpaOverridesWhileTheSmmuIsOffAndTheEntryWhileItIsOn()
    {
        using var scene = new StreamScene(cachesEnabled: false);
        var stage2 = scene.NewIntermediateSpace();
        stage2.Map(Iova, Output, Stage2ReadWrite & ~(3UL << 8));
        var overrides = Entries.Bypass.With(MTCFG, 1).With(MemAttr, 0b1010).With(SHCFG, 0);   // Write-Through, Non-shareable.
        scene.Machine.SetStream(1, overrides);
        scene.Machine.SetStream(2, Stage2(stage2).With(MTCFG, 1).With(MemAttr, 0b1010).With(SHCFG, 0));
        scene.Machine.Write(RegisterOffset.GBPA, 0x8000_2015);   // Non-cacheable, Outer Shareable.

        Assert.Equal(new MemoryAttributes(0xbb, 0), scene.AssertReaches(Iova, 1, Iova).Attributes);
        Assert.Equal(new MemoryAttributes(0xbb, 0), scene.AssertReaches(Output, 2, Iova).Attributes);

        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue);
        Assert.Equal(new MemoryAttributes(0x44, 2), scene.AssertReaches(Iova, 1, Iova).Attributes);
        Assert.Equal(new MemoryAttributes(0x44, 2), scene.AssertReaches(Iova, 2, Iova).Attributes);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(1u)]
    [InlineData(2u)]
    [InlineData(3u)]
    [Rule("ATT-02")]
    [Rule("ATT-07")]
    [Rule("PERM-02")]
    public void TheInstructionOverrideChangesReadsAndNeverWritesOrAtomics(uint code)
    {
        // Stage 2 alone can permit data without execution, and execution without data.
        const ulong NeverExecute = 1UL << 54;
        using var scene = new StreamScene(cachesEnabled: false);
        var stage2 = scene.NewIntermediateSpace();
        stage2.Map(Iova, Output, Stage2ReadWrite | NeverExecute);
        stage2.Map(Iova + 0x1000, Output, Stage2ReadWrite & ~(3UL << 6));
        scene.Machine.SetStream(1, Stage2(stage2).With(INSTCFG, code));

        foreach (var mark in (AccessKind[])[0, AccessKind.Instruction])
        {
            bool isInstruction = code == 3 || (code != 2 && mark != 0);
            foreach (ulong page in (ulong[])[0, 0x1000])
            {
                var result = scene.Access(1, Iova + page, AccessKind.Read | mark);
                Assert.Equal((page, isInstruction == (page != 0)), (page, result.IsSuccess));
                if (!result.IsSuccess) AssertMarks(isInstruction, isRead: true);
            }

            scene.AssertReaches(Output, 1, Iova, AccessKind.Write | mark);
            scene.AssertReaches(Output, 1, Iova, AccessKind.Atomic | mark);
            Assert.False(scene.Access(1, Iova + 0x1000, AccessKind.Write | mark).IsSuccess);
            AssertMarks(isInstruction: false, isRead: false);
            Assert.False(scene.Access(1, Iova + 0x1000, AccessKind.Atomic | mark).IsSuccess);
            AssertMarks(isInstruction: false, isRead: false);
        }

        void AssertMarks(bool isInstruction, bool isRead)
        {
            var record = scene.TakeOnlyEvent();
            Assert.Equal((EventType.Permission, isInstruction, isRead), (record.Type, record.InD, record.RnW));
        }
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(1u)]
    [InlineData(2u)]
    [InlineData(3u)]
    [Rule("ATT-07")]
    [Rule("PERM-02")]
    [Rule("ATT-01")]
    public void ThePrivilegeOverrideChangesReadsWritesAndAtomicsAlike(uint code)
    {
        const ulong PrivilegedOnly = Stage1Space.ReadWrite & ~(1UL << 6);
        using var scene = new StreamScene(cachesEnabled: false);
        var space = scene.NewSpace();
        space.Map(Iova, Output, PrivilegedOnly);
        scene.Machine.SetStream(1, Entries.Stage1(scene.NewContext(space.Descriptor())).With(PRIVCFG, code));

        foreach (var kind in (AccessKind[])[AccessKind.Read, AccessKind.Write, AccessKind.Atomic])
        {
            foreach (var mark in (AccessKind[])[0, AccessKind.Privileged])   // Without a mark an access is unprivileged.
            {
                bool isPrivileged = code == 3 || (code != 2 && mark != 0);
                var result = scene.Access(1, Iova, kind | mark);
                Assert.Equal((kind, isPrivileged), (kind, result.IsSuccess));
                if (!isPrivileged) Assert.False(scene.TakeOnlyEvent().PnU);
            }
        }
    }

    [Fact]
    [Rule("ATT-09")]
    public void NothingLeadsANonSecureStreamOutOfItsAddressSpace()
    {
        const ulong NonSecure = 1UL << 5;
        const ulong NonSecureTable = 1UL << 63;
        using var scene = new StreamScene(cachesEnabled: false);
        ulong target = scene.Machine.Allocate(4096);
        scene.Machine.Write64(target, 0x1234_5678_9abc_def0);
        for (uint choice = 0; choice < 64; choice++)
        {
            var space = new Stage1Space(scene.Machine, asid: 1, sizeOffset: 34);
            space.Map(0x1000, target, Stage1Space.ReadWrite | ((choice & 1) != 0 ? NonSecure : 0));
            ulong table = space.Slot(0x1000, 2);
            if ((choice & 2) != 0) scene.Machine.Write64(table, scene.Machine.Read64(table) | NonSecureTable);
            ulong context = scene.NewContext(space.Descriptor()
                .With(ContextDescriptorField.NSCFG0, (choice >> 2) & 1).With(ContextDescriptorField.NSCFG1, (choice >> 3) & 1));
            scene.Machine.SetStream(1, Entries.Stage1(context).With(NSCFG, choice >> 4));
            scene.Machine.SetStream(2, Entries.Bypass.With(NSCFG, choice >> 4));

            AssertReads(1, 0x1000);
            AssertReads(2, target);
        }

        void AssertReads(uint stream, ulong iova)
        {
            using var port = scene.Machine.Smmu.OpenPort(new StreamId(stream));
            byte[] bytes = new byte[8];
            Assert.True(port.Read(iova, bytes));
            Assert.Equal(0x1234_5678_9abc_def0UL, BitConverter.ToUInt64(bytes));
        }
    }

    // The tables of 13.1.3, 13.1.4, 13.1.7 and of STE.MemAttr, in words.
    private static MemoryAttributes Expected(uint type, uint hints, uint share)
    {
        const int Outer = 2;
        (string OuterType, string InnerType) = type switch
        {
            0b0000 or 0b0100 or 0b1000 or 0b1100 => ("Device-nGnRnE", ""),
            0b0001 => ("Device-nGnRE", ""),
            0b0010 => ("Device-nGRE", ""),
            0b0011 => ("Device-GRE", ""),
            16 => ("WB", "WB"),
            _ => (Cacheability(type >> 2), Cacheability(type & 3)),
        };
        if (InnerType.Length == 0) return new MemoryAttributes((byte)(DeviceTypes.IndexOf(OuterType) << 2), Outer);
        byte code = (byte)((Nibble(OuterType) << 4) | Nibble(InnerType));
        if (code == 0x44) return new MemoryAttributes(code, Outer);
        return new MemoryAttributes(code, (byte)(share == 1 ? 0 : share));   // What comes in is Non-shareable.

        int Nibble(string cacheability)
        {
            if (cacheability == "NC") return 0b0100;
            bool isReadAllocate = hints < 8 || (hints & 4) != 0;
            bool isWriteAllocate = hints < 8 || (hints & 2) != 0;
            bool isTransient = hints >= 8 && (hints & 1) != 0 && (isReadAllocate || isWriteAllocate);
            return (cacheability == "WB" ? 0b0100 : 0) | (isTransient ? 0 : 0b1000)
                | (isReadAllocate ? 0b10 : 0) | (isWriteAllocate ? 1 : 0);
        }

        static string Cacheability(uint bits) => bits switch { 1 => "NC", 2 => "WT", _ => "WB" };
    }

    private static readonly List<string> DeviceTypes = ["Device-nGnRnE", "Device-nGnRE", "Device-nGRE", "Device-GRE"];
}
