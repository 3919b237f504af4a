using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Commands;

/// <summary>Fields of STE and CD that act after CMD_CFGI and CMD_SYNC alone, however warm the TLB is (IHI 0070, 5.2, 5.4, 16.2.2).</summary>
public class ConfigurationFieldTests
{
    private const uint Stream = 1;
    private const ulong Iova = 0x4012_3000;
    private const ulong Output = 0x8000_0000;
    private const ulong Ipa = 0x8040_5000;

    [Theory]
    [InlineData(0b000, TranslationOutcome.Aborted)]
    [InlineData(0b100, TranslationOutcome.StreamBypassed)]
    [Rule("CACHE-15")]
    [Rule("CACHE-12")]
    public void StreamIsSwitchedOffOrBypassed(ulong config, TranslationOutcome expected)
    {
        using var scene = new CommandScene();
        scene.Attach(Stream, 1).Map(Iova, Output);
        using var port = Warm(scene, Iova);

        Change(scene, entry => entry.With(StreamTableEntryField.Config, config));

        Assert.Equal(expected, scene.Translate(Stream, Iova).Outcome);
        Assert.Equal(expected, port.Translate(Iova, AccessKind.Read).Outcome);
    }

    [Fact]
    [Rule("CACHE-15")]
    public void TrafficWithoutSubstreamIsTreatedAnew()
    {
        const ulong Terminate = 0;
        const ulong Bypass = 1;
        const ulong UseContext0 = 2;
        using var scene = new CommandScene(CommandScene.Substreams);
        ulong table = scene.AttachSubstreams(Stream, 1, disabledSubstream: UseContext0);
        scene.Machine.SetContext(table, scene.Space(1, Iova, Output).Descriptor());
        using var port = Warm(scene, Iova);

        Change(scene, entry => entry.With(StreamTableEntryField.S1DSS, Bypass));
        Assert.Equal(Iova, port.Translate(Iova, AccessKind.Read).Address.Value);

        Change(scene, entry => entry.With(StreamTableEntryField.S1DSS, Terminate));
        Assert.Equal(EventType.StreamDisabled, port.Translate(Iova, AccessKind.Read).Event);

        Change(scene, entry => entry.With(StreamTableEntryField.S1CDMax, 0));
        Assert.Equal(Output, port.Translate(Iova, AccessKind.Read).Address.Value);
    }

    [Fact]
    [Rule("CACHE-15")]
    public void FewerSubstreamsActAtOnce()
    {
        using var scene = new CommandScene(CommandScene.Substreams);
        ulong table = scene.AttachSubstreams(Stream, 2);
        scene.Machine.SetContext(table + (3 * 64), scene.Space(1, Iova, Output).Descriptor());
        Assert.Equal(Output, scene.Output(Stream, Iova, substream: 3));

        Change(scene, entry => entry.With(StreamTableEntryField.S1CDMax, 1));

        Assert.Equal(EventType.BadSubstreamId, scene.Translate(Stream, Iova, substream: 3).Event);
    }

    [Fact]
    [Rule("CACHE-15")]
    public void PrivilegeAndInstructionMarksAreOverriddenAnew()
    {
        const ulong PrivilegedOnly = Stage1Space.ReadWrite & ~(1UL << 6);
        const ulong ExecuteNever = 3UL << 53;
        const ulong Privileged = 3;
        const ulong Unprivileged = 2;
        const ulong Instruction = 3;
        using var scene = new CommandScene();
        var space = scene.Attach(Stream, 1);
        space.Map(Iova, Output, PrivilegedOnly | ExecuteNever);
        Change(scene, entry => entry.With(StreamTableEntryField.PRIVCFG, Privileged));
        using var port = Warm(scene, Iova);

        Change(scene, entry => entry.With(StreamTableEntryField.PRIVCFG, Unprivileged));
        AssertRefused(scene, port);

        Change(scene, entry => entry
            .With(StreamTableEntryField.PRIVCFG, Privileged)
            .With(StreamTableEntryField.INSTCFG, Instruction));
        AssertRefused(scene, port);

        Change(scene, entry => entry.With(StreamTableEntryField.INSTCFG, 0));
        Assert.Equal(Output, scene.Output(Stream, Iova));
    }

    [Theory]
    [InlineData(StreamTableEntryField.ALLOCCFG, 0b1000, 0xff, 0xcc, 3)]
    [InlineData(StreamTableEntryField.ALLOCCFG, 0b1110, 0xff, 0xff, 3)]
    [Rule("CACHE-15")]
    public void AllocationHintsOfStage1AreMadeAnew(
        StreamTableEntryField field, ulong value, byte typeBefore, byte typeAfter, byte shareability)
    {
        using var scene = new CommandScene();
        var space = scene.Attach(Stream, 1, change: descriptor => descriptor.With(ContextDescriptorField.MAIR0, 0xff));
        space.Map(Iova, Output, Stage1Space.ReadWrite);
        using var port = Warm(scene, Iova);
        Assert.Equal(new MemoryAttributes(typeBefore, shareability), port.Translate(Iova, AccessKind.Read).Attributes);

        Change(scene, entry => entry.With(field, value));
        AssertAttributes(scene, port, Iova, new MemoryAttributes(typeAfter, shareability));

        Change(scene, entry => entry.With(field, 0));
        AssertAttributes(scene, port, Iova, new MemoryAttributes(typeBefore, shareability));
    }

    [Fact]
    [Rule("CACHE-15")]
    public void MemoryTypeAboveStage2IsMadeAnew()
    {
        const ulong NonCacheable = 0b0101;
        const ulong OuterShareable = 2;
        const ulong NoAllocation = 0b1000;
        const byte InnerByStage2 = 3;
        using var scene = new CommandScene(CommandScene.TwoStages);
        var stage2 = new Stage2Space(scene.Machine, 7);
        stage2.Map(Ipa, Output);
        scene.Machine.SetStream(Stream, stage2.Alone().With(StreamTableEntryField.SHCFG, 1));
        using var port = Warm(scene, Ipa);
        AssertAttributes(scene, port, Ipa, new MemoryAttributes(0xff, InnerByStage2));

        Change(scene, entry => entry.With(StreamTableEntryField.MTCFG, 1).With(StreamTableEntryField.MemAttr, NonCacheable));
        AssertAttributes(scene, port, Ipa, new MemoryAttributes(0x44, (byte)OuterShareable));

        Change(scene, entry => entry.With(StreamTableEntryField.MemAttr, 0));
        AssertAttributes(scene, port, Ipa, new MemoryAttributes(0x00, (byte)OuterShareable));

        Change(scene, entry => entry.With(StreamTableEntryField.MTCFG, 0).With(StreamTableEntryField.SHCFG, OuterShareable));
        AssertAttributes(scene, port, Ipa, new MemoryAttributes(0xff, (byte)OuterShareable));

        Change(scene, entry => entry.With(StreamTableEntryField.SHCFG, 0).With(StreamTableEntryField.ALLOCCFG, NoAllocation));
        AssertAttributes(scene, port, Ipa, new MemoryAttributes(0xcc, InnerByStage2));
    }

    [Fact]
    [Rule("CACHE-15")]
    public void WhetherStage2FaultsAreRecordedActsAnew()
    {
        using var scene = new CommandScene(CommandScene.TwoStages);
        var stage2 = new Stage2Space(scene.Machine, 7);
        stage2.Map(Ipa, Output);
        scene.Machine.SetStream(Stream, stage2.Alone());
        using var port = Warm(scene, Ipa);

        Change(scene, entry => entry.With(StreamTableEntryField.S2R, 0));
        Assert.False(scene.Translate(Stream, Ipa + 0x1000).IsSuccess);
        Assert.False(scene.Machine.TryTakeEvent(out _));

        Change(scene, entry => entry.With(StreamTableEntryField.S2R, 1));
        Assert.False(scene.Translate(Stream, Ipa + 0x1000).IsSuccess);
        Assert.True(scene.Machine.TryTakeEvent(out _));
    }

    [Fact]
    [Rule("CACHE-15")]
    public void WhatBecomesOfStage1FaultsActsAnew()
    {
        using var scene = new CommandScene();
        var space = new Stage1Space(scene.Machine, 1);
        space.Map(Iova, Output, Stage1Space.ReadOnly);
        ulong context = scene.Machine.AttachStage1(Stream, space);
        using var port = Warm(scene, Iova);
        Assert.Equal(TranslationOutcome.Faulted, port.Translate(Iova, AccessKind.Write).Outcome);
        Assert.True(scene.Machine.TryTakeEvent(out _));

        scene.Machine.SetContext(context, space.Descriptor()
            .With(ContextDescriptorField.A, 0)
            .With(ContextDescriptorField.R, 0));
        scene.Run(Command.CfgiCd(new StreamId(Stream)));

        Assert.Equal(TranslationOutcome.FaultedReadZeroWriteIgnored, port.Translate(Iova, AccessKind.Write).Outcome);
        Assert.False(scene.Machine.TryTakeEvent(out _));
    }

    [Fact]
    [Rule("TAG-09")]
    [Rule("CACHE-15")]
    public void StreamsThatShareTranslationsKeepTheirOwnOverrides()
    {
        using var scene = new CommandScene();
        var space = scene.Attach(1, 1, change: descriptor => descriptor.With(ContextDescriptorField.MAIR0, 0xff));
        scene.Attach(2, space, change: descriptor => descriptor.With(ContextDescriptorField.MAIR0, 0xff));
        Change(scene, entry => entry.With(StreamTableEntryField.ALLOCCFG, 0b1000), stream: 2);
        space.Map(Iova, Output);

        for (int round = 0; round < 2; round++)
        {
            Assert.Equal(0xff, scene.Translate(1, Iova).Attributes.Type);
            Assert.Equal(0xcc, scene.Translate(2, Iova).Attributes.Type);
        }

        space.Map(Iova, Output + 0x1000);
        scene.Run(Command.TlbiNhVa(default, new Asid(1), Iova));
        Assert.Equal(Output + 0x1000, scene.Output(1, Iova));
        Assert.Equal(Output + 0x1000, scene.Output(2, Iova));
    }

    private static Fast.Device.DmaPort Warm(CommandScene scene, ulong input)
    {
        var port = scene.Machine.Smmu.OpenPort(new StreamId(Stream));
        Assert.Equal(Output, port.Translate(input, AccessKind.Read).Address.Value);
        Assert.Equal(Output, scene.Output(Stream, input));
        return port;
    }

    private static void Change(
        CommandScene scene, Func<StreamTableEntry, StreamTableEntry> change, uint stream = Stream)
    {
        Span<ulong> words = stackalloc ulong[8];
        for (int i = 0; i < words.Length; i++)
        {
            words[i] = scene.Machine.Read64(scene.Machine.StreamEntry(stream) + ((ulong)i * sizeof(ulong)));
        }

        scene.Machine.SetStream(stream, change(new StreamTableEntry(words)));
        scene.Run(Command.CfgiSte(new StreamId(stream)));
    }

    private static void AssertRefused(CommandScene scene, Fast.Device.DmaPort port)
    {
        Assert.Equal(EventType.Permission, port.Translate(Iova, AccessKind.Read).Event);
        Assert.Equal(EventType.Permission, scene.Translate(Stream, Iova).Event);
    }

    private static void AssertAttributes(
        CommandScene scene, Fast.Device.DmaPort port, ulong input, MemoryAttributes expected)
    {
        Assert.Equal(expected, port.Translate(input, AccessKind.Read).Attributes);
        Assert.Equal(expected, scene.Translate(Stream, input).Attributes);
    }
}
