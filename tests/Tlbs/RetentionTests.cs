using Smmu.Fast.Formats;

namespace Smmu.Fast.Tests.Tlbs;

/// <summary>
/// Fast invalidation by forgetting everything is no invalidation: after each command nearly all that it does not name is still
/// there. Counters tell, and no test here looks at a clock.
/// </summary>
[Trait("Topic", "Retention")]
public class RetentionTests
{
    private const int Pages = 4096;
    private const int Named = 1234;   // The page that commands by address name.
    private const ulong El2E2h = 2;

    public static TheoryData<CommandOpcode, bool, bool> CommandsByAddress
    {
        get
        {
            var data = new TheoryData<CommandOpcode, bool, bool>();
            foreach (bool nested in (bool[])[false, true])
            {
                foreach (bool leaf in (bool[])[true, false])
                {
                    data.Add(CommandOpcode.TlbiNhVa, leaf, nested);
                    data.Add(CommandOpcode.TlbiNhVaa, leaf, nested);
                }
            }

            return data;
        }
    }

    public static TheoryData<CommandOpcode, bool> Floods
    {
        get
        {
            var data = new TheoryData<CommandOpcode, bool>();
            foreach (bool nested in (bool[])[false, true])
            {
                data.Add(CommandOpcode.TlbiNhAll, nested);
                data.Add(CommandOpcode.TlbiNhAsid, nested);
                data.Add(CommandOpcode.TlbiNhVa, nested);
                data.Add(CommandOpcode.TlbiNhVaa, nested);
                data.Add(CommandOpcode.TlbiS12Vmall, nested);
                data.Add(CommandOpcode.TlbiS2Ipa, nested);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(CommandsByAddress))]
    public void OnePageThatGoesLeavesTheOthers(CommandOpcode opcode, bool leaf, bool nested)
    {
        using var scene = new RetentionScene();
        var client = scene.Client(asid: 5, vmid: 1, Pages, nested);
        var command = opcode == CommandOpcode.TlbiNhVa
            ? Command.TlbiNhVa(new Vmid(1), client.Asid, RetentionClient.AddressOf(Named), leaf)
            : Command.TlbiNhVaa(new Vmid(1), RetentionClient.AddressOf(Named), leaf);

        scene.Run(command);

        Assert.Equal(1, client.Use(Named, 1).Walks);
        client.AssertKept();
    }

    [Fact]
    public void ARangeThatGoesLeavesTheOthers()
    {
        const byte Granule4K = 1;
        using var scene = new RetentionScene();
        var client = scene.Client(asid: 5, vmid: 1, Pages, nested: false);

        scene.Run(Command.TlbiNhVa(
            new Vmid(1), client.Asid, RetentionClient.AddressOf(Named), leaf: true, new InvalidationRange(Granule4K, NUM: 15, SCALE: 0, TTL: 3)));

        Assert.Equal(16, client.Use(Named, 16).Walks);
        client.AssertKept();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void OneAsidThatGoesLeavesTheOthers(bool nested)
    {
        const int Each = Pages / 8;
        using var scene = new RetentionScene();
        RetentionClient[] clients = [.. Enumerable.Range(1, 8).Select(asid => scene.Client((ushort)asid, vmid: 1, Each, nested))];

        scene.Run(Command.TlbiNhAsid(new Vmid(1), clients[3].Asid));

        foreach (var other in clients.Where(client => client != clients[3])) other.AssertKept();
        Assert.Equal(Each, clients[3].Use(0, Each).Walks);
    }

    [Theory]
    [InlineData(CommandOpcode.TlbiNhVa, 0, false)]
    [InlineData(CommandOpcode.TlbiNhVaa, 0, false)]
    [InlineData(CommandOpcode.TlbiNhVa, 0, true)]
    [InlineData(CommandOpcode.TlbiNhVaa, 0, true)]
    [InlineData(CommandOpcode.TlbiEl2Va, El2E2h, false)]
    [InlineData(CommandOpcode.TlbiEl2Vaa, El2E2h, false)]
    public void TablesServeOnWhenLeavesAloneGo(CommandOpcode opcode, ulong world, bool nested)
    {
        using var scene = new RetentionScene();
        if (world != 0) scene.Machine.Write(RegisterOffset.CR2, 1);   // E2H; no stream has been looked at yet.
        var client = scene.Client(asid: 5, vmid: 1, Pages, nested, world);

        scene.Run(Of(leaf: true));
        var before = scene.Machine.Smmu.GetStatistics();
        Assert.Equal(1, client.Use(Named, 1).Walks);
        var after = scene.Machine.Smmu.GetStatistics();
        Assert.Equal(1ul, after.WalkCacheHits - before.WalkCacheHits);

        // The control: with Leaf = 0 the tables go as well, and a walk begins at the first of them.
        scene.Run(Of(leaf: false));
        before = scene.Machine.Smmu.GetStatistics();
        client.Use(Named, 1);
        after = scene.Machine.Smmu.GetStatistics();
        Assert.Equal(0ul, after.WalkCacheHits - before.WalkCacheHits);

        Command Of(bool leaf)
        {
            ulong address = RetentionClient.AddressOf(Named);
            return opcode switch
            {
                CommandOpcode.TlbiNhVa => Command.TlbiNhVa(new Vmid(1), client.Asid, address, leaf),
                CommandOpcode.TlbiNhVaa => Command.TlbiNhVaa(new Vmid(1), address, leaf),
                CommandOpcode.TlbiEl2Va => Command.TlbiEl2Va(client.Asid, address, leaf),
                _ => Command.TlbiEl2Vaa(address, leaf),
            };
        }
    }

    [Theory]
    [MemberData(nameof(Floods))]
    public void AVirtualMachineThatFloodsLeavesAnotherOneItsCaches(CommandOpcode opcode, bool nested)
    {
        const int Commands = 4000;
        const int Batch = 100;
        using var scene = new RetentionScene();
        var victim = scene.Client(asid: 5, vmid: 1, Pages, nested);
        var flooder = scene.Client(asid: 5, vmid: 2, pages: 64, nested);
        victim.Use(0, 256);

        int forgotten = 0;
        for (int i = 0; i < Commands; i += Batch)
        {
            scene.Run([.. Enumerable.Range(i, Batch).Select(Of)]);
            forgotten += flooder.Use(0, 64).Walks;
            Assert.Equal(0, victim.Use(0, 256).BeyondPort);
        }

        victim.AssertKept();
        Assert.True(forgotten > 0 || opcode == CommandOpcode.TlbiS2Ipa, "The flood removed nothing of the flooder's.");

        Command Of(int i)
        {
            var vmid = new Vmid(2);
            ulong address = RetentionClient.AddressOf(i % 64);
            return opcode switch
            {
                CommandOpcode.TlbiNhAll => Command.TlbiNhAll(vmid),
                CommandOpcode.TlbiNhAsid => Command.TlbiNhAsid(vmid, flooder.Asid),
                CommandOpcode.TlbiNhVa => Command.TlbiNhVa(vmid, flooder.Asid, address, leaf: i % 2 == 0),
                CommandOpcode.TlbiNhVaa => Command.TlbiNhVaa(vmid, address, leaf: i % 2 == 0),
                CommandOpcode.TlbiS12Vmall => Command.TlbiS12Vmall(vmid),
                _ => Command.TlbiS2Ipa(vmid, address, leaf: i % 2 == 0),
            };
        }
    }

    [Fact]
    public void UnrelatedInvalidationsBetweenReadsLeaveAPortItsPages()
    {
        const int Used = 256;
        const int EveryReads = 16;
        const int Rounds = 1024;
        using var scene = new RetentionScene();
        var client = scene.Client(asid: 5, vmid: 1, Pages, nested: false);
        client.Use(0, Used);

        // The first read after each of them may look once whether it is concerned.
        for (int round = 0; round < Rounds; round++)
        {
            scene.Run(Command.TlbiNhVa(new Vmid(1), new Asid(6), RetentionClient.AddressOf(Used + round)));
            var (beyondPort, walks) = client.Use(round * EveryReads % Used, EveryReads);
            Assert.Equal(0, walks);
            Assert.InRange(beyondPort, 0, 1);
        }
    }
}
