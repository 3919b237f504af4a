using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Tests.Walks.WalkScene;

namespace Smmu.Fast.Tests.Walks;

/// <summary>Of two things wrong with a translation, the earlier in the order of the architecture is reported (IHI 0070, 7.3.22).</summary>
public class FaultOrderTests
{
    private const ulong Va = 0x0000_0040_4040_4000;
    private const ulong Beyond = 1UL << 47;

    private static readonly EventType[] LeafOrder =
        [EventType.Translation, EventType.AddressSize, EventType.AccessFlag, EventType.Permission];

    [Fact]
    [Rule("ORD-10")]
    [Rule("ORD-11")]
    [Rule("ASZ-12")]
    [Rule("EVT-36")]
    public void ALeafIsJudgedByValidityThenSizeThenAccessFlagThenPermission()
    {
        for (int wrong = 1; wrong < 16; wrong++)
        {
            var scene = Stage1();
            scene.Regime.Stage1.OutputSizeBits = 47;
            ulong leaf = scene.Map1(Va, 0x10_0000);
            scene.Memory[leaf] = Spoil(scene.Memory[leaf], wrong, ReadOnly);

            AssertFault1(First(wrong), 3, scene.Walk(Va, AccessKind.Write));
        }
    }

    [Fact]
    [Rule("ORD-10")]
    [Rule("ORD-11")]
    [Rule("EVT-36")]
    public void AStage2LeafIsJudgedInTheSameOrder()
    {
        for (int wrong = 1; wrong < 16; wrong++)
        {
            var scene = Stage2();
            scene.Regime.Stage2.OutputSizeBits = 47;
            ulong leaf = scene.Map2(Va, 0x10_0000, flags: Stage2Flags & ~Stage2Write);
            int asked = wrong & ~8;   // The missing write permission is the fourth wrong.
            scene.Memory[leaf] = Spoil(scene.Memory[leaf], asked, 0);

            AssertFault2(First(asked | 8), FaultClass.Input, Va, scene.Walk(Va, AccessKind.Write));
        }
    }

    [Fact]
    [Rule("ORD-10")]
    public void AnUpperLevelIsJudgedBeforeTheNextOneIsRead()
    {
        var scene = Stage1();
        scene.Regime.Stage1.OutputSizeBits = 47;
        scene.Map1(Va, 0x10_0000, flags: 0);
        scene.Memory[scene.Path[1]] |= Beyond;   // Also unreadable, had it been followed.
        AssertFault1(EventType.AddressSize, 1, scene.Walk(Va));

        scene.Memory[scene.Path[0]] = 0x1_0000_0003;
        AssertFault1(EventType.WalkExternalAbort, 1, scene.Walk(Va));
    }

    [Fact]
    [Rule("ORD-12")]
    [Rule("EVT-37")]
    public void Stage2JudgesTheAddressOfADescriptorBeforeTheDescriptorIsRead()
    {
        var scene = Nested();
        scene.Map1(Va, 0x20_0000_0000, flags: 0);
        ulong tableIpa = scene.TableIpa(Va, 3);
        ulong leaf = scene.LeafOfStage2(tableIpa);

        // The table would abort, its descriptor would fault for its Access flag; stage 2 has the first word.
        scene.Memory[leaf] = (0x7000_0000_0000 | Stage2Flags | 0b11) & ~AccessFlag;
        AssertFault2(EventType.AccessFlag, FaultClass.TranslationTable, tableIpa & ~0xfffUL, scene.Walk(Va));
        scene.Memory[leaf] |= AccessFlag;
        AssertFault1(EventType.WalkExternalAbort, 3, scene.Walk(Va));
    }

    [Fact]
    [Rule("ORD-23")]
    [Rule("ADS-26")]
    public void AnyByteOfAPageMayBeAskedFor()
    {
        var scene = Stage1();
        scene.Map1(Va, 0x10_0000);

        for (ulong offset = 0; offset < 0x1000; offset += 1) AssertTranslates(0x10_0000 + offset, scene.Walk(Va + offset));
    }

    private static ulong Spoil(ulong descriptor, int wrong, ulong readOnly)
    {
        if ((wrong & 1) != 0) descriptor &= ~0b10UL;
        if ((wrong & 2) != 0) descriptor |= Beyond;
        if ((wrong & 4) != 0) descriptor &= ~AccessFlag;
        if ((wrong & 8) != 0) descriptor |= readOnly;
        return descriptor;
    }

    private static EventType First(int wrong) => LeafOrder[System.Numerics.BitOperations.TrailingZeroCount(wrong)];
}
