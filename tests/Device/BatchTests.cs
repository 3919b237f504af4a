using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Tests.Device;

/// <summary>Many accesses in one call.</summary>
public class BatchTests
{
    private const ulong Iova = 0x1234_5000;
    private const ulong Elsewhere = 0x9999_0000;

    [Fact]
    public void WhatAHandlerChangesInTheMiddleOfABatchHoldsForTheRest()
    {
        using var machine = new GuestMachine();
        machine.Start();
        machine.Write(RegisterOffset.IRQ_CTRL, (uint)InterruptEnables.EVENTQ_IRQEN);
        var space = new Stage1Space(machine, asid: 1);
        ulong page = machine.Allocate(4096);
        space.Map(Iova, page);
        machine.AttachStage1(8, space);
        using DmaPort port = machine.Smmu.OpenPort(new StreamId(8));
        machine.Smmu.InterruptRaised += line =>
        {
            if (line == InterruptLine.EventQueue) machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue);   // SMMUEN off.
        };
        var results = new TranslationResult[5];

        port.TranslateBatch([Iova, Iova + 8, Elsewhere, Iova, Iova + 8], results, AccessKind.Read);

        Assert.Equal([page, page + 8], results[..2].Select(result => result.Address.Value));
        Assert.False(results[2].IsSuccess);
        Assert.Equal([Iova, Iova + 8], results[3..].Select(result => result.Address.Value));   // Bypass, as GBPA has it.
    }

    [Fact]
    public void ABatchAnswersAsTheAccessesDoOneByOne()
    {
        using var machine = new GuestMachine();
        machine.Start();
        var space = new Stage1Space(machine, asid: 1);
        for (ulong page = 0; page < 8; page += 2) space.Map(Iova + (page << 12), 0x4100_0000 + (page << 12), page == 4 ? Stage1Space.ReadOnly : Stage1Space.ReadWrite);
        machine.AttachStage1(8, space);
        using DmaPort port = machine.Smmu.OpenPort(new StreamId(8));
        ulong[] iovas = [.. Enumerable.Range(0, 64).Select(place => Iova + ((ulong)(place * 7 % 8) << 12) + (ulong)place)];
        foreach (AccessKind access in (AccessKind[])[AccessKind.Read, AccessKind.Write, AccessKind.Read | AccessKind.Instruction])
        {
            var results = new TranslationResult[iovas.Length];
            port.TranslateBatch(iovas, results, access);
            Assert.Equal(
                iovas.Select(iova => port.Translate(iova, access)).Select(result => (result.Outcome, result.Address, result.LeafSize)),
                results.Select(result => (result.Outcome, result.Address, result.LeafSize)));
        }
    }
}
