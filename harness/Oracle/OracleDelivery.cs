namespace Smmu.Fast.Oracle;

/// <summary>What becomes of an event record (IHI 0070, 7.2.1, 7.2.2 and 7.4).</summary>
public enum OracleDelivery
{
    /// <summary>It is discarded, or waits, and nothing shows it.</summary>
    Lost,

    /// <summary>It is in the queue.</summary>
    Recorded,

    /// <summary>It is discarded, and OVFLG tells so.</summary>
    Overflowed,

    /// <summary>Its write is aborted, and GERROR tells so.</summary>
    Aborted,
}
