using System.Runtime.CompilerServices;

namespace Smmu.Fast.Tlbs;

/// <summary>The stamps of a domain and of the device as they were before the first look-up of a translation.</summary>
internal readonly unsafe struct InvalidationDates
{
    private readonly InvalidationStamps* domain;
    private readonly InvalidationStamps* device;
    private readonly ulong domainTranslations;
    private readonly ulong deviceTranslations;

    /// <summary>Reads the stamps: those of the domain before those of the device.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public InvalidationDates(InvalidationStamps* domain, InvalidationStamps* device)
    {
        this.domain = domain;
        this.device = device;
        domainTranslations = Volatile.Read(ref domain->Translations);
        DomainTables = Volatile.Read(ref domain->Tables);
        deviceTranslations = Volatile.Read(ref device->Translations);
    }

    /// <summary>The domain's stamp of table descriptors.</summary>
    public ulong DomainTables { get; }

    /// <summary>True while nothing was invalidated that a fill could concern.</summary>
    public bool AreTranslationsPresent =>
        Volatile.Read(ref domain->Translations) == domainTranslations
        && Volatile.Read(ref device->Translations) == deviceTranslations;
}
