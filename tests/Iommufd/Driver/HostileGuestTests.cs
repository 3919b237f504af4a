using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd;
using Smmu.Fast.Scenarios.Virtualization;

namespace Smmu.Fast.Tests.Iommufd.Driver;

/// <summary>A guest that writes anything at all, beside one that behaves.</summary>
public class HostileGuestTests
{
    private const ulong Page = GuestDriver.PageBytes;
    private const ulong Iova = 0x7_0000_0000;
    private const ulong Data = GuestDriver.DataBase;
    private const int Rounds = 3000;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void WhateverAGuestWritesItReachesItsOwnMemoryAndNobodyElsesEntries(int seed)
    {
        var random = new Random(seed);
        using var host = new VirtualizationHost();
        using VirtualMachine attacker = VmidStoryTests.Make(host, 1, VmidPolicy.PerDomain);
        using VirtualMachine victim = VmidStoryTests.Make(host, 2, VmidPolicy.PerDomain);
        var good = new GuestDriver(victim);
        var bad = new GuestDriver(attacker);
        good.Map(Iova, Data);
        bad.Map(Iova, Data);
        victim.At(Data, 1)[0] = 0x77;
        int refusedEntries = 0;
        for (int round = 0; round < Rounds; round++)
        {
            switch (random.Next(4))
            {
                case 0:
                    if (attacker.Smmu.TrySetStream(SomeWord(random), SomeWord(random) & (random.Next(2) == 0 ? 0xffUL : ulong.MaxValue)) != Errno.None)
                        refusedEntries++;
                    break;
                case 1:
                    attacker.Smmu.Execute(SomeCommand(random));
                    attacker.Smmu.Execute(Command.Sync());
                    break;
                case 2:   // Tables, CD and all the rest of its structures.
                    ulong place = VirtualMachine.RamBase + ((ulong)random.Next(0, 0x4000) * sizeof(ulong));
                    ulong word = SomeWord(random);
                    System.Runtime.InteropServices.MemoryMarshal.Write(attacker.At(place, sizeof(ulong)), in word);
                    break;
                default:
                    Probe(attacker, random);
                    break;
            }

            Assert.Equal((byte)0x77, DriverScene.ReadByte(victim.Port, Iova));
            if (round % 16 == 0) attacker.Smmu.TakeEvents();
        }

        Assert.True(refusedEntries > 100, $"Seed {seed}: only {refusedEntries} STEs were bad.");
        Assert.True(attacker.Smmu.Refused.Count > 100, $"Seed {seed}: only {attacker.Smmu.Refused.Count} commands were bad.");
        Assert.All(attacker.Smmu.Refused, refusal => Assert.Equal(Errno.EIO, refusal.Errno));
        Assert.Empty(victim.Smmu.TakeEvents());
        uint errors = host.Smmu.ReadRegister32(RegisterOffset.GERROR) ^ host.Smmu.ReadRegister32(RegisterOffset.GERRORN);
        Assert.Equal(0u, errors & (uint)GlobalErrors.CMDQ_ERR);   // Nothing of it has stopped the queue for everybody.
    }

    [Fact]
    public void AStreamThatTheGuestHasNotIsNotInvalidated()
    {
        using var host = new VirtualizationHost();
        using VirtualMachine attacker = VmidStoryTests.Make(host, 1, VmidPolicy.PerDomain);
        using VirtualMachine victim = VmidStoryTests.Make(host, 2, VmidPolicy.PerDomain);

        // 2 is the victim's physical StreamID, and nothing of the attacker's.
        foreach (Command command in (Command[])[
            Command.CfgiCd(new StreamId(2)), Command.CfgiCdAll(new StreamId(2)), Command.AtcInv(new StreamId(2), 0, 52),
            Command.CfgiSteRange(new StreamId(1), 31), Command.TlbiEl2All(), Command.TlbiS12Vmall(new Vmid(2)), Command.Sync(),
            Command.ResumeRetry(new StreamId(1), 0), Command.TlbiS2Ipa(new Vmid(2), 0)])
        {
            Assert.Equal(Errno.EIO, attacker.Context.Invalidate(attacker.Viommu, [command], out uint done));
            Assert.Equal(0u, done);
        }

        Assert.Equal(Errno.None, attacker.Context.Invalidate(attacker.Viommu, [Command.CfgiCd(new StreamId(1))], out _));
    }

    [Fact]
    public void ABadCommandKeepsItsGroupBackAndTheGroupsBeforeAreDone()
    {
        using var host = new VirtualizationHost();
        using VirtualMachine machine = VmidStoryTests.Make(host, 1, VmidPolicy.PerDomain);
        Command[] commands = [.. Enumerable.Repeat(Command.TlbiNhAll(default), 150)];
        commands[140] = Command.TlbiEl2All();

        Assert.Equal(Errno.EIO, machine.Context.Invalidate(machine.Viommu, commands, out uint done));

        Assert.Equal(2u * GuestCommand.GroupSize, done);
    }

    // Wherever its accesses lead, it is in its own RAM.
    private static void Probe(VirtualMachine attacker, Random random)
    {
        ulong iova = random.Next(3) switch
        {
            0 => Iova + ((ulong)random.Next(0, 4) * Page),
            1 => Data + ((ulong)random.Next(0, 4096) * Page),
            _ => (ulong)random.NextInt64(),
        };
        var access = random.Next(2) == 0 ? AccessKind.Read : AccessKind.Write;
        using DmaScope scope = attacker.Port.Enter();
        TranslationResult result = attacker.Port.Translate(iova, access);
        if (!result.IsSuccess) return;
        Assert.InRange(result.Address.Value, attacker.Ram.Address, attacker.Ram.Address + attacker.Ram.Size - 1);
    }

    private static ulong SomeWord(Random random)
    {
        ulong[] pieces =
        [
            1, 1 | (4 << 1), 1 | (5 << 1), 3, VirtualMachine.RamBase, Data, VirtualizationHost.DriverMemory, ulong.MaxValue, 0x8000_0000_0000_0000,
            (ulong)random.NextInt64(), 1UL << random.Next(64), VirtualMachine.RamBase | 3, Data | 0x743,
        ];
        ulong word = pieces[random.Next(pieces.Length)];
        return random.Next(3) == 0 ? word ^ pieces[random.Next(pieces.Length)] : word;
    }

    private static Command SomeCommand(Random random)
    {
        ulong[] opcodes = [0x01, 0x03, 0x04, 0x05, 0x06, 0x10, 0x11, 0x12, 0x13, 0x20, 0x22, 0x28, 0x2a, 0x30, 0x40, 0x41, 0x44, 0xff];
        ulong word0 = opcodes[random.Next(opcodes.Length)] | ((ulong)random.Next(0, 4) << 32);
        if (random.Next(2) == 0) word0 |= (ulong)random.NextInt64() << 8;
        return new Command(word0, random.Next(2) == 0 ? 0 : (ulong)random.NextInt64());
    }
}
