namespace Smmu.Fast.Formats;

/// <content>Makes commands. A value that its field cannot hold is an <see cref="ArgumentOutOfRangeException"/>.</content>
public readonly partial record struct Command
{
    /// <summary>CMD_PREFETCH_CONFIG.</summary>
    public static Command PrefetchConfig(StreamId stream, SubstreamId? substream = null, bool secure = false) =>
        Of(CommandOpcode.PrefetchConfig).For(stream, secure).For(substream);

    /// <summary>CMD_PREFETCH_ADDR for 2^size addresses, 2^(12 + stride) bytes apart.</summary>
    public static Command PrefetchAddress(
        StreamId stream, ulong address, byte size = 0, byte stride = 0, SubstreamId? substream = null, bool secure = false) =>
        Of(CommandOpcode.PrefetchAddress).For(stream, secure).For(substream)
            .With(CommandFields.Address, address).With(CommandFields.PrefetchSize, size).With(CommandFields.Stride, stride);

    /// <summary>CMD_CFGI_STE.</summary>
    public static Command CfgiSte(StreamId stream, bool leaf = true, bool secure = false) =>
        Of(CommandOpcode.CfgiSte).For(stream, secure).With(CommandFields.Leaf, leaf);

    /// <summary>CMD_CFGI_STE_RANGE for the aligned block of 2^(range + 1) streams that holds <paramref name="stream"/>.</summary>
    public static Command CfgiSteRange(StreamId stream, byte range, bool secure = false) =>
        Of(CommandOpcode.CfgiSteRange).For(stream, secure).With(CommandFields.Range, range);

    /// <summary>CMD_CFGI_ALL: CMD_CFGI_STE_RANGE for all streams.</summary>
    public static Command CfgiAll(bool secure = false) => CfgiSteRange(default, 31, secure);

    /// <summary>CMD_CFGI_CD.</summary>
    public static Command CfgiCd(StreamId stream, SubstreamId substream = default, bool leaf = true, bool secure = false) =>
        Of(CommandOpcode.CfgiCd).For(stream, secure)
            .With(CommandFields.SubstreamID, substream.Value).With(CommandFields.Leaf, leaf);

    /// <summary>CMD_CFGI_CD_ALL.</summary>
    public static Command CfgiCdAll(StreamId stream, bool secure = false) =>
        Of(CommandOpcode.CfgiCdAll).For(stream, secure);

    /// <summary>CMD_CFGI_VMS_PIDM.</summary>
    public static Command CfgiVmsPidm(Vmid vmid, bool secure = false) =>
        Of(CommandOpcode.CfgiVmsPidm).For(vmid).With(CommandFields.SSec, secure);

    /// <summary>CMD_TLBI_NH_ALL.</summary>
    public static Command TlbiNhAll(Vmid vmid) => Of(CommandOpcode.TlbiNhAll).For(vmid);

    /// <summary>CMD_TLBI_NH_ASID.</summary>
    public static Command TlbiNhAsid(Vmid vmid, Asid asid) => Of(CommandOpcode.TlbiNhAsid).For(vmid).For(asid);

    /// <summary>CMD_TLBI_NH_VA.</summary>
    public static Command TlbiNhVa(Vmid vmid, Asid asid, ulong address, bool leaf = true, InvalidationRange range = default) =>
        Of(CommandOpcode.TlbiNhVa).For(vmid).For(asid).At(CommandFields.Address, address, leaf, range);

    /// <summary>CMD_TLBI_NH_VAA.</summary>
    public static Command TlbiNhVaa(Vmid vmid, ulong address, bool leaf = true, InvalidationRange range = default) =>
        Of(CommandOpcode.TlbiNhVaa).For(vmid).At(CommandFields.Address, address, leaf, range);

    /// <summary>CMD_TLBI_EL3_ALL.</summary>
    public static Command TlbiEl3All() => Of(CommandOpcode.TlbiEl3All);

    /// <summary>CMD_TLBI_EL3_VA.</summary>
    public static Command TlbiEl3Va(ulong address, bool leaf = true, InvalidationRange range = default) =>
        Of(CommandOpcode.TlbiEl3Va).At(CommandFields.Address, address, leaf, range);

    /// <summary>CMD_TLBI_EL2_ALL.</summary>
    public static Command TlbiEl2All() => Of(CommandOpcode.TlbiEl2All);

    /// <summary>CMD_TLBI_EL2_ASID.</summary>
    public static Command TlbiEl2Asid(Asid asid) => Of(CommandOpcode.TlbiEl2Asid).For(asid);

    /// <summary>CMD_TLBI_EL2_VA.</summary>
    public static Command TlbiEl2Va(Asid asid, ulong address, bool leaf = true, InvalidationRange range = default) =>
        Of(CommandOpcode.TlbiEl2Va).For(asid).At(CommandFields.Address, address, leaf, range);

    /// <summary>CMD_TLBI_EL2_VAA.</summary>
    public static Command TlbiEl2Vaa(ulong address, bool leaf = true, InvalidationRange range = default) =>
        Of(CommandOpcode.TlbiEl2Vaa).At(CommandFields.Address, address, leaf, range);

    /// <summary>CMD_TLBI_S12_VMALL.</summary>
    public static Command TlbiS12Vmall(Vmid vmid) => Of(CommandOpcode.TlbiS12Vmall).For(vmid);

    /// <summary>CMD_TLBI_S2_IPA.</summary>
    public static Command TlbiS2Ipa(Vmid vmid, ulong address, bool leaf = true, InvalidationRange range = default) =>
        Of(CommandOpcode.TlbiS2Ipa).For(vmid).At(CommandFields.IPA, address, leaf, range);

    /// <summary>CMD_TLBI_NSNH_ALL.</summary>
    public static Command TlbiNsnhAll() => Of(CommandOpcode.TlbiNsnhAll);

    /// <summary>CMD_TLBI_S_EL2_ALL.</summary>
    public static Command TlbiSEl2All() => Of(CommandOpcode.TlbiSEl2All);

    /// <summary>CMD_TLBI_S_EL2_ASID.</summary>
    public static Command TlbiSEl2Asid(Asid asid) => Of(CommandOpcode.TlbiSEl2Asid).For(asid);

    /// <summary>CMD_TLBI_S_EL2_VA.</summary>
    public static Command TlbiSEl2Va(Asid asid, ulong address, bool leaf = true, InvalidationRange range = default) =>
        Of(CommandOpcode.TlbiSEl2Va).For(asid).At(CommandFields.Address, address, leaf, range);

    /// <summary>CMD_TLBI_S_EL2_VAA.</summary>
    public static Command TlbiSEl2Vaa(ulong address, bool leaf = true, InvalidationRange range = default) =>
        Of(CommandOpcode.TlbiSEl2Vaa).At(CommandFields.Address, address, leaf, range);

    /// <summary>CMD_TLBI_S_S12_VMALL.</summary>
    public static Command TlbiSS12Vmall(Vmid vmid) => Of(CommandOpcode.TlbiSS12Vmall).For(vmid);

    /// <summary>CMD_TLBI_S_S2_IPA.</summary>
    public static Command TlbiSS2Ipa(
        Vmid vmid, ulong address, bool nonSecure, bool leaf = true, InvalidationRange range = default) =>
        Of(CommandOpcode.TlbiSS2Ipa).For(vmid).At(CommandFields.IPA, address, leaf, range).With(CommandFields.NS, nonSecure);

    /// <summary>CMD_TLBI_SNH_ALL.</summary>
    public static Command TlbiSnhAll() => Of(CommandOpcode.TlbiSnhAll);

    /// <summary>CMD_ATC_INV for 2^(12 + size) bytes.</summary>
    public static Command AtcInv(
        StreamId stream, ulong address, byte size, SubstreamId? substream = null, bool global = false) =>
        Of(CommandOpcode.AtcInv).For(stream, false).For(substream).With(CommandFields.Global, global)
            .With(CommandFields.Size, size).With(CommandFields.Address, address);

    /// <summary>CMD_PRI_RESP.</summary>
    public static Command PriResp(
        StreamId stream, ushort pageRequestGroup, PageResponse response, SubstreamId? substream = null) =>
        Of(CommandOpcode.PriResp).For(stream, false).For(substream)
            .With(CommandFields.PRGIndex, pageRequestGroup).With(CommandFields.Resp, (ulong)response);

    /// <summary>CMD_RESUME that lets the transaction start again.</summary>
    public static Command ResumeRetry(StreamId stream, ushort stallTag, bool secure = false) =>
        Of(CommandOpcode.Resume).For(stream, secure).With(CommandFields.STAG, stallTag).With(CommandFields.Ac, true);

    /// <summary>CMD_RESUME that ends the transaction, with an abort or reading zero and ignoring writes.</summary>
    public static Command ResumeTerminate(StreamId stream, ushort stallTag, bool abort = true, bool secure = false) =>
        Of(CommandOpcode.Resume).For(stream, secure).With(CommandFields.STAG, stallTag).With(CommandFields.Ab, abort);

    /// <summary>CMD_STALL_TERM.</summary>
    public static Command StallTerm(StreamId stream, bool secure = false) => Of(CommandOpcode.StallTerm).For(stream, secure);

    /// <summary>CMD_SYNC that completes silently, with the wired interrupt or with a wake-up event.</summary>
    public static Command Sync(CompletionSignal signal = CompletionSignal.None) =>
        Of(CommandOpcode.Sync).With(CommandFields.CS, (ulong)signal);

    /// <summary>CMD_SYNC that completes with an MSI.</summary>
    /// <param name="address">Where it goes: a physical address, aligned to 4 bytes.</param>
    /// <param name="data">What it writes.</param>
    /// <param name="memoryType">Coded as STE.MemAttr.</param>
    /// <param name="shareability">0 Non-shareable, 2 Outer Shareable, 3 Inner Shareable.</param>
    public static Command SyncWithMsi(PhysicalAddress address, uint data, byte memoryType = 0xf, byte shareability = 3) =>
        Sync(CompletionSignal.Interrupt).With(CommandFields.MSIAddress, address.Value).With(CommandFields.MSIData, data)
            .With(CommandFields.MSIAttr, memoryType).With(CommandFields.MSH, shareability);

    /// <summary>CMD_DPTI_ALL.</summary>
    public static Command DptiAll() => Of(CommandOpcode.DptiAll);

    /// <summary>CMD_DPTI_PA for a region whose size has the code <paramref name="size"/>.</summary>
    public static Command DptiPa(PhysicalAddress address, byte size, bool leaf = true) =>
        Of(CommandOpcode.DptiPa).With(CommandFields.IPA, address.Value)
            .With(CommandFields.DptiSize, size).With(CommandFields.Leaf, leaf);

    private static Command Of(CommandOpcode opcode) => new((ulong)opcode, 0);

    private Command For(StreamId stream, bool secure) =>
        With(CommandFields.StreamID, stream.Value).With(CommandFields.SSec, secure);

    private Command For(SubstreamId? substream) => substream is { } given
        ? With(CommandFields.SSV, true).With(CommandFields.SubstreamID, given.Value)
        : this;

    private Command For(Vmid vmid) => With(CommandFields.VMID, vmid.Value);

    private Command For(Asid asid) => With(CommandFields.ASID, asid.Value);

    private Command At(int field, ulong address, bool leaf, InvalidationRange range) =>
        With(field, address).With(CommandFields.Leaf, leaf).With(CommandFields.TG, range.TG)
            .With(CommandFields.NUM, range.NUM).With(CommandFields.SCALE, range.SCALE)
            .With(CommandFields.TTL, range.TTL).With(CommandFields.TTL128, range.TTL128);

    private Command With(int range, bool value) => With(range, value ? 1UL : 0);

    private Command With(int range, ulong value)
    {
        Span<ulong> words = [Word0, Word1];
        BitRange.Set(words, range, value);
        return new Command(words[0], words[1]);
    }
}
