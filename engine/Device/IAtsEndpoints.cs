using Smmu.Fast.Formats;

namespace Smmu.Fast.Device;

/// <summary>What an endpoint makes of an invalidation.</summary>
public enum AtcInvalidationAnswer : byte
{
    /// <summary>No entry that the request names is left. An endpoint that refuses the request (UR) completes it too.</summary>
    Completed = 0,

    /// <summary>The endpoint will answer later, through <see cref="SmmuDevice.CompleteInvalidation"/>.</summary>
    Pending = 1,

    /// <summary>The endpoint does not answer: the next CMD_SYNC stops with CERROR_ATC_INV_SYNC (IHI 0070, 3.9.1.4).</summary>
    TimedOut = 2,
}

/// <summary>The PCIe endpoints behind an SMMU: what its commands and its PRI queue send to them.</summary>
/// <remarks>
/// Called from any thread that calls the device, with no lock held; calls may come at the same time. What is called here may
/// call the device; its commands run after the outer call. Page requests are better not submitted from here: they nest, and
/// beyond a few levels they are dropped.
/// </remarks>
public interface IAtsEndpoints
{
    /// <summary>Sends an ATS Invalidate Request.</summary>
    /// <param name="invalidation">What is to go from the translation cache of the endpoint.</param>
    /// <returns>
    /// Whether it is gone. The CMD_SYNC behind the request waits for a pending one, and then for all scopes that are open at
    /// that moment: what an endpoint took from its cache before and uses in a scope is covered.
    /// </returns>
    AtcInvalidationAnswer Invalidate(in AtcInvalidation invalidation);

    /// <summary>Sends a PRG Response, by CMD_PRI_RESP or of the SMMU's own accord.</summary>
    /// <param name="response">The answer to a group of page requests.</param>
    void Respond(in PageGroupResponse response);
}
