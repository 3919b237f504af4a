using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Commands;

/// <summary>Where the bits of a command lie, told by commands that are written byte by byte (IHI 0070, 4.1).</summary>
public class CommandFormatTests
{
    private const ulong Iova = 0x12_3000;
    private const ulong Old = 0x4100_0000;
    private const ulong New = 0x4200_0000;

    private static readonly byte[] DefinedOpcodes =
    [
        0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
        0x10, 0x11, 0x12, 0x13, 0x18, 0x1a, 0x20, 0x21, 0x22, 0x23, 0x28, 0x2a, 0x30,
        0x40, 0x41, 0x44, 0x45, 0x46,
        0x50, 0x51, 0x52, 0x53, 0x58, 0x5a, 0x60, 0x70, 0x73,
    ];

    [Fact]
    [Rule("CMD-GEN-01")]
    public void OpcodesAreThoseOfTheArchitecture() =>
        Assert.Equal(DefinedOpcodes, Enum.GetValues<CommandOpcode>().Select(opcode => (byte)opcode).Order());

    [Theory]
    [InlineData(0x01, "CMD_PREFETCH_CONFIG")]
    [InlineData(0x02, "CMD_PREFETCH_ADDR")]
    [InlineData(0x03, "CMD_CFGI_STE")]
    [InlineData(0x05, "CMD_CFGI_CD")]
    [InlineData(0x06, "CMD_CFGI_CD_ALL")]
    [InlineData(0x07, "CMD_CFGI_VMS_PIDM")]
    [InlineData(0x10, "CMD_TLBI_NH_ALL")]
    [InlineData(0x11, "CMD_TLBI_NH_ASID")]
    [InlineData(0x12, "CMD_TLBI_NH_VA")]
    [InlineData(0x13, "CMD_TLBI_NH_VAA")]
    [InlineData(0x18, "CMD_TLBI_EL3_ALL")]
    [InlineData(0x1a, "CMD_TLBI_EL3_VA")]
    [InlineData(0x20, "CMD_TLBI_EL2_ALL")]
    [InlineData(0x21, "CMD_TLBI_EL2_ASID")]
    [InlineData(0x22, "CMD_TLBI_EL2_VA")]
    [InlineData(0x23, "CMD_TLBI_EL2_VAA")]
    [InlineData(0x28, "CMD_TLBI_S12_VMALL")]
    [InlineData(0x2a, "CMD_TLBI_S2_IPA")]
    [InlineData(0x30, "CMD_TLBI_NSNH_ALL")]
    [InlineData(0x40, "CMD_ATC_INV")]
    [InlineData(0x41, "CMD_PRI_RESP")]
    [InlineData(0x44, "CMD_RESUME")]
    [InlineData(0x45, "CMD_STALL_TERM")]
    [InlineData(0x46, "CMD_SYNC")]
    [Rule("CMD-GEN-01")]
    public void EachOpcodeHasItsName(byte opcode, string name) =>
        Assert.StartsWith(name, new Command(opcode, 0).ToString(), StringComparison.Ordinal);

    [Fact]
    [Rule("CMD-GEN-01")]
    [Rule("CMD-SYNC-01")]
    [Rule("CMD-SYNC-03")]
    public void SyncIsSixteenLittleEndianBytes()
    {
        using var scene = new CommandScene();
        ulong target = scene.Machine.Allocate(64) + 4;
        byte[] bytes =
        [
            0x46, 0x10, 0xc0, 0x0f,   // Opcode, CS = 1 in [13:12], MSH in [23:22], MSIAttr in [27:24].
            0x78, 0x56, 0x34, 0x12,   // MSIData.
            (byte)target, (byte)(target >> 8), (byte)(target >> 16), (byte)(target >> 24), 0, 0, 0, 0,
        ];
        Assert.True(scene.Machine.Memory.Write(scene.Machine.CommandQueue, bytes));

        scene.Machine.Write(RegisterOffset.CMDQ_PROD, 1);

        Assert.Equal(1u, scene.Consumer);
        Assert.Equal(0x1234_5678u, scene.Machine.Read32(target));
    }

    [Fact]
    [Rule("CMD-SYNC-01")]
    public void FieldsOfSyncLieWhereTheArchitectureHasThem()
    {
        const ulong Word0 = 0x46 | (2UL << 12) | (3UL << 22) | (0xaUL << 24) | (0xdead_beefUL << 32);
        var sync = new Command(Word0, (0xff_ffff_ffff_fffcUL) | (1UL << 63));

        Assert.Equal(CompletionSignal.Event, sync.CS);
        Assert.Equal(3, sync.MSH);
        Assert.Equal(0xa, sync.MSIAttr);
        Assert.Equal(0xdead_beefu, sync.MSIData);
        Assert.Equal(0xff_ffff_ffff_fffcUL, sync.MSIAddress);
        Assert.True(sync.MSI_NS);
        Assert.Equal(0UL, new Command(Word0, 3).MSIAddress);   // [65:64] is none of it.
    }

    [Fact]
    [Rule("CMD-GEN-03")]
    public void SharedFieldsLieWhereTheArchitectureHasThem()
    {
        var ofStream = new Command((1UL << 10) | (1UL << 11) | (0xabcdeUL << 12) | (0x8765_4321UL << 32), 1);
        Assert.True(ofStream.SSec);
        Assert.True(ofStream.SSV);
        Assert.Equal(0xabcdeu, ofStream.SubstreamId.Value);
        Assert.Equal(0x8765_4321u, ofStream.StreamId.Value);
        Assert.True(ofStream.Leaf);

        var ofTlb = new Command((0x1234UL << 32) | (0xfedcUL << 48), 0xfedc_ba98_7654_3000);
        Assert.Equal(0x1234, ofTlb.Vmid.Value);
        Assert.Equal(0xfedc, ofTlb.Asid.Value);
        Assert.False(ofTlb.Leaf);
        Assert.Equal(0xfedc_ba98_7654_3000, ofTlb.Address);
        Assert.Equal(0xdc_ba98_7654_3000UL, ofTlb.IntermediatePhysicalAddress);
    }

    [Theory]
    [InlineData(0x10, false, false)]
    [InlineData(0x11, true, false)]
    [InlineData(0x12, true, true)]
    [InlineData(0x13, false, true)]
    [Rule("CMD-GEN-03")]
    public void InvalidationsFindTheirTagsAndAddressInTheSharedPlaces(byte opcode, bool byAsid, bool byAddress)
    {
        const ushort Asid = 0x8765;
        const ushort Vmid = 0x4321;
        using var scene = new CommandScene(CommandScene.TwoStages);
        var space = scene.Attach(1, Asid, Vmid);
        scene.MoveBehindCaches(space, 1, Iova, Old, New);

        scene.Run(new Command(
            opcode | ((ulong)Vmid << 32) | (byAsid ? (ulong)Asid << 48 : 0), byAddress ? Iova | 1 : 0));

        Assert.Equal(New, scene.Output(1, Iova));
    }

    [Fact]
    [Rule("CMD-PREF-02")]
    public void PrefetchOfAddressesCarriesSizeAndStride()
    {
        var prefetch = Command.PrefetchAddress(new StreamId(5), 0xffff_0000_1234_5000, size: 0x15, stride: 0x13);

        Assert.Equal(0x02UL | (5UL << 32), prefetch.Word0);
        Assert.Equal(0xffff_0000_1234_5000 | 0x15 | (0x13UL << 5), prefetch.Word1);
    }
}
