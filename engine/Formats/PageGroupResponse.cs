namespace Smmu.Fast.Formats;

/// <summary>Response code of a PRG Response as PCIe has it, which is not how CMD_PRI_RESP codes it (IHI 0070, 8.3).</summary>
public enum PageResponseCode : byte
{
    /// <summary>Success: the pages are there, or the request is worth repeating.</summary>
    Success = 0b0000,

    /// <summary>Invalid Request: some page is not there for the endpoint.</summary>
    InvalidRequest = 0b0001,

    /// <summary>Response Failure: the endpoint stops asking.</summary>
    ResponseFailure = 0b1111,
}

/// <summary>The answer to a group of page requests: a PCIe PRG Response (IHI 0070, 4.5.2 and 8.2).</summary>
/// <param name="Stream">The endpoint.</param>
/// <param name="Substream">The PASID; none when the response has none.</param>
/// <param name="Group">PRGIndex, 9 bits.</param>
/// <param name="Code">The answer.</param>
/// <param name="IsAutomatic">True when the SMMU answers by itself, for want of room or of an enabled queue.</param>
public readonly record struct PageGroupResponse(
    StreamId Stream, SubstreamId? Substream, ushort Group, PageResponseCode Code, bool IsAutomatic);
