using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Streams;

/// <summary>
/// Pages of stage 2 behind pages of stage 1, met one after another: what the first of them has taught, tables of stage 2 above
/// all, holds for no address that it is not about and no longer than an invalidation.
/// </summary>
public class Stage2PageTests
{
    private const ulong Va = 0x80_0000_0000;
    private const ulong Page = 4096;
    private const ulong Leaf = 0b11 | (0xfUL << 2) | (3UL << 6) | (3UL << 8) | (1UL << 10);
    private const int Rounds = 4;   // By a walk, by what that has taught, and out of the TLB.

    [Fact]
    [Rule("W2-03")]
    [Rule("W2-04")]
    public void ConcatenatedTablesFollowOneAnotherAtTheLastLevelToo()
    {
        using var scene = new Scene(granule: 16, bits: 31, start: 3);
        ulong[] ipas = [0x0100_0000, 0x2345_0000, 0x3fff_0000, 0x6000_0000, 0x7fff_0000, 0x0123_0000];
        for (int i = 0; i < ipas.Length; i++) scene.Map(i, ipas[i], 0x1_0000_0000ul * (ulong)(i + 1));
        foreach (ulong ipa in ipas)
        {
            if (ipa >= 1 << 29) scene.Write(scene.Slot(ipa & ((1 << 29) - 1), 3), 0xff_0000_0000 | Leaf);   // What another table says.
        }

        for (int round = 0; round < Rounds; round++)
        {
            for (int i = 0; i < ipas.Length; i++) Assert.Equal(0x1_0000_0000ul * (ulong)(i + 1), scene.Output(i));
        }
    }

    [Fact]
    [Rule("W2-01")]
    public void AnIpaAboveTheRangeIsNotLookedUpInATableThatCoversMore()
    {
        using var scene = new Scene(granule: 16, bits: 28, start: 3, shift: unchecked(0 - GuestMachine.RamBase));
        scene.Map(0, 0x0f00_0000, 0x1_0000_0000);
        scene.MapStage1(1, 0x1000_0000);   // There is memory behind the table, and it says something.
        scene.Write(scene.Root + ((0x1000_0000ul >> 16) * 8), 0x2_0000_0000 | Leaf);
        for (int round = 0; round < Rounds; round++)
        {
            Assert.Equal(0x1_0000_0000ul, scene.Output(0));
            Assert.Equal(EventType.Translation, scene.Access(1).Event);
        }
    }

    [Fact]
    public void AddressesOf52BitsAreWhole()
    {
        const ulong High = (1UL << 51) | (1UL << 48);
        using var scene = new Scene(granule: 12, bits: 48, start: 0, isWide: true);
        for (int i = 0; i < 3; i++)
        {
            scene.MapStage1(i, 0x20_0000_0000 + ((ulong)i * Page));
            ulong low = (High & ((1UL << 50) - 1)) | (0x5000ul + ((ulong)i * Page));
            scene.Write(scene.Slot(0x20_0000_0000 + ((ulong)i * Page), 3), low | (High >> 50 << 8) | (Leaf & ~(3UL << 8)));
        }

        for (int round = 0; round < Rounds; round++)
        {
            for (int i = 0; i < 3; i++) Assert.Equal(High | (0x5000ul + ((ulong)i * Page)), scene.Output(i));
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Rule("W2-10")]
    public void NeitherATableNorAPageLiesBeyondTheOutputSize(bool isTable)
    {
        const ulong Beyond = 1UL << 41;
        using var scene = new Scene(granule: 12, bits: 39, start: 1, outputSizeCode: 2);   // 40 bits.
        scene.Machine.Memory.AddOwned(Beyond, 1 << 16);
        scene.Map(0, 0x20_0000_0000, 0x5_0000_0000);
        scene.MapStage1(1, 0x30_0000_0000);
        if (isTable)
        {
            scene.Write(scene.Slot(0x30_0000_0000, 2), Beyond | 0b11);
            scene.Write(Beyond, 0x6_0000_0000 | Leaf);
        }
        else
        {
            scene.Write(scene.Slot(0x30_0000_0000, 3), Beyond | Leaf);
        }

        for (int round = 0; round < Rounds; round++)
        {
            Assert.Equal(0x5_0000_0000ul, scene.Output(0));
            Assert.Equal(EventType.AddressSize, scene.Access(1).Event);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Rule("CMD-TLBI-12")]
    [Rule("CMD-TLBI-13")]
    public void ATableOfStage2ThatIsReplacedIsForgottenWithItsInvalidation(bool ofAll)
    {
        const int Pages = 4;
        const ulong Ipa = 0x20_0000_0000;
        using var scene = new Scene(granule: 12, bits: 39, start: 1);
        for (int i = 0; i < Pages; i++) scene.Map(i, Ipa + ((ulong)i * Page), 0x5_0000_0000 + ((ulong)i * Page));
        for (int round = 0; round < Rounds; round++)
        {
            for (int i = 0; i < Pages - 1; i++) Assert.Equal(0x5_0000_0000ul + ((ulong)i * Page), scene.Output(i));
        }

        ulong table = scene.Machine.Allocate(Page, Page);
        for (ulong i = 0; i < Pages; i++) scene.Write(table + (i * 8), (0x7_0000_0000 + (i * Page)) | Leaf);
        scene.Write(scene.Slot(Ipa, 2), table | 0b11);
        scene.Machine.Submit(ofAll
            ? [Command.TlbiS12Vmall(Scene.Vmid), Command.Sync()]
            : [Command.TlbiS2Ipa(Scene.Vmid, Ipa, leaf: false), Command.TlbiNhVa(Scene.Vmid, Scene.Asid, Va), Command.Sync()]);
        Assert.Equal(0x7_0000_0000ul, scene.Output(0));
        Assert.Equal(0x7_0000_0000ul + ((Pages - 1) * Page), scene.Output(Pages - 1));   // The one that was not met before.
        if (ofAll) Assert.Equal(0x7_0000_0000ul + Page, scene.Output(1));
    }

    [Fact]
    [Rule("PERM-34")]
    public void WhatAPageOfStage2IsLikeIsItsOwn()
    {
        using var scene = new Scene(granule: 12, bits: 39, start: 1);
        const ulong Ipa = 0x20_0000_0000;
        ulong[] leaves =
        [
            Leaf, Leaf & ~(1UL << 7), Leaf & ~(3UL << 8), (Leaf & ~(0xfUL << 2)) | (5UL << 2), Leaf | (1UL << 54), Leaf & ~(1UL << 6),
        ];
        for (int i = 0; i < leaves.Length; i++)
        {
            scene.MapStage1(i, Ipa + ((ulong)i * Page));
            scene.Write(scene.Slot(Ipa + ((ulong)i * Page), 3), (0x5_0000_0000 + ((ulong)i * Page)) | leaves[i]);
        }

        for (int round = 0; round < Rounds; round++)
        {
            for (int i = 0; i < leaves.Length; i++)
            {
                foreach (var kind in (AccessKind[])[AccessKind.Read, AccessKind.Write, AccessKind.Read | AccessKind.Instruction])
                {
                    var expected = scene.Machine.Smmu.Explain(Scene.Stream, null, Va + ((ulong)i * Page), kind).Result;
                    Assert.Equal(expected, scene.Access(i, kind));
                }
            }
        }
    }

    /// <summary>A stream under both stages; stage 2 is written entry by entry, and maps RAM at first.</summary>
    private sealed class Scene : IDisposable
    {
        private const ulong MappedRam = 16 << 20;

        private readonly int granule;
        private readonly int start;
        private readonly TableTree stage1;

        public Scene(int granule, int bits, int start, ulong shift = 0, bool isWide = false, uint outputSizeCode = 5)
        {
            this.granule = granule;
            this.start = start;
            Machine = new GuestMachine(isWide ? SmmuFeatures.Wide : SmmuFeatures.Default);
            Machine.SetUpStreamTable(4);
            Machine.Start();
            Root = Machine.Allocate(4UL << granule, 4UL << granule);
            stage1 = new TableTree(Machine, 12, 48, 0, false, shift);
            ulong context = Machine.Allocate(64, 64);
            Machine.SetContext(context, default(ContextDescriptor)
                .With(ContextDescriptorField.V, 1).With(ContextDescriptorField.AA64, 1)
                .With(ContextDescriptorField.A, 1).With(ContextDescriptorField.R, 1).With(ContextDescriptorField.EPD1, 1)
                .With(ContextDescriptorField.ASID, Asid.Value).With(ContextDescriptorField.MAIR0, 0xff)
                .With(ContextDescriptorField.IPS, 5).With(ContextDescriptorField.T0SZ, 16)
                .With(ContextDescriptorField.TTB0, stage1.Root));
            for (ulong at = 0; at < MappedRam; at += 1UL << granule)
            {
                ulong address = GuestMachine.RamBase + at;
                Write(Slot(address + shift, 3), address | (isWide ? Leaf & ~(3UL << 8) : Leaf));
            }

            uint startCode = granule == 12 ? 2u - (uint)start : 3u - (uint)start;
            Machine.SetStream(Stream.Value, Entries.Valid(0b111)
                .With(StreamTableEntryField.S1ContextPtr, context + shift)
                .With(StreamTableEntryField.S2VMID, Vmid.Value)
                .With(StreamTableEntryField.S2T0SZ, (ulong)(64 - bits))
                .With(StreamTableEntryField.S2SL0, startCode)
                .With(StreamTableEntryField.S2TG, granule == 12 ? 0u : 1)
                .With(StreamTableEntryField.S2DS, isWide ? 1u : 0)
                .With(StreamTableEntryField.S2PS, isWide ? 6u : outputSizeCode)
                .With(StreamTableEntryField.S2AA64, 1).With(StreamTableEntryField.S2R, 1)
                .With(StreamTableEntryField.S2TTB, Root));
        }

        public static StreamId Stream => new(1);

        public static Vmid Vmid => new(9);

        public static Asid Asid => new(5);

        public GuestMachine Machine { get; }

        public ulong Root { get; }

        public void MapStage1(int page, ulong ipa) =>
            stage1.Map(Va + ((ulong)page * Page), ipa, TableTree.AccessFlag | (1UL << 11) | (1UL << 6));

        public void Map(int page, ulong ipa, ulong output)
        {
            MapStage1(page, ipa);
            Write(Slot(ipa, 3), output | Leaf);
        }

        /// <summary>Address of an entry of stage 2; tables above it are made.</summary>
        public ulong Slot(ulong ipa, int level)
        {
            ulong table = Root;
            ulong mask = ulong.MaxValue;
            for (int at = start; ; at++)
            {
                ulong slot = table + (((ipa >> (granule + ((granule - 3) * (3 - at)))) & mask) * 8);
                if (at == level) return slot;
                ulong entry = Machine.Read64(slot);
                if (entry == 0) Write(slot, entry = Machine.Allocate(1UL << granule, 1UL << granule) | 0b11);
                table = entry & ~0xfffUL;
                mask = (1UL << (granule - 3)) - 1;
            }
        }

        public void Write(ulong address, ulong value) => Machine.Write64(address, value);

        public TranslationResult Access(int page, AccessKind kind = AccessKind.Read) =>
            Machine.Smmu.Translate(Stream, null, Va + ((ulong)page * Page), kind);

        public ulong? Output(int page)
        {
            var result = Access(page);
            return result.IsSuccess ? result.Address.Value : null;
        }

        public void Dispose() => Machine.Dispose();
    }
}
