using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;

namespace Smmu.Fast.Iommufd;

/// <summary>A request to an <see cref="IommufdContext"/> was refused.</summary>
public sealed class IommufdException : Exception
{
    /// <summary>Makes one without a reason: <see cref="Errno.EINVAL"/>.</summary>
    public IommufdException()
        : this(Errno.EINVAL, "request")
    {
    }

    /// <summary>Makes one with a message of its own and <see cref="Errno.EINVAL"/>.</summary>
    public IommufdException(string message)
        : base(message) => Errno = Errno.EINVAL;

    /// <summary>Makes one with a message of its own, a cause and <see cref="Errno.EINVAL"/>.</summary>
    public IommufdException(string message, Exception innerException)
        : base(message, innerException) => Errno = Errno.EINVAL;

    /// <summary>Makes one.</summary>
    /// <param name="errno">Why.</param>
    /// <param name="operation">What was refused, as a short name.</param>
    public IommufdException(Errno errno, string operation)
        : base($"{operation} was refused: {errno}.") => Errno = errno;

    /// <summary>Why; the documentation of the method says what it means there.</summary>
    public Errno Errno { get; }

    [StackTraceHidden]
    internal static void ThrowIfRefused(Errno errno, string operation)
    {
        if (errno != Errno.None) Throw(errno, operation);
    }

    [DoesNotReturn]
    [StackTraceHidden]
    private static void Throw(Errno errno, string operation) => throw new IommufdException(errno, operation);
}
