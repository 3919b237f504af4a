using Smmu.Fast.Formats;

namespace Smmu.Fast.Faults;

/// <summary>An access that waits for an answer.</summary>
/// <param name="Token">Names it to the client.</param>
/// <param name="Stream">Whose access.</param>
/// <param name="Substream">Its substream, or none.</param>
/// <param name="IsRecorded">Its record is in the Event queue; otherwise it waits for room there.</param>
internal readonly record struct SavedStall(uint Token, StreamId Stream, SubstreamId? Substream, bool IsRecorded);
