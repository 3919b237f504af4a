using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using Smmu.Fast.Tests.Streams;

namespace Smmu.Fast.Tests.Faults;

/// <summary>
/// A port that knows the last-level table finds a page unmapped without a walk: result and record are those of a port that walks.
/// </summary>
public sealed class UnmappedPageTests
{
    private const uint Stream = 9;
    private const ulong Mapped = 0x12_3456_0000;
    private const ulong Unmapped = 0x12_3457_0000;   // Of the same last-level table, for each granule.
    private const ulong StallFields = (0xffffUL << 0) | (1UL << 31);   // STAG and Stall of word 1.

    public static TheoryData<int, ulong, bool, bool, bool> Terms()
    {
        var terms = new TheoryData<int, ulong, bool, bool, bool>();
        foreach (int granule in new[] { 12, 14, 16 })
        {
            foreach (ulong descriptor in new ulong[] { 0, 0b01, 0b10 | Stage1Space.ReadWrite }) terms.Add(granule, descriptor, true, true, false);
            terms.Add(granule, 0, false, true, false);
            terms.Add(granule, 0, true, false, false);
            terms.Add(granule, 0, false, false, false);
            terms.Add(granule, 0, true, true, true);
            terms.Add(granule, 0, true, false, true);
        }

        return terms;
    }

    [Theory]
    [MemberData(nameof(Terms))]
    [Rule("FLT-03")]
    [Rule("FLT-04")]
    public void AKnownTableFaultsLikeAWalk(int granule, ulong descriptor, bool abort, bool record, bool stall)
    {
        using var scene = new StreamScene();
        var space = scene.NewSpace(granuleLog2: granule);
        space.Map(Mapped, GuestMachine.RamBase);
        scene.Machine.Write64(space.Slot(Unmapped, level: 3, create: true), descriptor);
        ulong context = scene.NewContext(space.Descriptor()
            .With(ContextDescriptorField.A, abort ? 1u : 0)
            .With(ContextDescriptorField.R, record ? 1u : 0)
            .With(ContextDescriptorField.S, stall ? 1u : 0));
        foreach (ulong overrides in new ulong[] { 0, 2, 3 })
        {
            scene.SetStream(Stream, Entries.Stage1(context)
                .With(StreamTableEntryField.PRIVCFG, overrides)
                .With(StreamTableEntryField.INSTCFG, overrides & 2));
            using var warm = scene.Machine.Smmu.OpenPort(new StreamId(Stream));
            Assert.True(warm.Translate(Mapped, AccessKind.Read).IsSuccess);
            foreach (var access in new[]
            {
                AccessKind.Read, AccessKind.Write, AccessKind.Read | AccessKind.Write, AccessKind.Read | AccessKind.Privileged,
                AccessKind.Read | AccessKind.Instruction, AccessKind.Write | AccessKind.Instruction,
            })
            {
                foreach (ulong iova in new[] { Unmapped, Unmapped + 0xff8, Unmapped | (0x5aUL << 56) })
                {
                    using var cold = scene.Machine.Smmu.OpenPort(new StreamId(Stream));
                    var expected = cold.Translate(iova, access);
                    bool isRecorded = scene.Machine.TryTakeEvent(out var ofWalk);
                    var result = warm.Translate(iova, access);

                    Assert.Equal(expected.Outcome, result.Outcome);
                    Assert.Equal(EventType.Translation, result.Event);
                    Assert.Equal(isRecorded, scene.Machine.TryTakeEvent(out var ofTable));
                    Assert.Equal(record || stall, isRecorded);
                    Assert.Equal(
                        (ofWalk.Word0, ofWalk.Word1 & ~StallFields, ofWalk.Word2, ofWalk.Word3),
                        (ofTable.Word0, ofTable.Word1 & ~StallFields, ofTable.Word2, ofTable.Word3));
                    scene.AssertNoEvent();
                    if (stall) scene.Machine.SubmitAndSync(Command.StallTerm(new StreamId(Stream)));
                }
            }
        }
    }

    [Fact]
    public void AStallOfAKnownTableCanBeRetriedOnceThePageIsMapped()
    {
        using var scene = new StallScene();
        var space = scene.Attach(Stream);
        space.Map(Mapped, GuestMachine.RamBase);
        using var port = scene.Open(Stream);
        Assert.True(port.Translate(Mapped, AccessKind.Read).IsSuccess);

        var (token, record) = scene.Stall(port, Unmapped);
        Assert.Equal((EventType.Translation, Unmapped), (record.Type, record.InputAddress));
        space.Map(Unmapped, StallScene.Output);
        scene.Send(Command.ResumeRetry(new StreamId(Stream), record.StallTag));
        scene.AssertEnded(token, StallAnswer.Retry);
        Assert.Equal(StallScene.Output, port.Translate(Unmapped, AccessKind.Read).Address.Value);
    }

    [Fact]
    [Rule("CMD-SYNC-12")]
    public void ATableThatWasReplacedSaysNothingOfItsPages()
    {
        using var scene = new StreamScene();
        var space = scene.NewSpace();
        space.Map(Mapped, GuestMachine.RamBase);
        scene.Machine.AttachStage1(Stream, space);
        using var port = scene.Machine.Smmu.OpenPort(new StreamId(Stream));
        Assert.True(port.Translate(Mapped, AccessKind.Read).IsSuccess);
        Assert.Equal(TranslationOutcome.Faulted, port.Translate(Unmapped, AccessKind.Read).Outcome);
        scene.TakeOnlyEvent();

        ulong table = scene.Machine.Allocate(4096, 4096);
        ulong slot = space.Slot(Unmapped, level: 3);
        scene.Machine.Write64(table + (slot & 0xfff), GuestMachine.RamBase | Stage1Space.ReadWrite | Stage1Space.TableOrPage);
        scene.Machine.Write64(space.Slot(Unmapped, level: 2), table | Stage1Space.TableOrPage);
        scene.Machine.SubmitAndSync(Command.TlbiNhVa(default, new Asid(space.Asid), Unmapped, leaf: false));
        Assert.Equal(GuestMachine.RamBase, port.Translate(Unmapped, AccessKind.Read).Address.Value);
    }

    [Fact]
    public void ANestedTableFaultsAtTheStageThatFaults()
    {
        using var scene = new StreamScene();
        var intermediate = scene.NewIntermediateSpace();
        for (ulong page = 0; page < 4 << 20; page += 0x20_0000)
        {
            intermediate.Map(GuestMachine.RamBase + page, GuestMachine.RamBase + page, StreamScene.Stage2ReadWrite, level: 2);
        }

        var space = scene.NewSpace();
        space.Map(Mapped, GuestMachine.RamBase);
        space.Map(Unmapped + 0x1000, StreamScene.Nowhere);   // Which stage 2 does not map.
        scene.SetStream(Stream, StreamScene.Nested(scene.NewContext(space.Descriptor()), intermediate));
        using var port = scene.Machine.Smmu.OpenPort(new StreamId(Stream));
        Assert.True(port.Translate(Mapped, AccessKind.Read).IsSuccess);

        Assert.Equal(TranslationOutcome.Faulted, port.Translate(Unmapped, AccessKind.Read).Outcome);
        Assert.False(scene.TakeOnlyEvent().S2);
        Assert.Equal(TranslationOutcome.Faulted, port.Translate(Unmapped + 0x1000, AccessKind.Read).Outcome);
        var record = scene.TakeOnlyEvent();
        Assert.Equal((true, StreamScene.Nowhere), (record.S2, record.IntermediatePhysicalAddress));
    }
}
