using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Tests.Device;

/// <summary>Translations and commands allocate nothing once their code is warm: not even misses, faults and invalidations.</summary>
public class AllocationTests
{
    [Fact]
    public void WarmTranslationsFaultsAndCommandsAllocateNothing()
    {
        const ulong Mapped = 0x1000;
        const ulong Unmapped = 0x9000_0000;
        using var machine = new GuestMachine();
        machine.Start();
        var space = new Stage1Space(machine, asid: 5);
        space.Map(Mapped, 0x4100_0000);
        machine.AttachStage1(3, space);
        using var port = machine.Smmu.OpenPort(new StreamId(3));
        Command[] commands =
        [
            Command.TlbiNhAsid(default, new Asid(5)), Command.TlbiNsnhAll(), Command.TlbiNhVa(default, new Asid(5), Mapped),
            Command.CfgiAll(), Command.Sync(),
        ];
        for (int slot = 0; slot < 1 << machine.CommandQueueLog2; slot++)
        {
            var command = commands[slot % commands.Length];
            machine.Write64(machine.CommandQueue + ((ulong)slot * Command.SizeBytes), [command.Word0, command.Word1]);
        }

        Run(rounds: 2_000);
        ulong consumed = machine.Smmu.GetStatistics().CommandsConsumed;
        long before = GC.GetAllocatedBytesForCurrentThread();

        Run(rounds: 1_000);

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(consumed + 1_000, machine.Smmu.GetStatistics().CommandsConsumed);

        void Run(int rounds)
        {
            uint used = (2u << machine.CommandQueueLog2) - 1;
            for (int i = 0; i < rounds; i++)
            {
                machine.Write(RegisterOffset.CMDQ_PROD, (machine.Read(RegisterOffset.CMDQ_PROD) + 1) & used);
                port.Translate(Mapped, AccessKind.Read);
                port.Translate(Mapped, AccessKind.Write);
                port.Translate(Unmapped, AccessKind.Read);
                machine.Write(RegisterOffset.EVENTQ_CONS, machine.Read(RegisterOffset.EVENTQ_PROD));
            }
        }
    }
}
