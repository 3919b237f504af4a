using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Registers;

/// <summary>While SMMUEN is 0, GBPA alone says what becomes of a transaction (IHI 0070, 6.3.9.6 and 6.3.14).</summary>
public sealed class GlobalBypassTests : IDisposable
{
    private const uint Update = 1u << 31;
    private const uint Abort = 1u << 20;
    private const uint UseIncoming = 0x1000;

    private readonly ScriptedBus bus = new();
    private readonly GuestMachine machine;
    private readonly DmaPort port;

    public GlobalBypassTests()
    {
        machine = new GuestMachine(bus: bus);
        port = machine.Smmu.OpenPort(new StreamId(3), new SubstreamId(9));
    }

    public static TheoryData<uint> AttributeOverrides
    {
        get
        {
            var data = new TheoryData<uint>();
            for (uint shareability = 0; shareability < 4; shareability++) data.Add(shareability << 12);
            for (uint type = 0; type < 16; type++) data.Add(UseIncoming | 0x10 | type);
            for (uint hints = 1; hints < 16; hints++) data.Add(UseIncoming | (hints << 8));
            data.Add(0x3000 | 0x1a | (0b1011 << 8));
            return data;
        }
    }

    public void Dispose() => machine.Dispose();

    [Fact]
    [Rule("CTL-19")]
    [Rule("EN-07")]
    public void TransactionsPassWithTheirAddressWhateverTheirSubstream()
    {
        foreach (ulong address in (ulong[])[0, 0x1234_5678_9abc, 0xffff_ffff_ffff])
        {
            var result = port.Translate(address, AccessKind.Write);
            Assert.Equal((TranslationOutcome.DeviceBypassed, address), (result.Outcome, result.Address.Value));
            Assert.Equal(AccessPermissions.All, result.Permissions);
        }

        Assert.True(port.Write(GuestMachine.RamBase + 0x2000, [1, 2, 3]));
        Assert.Equal(0x0003_0201u, machine.Read32(GuestMachine.RamBase + 0x2000));
    }

    [Fact]
    [Rule("CTL-20")]
    [Rule("EN-07")]
    public void WithAbortEveryTransactionAbortsWithoutAnEvent()
    {
        machine.SetUpEventQueue();
        machine.Enable(ControlBits.EventQueue);
        Assert.True(port.Translate(0x1000, AccessKind.Read).IsSuccess);

        machine.Write(RegisterOffset.GBPA, Update | Abort | UseIncoming);
        foreach (var access in (AccessKind[])[AccessKind.Read, AccessKind.Write, AccessKind.Atomic])
        {
            var result = port.Translate(0x1000, access);
            Assert.Equal((TranslationOutcome.Aborted, EventType.None), (result.Outcome, result.Event));
        }

        Assert.False(port.Read(GuestMachine.RamBase, new byte[4]));
        Assert.False(machine.TryTakeEvent(out _));
    }

    [Theory]
    [InlineData(0, 32)]
    [InlineData(5, 48)]
    [Rule("CTL-21")]
    public void AddressesAboveTheOutputSizeAbortWithoutAnEvent(byte code, int bits)
    {
        using var sized = new GuestMachine(SmmuFeatures.Default.With(SmmuFeatureField.OAS, code));
        sized.SetUpEventQueue();
        sized.Enable(ControlBits.EventQueue);
        ulong limit = 1UL << bits;
        Assert.True(sized.Smmu.Translate(default, null, limit - 1, AccessKind.Read).IsSuccess);
        foreach (ulong address in (ulong[])[limit, limit << 1, 1UL << 63, ulong.MaxValue])
        {
            Assert.Equal(TranslationOutcome.Aborted, sized.Smmu.Translate(default, null, address, AccessKind.Read).Outcome);
        }

        Assert.False(sized.TryTakeEvent(out _));
    }

    [Fact]
    [Rule("CTL-22")]
    public void NoTableIsReadAndTheTableRegistersMayHoldAnything()
    {
        machine.WriteWhole(RegisterOffset.STRTAB_BASE, ScriptedBus.Base);
        machine.Write(RegisterOffset.STRTAB_BASE_CFG, 8);
        Assert.True(port.Translate(0x1000, AccessKind.Read).IsSuccess);
        machine.WriteWhole(RegisterOffset.STRTAB_BASE, ulong.MaxValue);
        machine.Write(RegisterOffset.STRTAB_BASE_CFG, uint.MaxValue);
        Assert.True(port.Translate(0x5000, AccessKind.Read).IsSuccess);
        Assert.Empty(bus.Reads);
    }

    [Fact]
    [Rule("CTL-48")]
    [Rule("EN-16")]
    public void AWriteWithUpdateIsReadableAndInForceWhenUpdateReadsZero()
    {
        machine.Write(RegisterOffset.GBPA, Update | Abort | UseIncoming);
        Assert.Equal(Abort | UseIncoming, machine.Read(RegisterOffset.GBPA));
        Assert.Equal(TranslationOutcome.Aborted, port.Translate(0x1000, AccessKind.Read).Outcome);

        machine.Write(RegisterOffset.GBPA, Update | UseIncoming);
        Assert.Equal(UseIncoming, machine.Read(RegisterOffset.GBPA));
        Assert.True(port.Translate(0x1000, AccessKind.Read).IsSuccess);
    }

    [Fact]
    [Rule("CTL-49")]
    [Rule("EN-16")]
    public void AWriteWithoutUpdateChangesNothing()
    {
        machine.Write(RegisterOffset.GBPA, Abort);
        Assert.Equal(UseIncoming, machine.Read(RegisterOffset.GBPA));
        Assert.True(port.Translate(0x1000, AccessKind.Read).IsSuccess);
    }

    [Theory]
    [MemberData(nameof(AttributeOverrides))]
    [Rule("CTL-52")]
    public void OverridesMeanWhatTheyMeanInAStreamTableEntry(uint attributes)
    {
        var codes = new GlobalBypassAttributes(attributes);
        machine.SetUpStreamTable();
        machine.SetStream(3, Entries.Bypass
            .With(StreamTableEntryField.MTCFG, codes.MTCFG ? 1UL : 0)
            .With(StreamTableEntryField.MemAttr, codes.MemAttr)
            .With(StreamTableEntryField.ALLOCCFG, codes.ALLOCCFG)
            .With(StreamTableEntryField.SHCFG, codes.SHCFG));
        machine.Write(RegisterOffset.GBPA, Update | attributes);
        var global = machine.Smmu.Translate(new StreamId(3), null, 0x1000, AccessKind.Read);
        machine.Enable(ControlBits.Smmu);
        var stream = machine.Smmu.Translate(new StreamId(3), null, 0x1000, AccessKind.Read);

        Assert.Equal(TranslationOutcome.DeviceBypassed, global.Outcome);
        Assert.Equal(TranslationOutcome.StreamBypassed, stream.Outcome);
        Assert.Equal(stream.Attributes, global.Attributes);
    }

    [Theory]
    [InlineData(0x0000u, 0xff, 0)]   // NSH.
    [InlineData(0x1000u, 0xff, 0)]   // Incoming, of a bus that carries none.
    [InlineData(0x2000u, 0xff, 2)]   // OSH.
    [InlineData(0x3000u, 0xff, 3)]   // ISH.
    [InlineData(0x3015u, 0x44, 2)]   // Normal Non-cacheable is Outer Shareable whatever SHCFG says.
    [InlineData(0x3011u, 0x04, 2)]   // Device-nGnRE as well.
    [InlineData(0x3a00u, 0xdd, 3)]   // Write allocation alone, not transient.
    [Rule("CTL-19")]
    [Rule("CTL-52")]
    [Rule("EN-07")]
    [Rule("EN-17")]
    public void TypeAndShareabilityComeFromTheRegister(uint attributes, byte type, byte shareability)
    {
        machine.Write(RegisterOffset.GBPA, Update | attributes);
        Assert.Equal(new MemoryAttributes(type, shareability), port.Translate(0x1000, AccessKind.Read).Attributes);
    }

    [Fact]
    [Rule("CTL-53")]
    [Rule("EN-18")]
    [Rule("ID-37")]
    public void WithoutTypeOverridesTheIncomingAttributesPass()
    {
        using var plain = new GuestMachine(SmmuFeatures.Default.With(SmmuFeatureField.ATTR_TYPES_OVR, 0));
        var incoming = plain.Smmu.Translate(default, null, 0x1000, AccessKind.Read).Attributes;
        plain.Write(RegisterOffset.GBPA, Update | 0x3b15);
        Assert.Equal(incoming, plain.Smmu.Translate(default, null, 0x1000, AccessKind.Read).Attributes);
    }
}
