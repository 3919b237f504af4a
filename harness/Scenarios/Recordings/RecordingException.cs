namespace Smmu.Fast.Scenarios.Recordings;

/// <summary>A recording or snapshot that cannot be used. The message is one line: file, place, reason.</summary>
public sealed class RecordingException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">One line: file, place, reason.</param>
    public RecordingException(string message) : base(message)
    {
    }

    /// <summary>Makes the exception for a failure of the file system or of the decompressor.</summary>
    /// <param name="message">One line: file, place, reason.</param>
    /// <param name="innerException">What was caught.</param>
    public RecordingException(string message, Exception innerException) : base(message, innerException)
    {
    }
}
