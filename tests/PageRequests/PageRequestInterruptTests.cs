using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Ats;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.PageRequests;

/// <summary>The interrupt of the PRI queue, wired and as a message (IHI 0070, 6.3.36 and 3.18).</summary>
public class PageRequestInterruptTests
{
    [Fact]
    [Rule("PRI-16")]
    [Rule("IRQ-27")]
    [Rule("QUE-14")]
    public void ItTellsThatTheQueueBecameNonEmpty()
    {
        using var scene = new PageRequestScene();
        var pulses = Record(scene, lines => Assert.Equal(1u, scene.WriteIndex & 1));
        scene.Submit(0, last: false);
        Assert.Equal([InterruptLine.PageRequestQueue], pulses);
        scene.Submit(1, last: true);
        Assert.Single(pulses);
        scene.WriteConsumer(2);
        scene.Submit(2, last: false);
        Assert.Equal(2, pulses.Count);
        scene.WriteConsumer(scene.Producer);
        scene.Ats.Control(AtsScene.Translation);
        scene.Submit(3);
        Assert.Equal(2, pulses.Count);
    }

    [Theory]
    [InlineData(1u)]
    [InlineData(0u)]
    [Rule("PRI-17")]
    [Rule("PRI-18")]
    [Rule("IRQ-27")]
    [Rule("IRQ-28")]
    [Rule("IRQ-29")]
    [Rule("INT-05")]
    public void WithLastOnlyItTellsOfTheEndsOfGroups(uint msi)
    {
        using var scene = new PageRequestScene(
            log2: 2, features: AtsScene.Everything.With(SmmuFeatureField.MSI, msi), irqConfiguration: PageRequestScene.LastOnly);
        var pulses = Record(scene, _ => { });
        scene.Submit(0, last: false);
        Assert.Empty(pulses);
        scene.Submit(0, last: true);
        scene.Submit(1, last: true);
        Assert.Equal(2, pulses.Count);
        scene.Submit(2, last: false);
        scene.Submit(2, last: false);   // Overflows.
        Assert.Equal(2, pulses.Count);
        scene.Submit(2, last: true);
        Assert.Equal(3, pulses.Count);

        scene.Ats.Control(AtsScene.Translation);   // Dropped for another reason.
        scene.Submit(3, last: true);
        Assert.Equal(3, pulses.Count);
    }

    [Fact]
    [Rule("PRI-16")]
    [Rule("IRQ-19")]
    public void ItIsAMessageTooAndAnAbortOfItIsTold()
    {
        using var scene = new PageRequestScene();
        ulong message = scene.Machine.Allocate(64);
        scene.Machine.Write(RegisterOffset.IRQ_CTRL, 0);
        scene.Smmu.WriteRegister64(RegisterOffset.PRIQ_IRQ_CFG0, message);
        scene.Machine.Write(RegisterOffset.PRIQ_IRQ_CFG1, 0x1234);
        scene.Submit(0);
        Assert.Equal(0u, scene.Machine.Read32(message));   // Not enabled.
        scene.WriteConsumer(scene.Producer);
        scene.Machine.Write(RegisterOffset.IRQ_CTRL, 2);
        scene.Submit(1);
        Assert.Equal(0x1234u, scene.Machine.Read32(message));

        scene.Machine.Write(RegisterOffset.IRQ_CTRL, 0);
        scene.Smmu.WriteRegister64(RegisterOffset.PRIQ_IRQ_CFG0, 0x9000_0000);
        scene.Machine.Write(RegisterOffset.IRQ_CTRL, 2);
        scene.WriteConsumer(scene.Producer);
        scene.Submit(2);
        Assert.Equal(GlobalErrors.MSI_PRIQ_ABT_ERR, scene.Ats.Errors);
    }

    private static List<InterruptLine> Record(PageRequestScene scene, Action<InterruptLine> check)
    {
        var pulses = new List<InterruptLine>();
        scene.Pulsed = line =>
        {
            check(line);
            pulses.Add(line);
        };
        return pulses;
    }
}
