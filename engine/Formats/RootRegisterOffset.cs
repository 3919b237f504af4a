namespace Smmu.Fast.Formats;

/// <summary>Byte offsets of the Root control page, which has a base of its own (IHI 0070, 6.2).</summary>
public static class RootRegisterOffset
{
    /// <summary>Features.</summary>
    public const uint ROOT_IDR0 = 0x0000;

    /// <summary>Implementer and product.</summary>
    public const uint ROOT_IIDR = 0x0008;

    /// <summary>Enables.</summary>
    public const uint ROOT_CR0 = 0x0020;

    /// <summary>Enables in effect.</summary>
    public const uint ROOT_CR0ACK = 0x0024;

    /// <summary>Base of the granule protection table, 64 bits.</summary>
    public const uint ROOT_GPT_BASE = 0x0028;

    /// <summary>Format of the granule protection table, 64 bits.</summary>
    public const uint ROOT_GPT_BASE_CFG = 0x0030;

    /// <summary>First granule protection fault, 64 bits.</summary>
    public const uint ROOT_GPF_FAR = 0x0038;

    /// <summary>First configuration fault of the table, 64 bits.</summary>
    public const uint ROOT_GPT_CFG_FAR = 0x0040;

    /// <summary>Region to invalidate, 64 bits.</summary>
    public const uint ROOT_TLBI = 0x0050;

    /// <summary>Start of an invalidation.</summary>
    public const uint ROOT_TLBI_CTRL = 0x0058;

    /// <summary>The next base of the table, 64 bits.</summary>
    public const uint ROOT_GPT_BASE2 = 0x0060;

    /// <summary>Takes the next base into use.</summary>
    public const uint ROOT_GPT_BASE_UPDATE = 0x0068;
}
