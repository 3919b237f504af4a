namespace Smmu.Fast.Faults;

/// <summary>How a stalled access ends.</summary>
public enum StallAnswer : byte
{
    /// <summary>The access is to be made again, as though it were new: it may pass, stall again or be terminated.</summary>
    Retry,

    /// <summary>The access ends with an abort.</summary>
    Abort,

    /// <summary>The access ends without an error: a read gives zero, a write is dropped.</summary>
    ReadZeroWriteIgnored,
}

/// <summary>A client device whose accesses can wait: it hears how each of its stalled accesses ends (IHI 0070, 3.12.2).</summary>
public interface IStallClient
{
    /// <summary>
    /// Ends a stall. Called once for each <see cref="Formats.TranslationResult.StallToken"/>, with no lock of the engine
    /// held, on the thread that wrote a register or left a scope; the access may be retried from inside the call.
    /// </summary>
    /// <remarks>
    /// The end can come before the access that stalled returns with its token, on the same thread or on another one: a
    /// client keeps an end whose token it does not know yet.
    /// </remarks>
    /// <param name="stallToken">Names the access.</param>
    /// <param name="answer">What becomes of it.</param>
    void EndStall(uint stallToken, StallAnswer answer);
}
