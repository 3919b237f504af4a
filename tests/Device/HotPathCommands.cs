using Smmu.Fast.Formats;

namespace Smmu.Fast.Tests.Device;

/// <summary>A command of each kind, for the streams of <see cref="HotPathScene"/>.</summary>
internal static class HotPathCommands
{
    private static readonly StreamId stream = new(HotPathScene.Stage1);
    private static readonly Asid asid = new(HotPathScene.Asid);
    private static readonly Vmid vmid = new(HotPathScene.Vmid);
    private static readonly InvalidationRange pages31 = new(TG: 1, NUM: 30, SCALE: 0, TTL: 0);

    /// <summary>The commands by name.</summary>
    public static IReadOnlyDictionary<string, Command> All { get; } = new Dictionary<string, Command>
    {
        ["PREFETCH_CONFIG"] = Command.PrefetchConfig(stream),
        ["PREFETCH_ADDR"] = Command.PrefetchAddress(stream, HotPathScene.First),
        ["CFGI_STE"] = Command.CfgiSte(stream),
        ["CFGI_STE_RANGE"] = Command.CfgiSteRange(stream, 3),
        ["CFGI_ALL"] = Command.CfgiAll(),
        ["CFGI_CD"] = Command.CfgiCd(stream),
        ["CFGI_CD_ALL"] = Command.CfgiCdAll(stream),
        ["TLBI_NH_VA"] = Command.TlbiNhVa(default, asid, HotPathScene.First),
        ["TLBI_NH_VA of the tables too"] = Command.TlbiNhVa(default, asid, HotPathScene.First, leaf: false),
        ["TLBI_NH_VA of a range"] = Command.TlbiNhVa(default, asid, HotPathScene.First, range: pages31),
        ["TLBI_NH_VAA"] = Command.TlbiNhVaa(vmid, HotPathScene.First),
        ["TLBI_NH_ASID"] = Command.TlbiNhAsid(default, asid),
        ["TLBI_NH_ALL"] = Command.TlbiNhAll(vmid),
        ["TLBI_EL2_VA"] = Command.TlbiEl2Va(asid, HotPathScene.First),
        ["TLBI_EL2_ASID"] = Command.TlbiEl2Asid(asid),
        ["TLBI_EL2_ALL"] = Command.TlbiEl2All(),
        ["TLBI_S12_VMALL"] = Command.TlbiS12Vmall(vmid),
        ["TLBI_S2_IPA"] = Command.TlbiS2Ipa(vmid, HotPathScene.First & 0xffff_ffff),
        ["TLBI_NSNH_ALL"] = Command.TlbiNsnhAll(),
        ["ATC_INV"] = Command.AtcInv(stream, HotPathScene.First, size: 0),
        ["PRI_RESP"] = Command.PriResp(stream, 1, PageResponse.Success),
        ["RESUME"] = Command.ResumeRetry(stream, 1),
        ["STALL_TERM"] = Command.StallTerm(stream),
    };
}
