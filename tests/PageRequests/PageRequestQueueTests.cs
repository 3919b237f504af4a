using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Ats;
using Smmu.Fast.Tests.Queues;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Tests.PageRequests.PageRequestScene;
using Field = Smmu.Fast.Formats.StreamTableEntryField;

namespace Smmu.Fast.Tests.PageRequests;

/// <summary>Page requests come into the PRI queue as they arrive; those that cannot are answered by the SMMU (IHI 0070, 8).</summary>
public class PageRequestQueueTests
{
    private const AccessKind Everything = AccessKind.Atomic | AccessKind.Instruction | AccessKind.Privileged;

    [Fact]
    [Rule("PRI-01")]
    [Rule("PRI-02")]
    [Rule("PRI-04")]
    [Rule("PRI-20")]
    [Rule("RQ-23")]
    public void RequestsAreQueuedWholeWithoutALookAtTheirStream()
    {
        using var scene = new PageRequestScene();
        var stream = new StreamId(0x8765_4321);   // No Stream table has it.
        Assert.Equal(PageRequestOutcome.Queued, scene.Smmu.SubmitPageRequest(
            stream, new SubstreamId(0xa_bcde), 0xffff_1234_5678_9abc, 0x1ff, Everything, last: false));
        Assert.Equal(PageRequestOutcome.Queued, scene.Smmu.SubmitPageRequest(
            stream, null, 0x1000, 1, Everything, last: true));
        Assert.Equal(2u, scene.Machine.Read(0x100c8));
        Assert.Equal(
            new PageRequestEntry(0x8765_4321UL | (0xa_bcdeUL << 32) | (0b1011_11UL << 58), 0xffff_1234_5678_91ff),
            scene.EntryIn(0));
        Assert.Equal(new PageRequestEntry(0x8765_4321UL | (0b0111UL << 60), 0x1001), scene.EntryIn(1));
        Assert.Empty(scene.Endpoints.Responses);
        scene.Ats.AssertNoEvent();
        Assert.Equal(0UL, scene.Smmu.GetStatistics().ConfigurationLookups);
    }

    [Fact]
    [Rule("PRI-03")]
    [Rule("PRI-05")]
    [Rule("CTL-17")]
    [Rule("EN-26")]
    public void ADisabledQueueTakesNothingAndEachRequestFails()
    {
        using var scene = new PageRequestScene();
        Assert.Equal(PageRequestOutcome.Queued, scene.Submit(7));
        foreach (uint control in new[] { AtsScene.Translation, AtsScene.PageRequestQueue, 0u })
        {
            scene.Ats.Control(control);
            Assert.Equal(control, scene.Machine.Read(RegisterOffset.CR0ACK) & 0b11);
            int before = scene.Endpoints.Responses.Length;
            Assert.Equal(PageRequestOutcome.Answered, scene.Submit(1, last: true, substream: 5));
            Assert.Equal(PageRequestOutcome.Answered, scene.Submit(2, last: false));
            Assert.Equal(
                [Automatic(1, PageResponseCode.ResponseFailure), Automatic(2, PageResponseCode.ResponseFailure)],
                scene.Endpoints.Responses[before..]);
            Assert.Equal(1u, scene.Producer);
        }

        scene.Start();
        Assert.Equal(PageRequestOutcome.Queued, scene.Submit(3));
        Assert.Equal((2u, 3), (scene.Producer, scene.EntryIn(1).PRGIndex));
    }

    [Fact]
    [Rule("PRI-06")]
    [Rule("PRI-07")]
    [Rule("PRI-08")]
    [Rule("PRI-09")]
    [Rule("RQ-44")]
    [Rule("RQ-45")]
    public void AnOverflowLastsUntilItIsAcknowledged()
    {
        using var scene = new PageRequestScene();
        for (int round = 0; round < 3; round++)
        {
            bool flag = scene.HasOverflowFlag;
            uint first = scene.WriteIndex;
            scene.Fill();
            Assert.Equal(flag, scene.HasOverflowFlag);
            Assert.Equal(PageRequestOutcome.Dropped, scene.Submit(100, last: false));
            Assert.Equal(!flag, scene.HasOverflowFlag);
            int before = scene.Endpoints.Responses.Length;
            Assert.Equal(PageRequestOutcome.Answered, scene.Submit(101));
            Assert.Equal(Automatic(101, PageResponseCode.Success), Assert.Single(scene.Endpoints.Responses[before..]));
            Assert.Equal(!flag, scene.HasOverflowFlag);

            scene.WriteConsumer((first + 4) | (flag ? OverflowFlag : 0));   // Room, but no acknowledge.
            Assert.Equal(PageRequestOutcome.Dropped, scene.Submit(102, last: false));
            Assert.Equal((first + 8) & 0xf, scene.WriteIndex);
            scene.WriteConsumer(((first + 8) & 0xf) | (flag ? 0 : OverflowFlag));
            Assert.Equal(PageRequestOutcome.Queued, scene.Submit(103));
            scene.WriteConsumer(scene.Producer);
        }
    }

    [Theory]
    [InlineData(true, 0UL, 5u, PageResponseCode.Success, 5u)]
    [InlineData(false, 1UL, 5u, PageResponseCode.Success, 5u)]
    [InlineData(false, 0UL, 5u, PageResponseCode.Success, null)]
    [InlineData(true, 1UL, null, PageResponseCode.Success, null)]
    [Rule("PRI-09")]
    [Rule("STE-44")]
    public void ThePasidOfAnOverflowResponseIsAsTheFeatureOrTheEntrySays(
        bool always, ulong entry, uint? asked, PageResponseCode code, uint? answered)
    {
        using var scene = new PageRequestScene(
            features: AtsScene.Everything.With(SmmuFeatureField.PPS, always ? 1u : 0));
        foreach (ulong config in new ulong[] { 0b000, 0b100, 0b101 })
        {
            scene.Ats.SetStream(Entries.Valid(config).With(Field.PPAR, entry));
            Overflow(scene, asked);
            Assert.Equal(Automatic(9, code, answered), scene.Endpoints.Responses[^1]);
        }

        scene.Ats.AssertNoEvent();
    }

    [Fact]
    [Rule("PRI-09")]
    public void WithoutPasidsInTheSystemAnOverflowResponseHasNone()
    {
        using var scene = new PageRequestScene(features: AtsScene.Everything
            .With(SmmuFeatureField.SSIDSIZE, 0).With(SmmuFeatureField.CD2L, 0));
        Overflow(scene, substream: 5);
        Assert.Equal(Automatic(9, PageResponseCode.Success), scene.Endpoints.Responses[^1]);
    }

    [Theory]
    [InlineData(0u, false, false)]
    [InlineData(AtsScene.RecordInvalidStreams, false, false)]
    [InlineData(AtsScene.RecordAtsErrors, true, false)]
    [InlineData(AtsScene.RecordAtsErrors | AtsScene.RecordInvalidStreams, true, true)]
    [Rule("PRI-10")]
    [Rule("PRI-11")]
    public void WithoutAValidEntryAnOverflowResponseIsAFailure(uint control2, bool recordsEntries, bool recordsStreams)
    {
        using var scene = new PageRequestScene(
            control2: control2, features: AtsScene.Everything.With(SmmuFeatureField.PPS, 0));
        scene.Ats.SetStream(Entries.Stage1(0).With(Field.STRW, 1).With(Field.PPAR, 1));
        AssertFailure(AtsScene.Stream, recordsEntries ? EventType.BadStreamTableEntry : EventType.None);
        scene.Ats.SetStream(default(StreamTableEntry).With(Field.PPAR, 1));
        AssertFailure(AtsScene.Stream, recordsEntries ? EventType.BadStreamTableEntry : EventType.None);
        AssertFailure(99, recordsStreams ? EventType.BadStreamId : EventType.None);

        Assert.Equal(PageRequestOutcome.Answered, scene.Submit(8, stream: 99));   // No PASID: nobody asks for the entry.
        Assert.Equal(Automatic(8, PageResponseCode.Success, stream: 99), scene.Endpoints.Responses[^1]);
        scene.Ats.AssertNoEvent();

        void AssertFailure(uint stream, EventType type)
        {
            Overflow(scene, substream: 5, stream);
            Assert.Equal(Automatic(9, PageResponseCode.ResponseFailure, stream: stream), scene.Endpoints.Responses[^1]);
            if (type == EventType.None) scene.Ats.AssertNoEvent();
            else Assert.Equal(type, scene.Ats.TakeOnlyEvent().Type);
        }
    }

    [Fact]
    [Rule("PRI-12")]
    [Rule("PRI-13")]
    public void AStopMarkerIsQueuedAndNeverAnswered()
    {
        using var scene = new PageRequestScene();
        scene.Ats.SetStream(Entries.Bypass.With(Field.PPAR, 1));
        var substream = new SubstreamId(5);
        Assert.Equal(PageRequestOutcome.Queued, scene.Smmu.SubmitStopMarker(new StreamId(1), substream));
        Assert.True(scene.EntryIn(0).IsStopMarker);
        using (var port = scene.Smmu.OpenPort(new StreamId(1), substream))
        {
            Assert.Equal(PageRequestOutcome.Queued, port.SubmitStopMarker());
            Assert.Equal(PageRequestOutcome.Queued, port.SubmitPageRequest(0x5000, 3, AccessKind.Write, last: true));
        }

        Assert.True(scene.EntryIn(1).IsStopMarker);
        Assert.Equal((0x5000UL, 3), (scene.EntryIn(2).PageAddress, scene.EntryIn(2).PRGIndex));

        scene.Ats.Control(AtsScene.Translation);
        Assert.Equal(PageRequestOutcome.Dropped, scene.Smmu.SubmitStopMarker(new StreamId(1), substream));
        Assert.Empty(scene.Endpoints.Responses);
        Assert.Equal(PageRequestOutcome.Answered, scene.Submit(1, wanted: 0));   // Without a PASID it is a request.

        scene.Start();
        scene.WriteConsumer(scene.Producer);
        scene.Fill();
        Assert.Equal(PageRequestOutcome.Dropped, scene.Smmu.SubmitStopMarker(new StreamId(1), substream));
        Assert.True(scene.HasOverflowFlag);
        Assert.Single(scene.Endpoints.Responses);

        using var without = scene.Smmu.OpenPort(new StreamId(1));
        Assert.Throws<InvalidOperationException>(() => without.SubmitStopMarker());
    }

    [Fact]
    [Rule("PRI-15")]
    public void RequestsKeepTheirOrderAroundTheQueue()
    {
        using var scene = new PageRequestScene(log2: 2);
        for (ushort group = 0; group < 40; group++)
        {
            Assert.Equal(PageRequestOutcome.Queued, scene.Submit(group, last: group % 4 == 3));
            Assert.Equal(group, scene.EntryIn(group % 4).PRGIndex);
            if (group % 3 == 2) scene.WriteConsumer(scene.Producer);
        }
    }

    [Fact]
    [Rule("PRI-05")]
    [Rule("PRI-19")]
    [Rule("GERR-13")]
    [Rule("IRQ-16")]
    [Rule("SPEC-16")]
    public void AnAbortStopsTheQueueUntilItIsAcknowledged()
    {
        using var scene = new PageRequestScene(queue: 0x9000_0000);   // No memory is there.
        Assert.Equal(PageRequestOutcome.Answered, scene.Submit(1, last: false, substream: 5));
        Assert.Equal(GlobalErrors.PRIQ_ABT_ERR, scene.Ats.Errors);
        Assert.Equal(PageRequestOutcome.Answered, scene.Submit(2));
        Assert.Equal(PageRequestOutcome.Dropped, scene.Smmu.SubmitStopMarker(new StreamId(1), new SubstreamId(1)));
        Assert.Equal(
            [Automatic(1, PageResponseCode.ResponseFailure), Automatic(2, PageResponseCode.ResponseFailure)],
            scene.Endpoints.Responses);
        Assert.Equal(0u, scene.Producer);

        scene.Ats.Control(AtsScene.Translation);
        scene.Smmu.WriteRegister64(RegisterOffset.PRIQ_BASE, scene.Machine.Allocate(128, 128) | 3);
        scene.Start();
        Assert.Equal(PageRequestOutcome.Answered, scene.Submit(3));
        scene.Machine.Write(RegisterOffset.GERRORN, scene.Machine.Read(RegisterOffset.GERROR));
        Assert.Equal(PageRequestOutcome.Queued, scene.Submit(4));
        Assert.Equal(1u, scene.Producer);
    }

    [Fact]
    [Rule("QUE-14")]
    [Rule("PRI-15")]
    [Rule("EN-26")]
    public void OnTheBusTheProducerFollowsTheHostAndLaterRequestsWaitTheirTurn()
    {
        var bus = new HookedBus();
        using var scene = new PageRequestScene(queue: HookedBus.Base, bus: bus);
        var nested = new List<PageRequestOutcome>();
        bus.BeforeWrite = place =>
        {
            Assert.Equal((uint)place / 16, scene.WriteIndex);
            if (place == 0)
            {
                nested.Add(scene.Submit(1));
                nested.Add(scene.Submit(2));
                scene.Ats.Control(0);
                Assert.Equal(3u, scene.Machine.Read(RegisterOffset.CR0ACK) & 3);   // The update is not over.
                scene.Smmu.WriteRegister64(RegisterOffset.PRIQ_BASE, 0x4000_0000 | 5);
                scene.Machine.Write(RegisterOffset.PRIQ_PROD, 7);
                nested.Add(scene.Submit(3));
            }

            return true;
        };
        Assert.Equal(PageRequestOutcome.Queued, scene.Submit(0));
        Assert.Equal([PageRequestOutcome.Queued, PageRequestOutcome.Queued, PageRequestOutcome.Answered], nested);
        Assert.Equal(3u, scene.Producer);
        Assert.Equal([0, 1, 2], Enumerable.Range(0, 3).Select(slot => (int)scene.EntryIn(slot).PRGIndex));
        Assert.Equal(0u, scene.Machine.Read(RegisterOffset.CR0ACK) & 3);
        Assert.Equal(HookedBus.Base | 3, scene.Smmu.ReadRegister64(RegisterOffset.PRIQ_BASE));
    }

    [Fact]
    [Rule("PRI-19")]
    [Rule("PRI-06")]
    public void AnAbortOnTheBusFailsAllThatWaited()
    {
        var bus = new HookedBus();
        using var scene = new PageRequestScene(queue: HookedBus.Base, bus: bus);
        bus.BeforeWrite = place =>
        {
            if (place != 0) return false;
            for (ushort group = 1; group < 9; group++) scene.Submit(group);   // The last one finds the queue full.
            return true;
        };
        Assert.Equal(PageRequestOutcome.Queued, scene.Submit(0));
        Assert.Equal(GlobalErrors.PRIQ_ABT_ERR, scene.Ats.Errors);
        Assert.Equal(1u, scene.WriteIndex);
        Assert.True(scene.HasOverflowFlag);
        Assert.Equal(
            [(8, PageResponseCode.Success), .. Enumerable.Range(1, 7).Select(group => (group, PageResponseCode.ResponseFailure))],
            scene.Endpoints.Responses
                .Select(response => ((int)response.Group, response.Code))
                .OrderBy(pair => pair.Code == PageResponseCode.Success ? 0 : pair.Item1));

        bus.BeforeWrite = null;
        scene.Machine.Write(RegisterOffset.GERRORN, scene.Machine.Read(RegisterOffset.GERROR));
        scene.WriteConsumer(scene.Producer);
        Assert.Equal(PageRequestOutcome.Queued, scene.Submit(10));
        Assert.Equal(10, scene.EntryIn(1).PRGIndex);
    }

    [Fact]
    public void AResetWhileTheHostWritesLeavesNoTraceOfTheRequest()
    {
        var bus = new HookedBus();
        using var scene = new PageRequestScene(queue: HookedBus.Base, bus: bus);
        bus.BeforeWrite = place =>
        {
            Assert.Equal(PageRequestOutcome.Queued, scene.Submit(1));
            scene.Smmu.Reset();
            bus.BeforeWrite = null;
            scene.Smmu.WriteRegister64(RegisterOffset.PRIQ_BASE, HookedBus.Base | 3);   // Guarded: the old write is out.
            scene.Machine.Write(RegisterOffset.CR0, 3);
            return true;
        };
        Assert.Equal(PageRequestOutcome.Answered, scene.Submit(0));
        Assert.Equal((0u, 0ul), (scene.Producer, scene.Smmu.ReadRegister64(RegisterOffset.PRIQ_BASE)));
        Assert.Equal(Automatic(0, PageResponseCode.ResponseFailure), Assert.Single(scene.Endpoints.Responses));
    }

    [Fact]
    public void AHostThatThrowsLeavesTheQueueUsable()
    {
        var bus = new HookedBus();
        using var scene = new PageRequestScene(queue: HookedBus.Base, bus: bus);
        bus.BeforeWrite = _ => throw new TimeoutException();
        Assert.Throws<TimeoutException>(() => scene.Submit(0));
        bus.BeforeWrite = null;
        Assert.Equal(PageRequestOutcome.Queued, scene.Submit(1));
        Assert.Equal((1u, 1), (scene.Producer, scene.EntryIn(0).PRGIndex));
    }

    [Fact]
    public void AnEndpointThatRepeatsItsRequestWhileItIsAnsweredNestsALittle()
    {
        using var scene = new PageRequestScene();
        scene.Ats.Control(AtsScene.Translation);
        var outcomes = new List<PageRequestOutcome>();
        scene.Endpoints.Responded = response => outcomes.Add(scene.Submit((ushort)(response.Group + 1)));
        Assert.Equal(PageRequestOutcome.Answered, scene.Submit(0));
        Assert.InRange(scene.Endpoints.Responses.Length, 2, 8);
        Assert.Equal(PageRequestOutcome.Dropped, outcomes[0]);
        scene.Endpoints.Responded = null;
        Assert.Equal(PageRequestOutcome.Answered, scene.Submit(0));
    }

    [Fact]
    public void WhatNoRequestCanHaveIsRefused()
    {
        using var scene = new PageRequestScene();
        Assert.Throws<ArgumentOutOfRangeException>(() => scene.Submit(512));
        Assert.Throws<ArgumentOutOfRangeException>(() => scene.Submit(0, wanted: (AccessKind)0x10));
        Assert.Throws<ArgumentOutOfRangeException>(() => scene.Submit(0, substream: 1 << 20));
        Assert.Equal(0u, scene.Producer);
    }

    [Fact]
    [Rule("PRI-22")]
    public void WithoutTheFeatureEachRequestFails()
    {
        using var scene = new AtsScene(AtsScene.Everything.With(SmmuFeatureField.PRI, 0));
        scene.Machine.Write(RegisterOffset.CR0, 0b1111);
        Assert.Equal(
            PageRequestOutcome.Answered, scene.Smmu.SubmitPageRequest(new StreamId(1), null, 0, 4, AccessKind.Read, last: true));
        Assert.Equal(Automatic(4, PageResponseCode.ResponseFailure), Assert.Single(scene.Endpoints.Responses));
    }

    private static void Overflow(PageRequestScene scene, uint? substream, uint stream = AtsScene.Stream)
    {
        if (((scene.Producer ^ scene.Machine.Read(RegisterOffset.PRIQ_CONS)) & OverflowFlag) == 0) scene.Fill();
        Assert.Equal(PageRequestOutcome.Answered, scene.Submit(9, substream: substream, stream: stream));
    }
}
