using Smmu.Fast.Device;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Tests.Ats;

/// <summary>What endpoints have to do with the state of a device.</summary>
public class AtsSaveRestoreTests
{
    private static readonly StreamId Endpoint = new(AtsScene.Stream);

    [Fact]
    public void ADeviceIsNotSavedWhileAnInvalidationIsOut()
    {
        using var scene = new AtsScene();
        uint token = 0;
        scene.Endpoints.Answer = invalidation =>
        {
            token = invalidation.Token;
            return AtcInvalidationAnswer.Pending;
        };
        scene.Machine.Submit(Command.AtcInv(Endpoint, 0, 52));

        Assert.Contains("invalidation", Assert.Throws<InvalidOperationException>(() => scene.Smmu.Save()).Message);

        Assert.True(scene.Smmu.CompleteInvalidation(token));
        Assert.NotEmpty(scene.Smmu.Save());
    }

    [Fact]
    public void ATimeoutIsToldOfByTheNextSyncOfTheOtherDevice()
    {
        using var scene = new AtsScene();
        scene.Endpoints.Answer = _ => AtcInvalidationAnswer.TimedOut;
        scene.Machine.Submit(Command.AtcInv(Endpoint, 0, 52));
        byte[] state = scene.Smmu.Save();
        using var other = scene.Machine.AddSmmu(options => options);
        other.Smmu.Restore(state);
        Assert.Equal(state, other.Smmu.Save());

        ulong next = scene.Machine.CommandQueue + (other.Read(RegisterOffset.CMDQ_PROD) * 16UL);
        var sync = Command.Sync();
        scene.Machine.Write64(next, [sync.Word0, sync.Word1]);
        other.Write(RegisterOffset.CMDQ_PROD, other.Read(RegisterOffset.CMDQ_PROD) + 1);

        const uint TimedOut = 3;
        Assert.Equal(TimedOut, other.Read(RegisterOffset.CMDQ_CONS) >> 24);
    }

    [Fact]
    public void ThePageRequestQueueGoesOnWhereItWas()
    {
        using var scene = new AtsScene(control: AtsScene.Translation);
        ulong queue = scene.Machine.Allocate(256, 256);
        scene.Smmu.WriteRegister64(RegisterOffset.PRIQ_BASE, queue | 4);
        scene.Control(AtsScene.Translation | AtsScene.PageRequestQueue);
        scene.Smmu.SubmitPageRequest(Endpoint, null, 0x1000, 1, AccessKind.Read, last: true);
        byte[] state = scene.Smmu.Save();
        using var other = scene.Machine.AddSmmu(options => options);
        other.Smmu.Restore(state);

        other.Smmu.SubmitPageRequest(Endpoint, null, 0x2000, 2, AccessKind.Read, last: true);

        Assert.Equal(2u, other.Read(RegisterOffset.PRIQ_PROD));
        Assert.Equal((0x1000UL, 0x2000UL), (scene.Machine.Read64(queue + 8) & ~0xfffUL, scene.Machine.Read64(queue + 24) & ~0xfffUL));
    }
}
