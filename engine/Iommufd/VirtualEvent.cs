using Smmu.Fast.Formats;

namespace Smmu.Fast.Iommufd;

/// <summary>Which events of the SMMU a guest gets to see, and as what.</summary>
public static class VirtualEvent
{
    /// <summary>Bytes of an event.</summary>
    public const int SizeBytes = EventRecord.SizeBytes;

    /// <summary>Whether an event of a nested stream is the guest's: about what the guest controls, and not about a stall, which
    /// goes to the fault queue, or about stage 2, which is the host's.</summary>
    /// <param name="record">The event.</param>
    public static bool IsForGuest(in EventRecord record)
    {
        switch (record.Type)
        {
            case EventType.BadStreamTableEntry or EventType.StreamDisabled or EventType.BadSubstreamId or EventType.BadContextDescriptor:
                return true;
            case EventType.Translation or EventType.AddressSize or EventType.AccessFlag or EventType.Permission:
                return !record.Stall && !record.S2;
            default:
                return false;
        }
    }

    /// <summary>Makes the event that the guest sees: the same, under the guest's number of the stream.</summary>
    /// <param name="record">The event.</param>
    /// <param name="virtualId">The guest's StreamID.</param>
    public static EventRecord ForGuest(in EventRecord record, StreamId virtualId) =>
        record with { Word0 = BitRange.With(record.Word0, EventFields.StreamID, virtualId.Value) };
}
