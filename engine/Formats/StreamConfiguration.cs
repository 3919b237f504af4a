namespace Smmu.Fast.Formats;

/// <summary>STE.Config: what happens to the transactions of a stream (IHI 0070, 5.2). Codes 1 to 3 abort as 0 does.</summary>
public enum StreamConfiguration : byte
{
    /// <summary>They abort, and no event is recorded.</summary>
    Abort = 0b000,

    /// <summary>They pass untranslated, with the attribute overrides of the STE.</summary>
    Bypass = 0b100,

    /// <summary>Stage 1 translates them.</summary>
    Stage1 = 0b101,

    /// <summary>Stage 2 translates them.</summary>
    Stage2 = 0b110,

    /// <summary>Both stages translate them.</summary>
    Nested = 0b111,
}
