namespace Smmu.Fast.Formats;

/// <summary>Byte offsets within the VATOS page and the S_VATOS page (IHI 0070, 6.2).</summary>
public static class VatosRegisterOffset
{
    /// <summary>Start of an address translation operation.</summary>
    public const uint VATOS_CTRL = 0x0a00;

    /// <summary>Stream of the operation, 64 bits.</summary>
    public const uint VATOS_SID = 0x0a08;

    /// <summary>Address of the operation, 64 bits.</summary>
    public const uint VATOS_ADDR = 0x0a10;

    /// <summary>Result of the operation, 64 bits.</summary>
    public const uint VATOS_PAR = 0x0a18;
}
