using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Ats;
using Smmu.Fast.Tests.Memory;
using Smmu.Fast.Tests.Queues;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.PageRequests;

/// <summary>Endpoints bring page requests from several threads while software takes them out.</summary>
public class PageRequestConcurrencyTests
{
    private const int Endpoints = 3;
    private const int Requests = 2_000;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Rule("PRI-15")]
    public void EveryRequestIsQueuedOnceInTheOrderOfItsEndpointOrAnswered(bool isOnTheBus)
    {
        var bus = new HookedBus();
        using var scene = new PageRequestScene(queue: isOnTheBus ? HookedBus.Base : null, bus: bus);
        if (isOnTheBus) bus.BeforeWrite = _ => Thread.Yield() || true;
        int[] queued = new int[Endpoints];
        int[] answered = new int[Endpoints];
        var endpoints = Enumerable.Range(0, Endpoints).Select(endpoint => new Worker(() =>
        {
            for (uint number = 0; number < Requests; number++)
            {
                var outcome = scene.Smmu.SubmitPageRequest(
                    new StreamId((uint)endpoint), null, (ulong)number << 12, (ushort)endpoint, AccessKind.Read,
                    last: number % 4 == 3);
                if (outcome == PageRequestOutcome.Queued) queued[endpoint]++;
                if (outcome == PageRequestOutcome.Answered) answered[endpoint]++;
            }
        })).ToArray();

        int[] taken = new int[Endpoints];
        long[] last = new long[Endpoints];
        last.AsSpan().Fill(-1);
        uint consumer = 0;
        bool isOver;
        do
        {
            isOver = endpoints.All(endpoint => endpoint.IsOver);
            uint producer = scene.Producer;
            while ((consumer & 0xf) != (producer & 0xf))
            {
                var entry = scene.EntryIn((int)(consumer & 7));
                int endpoint = (int)entry.StreamId.Value;
                long number = (long)(entry.PageAddress >> 12);
                Assert.InRange(number, last[endpoint] + 1, Requests - 1);
                Assert.Equal((endpoint, number % 4 == 3), ((int)entry.PRGIndex, entry.Last));
                last[endpoint] = number;
                taken[endpoint]++;
                consumer = (consumer + 1) & 0xf;
            }

            scene.WriteConsumer(consumer | (producer & PageRequestScene.OverflowFlag));
        }
        while (!isOver);

        foreach (var endpoint in endpoints) endpoint.Join();
        Assert.Equal(queued, taken);
        var responses = scene.Endpoints.Responses;
        Assert.All(responses, response => Assert.Equal(PageResponseCode.Success, response.Code));
        for (int endpoint = 0; endpoint < Endpoints; endpoint++)
        {
            Assert.Equal(answered[endpoint], responses.Count(response => response.Group == endpoint));
        }

        Assert.Equal(GlobalErrors.None, scene.Ats.Errors);
    }

    [Fact]
    public void DisablesAndResetsLeaveEveryRequestQueuedOrAnswered()
    {
        var bus = new HookedBus();
        using var scene = new PageRequestScene(queue: HookedBus.Base, bus: bus);
        bus.BeforeWrite = _ => Thread.Yield() || true;
        int failed = 0;
        var endpoint = new Worker(() =>
        {
            for (int i = 0; i < Requests; i++)
            {
                if (scene.Submit((ushort)(i % 512)) == PageRequestOutcome.Dropped) failed++;
            }
        });
        while (!endpoint.IsOver)
        {
            scene.Ats.Control(AtsScene.Translation);
            scene.Smmu.Reset();
            scene.Smmu.WriteRegister64(RegisterOffset.PRIQ_BASE, HookedBus.Base | 3);
            scene.Machine.Write(RegisterOffset.CR0, 0b11);
            scene.WriteConsumer(scene.Producer);
        }

        endpoint.Join();
        Assert.Equal(0, failed);
        SpinWait.SpinUntil(() => (scene.Machine.Read(RegisterOffset.CR0ACK) & 2) == 2);
        scene.Smmu.Reset();
        Assert.Equal(0u, scene.Machine.Read(RegisterOffset.CR0ACK));
    }
}
