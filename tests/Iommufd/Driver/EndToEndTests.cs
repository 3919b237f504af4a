using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Smmu.Fast.Device;
using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd;
using Smmu.Fast.Iommufd.Driver;
using Smmu.Fast.Iommufd.Tegra;
using Smmu.Fast.Scenarios.Virtualization;
using Queue = Smmu.Fast.VirtualQueues.VirtualQueueOffset;

namespace Smmu.Fast.Tests.Iommufd.Driver;

/// <summary>Virtual machines with guests that drive an SMMU of their own, checked byte by byte.</summary>
public class EndToEndTests
{
    private const ulong Page = GuestDriver.PageBytes;
    private const ulong Iova = 0x7_0000_0000;
    private const ulong Data = GuestDriver.DataBase;

    [Theory]
    [InlineData(VmidPolicy.PerDomain, false)]
    [InlineData(VmidPolicy.PerViommu, true)]
    public void ThreeVirtualMachinesOnThreadsSeeTheirOwnBytesAlone(VmidPolicy policy, bool trustsThreadPool)
    {
        const int Machines = 3;
        const int Rounds = 400;
        using var host = new VirtualizationHost(configureDriver: (_, options) => options with
        {
            EventServicing = trustsThreadPool ? EventServicing.ThreadPool : EventServicing.Manual,
        });
        var failures = new ConcurrentQueue<string>();
        Thread[] threads = [.. Enumerable.Range(1, Machines).Select(number => new Thread(() =>
        {
            try
            {
                using VirtualMachine machine = VmidStoryTests.Make(host, (uint)number, policy);
                Work(machine, seed: number, Rounds);
            }
            catch (Exception failure)
            {
                failures.Enqueue($"Machine {number}: {failure}");
            }
        }))];
        foreach (Thread thread in threads) thread.Start();
        foreach (Thread thread in threads) thread.Join();

        Assert.Empty(failures);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void AMachineIsMigratedWhileItsDeviceWrites(bool hasHugePages)
    {
        using var host = new VirtualizationHost();
        var options = new VirtualMachineOptions { RamBytes = 4 << 20, ParentFlags = HwptFlags.DirtyTracking, HasHugePages = hasHugePages };
        using var source = new VirtualMachine(host, new StreamId(1), options);
        using var target = new VirtualMachine(host, new StreamId(2), options);
        var guest = new GuestDriver(source);
        for (ulong page = 0; page < 256; page++) guest.Map(Iova + (page * Page), Data + (page * Page));
        using var stop = new ManualResetEventSlim();
        bool isAborted = false;
        var device = new Thread(() =>
        {
            var random = new Random(7);
            for (int write = 0; write < 20_000 || !stop.IsSet; write++)
            {
                byte[] bytes = new byte[random.Next(1, 300)];
                random.NextBytes(bytes);
                isAborted |= !source.Port.Write(Iova + (ulong)random.Next(0, 255 * (int)Page), bytes);
                if (stop.IsSet) break;
            }
        });

        source.Context.SetDirtyTracking(source.Parent, enable: true);
        int bytesOfRam = (int)options.RamBytes;
        device.Start();
        source.At(VirtualMachine.RamBase, bytesOfRam).CopyTo(target.At(VirtualMachine.RamBase, bytesOfRam));
        int copied = 0;
        for (int round = 0; round < 5; round++) copied += CopyDirty(source, target);
        stop.Set();
        device.Join();
        int last = CopyDirty(source, target);
        Assert.False(isAborted);

        Assert.True(copied + last > 0);
        if (!hasHugePages) Assert.True(last <= 256, $"{last} pages were copied last, and the device writes 255.");
        Assert.True(source.At(VirtualMachine.RamBase, bytesOfRam).SequenceEqual(target.At(VirtualMachine.RamBase, bytesOfRam)));
        Assert.Equal(0, CopyDirty(source, target));
    }

    [Fact]
    public void APageFaultOfTheDeviceIsAnsweredAndTheAccessGoesOn()
    {
        using var scene = new DriverScene();
        var client = new StallClient();
        IommufdDevice device = scene.Context.Bind(scene.Host.Driver.AddEndpoint(new StreamId(8), new SmmuEndpointOptions { CanStall = true }));
        using DmaPort port = scene.Smmu.OpenPort(new StreamId(8), stalls: client);
        using (device)
        using (FaultQueueFile faults = scene.Context.AllocateFaultQueue(out uint queue))
        {
            uint hwpt = scene.Context.AllocateHwpt(device.Id, scene.Ioas, HwptFlags.FaultIdValid, faultQueue: queue);
            device.Attach(hwpt);
            byte[] record = new byte[PageFaultRecord.SizeBytes];
            foreach (bool isAnswered in (bool[])[true, false])
            {
                ulong iova = isAnswered ? 0x9000UL : 0xa000;
                DmaProgress progress = port.ReadSome(iova + 4, new byte[4]);
                Assert.Equal(TranslationOutcome.Stalled, progress.Last.Outcome);
                Assert.Equal(1, scene.Host.Driver.ServiceEvents());
                Assert.Equal(record.Length, faults.Read(record));
                PageFaultRecord fault = PageFaultRecord.Read(record);
                Assert.Equal((device.Id, iova + 4, PageFaultPermissions.Read), (fault.DeviceId, fault.Fault.Address, fault.Fault.Permissions));

                if (isAnswered) scene.Map(iova, 0);
                faults.Respond(fault.Cookie, isAnswered ? FaultResponse.Success : FaultResponse.Invalid);

                Assert.Equal((progress.Last.StallToken, isAnswered ? StallAnswer.Retry : StallAnswer.Abort), Assert.Single(client.Ends));
                client.Ends.Clear();
                Assert.Equal(isAnswered, port.Read(iova + 4, new byte[4]));
                if (!isAnswered) Assert.Equal(1, scene.Host.Driver.ServiceEvents());
            }

            device.Detach();   // What still waited has been answered by that.
            Assert.All(client.Ends, end => Assert.Equal(StallAnswer.Abort, end.Answer));
        }
    }

    [Fact]
    public void AStallThatNobodyAnswersForEndsAtOnce()
    {
        using var host = new VirtualizationHost();
        using var machine = new VirtualMachine(host, new StreamId(1));
        var client = new StallClient();
        using DmaPort port = host.Smmu.OpenPort(new StreamId(1), stalls: client);
        var guest = new GuestDriver(machine);
        ulong context = VirtualMachine.RamBase + (2 * Page);   // The guest asks for stalls in its CD.
        ulong word = MemoryMarshal.Read<ulong>(machine.At(context, 8)) | (1UL << 44);
        MemoryMarshal.Write(machine.At(context, 8), in word);
        guest.Submit(Command.CfgiCd(new StreamId(1)), Command.Sync());

        Assert.Equal(TranslationOutcome.Stalled, port.ReadSome(Iova, new byte[4]).Last.Outcome);
        host.Driver.ServiceEvents();

        Assert.Equal(StallAnswer.Abort, Assert.Single(client.Ends).Answer);
        Assert.Empty(machine.Smmu.TakeEvents());
        Assert.True(Assert.Single(host.HostEvents).Stall);
    }

    [Fact]
    public void AGuestInvalidatesByAQueueOfItsOwnAndReachesItsOwnEntriesAlone()
    {
        using var host = new VirtualizationHost(hasVirtualQueues: true);
        using var machine = new VirtualMachine(host, new StreamId(1), new VirtualMachineOptions { ViommuType = TegraQueueDriver.ViommuType });
        using VirtualMachine third = VmidStoryTests.Make(host, 2, VmidPolicy.PerDomain);
        var guest = new GuestDriver(machine);
        var other = new GuestDriver(third);
        guest.Map(Iova, Data);
        other.Map(Iova, Data);
        const ulong QueueAddress = VirtualMachine.RamBase + (1 << 20);
        uint queue = machine.Context.AllocateHardwareQueue(machine.Viommu, TegraQueueDriver.HardwareQueueType, 0, QueueAddress, 4096);
        ReadOnlySpan<ulong> answer = MemoryMarshal.Cast<byte, ulong>(machine.ViommuAnswer.Span);
        using WindowMapping window = machine.Context.MapWindow(answer[0], answer[1]);
        window.Write32(Queue.VCMDQ_CONFIG, 1);
        Assert.NotNull(DriverScene.ReadByte(machine.Port, Iova));
        Assert.NotNull(DriverScene.ReadByte(third.Port, Iova));
        ulong before = host.Smmu.GetStatistics().Walks;

        Command[] commands = [Command.TlbiNhAsid(new Vmid((ushort)VmidStoryTests.VmidOf(host, 2)), guest.Asid), Command.Sync()];
        MemoryMarshal.AsBytes(commands.AsSpan()).CopyTo(machine.At(QueueAddress, 32));
        window.Write32(Queue.VCMDQ_PROD, 2);
        Assert.Equal(2u, window.Read32(Queue.VCMDQ_CONS) & 0xff);

        Assert.NotNull(DriverScene.ReadByte(third.Port, Iova));
        Assert.Equal(before, host.Smmu.GetStatistics().Walks);
        Assert.NotNull(DriverScene.ReadByte(machine.Port, Iova));
        Assert.NotEqual(before, host.Smmu.GetStatistics().Walks);
        machine.Context.Destroy(queue);
    }

    [Fact]
    public void EachGuestMayHaveAnEnhancedQueueForItsInvalidations()
    {
        SmmuFeatures features = SmmuFeatures.Default.With(SmmuFeatureField.ECMDQ, 1)
            .With(SmmuFeatureField.CMDQ_CONTROL_PAGE_LOG2NUMQ, 1);
        using var host = new VirtualizationHost(features);
        using VirtualMachine first = VmidStoryTests.Make(host, 1, VmidPolicy.PerDomain);
        using VirtualMachine second = VmidStoryTests.Make(host, 2, VmidPolicy.PerDomain);
        using VirtualMachine third = VmidStoryTests.Make(host, 3, VmidPolicy.PerDomain);   // None is left for it.
        foreach (VirtualMachine machine in (VirtualMachine[])[first, second, third]) Work(machine, seed: 5, rounds: 50);
    }

    // Maps, moves, unmaps and checks pages at random, as one guest.
    private static void Work(VirtualMachine machine, int seed, int rounds)
    {
        const int Pages = 16;
        var random = new Random(seed);
        var guest = new GuestDriver(machine, asid: 1);
        var mapped = new ulong?[Pages];
        byte[] bytes = new byte[512];
        for (int round = 0; round < rounds; round++)
        {
            int page = random.Next(Pages);
            ulong iova = Iova + ((ulong)page * Page);
            ulong within = (ulong)random.Next(0, (int)Page - bytes.Length);
            if (mapped[page] is not { } data)
            {
                mapped[page] = data = Data + ((ulong)random.Next(64) * Page);
                guest.Map(iova, data);
            }
            else if (random.Next(3) == 0)
            {
                guest.Unmap(iova);
                mapped[page] = null;
                if (machine.Port.Read(iova, bytes)) throw new InvalidOperationException($"Round {round}: read what is not mapped.");
                continue;
            }

            random.NextBytes(bytes);
            if (!machine.Port.Write(iova + within, bytes)) throw new InvalidOperationException($"Round {round}: a write aborted.");
            if (!machine.At(data + within, bytes.Length).SequenceEqual(bytes)) throw new InvalidOperationException($"Round {round}: wrong bytes.");
        }

        if (machine.Smmu.Refused.Count != 0) throw new InvalidOperationException("The host refused what a good guest does.");
        if (machine.Smmu.TakeEvents().Exists(record => record.Type != EventType.Translation)) throw new InvalidOperationException("A strange event.");
    }

    private static int CopyDirty(VirtualMachine source, VirtualMachine target)
    {
        byte[] bitmap = new byte[source.Options.RamBytes / Page / 8];
        source.Context.GetDirtyBitmap(source.Parent, VirtualMachine.RamBase, source.Options.RamBytes, Page, bitmap);
        int copied = 0;
        for (int page = 0; page < bitmap.Length * 8; page++)
        {
            if ((bitmap[page / 8] & (1 << (page % 8))) == 0) continue;
            ulong address = VirtualMachine.RamBase + ((ulong)page * Page);
            source.At(address, (int)Page).CopyTo(target.At(address, (int)Page));
            copied++;
        }

        return copied;
    }

    private sealed class StallClient : IStallClient
    {
        public List<(uint Token, StallAnswer Answer)> Ends { get; } = [];

        public void EndStall(uint stallToken, StallAnswer answer) => Ends.Add((stallToken, answer));
    }
}
