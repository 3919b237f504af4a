using System.Runtime.InteropServices;

namespace Smmu.Fast.Tlbs;

/// <summary>Counts what was invalidated, so that cached knowledge can be dated: what bears an old number is dead.</summary>
/// <remarks>
/// Written by the command consumer and by register writes, one at a time; read by every translation. A number is raised
/// <em>before</em> the caches are searched, and whoever fills a cache has read it before it looked anything up: so
/// knowledge that is older than an invalidation can neither survive it nor be filled in after it.
/// </remarks>
[StructLayout(LayoutKind.Explicit, Size = SizeBytes)]
internal struct InvalidationStamps
{
    public const int SizeBytes = 64;   // One line, read by all, written by invalidations only.

    /// <summary>Raised by everything below and by changes of SMMUEN and GBPA: dates the entries of ports.</summary>
    [FieldOffset(0)] public ulong Any;

    /// <summary>Raised by TLB invalidations: dates fills of the shared TLB.</summary>
    [FieldOffset(8)] public ulong Translations;

    /// <summary>Raised by TLB invalidations that reach table descriptors: dates the entries of the walk cache.</summary>
    [FieldOffset(16)] public ulong Tables;

    /// <summary>Raised by configuration invalidations: dates the entries of the configuration cache.</summary>
    [FieldOffset(24)] public ulong Configuration;

    /// <summary>Raises <see cref="Any"/>.</summary>
    public void RaiseAny() => Volatile.Write(ref Any, Any + 1);

    /// <summary>Raises what a TLB invalidation touches.</summary>
    public void RaiseTranslations(bool tables)
    {
        Volatile.Write(ref Translations, Translations + 1);
        if (tables) Volatile.Write(ref Tables, Tables + 1);
        RaiseAny();
    }

    /// <summary>Raises what a configuration invalidation touches.</summary>
    public void RaiseConfiguration()
    {
        Volatile.Write(ref Configuration, Configuration + 1);
        RaiseAny();
    }
}
