using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Commands;

/// <summary>To whom the cached pages belong.</summary>
internal enum Owners
{
    /// <summary>To one ASID.</summary>
    OneAsid,

    /// <summary>To many ASIDs in equal parts, as many as commands come.</summary>
    ManyAsids,

    /// <summary>To many VMIDs likewise, nested.</summary>
    ManyVmids,

    /// <summary>To many VMIDs likewise, stage 2 alone.</summary>
    ManyVmidsOfStage2,
}

/// <summary>A command of a benchmark: what it names.</summary>
/// <param name="Owners">Whose pages are cached, so that each command finds what it names.</param>
/// <param name="Make">Makes the command of an owner and a page.</param>
internal sealed record CommandKind(Owners Owners, Func<int, ulong, Command> Make)
{
    /// <summary>The commands by name.</summary>
    public static IReadOnlyDictionary<string, CommandKind> All { get; } = new Dictionary<string, CommandKind>
    {
        ["TLBI_NH_VA"] = new(Owners.OneAsid, (_, page) => Command.TlbiNhVa(default, CommandWorld.LoneAsid, page)),
        ["TLBI_NH_VA, Leaf 0"] =
            new(Owners.OneAsid, (_, page) => Command.TlbiNhVa(default, CommandWorld.LoneAsid, page, leaf: false)),
        ["TLBI_NH_VAA"] = new(Owners.OneAsid, (_, page) => Command.TlbiNhVaa(default, page)),
        ["TLBI_NH_ASID"] = new(Owners.ManyAsids, (owner, _) => Command.TlbiNhAsid(default, CommandWorld.AsidOf(owner))),
        ["TLBI_NH_ALL"] = new(Owners.ManyVmids, (owner, _) => Command.TlbiNhAll(CommandWorld.VmidOf(owner))),
        ["TLBI_EL2_VA"] = new(Owners.OneAsid, (_, page) => Command.TlbiEl2Va(default, page)),
        ["TLBI_EL2_ASID"] = new(Owners.OneAsid, (_, _) => Command.TlbiEl2Asid(CommandWorld.LoneAsid)),
        ["TLBI_EL2_ALL"] = new(Owners.OneAsid, (_, _) => Command.TlbiEl2All()),
        ["TLBI_S12_VMALL"] = new(Owners.ManyVmids, (owner, _) => Command.TlbiS12Vmall(CommandWorld.VmidOf(owner))),
        ["TLBI_S2_IPA"] = new(Owners.ManyVmidsOfStage2, (owner, page) => Command.TlbiS2Ipa(CommandWorld.VmidOf(owner), page)),
        ["TLBI_NSNH_ALL"] = new(Owners.OneAsid, (_, _) => Command.TlbiNsnhAll()),
        ["CFGI_STE"] = new(Owners.ManyAsids, (owner, _) => Command.CfgiSte(CommandWorld.StreamOf(owner))),
        ["CFGI_STE_RANGE of 16"] = new(Owners.ManyAsids, (owner, _) => Command.CfgiSteRange(CommandWorld.StreamOf(owner & ~15), 3)),
        ["CFGI_ALL"] = new(Owners.ManyAsids, (_, _) => Command.CfgiAll()),
        ["CFGI_CD"] = new(Owners.ManyAsids, (owner, _) => Command.CfgiCd(CommandWorld.StreamOf(owner))),
        ["CFGI_CD_ALL"] = new(Owners.ManyAsids, (owner, _) => Command.CfgiCdAll(CommandWorld.StreamOf(owner))),
        ["PREFETCH_CONFIG"] = new(Owners.ManyAsids, (owner, _) => Command.PrefetchConfig(CommandWorld.StreamOf(owner))),
        ["PREFETCH_ADDR"] = new(Owners.ManyAsids, (owner, page) => Command.PrefetchAddress(CommandWorld.StreamOf(owner), page)),
        ["ATC_INV"] = new(Owners.ManyAsids, (owner, page) => Command.AtcInv(CommandWorld.StreamOf(owner), page, size: 0)),
        ["PRI_RESP"] = new(Owners.ManyAsids, (owner, _) => Command.PriResp(CommandWorld.StreamOf(owner), 1, PageResponse.Success)),
        ["RESUME"] = new(Owners.ManyAsids, (owner, _) => Command.ResumeRetry(CommandWorld.StreamOf(owner), 1)),
        ["STALL_TERM"] = new(Owners.ManyAsids, (owner, _) => Command.StallTerm(CommandWorld.StreamOf(owner))),
    };

    /// <summary>TLBI_NH_VA of a range of pages.</summary>
    /// <param name="pages">How many: at most 32 times a power of two.</param>
    public static CommandKind Range(int pages)
    {
        int scale = 0;
        while (pages >> scale > 32) scale++;
        var range = new InvalidationRange(TG: 1, NUM: (byte)((pages >> scale) - 1), SCALE: (byte)scale, TTL: (byte)(pages == 1 ? 3 : 0));
        TranslationScene.Require(pages >> scale << scale == pages, $"no range has {pages} pages");
        return new CommandKind(
            Owners.OneAsid, (_, page) => Command.TlbiNhVa(default, CommandWorld.LoneAsid, page, leaf: true, range: range));
    }
}
