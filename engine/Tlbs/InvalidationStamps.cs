using System.Runtime.InteropServices;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Tlbs;

/// <summary>Counts what was invalidated, so that cached knowledge can be dated: what bears an old number is dead.</summary>
/// <remarks>
/// Written by the command consumer and by register writes, one at a time; read by every translation. The number that dates
/// a cache is raised <em>before</em> that cache is searched, and whoever fills the cache has read it before it looked
/// anything up: so knowledge that is older than an invalidation can neither survive it nor be filled in after it.
/// <para>
/// <see cref="Any"/> is different, because the entries of ports are copies of what the other caches answer: it is raised
/// last, when none of those answers with anything old. Were it raised first, a port could read the new number, be answered
/// from a set that has not been searched yet, and keep the answer under the new number.
/// </para>
/// <para>
/// Translations read the numbers in the order <see cref="Any"/>, <see cref="Translations"/>, <see cref="Tables"/>,
/// <see cref="Configuration"/>, before the first look-up; invalidations raise theirs in the opposite order. So who reads a
/// new number reads new ones from there on.
/// </para>
/// </remarks>
[StructLayout(LayoutKind.Explicit, Size = SizeBytes)]
internal struct InvalidationStamps
{
    public const int SizeBytes = 64;   // One line, read by all, written by invalidations only.

    /// <summary>Raised after everything below and by changes of SMMUEN and GBPA: dates the entries of ports.</summary>
    [FieldOffset(0)] public ulong Any;

    /// <summary>Raised by TLB invalidations: dates fills of the shared TLB.</summary>
    [FieldOffset(8)] public ulong Translations;

    /// <summary>Raised by TLB invalidations that reach table descriptors: dates the entries of the walk cache.</summary>
    [FieldOffset(16)] public ulong Tables;

    /// <summary>Raised by configuration invalidations: dates the entries of the configuration cache.</summary>
    [FieldOffset(24)] public ulong Configuration;

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

    /// <summary>Raises what a configuration invalidation touches.</summary>
    public void RaiseConfiguration()
    {
        Volatile.Write(ref Configuration, Configuration + 1);
        RaiseAny();
    }
}
