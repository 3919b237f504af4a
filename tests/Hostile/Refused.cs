namespace Smmu.Fast.Tests.Hostile;

/// <summary>Misuse by the host program, made on purpose.</summary>
internal static class Refused
{
    /// <summary>Makes a call that has to throw.</summary>
    /// <exception cref="NotSupportedException">It does not.</exception>
    public static void By<TException>(Action misuse)
        where TException : Exception
    {
        try
        {
            misuse();
        }
        catch (TException)
        {
            return;
        }

        throw new NotSupportedException($"Misuse was not refused with {typeof(TException).Name}.");
    }
}

/// <summary>What host code throws against its contract.</summary>
internal sealed class HostFailureException() : Exception("Host code fails on purpose.");

/// <summary>What a party of a round found out about the SMMU.</summary>
internal sealed class HostileFindingException(string message) : Exception(message);
