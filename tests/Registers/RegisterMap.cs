using Smmu.Fast.Formats;

namespace Smmu.Fast.Tests.Registers;

/// <summary>The Non-secure registers of a device with MSIs and page requests, and which of their bits software may set.</summary>
internal static class RegisterMap
{
    /// <summary>64-bit registers, with the bits of 48-bit addresses.</summary>
    public static IReadOnlyList<(uint Offset, ulong Bits)> Wide { get; } =
    [
        (RegisterOffset.GERROR_IRQ_CFG0, 0x0000_ffff_ffff_fffc),
        (RegisterOffset.STRTAB_BASE, 0x4000_ffff_ffff_ffc0),
        (RegisterOffset.CMDQ_BASE, 0x4000_ffff_ffff_ffff),
        (RegisterOffset.EVENTQ_BASE, 0x4000_ffff_ffff_ffff),
        (RegisterOffset.EVENTQ_IRQ_CFG0, 0x0000_ffff_ffff_fffc),
        (RegisterOffset.PRIQ_BASE, 0x4000_ffff_ffff_ffff),
        (RegisterOffset.PRIQ_IRQ_CFG0, 0x0000_ffff_ffff_fffc),
    ];

    /// <summary>32-bit registers that take writes while everything is disabled, and do nothing but keep them.</summary>
    public static IReadOnlyList<(uint Offset, uint Bits)> Narrow { get; } =
    [
        (RegisterOffset.CR1, 0xfff),
        (RegisterOffset.CR2, 0xb),
        (RegisterOffset.GERRORN, 0x1fd),
        (RegisterOffset.GERROR_IRQ_CFG1, 0xffff_ffff),
        (RegisterOffset.GERROR_IRQ_CFG2, 0x3f),
        (RegisterOffset.STRTAB_BASE_CFG, 0x3_07ff),
        (RegisterOffset.CMDQ_PROD, 0xf_ffff),
        (RegisterOffset.CMDQ_CONS, 0x7f0f_ffff),
        (RegisterOffset.EVENTQ_IRQ_CFG1, 0xffff_ffff),
        (RegisterOffset.EVENTQ_IRQ_CFG2, 0x3f),
        (RegisterOffset.PRIQ_IRQ_CFG1, 0xffff_ffff),
        (RegisterOffset.PRIQ_IRQ_CFG2, 0x8000_003f),
        (RegisterOffset.EVENTQ_PROD, 0x800f_ffff),
        (RegisterOffset.EVENTQ_CONS, 0x800f_ffff),
        (RegisterOffset.PRIQ_PROD, 0x800f_ffff),
        (RegisterOffset.PRIQ_CONS, 0x800f_ffff),
    ];

    /// <summary>Registers on Page 1 and where else they show.</summary>
    public static IReadOnlyList<(uint Offset, uint Alias)> Aliases { get; } =
    [
        (RegisterOffset.EVENTQ_PROD, RegisterOffset.EVENTQ_PROD_ALIAS),
        (RegisterOffset.EVENTQ_CONS, RegisterOffset.EVENTQ_CONS_ALIAS),
        (RegisterOffset.PRIQ_PROD, RegisterOffset.PRIQ_PROD_ALIAS),
        (RegisterOffset.PRIQ_CONS, RegisterOffset.PRIQ_CONS_ALIAS),
    ];

    /// <summary>Registers that no write changes.</summary>
    public static IReadOnlyList<uint> ReadOnly { get; } =
    [
        RegisterOffset.IDR0, RegisterOffset.IDR1, RegisterOffset.IDR2, RegisterOffset.IDR3, RegisterOffset.IDR4,
        RegisterOffset.IDR5, RegisterOffset.IIDR, RegisterOffset.AIDR, RegisterOffset.CR0ACK,
        RegisterOffset.IRQ_CTRLACK, RegisterOffset.GERROR,
    ];

    /// <summary>Offsets of all words that belong to a register.</summary>
    public static HashSet<uint> Words { get; } =
    [
        .. ReadOnly,
        .. Narrow.Select(register => register.Offset),
        .. Wide.SelectMany(register => new[] { register.Offset, register.Offset + 4 }),
        .. Aliases.Select(register => register.Alias),
        RegisterOffset.CR0,
        RegisterOffset.GBPA,
        RegisterOffset.IRQ_CTRL,
    ];

    /// <summary><see cref="Wide"/> as cases of a theory.</summary>
    public static TheoryData<uint, ulong> WideCases => CasesOf(Wide);

    /// <summary><see cref="Narrow"/> as cases of a theory.</summary>
    public static TheoryData<uint, uint> NarrowCases => CasesOf(Narrow);

    /// <summary><see cref="Aliases"/> as cases of a theory.</summary>
    public static TheoryData<uint, uint> AliasCases => CasesOf(Aliases);

    private static TheoryData<uint, T> CasesOf<T>(IReadOnlyList<(uint Offset, T Second)> rows)
    {
        var cases = new TheoryData<uint, T>();
        foreach (var (offset, second) in rows) cases.Add(offset, second);
        return cases;
    }
}
