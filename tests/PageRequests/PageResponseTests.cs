using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Ats;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.PageRequests;

/// <summary>CMD_PRI_RESP sends one PRG Response to an endpoint (IHI 0070, 4.5.2 and 8.3).</summary>
public class PageResponseTests
{
    [Theory]
    [InlineData(PageResponse.Failure, 0b1111)]
    [InlineData(PageResponse.InvalidRequest, 0b0001)]
    [InlineData(PageResponse.Success, 0b0000)]
    [Rule("CMD-PRIR-01")]
    [Rule("CMD-PRIR-02")]
    [Rule("PRI-14")]
    public void TheCommandNamesTheGroupAndTheAnswer(PageResponse response, byte code)
    {
        using var scene = new AtsScene();
        var stream = new StreamId(0x8765_4321);
        scene.Machine.SubmitAndSync(
            Command.PriResp(stream, 0x1ff, response, new SubstreamId(0xa_bcde)),
            Command.PriResp(stream, 0, response));
        Assert.Equal(
            [
                new PageGroupResponse(stream, new SubstreamId(0xa_bcde), 0x1ff, (PageResponseCode)code, false),
                new PageGroupResponse(stream, null, 0, (PageResponseCode)code, false),
            ],
            scene.Endpoints.Responses);
        Assert.True(scene.Machine.IsCommandQueueEmpty);
    }

    [Fact]
    [Rule("CMD-PRIR-02")]
    public void TheReservedAnswerIsIllegal()
    {
        using var scene = new AtsScene();
        scene.Machine.Submit(Command.PriResp(new StreamId(1), 0, (PageResponse)3));
        Assert.Equal(GlobalErrors.CMDQ_ERR, scene.Errors);
        Assert.Equal((uint)CommandError.Illegal << 24, scene.Machine.Read(RegisterOffset.CMDQ_CONS));
        Assert.Empty(scene.Endpoints.Responses);
    }
}
