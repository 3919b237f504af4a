using Smmu.Fast.Formats;

namespace Smmu.Fast.Faults;

/// <summary>Reports of ATS traffic that is not allowed; no fault flag governs them (IHI 0070, 7.3.6 and 7.3.8).</summary>
internal static class AtsFaultRecords
{
    private const byte OneUnit = 1;

    /// <summary>F_BAD_ATS_TREQ: a Translation Request where ATS is off.</summary>
    /// <param name="request">The request as the endpoint made it: a write is NW = 0.</param>
    public static FaultReport OfBadRequest(in FaultRequest request)
    {
        var record = EventRecord.BadAtsTranslationRequest(
            request.Stream, request.Substream, request.InputAddress, OneUnit, request.Access);
        return new FaultReport(EventType.BadAtsTranslationRequest, FaultPolicy.Ungoverned, in record);
    }

    /// <summary>F_TRANSL_FORBIDDEN: a Translated transaction where ATS is off.</summary>
    public static FaultReport OfForbidden(in FaultRequest request)
    {
        var record = EventRecord.TranslationForbidden(request.Stream, request.InputAddress, request.Access);
        return new FaultReport(EventType.TranslationForbidden, FaultPolicy.Ungoverned, in record);
    }
}
