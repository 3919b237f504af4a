using System.Collections.Concurrent;
using Smmu.Fast.Device;
using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Faults;

/// <summary>Several clients stall while a driver takes records, answers, and switches the SMMU off and on.</summary>
public class StallThreadTests
{
    private const int Clients = 3;

    [Theory]
    [InlineData(2)]
    [InlineData(16)]
    public async Task EveryStallEndsExactlyOnce(uint stallMax)
    {
        using var scene = new StallScene(stallMax);
        for (uint stream = 0; stream < Clients; stream++) scene.Attach(stream);
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.Smmu);
        scene.Machine.SetUpEventQueue(log2Entries: 1);
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);
        var clients = Enumerable.Range(0, Clients).Select(index => new Client(scene.Machine.Smmu, (uint)index)).ToArray();
        int accesses = TestScale.Of(20_000);

        var running = clients.Select(client => Task.Run(() => client.Run(accesses))).ToArray();
        var random = new Random(1);
        while (!running.All(task => task.IsCompleted))
        {
            if (scene.Machine.TryTakeEvent(out var record) && record.Stall)
            {
                scene.Machine.SubmitAndSync(random.Next(8) switch
                {
                    0 => Command.StallTerm(record.StreamId),
                    < 3 => Command.ResumeRetry(record.StreamId, record.StallTag),
                    _ => Command.ResumeTerminate(record.StreamId, record.StallTag, abort: random.Next(2) == 0),
                });
            }
            else if (random.Next(1000) == 0)
            {
                scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue);
                scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);
            }
        }

        await Task.WhenAll(running);
        Assert.False(scene.Machine.Smmu.HasPendingWork);
        foreach (var client in clients)
        {
            client.AssertNothingOutstanding();
            client.Dispose();
        }
    }

    /// <summary>Makes accesses one at a time and waits for the end of each.</summary>
    private sealed class Client : IStallClient, IDisposable
    {
        private readonly DmaPort port;
        private readonly BlockingCollection<uint> ends = [];
        private int strangers;

        public Client(SmmuDevice smmu, uint stream) => port = smmu.OpenPort(new StreamId(stream), stalls: this);

        public void Run(int accesses)
        {
            for (int i = 0; i < accesses; i++)
            {
                var result = port.Translate(StallScene.Iova, AccessKind.Read);
                if (result.Outcome != TranslationOutcome.Stalled) continue;
                if (!ends.TryTake(out uint ended, TimeSpan.FromSeconds(60))) throw new TimeoutException("A stall never ended.");
                if (ended != result.StallToken) strangers++;
            }
        }

        public void EndStall(uint stallToken, StallAnswer answer) => ends.Add(stallToken);

        public void AssertNothingOutstanding()
        {
            Assert.Empty(ends);
            Assert.Equal(0, strangers);
        }

        public void Dispose()
        {
            port.Dispose();
            ends.Dispose();
        }
    }
}
