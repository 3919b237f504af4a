using System.Buffers.Binary;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Tests.Litmus;

/// <summary>
/// Two threads issue CMD_SYNC while each is inside a scope, and then wait for the MSI without touching a register. When
/// neither is in a call any more, every CMD_SYNC is complete: the last scope to end completed it.
/// </summary>
internal static class IssuersLitmus
{
    private const int Issuers = 2;

    public static void Run(LitmusRun run)
    {
        using var scene = new Scene();
        ulong iova = 0x1000;
        scene.Space.Map(iova, scene.Machine.Allocate(Scene.PageBytes));
        ulong messages = scene.Machine.Allocate(Scene.PageBytes);
        var queue = new Lock();
        var rounds = new uint[Issuers];
        int outside = 0;
        var ports = new DmaPort[Issuers];
        for (int i = 0; i < Issuers; i++) ports[i] = scene.OpenPort();
        run.Race(random => Issue(0, random), random => Issue(1, random));
        run.Summary = $"{rounds.Sum(round => round)} times synchronised";
        foreach (var port in ports) port.Dispose();

        void Issue(int issuer, Random random)
        {
            ulong message = messages + ((ulong)issuer * 64);
            while (!run.IsOver)
            {
                uint round = ++rounds[issuer];
                using (var scope = ports[issuer].Enter())
                {
                    scope.Translate(iova, AccessKind.Read);
                    lock (queue)
                    {
                        scene.Machine.Submit(
                            Command.TlbiNhVa(default, new Asid(Scene.Asid), iova),
                            Command.SyncWithMsi(new PhysicalAddress(message), round));
                    }

                    Thread.SpinWait(random.Next(50));
                }

                AwaitMessage(message, round);
            }
        }

        void AwaitMessage(ulong message, uint round)
        {
            Interlocked.Increment(ref outside);
            var spin = new SpinWait();
            while (!HasArrived(message, round) && !run.IsOver)
            {
                // Nobody is in a call at this moment, so what has not arrived will not arrive.
                bool isQuiet = Volatile.Read(ref outside) == Issuers;
                if (isQuiet && !HasArrived(message, round)) run.Fail($"CMD_SYNC {round} never completes.");
                spin.SpinOnce(sleep1Threshold: -1);
            }

            Interlocked.Decrement(ref outside);
        }

        bool HasArrived(ulong message, uint round)
        {
            Span<byte> word = stackalloc byte[sizeof(uint)];
            return scene.Machine.Memory.Read(message, word) && BinaryPrimitives.ReadUInt32LittleEndian(word) == round;
        }
    }
}
