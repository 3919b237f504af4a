using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Scenes;
using Smmu.Fast.VirtualQueues;

namespace Smmu.Fast.Perf.Commands;

/// <summary>
/// TLBI_NH_VA of a page that nobody has cached, and CMD_SYNC, from the write of PROD to its return: by the Command queue, and
/// by a queue that a guest owns, which puts the host's VMID in.
/// </summary>
[MemoryDiagnoser]
public class VirtualQueueBenchmarks
{
    private const int Pairs = 256;
    private const int QueueLog2 = 8;
    private const uint Enable = 1;
    private const ulong Address = 0x5000;

    private TranslationScene? scene;
    private CommandFeed? feed;
    private VirtualInterfacePage? page;
    private uint producer;

    [GlobalSetup]
    public void SetUp()
    {
        scene = new TranslationScene(pages: 1);
        Command[] commands = [Command.TlbiNhVa(new Vmid(1), new Asid(1), Address), Command.Sync()];
        feed = new CommandFeed(scene.Machine, commands);

        ulong memory = scene.Machine.Allocate(Command.SizeBytes << QueueLog2);
        for (uint slot = 0; slot < 1u << QueueLog2; slot++)
        {
            var command = commands[slot % 2];
            scene.Machine.Write64(memory + (slot * Command.SizeBytes), [command.Word0, command.Word1]);
        }

        var block = new VirtualQueueBlock(scene.Machine.Smmu);
        block.Write32(VirtualQueueOffset.CONFIG, Enable);
        block.Write32(VirtualQueueOffset.VINTF + VirtualQueueOffset.VINTF_CONFIG, Enable | (1 << 1));
        block.Write32(VirtualQueueOffset.CMDQ_ALLOC, 1);
        block.Write64(VirtualQueueOffset.VCMDQ_PAGE1 + VirtualQueueOffset.VCMDQ_BASE, memory | QueueLog2);
        page = block.PageOf(0);
        page.Write32(VirtualQueueOffset.VCMDQ_CONFIG, Enable);
        ulong before = scene.Machine.Smmu.GetStatistics().CommandsConsumed;
        Guest();
        ulong consumed = scene.Machine.Smmu.GetStatistics().CommandsConsumed - before;
        TranslationScene.Require(consumed == 2 * Pairs, $"{consumed} commands were consumed");
    }

    [GlobalCleanup]
    public void CleanUp() => scene!.Dispose();

    [Benchmark(OperationsPerInvoke = Pairs, Baseline = true)]
    public ulong Textbook()
    {
        for (int i = 0; i < Pairs; i++) scene!.Textbook.WriteCommandProducer(feed!.Advance(2));
        return feed!.Producer;
    }

    [Benchmark(OperationsPerInvoke = Pairs, Description = "TLBI_NH_VA + SYNC, Command queue")]
    public ulong Host()
    {
        for (int i = 0; i < Pairs; i++) feed!.Publish(2);
        return feed!.RequireConsumed();
    }

    [Benchmark(OperationsPerInvoke = Pairs, Description = "TLBI_NH_VA + SYNC, queue of a guest")]
    public ulong Guest()
    {
        for (int i = 0; i < Pairs; i++)
        {
            producer = (producer + 2) & ((2u << QueueLog2) - 1);
            page!.Write32(VirtualQueueOffset.VCMDQ_PROD, producer);
        }

        uint consumer = page!.Read32(VirtualQueueOffset.VCMDQ_CONS);
        TranslationScene.Require(consumer == producer, "commands are left in the queue");
        return consumer;
    }
}
