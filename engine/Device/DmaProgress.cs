using Smmu.Fast.Formats;

namespace Smmu.Fast.Device;

/// <summary>How far a transfer of a client came.</summary>
/// <param name="Bytes">Bytes that are done; a client goes on behind them.</param>
/// <param name="IsComplete">True when all are.</param>
/// <param name="Last">
/// The answer to the last page: why the transfer stopped, with the token of a stall; a success when the memory aborted.
/// </param>
public readonly record struct DmaProgress(int Bytes, bool IsComplete, TranslationResult Last);
