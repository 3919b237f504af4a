using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Streams;

/// <summary>Neighbouring pages that differ in one thing: what a port has learnt of the ones is not taken for the others.</summary>
public sealed class LeafKindTests : IDisposable
{
    private const uint Stream = 9;
    private const ulong Iova = 0x40_0000_0000;
    private const ulong Output = GuestMachine.RamBase + (1 << 20);
    private const ulong Page = 0x1000;
    private const ulong TableReach = 0x20_0000;
    private const ulong NotGlobal = 1UL << 11;

    private readonly StreamScene scene = new();

    public void Dispose() => scene.Dispose();

    [Fact]
    [Rule("ASZ-09")]
    public void APageBeyondTheOutputSizeIsNotOneOfItsKind()
    {
        const ulong FourGibibytes = 1UL << 32;
        var space = Warm(descriptor => descriptor.With(ContextDescriptorField.IPS, 0), out var port);   // 32 bits.
        space.Map(Iova + (4 * Page), FourGibibytes | Output);
        var result = port.Translate(Iova + (4 * Page), AccessKind.Read);
        Assert.Equal((TranslationOutcome.Faulted, EventType.AddressSize), (result.Outcome, result.Event));
        Assert.Equal(EventType.AddressSize, scene.TakeOnlyEvent().Type);
        port.Dispose();
    }

    [Fact]
    [Rule("TAG-01")]
    public void APageOfAnAsidStaysWithItsAsidAfterAGlobalOne()
    {
        var space = Warm(descriptor => descriptor, out var port);
        space.Map(Iova + (4 * Page), Output, Stage1Space.ReadWrite & ~NotGlobal);
        Assert.True(port.Translate(Iova + (4 * Page), AccessKind.Read).IsSuccess);
        Assert.True(port.Translate(Iova + (3 * Page), AccessKind.Read).IsSuccess);   // Of the ASID, and not met before.

        var foreign = scene.NewSpace(asid: 2);
        foreign.Map(Iova + (3 * Page), Output + (8 * Page));
        scene.Machine.AttachStage1(Stream + 1, foreign);
        using var other = scene.Machine.Smmu.OpenPort(new StreamId(Stream + 1));
        Assert.Equal(Output + (8 * Page), other.Translate(Iova + (3 * Page), AccessKind.Read).Address.Value);
        port.Dispose();
    }

    [Fact]
    [Rule("PERM-09")]
    public void WhatTablesAboveRestrictIsNotForgottenInTheNextTable()
    {
        const ulong ReadOnlyBelow = 1UL << 62;   // APTable[1].
        var space = Warm(descriptor => descriptor, out var port);
        for (ulong i = 0; i < 3; i++) space.Map(Iova + TableReach + (i * Page), Output + (i * Page));
        ulong slot = space.Slot(Iova + TableReach, level: 2);
        scene.Machine.Write64(slot, scene.Machine.Read64(slot) | ReadOnlyBelow);
        Assert.True(port.Translate(Iova + TableReach, AccessKind.Read).IsSuccess);
        var result = port.Translate(Iova + TableReach + Page, AccessKind.Write);
        Assert.Equal((TranslationOutcome.Faulted, EventType.Permission), (result.Outcome, result.Event));
        scene.TakeOnlyEvent();
        Assert.True(port.Translate(Iova + (3 * Page), AccessKind.Write).IsSuccess);
        port.Dispose();
    }

    [Fact]
    public void PagesThatDifferInAttributesOrPermissionsAreToldApart()
    {
        const ulong DeviceMemory = 1UL << 2;   // AttrIndx 1: 0x04 in the MAIR of these spaces.
        var space = Warm(descriptor => descriptor, out var port);
        var plain = port.Translate(Iova + (2 * Page), AccessKind.Read);
        space.Map(Iova + (4 * Page), Output, Stage1Space.ReadWrite | DeviceMemory);
        space.Map(Iova + (5 * Page), Output, Stage1Space.ReadOnly);
        space.Map(Iova + (6 * Page), Output, Stage1Space.ReadWrite & ~(3UL << 8));   // Non-shareable.
        Assert.Equal(0x04, port.Translate(Iova + (4 * Page), AccessKind.Read).Attributes.Type);
        Assert.Equal(0, port.Translate(Iova + (6 * Page), AccessKind.Read).Attributes.Shareability);
        Assert.Equal(plain.Attributes, port.Translate(Iova + (3 * Page), AccessKind.Read).Attributes);
        Assert.Equal(EventType.Permission, port.Translate(Iova + (5 * Page), AccessKind.Write).Event);
        Assert.True(port.Translate(Iova + (5 * Page), AccessKind.Read).IsSuccess);
        port.Dispose();
    }

    // Pages 0 to 3 are mapped and alike; 0 to 2 have been met, the third by what was learnt of the others.
    private Stage1Space Warm(Func<ContextDescriptor, ContextDescriptor> change, out DmaPort port)
    {
        var space = scene.NewSpace();
        for (ulong i = 0; i < 4; i++) space.Map(Iova + (i * Page), Output + (i * Page));
        scene.SetStream(Stream, Entries.Stage1(scene.NewContext(change(space.Descriptor()))));
        port = scene.Machine.Smmu.OpenPort(new StreamId(Stream));
        for (ulong i = 0; i < 3; i++)
        {
            Assert.Equal(Output + (i * Page), port.Translate(Iova + (i * Page), AccessKind.Read).Address.Value);
        }

        return space;
    }
}
