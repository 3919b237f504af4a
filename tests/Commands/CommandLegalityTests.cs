using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Commands;

/// <summary>Which commands are refused, and which are consumed however odd they look (IHI 0070, 4.1 and 7.1).</summary>
public class CommandLegalityTests
{
    private static readonly byte[] NonSecureOpcodes =
    [
        0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x10, 0x11, 0x12, 0x13, 0x20, 0x21, 0x22, 0x23, 0x28, 0x2a, 0x30,
        0x40, 0x41, 0x44, 0x45, 0x46,
    ];

    // Everything that makes commands legal.
    private static readonly SmmuFeatures Rich = CommandScene.TwoStages
        .With(SmmuFeatureField.ATS, 1)
        .With(SmmuFeatureField.PRI, 1)
        .With(SmmuFeatureField.STALL_MODEL, 0)
        .With(SmmuFeatureField.SSIDSIZE, 8);

    [Fact]
    [Rule("CMD-GEN-01")]
    [Rule("CMD-GEN-02")]
    public void OpcodesAreIllegalUnlessTheyAreDefinedForTheQueue()
    {
        using var scene = new CommandScene(Rich);
        for (int opcode = 0; opcode <= 0xff; opcode++)
        {
            bool legal = NonSecureOpcodes.Contains((byte)opcode);
            Assert.Equal((opcode, legal ? 0 : CommandScene.Illegal), (opcode, scene.Judge(new Command((ulong)opcode, 0))));
        }
    }

    [Theory]
    [InlineData(CommandOpcode.TlbiEl3All)]
    [InlineData(CommandOpcode.TlbiEl3Va)]
    [Rule("CMD-TLBI-31")]
    public void CommandsOfEl3AreIllegalOutsideOfTheSecureQueue(CommandOpcode opcode) => AssertIllegal(Rich, opcode);

    [Theory]
    [InlineData(CommandOpcode.TlbiSEl2All)]
    [InlineData(CommandOpcode.TlbiSEl2Asid)]
    [InlineData(CommandOpcode.TlbiSEl2Va)]
    [InlineData(CommandOpcode.TlbiSEl2Vaa)]
    [Rule("CMD-TLBI-32")]
    public void CommandsOfSecureEl2AreIllegalOutsideOfTheSecureQueue(CommandOpcode opcode) => AssertIllegal(Rich, opcode);

    [Theory]
    [InlineData(CommandOpcode.TlbiSS12Vmall)]
    [InlineData(CommandOpcode.TlbiSS2Ipa)]
    [InlineData(CommandOpcode.TlbiSnhAll)]
    [Rule("CMD-TLBI-33")]
    public void CommandsOfSecureStage2AreIllegalOutsideOfTheSecureQueue(CommandOpcode opcode) => AssertIllegal(Rich, opcode);

    [Fact]
    [Rule("CMD-GEN-04")]
    public void ReservedBitsAreIgnored()
    {
        using var scene = new CommandScene(Rich);
        foreach (byte opcode in NonSecureOpcodes)
        {
            ulong[] used = [0xff, 0];
            foreach (var field in new Command(opcode, 0).Fields)
            {
                for (int bit = field.Low; bit <= field.High; bit++) used[bit / 64] |= 1UL << (bit % 64);
            }

            Assert.Equal((opcode, 0u), (opcode, scene.Judge(new Command(opcode | ~used[0], ~used[1]))));
        }
    }

    [Theory]
    [InlineData(CommandOpcode.PrefetchConfig)]
    [InlineData(CommandOpcode.PrefetchAddress)]
    [InlineData(CommandOpcode.CfgiSte)]
    [InlineData(CommandOpcode.CfgiSteRange)]
    [InlineData(CommandOpcode.CfgiCd)]
    [InlineData(CommandOpcode.CfgiCdAll)]
    [InlineData(CommandOpcode.Resume)]
    [InlineData(CommandOpcode.StallTerm)]
    [Rule("CMD-GEN-05")]
    public void SecureStreamsAreIllegalOnTheNonSecureQueue(CommandOpcode opcode)
    {
        using var scene = new CommandScene(Rich);

        Assert.Equal(0u, scene.Judge(new Command((ulong)opcode, 0)));
        Assert.Equal(CommandScene.Illegal, scene.Judge(new Command((ulong)opcode | (1 << 10), 0)));
    }

    [Fact]
    [Rule("CMD-GEN-06")]
    public void IllegalCommandsAreIllegalAlsoWhereTheyWouldBeIgnored()
    {
        using var rich = new CommandScene(Rich, start: false);
        rich.Machine.SetUpCommandQueue();
        rich.Machine.Enable(ControlBits.CommandQueue);   // SMMUEN = 0: ATC_INV and PRI_RESP are dropped.
        Assert.Equal(0u, rich.Judge(Command.AtcInv(default, 0, 0)));
        Assert.Equal(0u, rich.Judge(Command.PriResp(default, 0, PageResponse.Success)));
        Assert.Equal(CommandScene.Illegal, rich.Judge(Command.PriResp(default, 0, (PageResponse)3)));

        using var plain = new CommandScene(SmmuFeatures.Stage1Only, start: false);
        plain.Machine.SetUpCommandQueue();
        plain.Machine.Enable(ControlBits.CommandQueue);
        Assert.Equal(CommandScene.Illegal, plain.Judge(Command.AtcInv(default, 0, 0)));
        Assert.Equal(CommandScene.Illegal, plain.Judge(Command.PriResp(default, 0, PageResponse.Success)));
    }

    [Fact]
    [Rule("CMD-GEN-07")]
    public void StreamsBeyondTheImplementedOnesAreConsumedWithoutEffect()
    {
        var far = new StreamId((1u << 16) | 1);
        using var scene = new CommandScene(Rich);
        scene.Machine.SetStream(1, Entries.Bypass);
        Assert.True(scene.Translate(1, 0x1000).IsSuccess);
        scene.Machine.SetStream(1, Entries.Abort);

        scene.Run(
            Command.PrefetchConfig(far),
            Command.PrefetchAddress(far, 0x1000),
            Command.CfgiSte(far, leaf: false),
            Command.CfgiCd(far),
            Command.CfgiCdAll(far),
            Command.ResumeRetry(far, 1),
            Command.StallTerm(far),
            Command.AtcInv(far, 0, 0),
            Command.PriResp(far, 0, PageResponse.Success));

        Assert.True(scene.Translate(1, 0x1000).IsSuccess);
        Assert.False(scene.Machine.TryTakeEvent(out _));
    }

    [Fact]
    [Rule("CMD-GEN-08")]
    [Rule("CMD-CFGI-15")]
    public void SubstreamsBeyondTheImplementedOnesAreConsumedWithoutEffect()
    {
        const uint Beyond = 1 << 8;
        using var scene = new CommandScene(CommandScene.Substreams);
        ulong table = scene.AttachSubstreams(1, 8);
        scene.Machine.SetContext(table, scene.Space(1, 0x1000, 0x4100_0000).Descriptor());
        Assert.Equal(0x4100_0000UL, scene.Output(1, 0x1000, substream: 0));
        scene.Machine.SetContext(table, default);

        scene.Run(
            Command.CfgiCd(new StreamId(1), new SubstreamId(Beyond)),
            Command.PrefetchConfig(new StreamId(1), new SubstreamId(Beyond)));

        Assert.Equal(0x4100_0000UL, scene.Output(1, 0x1000, substream: 0));
    }

    [Fact]
    [Rule("CMD-CFGI-14")]
    [Rule("CMD-TLBI-15")]
    public void CommandsForStage1AreIllegalWithoutIt()
    {
        foreach (var opcode in (CommandOpcode[])
            [
                CommandOpcode.CfgiCd, CommandOpcode.CfgiCdAll, CommandOpcode.TlbiNhAll, CommandOpcode.TlbiNhAsid,
                CommandOpcode.TlbiNhVa, CommandOpcode.TlbiNhVaa,
            ])
        {
            AssertIllegal(CommandScene.Stage2Alone, opcode);
            AssertLegal(CommandScene.TwoStages, opcode);
        }
    }

    [Theory]
    [InlineData(CommandOpcode.TlbiS12Vmall)]
    [InlineData(CommandOpcode.TlbiS2Ipa)]
    [Rule("CMD-TLBI-15")]
    public void CommandsForStage2AreIllegalWithoutIt(CommandOpcode opcode)
    {
        AssertIllegal(SmmuFeatures.Stage1Only, opcode);
        AssertLegal(CommandScene.Stage2Alone, opcode);
    }

    [Theory]
    [InlineData(CommandOpcode.TlbiEl2All)]
    [InlineData(CommandOpcode.TlbiEl2Asid)]
    [InlineData(CommandOpcode.TlbiEl2Va)]
    [InlineData(CommandOpcode.TlbiEl2Vaa)]
    [Rule("CMD-TLBI-11")]
    public void CommandsForEl2AreIllegalWithoutIt(CommandOpcode opcode)
    {
        AssertIllegal(SmmuFeatures.Stage1Only, opcode);
        AssertLegal(CommandScene.TwoStages, opcode);
    }

    [Fact]
    [Rule("CMD-TLBI-16")]
    public void InvalidatingEverythingIsLegalWithEitherStageAndBoth()
    {
        AssertLegal(SmmuFeatures.Stage1Only, CommandOpcode.TlbiNsnhAll);
        AssertLegal(CommandScene.Stage2Alone, CommandOpcode.TlbiNsnhAll);
        AssertLegal(CommandScene.TwoStages, CommandOpcode.TlbiNsnhAll);
    }

    [Fact]
    [Rule("CMD-CFGI-17")]
    public void InvalidatingPartitionMapsIsIllegalWithoutPartitions() =>
        AssertIllegal(Rich, CommandOpcode.CfgiVmsPidm);

    private static void AssertIllegal(SmmuFeatures features, CommandOpcode opcode)
    {
        using var scene = new CommandScene(features);
        Assert.Equal((opcode, CommandScene.Illegal), (opcode, scene.Judge(new Command((ulong)opcode, 0))));
    }

    private static void AssertLegal(SmmuFeatures features, CommandOpcode opcode)
    {
        using var scene = new CommandScene(features);
        Assert.Equal((opcode, 0u), (opcode, scene.Judge(new Command((ulong)opcode, 0))));
    }
}
