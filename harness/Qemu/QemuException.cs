namespace Smmu.Fast.Qemu;

/// <summary>QEMU is missing, is not the one that is known here, or does not answer. The message says what to do.</summary>
public sealed class QemuException : Exception
{
    /// <summary>Without a message.</summary>
    public QemuException()
    {
    }

    /// <summary>With what went wrong and what to do about it.</summary>
    public QemuException(string message)
        : base(message)
    {
    }

    /// <summary>With what went wrong, what to do about it, and why.</summary>
    public QemuException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
