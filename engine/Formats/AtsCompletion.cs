namespace Smmu.Fast.Formats;

/// <summary>Completion status of a PCIe ATS Translation Request (IHI 0070, 3.9.1.2).</summary>
public enum AtsStatus : byte
{
    /// <summary>Success. It may grant nothing: then the page is not there for the endpoint, which may ask for it.</summary>
    Success = 0,

    /// <summary>Unsupported Request: ATS is off for the stream.</summary>
    UnsupportedRequest = 1,

    /// <summary>Completer Abort: the configuration of the stream is broken, or memory refused an access to it.</summary>
    CompleterAbort = 4,
}

/// <summary>What a Translation Completion grants and says beside the address: flags of its Data Entry (IHI 0070, 13.7.1).</summary>
[Flags]
public enum AtsGrants : byte
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>R: reads.</summary>
    Read = 1 << 0,

    /// <summary>W: writes.</summary>
    Write = 1 << 1,

    /// <summary>Exe: instruction reads; only if the request asked for them, and never without <see cref="Read"/>.</summary>
    Execute = 1 << 2,

    /// <summary>Priv: the other flags hold for privileged accesses. Repeats the request; without a PASID it is 0.</summary>
    Privileged = 1 << 3,

    /// <summary>Global: holds for all PASIDs. The SMMU never sets it (IHI 0070, 3.9.1).</summary>
    Global = 1 << 4,

    /// <summary>U: to be reached by untranslated accesses only. The SMMU never sets it.</summary>
    UntranslatedOnly = 1 << 5,

    /// <summary>N: accesses must not be marked No_snoop. The SMMU never sets it (IHI 0070, 13.6.2.1).</summary>
    NonSnooped = 1 << 6,
}

/// <summary>The answer to a PCIe ATS Translation Request, for the translation cache of an endpoint to keep.</summary>
/// <param name="Status">How the request ended; all else is of meaning with <see cref="AtsStatus.Success"/> only.</param>
/// <param name="TranslatedAddress">
/// Where exactly the requested address leads to: a physical address, or with Split-stage ATS the intermediate one that stage 2
/// will translate. 0 when no access is granted.
/// </param>
/// <param name="SizeLog2">log2 of <see cref="Size"/>.</param>
/// <param name="Grants">What is granted.</param>
public readonly record struct AtsCompletion(AtsStatus Status, ulong TranslatedAddress, byte SizeLog2, AtsGrants Grants)
{
    /// <summary>
    /// Bytes for which the answer holds: a power of two, no less than the smallest granule of the SMMU (the STU of its
    /// endpoints), naturally aligned around the requested and the translated address. 0 without a success.
    /// </summary>
    public ulong Size => SizeLog2 == 0 ? 0 : 1UL << SizeLog2;

    /// <summary>True when the endpoint got some access.</summary>
    public bool IsGranted => (Grants & (AtsGrants.Read | AtsGrants.Write)) != 0;

    /// <summary>R: reads are granted.</summary>
    public bool R => (Grants & AtsGrants.Read) != 0;

    /// <summary>W: writes are granted.</summary>
    public bool W => (Grants & AtsGrants.Write) != 0;

    /// <summary>Exe: instruction reads are granted.</summary>
    public bool Exe => (Grants & AtsGrants.Execute) != 0;

    /// <summary>Priv: the grants are for privileged accesses.</summary>
    public bool Priv => (Grants & AtsGrants.Privileged) != 0;

    /// <summary>Global: always 0.</summary>
    public bool Global => (Grants & AtsGrants.Global) != 0;

    /// <summary>U: always 0.</summary>
    public bool U => (Grants & AtsGrants.UntranslatedOnly) != 0;

    /// <summary>N: always 0.</summary>
    public bool N => (Grants & AtsGrants.NonSnooped) != 0;
}
