using System.Runtime.InteropServices;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Tlbs;

/// <summary>Counts what was invalidated, so that cached knowledge can be dated: what bears an old number is dead.</summary>
/// <remarks>
/// There is one of these for the device as a whole, and one in each <see cref="TlbDomain"/>. Written behind the control
/// gate; read by every translation. The number that dates a cache is raised <em>before</em> that cache is searched, and
/// whoever fills the cache has read it before it looked anything up: so knowledge that is older than an invalidation can
/// neither survive it nor be filled in after it.
/// <para>
/// <see cref="Any"/> is different, because what ports keep are copies of what the other caches answer: it is raised last,
/// when none of those answers with anything old. Were it raised first, a port could read the new number, be answered from a
/// set that has not been searched yet, and keep the answer under the new number.
/// </para>
/// <para>
/// A driver changes a structure, then invalidates configuration, then translations. So translations read the numbers of
/// the domain before those of the device, and all of them before the first look-up: who has seen a TLB invalidation also
/// sees the configuration invalidation before it.
/// </para>
/// </remarks>
[StructLayout(LayoutKind.Sequential, Size = SizeBytes)]
internal struct InvalidationStamps
{
    public const int SizeBytes = 64;   // One line, read by all, written by invalidations only.

    /// <summary>Raised after everything else: ports look for what they have to drop when it is not what they have seen.</summary>
    public ulong Any;

    /// <summary>Raised by TLB invalidations: dates fills of the shared TLB.</summary>
    public ulong Translations;

    /// <summary>Raised by TLB invalidations that reach table descriptors: dates the entries of the walk cache.</summary>
    public ulong Tables;

    /// <summary>Raised by configuration invalidations, in the device's stamps alone: dates cached configuration.</summary>
    public ulong Configuration;

    /// <summary>Raised by invalidations of everything: contexts of an older generation are dead.</summary>
    public ulong Generation;

    /// <summary>Raised by invalidations of all that stage 1 took part in, in the stamps of domains alone.</summary>
    public ulong Stage1Generation;

    /// <summary>Raised when a context of the domain may have died, before <see cref="Any"/>; in the stamps of domains alone.</summary>
    public ulong Deaths;

    /// <summary>Raises <see cref="Any"/>.</summary>
    public void RaiseAny()
    {
        if (!ControlBuild.Breaks(Breakage.StampNotRaised)) Volatile.Write(ref Any, Any + 1);
    }

    /// <summary>Raises what a TLB invalidation touches; <see cref="RaiseAny"/> follows when the caches were searched.</summary>
    public void RaiseTranslations(bool tables)
    {
        if (tables && !ControlBuild.Breaks(Breakage.TablesKept)) Volatile.Write(ref Tables, Tables + 1);
        Volatile.Write(ref Translations, Translations + 1);
    }
}
