using Smmu.Fast.Formats;

namespace Smmu.Fast.Faults;

/// <summary>The end of a stall, to be told to its client.</summary>
/// <param name="Client">The client; none for an access that was restored.</param>
/// <param name="Stream">Whose access.</param>
/// <param name="Substream">Its substream, or none.</param>
/// <param name="Token">Names the access to the client.</param>
/// <param name="Answer">What becomes of it.</param>
internal readonly record struct StallEnd(
    StallClient? Client, StreamId Stream, SubstreamId? Substream, uint Token, StallAnswer Answer);
