namespace Smmu.Fast.Formats;

/// <summary>Identifies a stream: the index into the Stream table (IHI 0070, 3.2).</summary>
/// <param name="Value">0 to 2^SIDSIZE - 1; up to 32 bits.</param>
public readonly record struct StreamId(uint Value);

/// <summary>Identifies a substream of a stream: the index into its Context Descriptor table; a PCIe PASID (IHI 0070, 3.2).</summary>
/// <param name="Value">0 to 2^SSIDSIZE - 1; at most 20 bits.</param>
public readonly record struct SubstreamId(uint Value);

/// <summary>Tags stage 1 translations of one address space (IHI 0070, 3.17).</summary>
/// <param name="Value">16 bits; 8 without IDR0.ASID16.</param>
public readonly record struct Asid(ushort Value);

/// <summary>Tags translations of one virtual machine (IHI 0070, 3.17).</summary>
/// <param name="Value">16 bits; 8 without IDR0.VMID16.</param>
public readonly record struct Vmid(ushort Value);

/// <summary>An address of physical memory, below 2^OAS.</summary>
/// <param name="Value">The address in bytes.</param>
public readonly record struct PhysicalAddress(ulong Value)
{
    /// <inheritdoc/>
    public override string ToString() => $"0x{Value:x}";
}

/// <summary>The Security state of a stream: SEC_SID (IHI 0070, 3.10.1).</summary>
public enum SecurityState : byte
{
    /// <summary>Non-secure.</summary>
    NonSecure = 0,

    /// <summary>Secure.</summary>
    Secure = 1,

    /// <summary>Realm.</summary>
    Realm = 2,
}

/// <summary>The translation regime of a stream (IHI 0070, 3.3.4).</summary>
public enum StreamWorld : byte
{
    /// <summary>Non-secure EL1: two table bases, ASID and, with stage 2 implemented, VMID.</summary>
    NonSecureEl1 = 0,

    /// <summary>Non-secure EL2: one table base, no ASID, no VMID.</summary>
    NonSecureEl2 = 1,

    /// <summary>Non-secure EL2 with E2H: two table bases and an ASID, no VMID.</summary>
    NonSecureEl2E2h = 2,

    /// <summary>Secure (EL1).</summary>
    Secure = 3,

    /// <summary>Secure EL2.</summary>
    SecureEl2 = 4,

    /// <summary>Secure EL2 with E2H.</summary>
    SecureEl2E2h = 5,

    /// <summary>EL3.</summary>
    El3 = 6,

    /// <summary>Realm EL1.</summary>
    RealmEl1 = 7,

    /// <summary>Realm EL2.</summary>
    RealmEl2 = 8,

    /// <summary>Realm EL2 with E2H.</summary>
    RealmEl2E2h = 9,
}
