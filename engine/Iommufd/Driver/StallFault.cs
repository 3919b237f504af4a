using Smmu.Fast.Formats;

namespace Smmu.Fast.Iommufd.Driver;

/// <summary>A stalled access as a page fault.</summary>
internal static class StallFault
{
    /// <summary>Makes one of the event of a stall: a group by itself, named by its tag.</summary>
    public static PageFault Of(in EventRecord record)
    {
        var flags = PageFaultFlags.LastPage;
        if (record.SSV) flags |= PageFaultFlags.PasidValid;
        PageFaultPermissions wanted = record.RnW ? PageFaultPermissions.Read : PageFaultPermissions.Write;
        if (record.InD) wanted |= PageFaultPermissions.Execute;
        if (record.PnU) wanted |= PageFaultPermissions.Privileged;
        return new PageFault(flags, record.SSV ? record.SubstreamId.Value : 0, record.StallTag, wanted, record.InputAddress, 0);
    }
}
