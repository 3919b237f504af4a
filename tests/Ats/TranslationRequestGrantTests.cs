using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using Smmu.Fast.Tests.Streams;
using Field = Smmu.Fast.Formats.StreamTableEntryField;

namespace Smmu.Fast.Tests.Ats;

/// <summary>What a Translation Completion grants of what a page permits (IHI 0070, 13.7).</summary>
public class TranslationRequestGrantTests
{
    private const ulong UserRw = Stage1Space.ReadWrite;
    private const ulong UserRo = Stage1Space.ReadOnly;
    private const ulong PrivilegedRw = UserRw & ~AtsScene.Unprivileged;
    private const ulong Uxn = AtsScene.UnprivilegedExecuteNever;
    private const ulong Pxn = AtsScene.PrivilegedExecuteNever;

    private const AccessKind Reads = AccessKind.Read;
    private const AccessKind Writes = AccessKind.Atomic;
    private const AccessKind Exe = AccessKind.Instruction;
    private const AccessKind Priv = AccessKind.Privileged;

    private const AtsGrants R = AtsGrants.Read;
    private const AtsGrants W = AtsGrants.Write;
    private const AtsGrants X = AtsGrants.Execute;
    private const AtsGrants P = AtsGrants.Privileged;

    [Theory]
    [InlineData(UserRo | Uxn, Reads, R)]
    [InlineData(UserRo | Uxn, Writes, R)]
    [InlineData(UserRw, Writes, R | W)]
    [InlineData(UserRw, Writes | Exe, R | W | X)]
    [InlineData(UserRw, Reads | Exe, R | W | X)]
    [InlineData(UserRw | Uxn, Writes | Exe, R | W)]
    [InlineData(UserRo, Reads, R)]
    [InlineData(PrivilegedRw, Writes | Exe, AtsGrants.None)]
    [InlineData(PrivilegedRw, Writes | Exe | Priv, R | W | X | P)]
    [InlineData(PrivilegedRw | Pxn, Writes | Exe | Priv, R | W | P)]
    [InlineData(UserRo | Pxn, Writes | Exe | Priv, R | P)]
    [Rule("ATS-13")]
    [Rule("ATT-43")]
    [Rule("ATT-44")]
    [Rule("ATT-45")]
    [Rule("ATT-46")]
    [Rule("ATT-47")]
    [Rule("ATT-48")]
    public void WithAPasidThePageDecidesForThePrivilegeThatAsks(ulong page, AccessKind wanted, AtsGrants grants)
    {
        using var scene = new AtsScene();
        scene.AttachSubstream().Map(AtsScene.Iova, 0x4100_0000, page);
        for (int round = 0; round < 2; round++) scene.AssertGranted(grants, wanted: wanted, substream: 1);   // Walk and TLB.
    }

    [Fact]
    [Rule("ATS-16")]
    [Rule("ATT-43")]
    [Rule("ATT-49")]
    public void WithoutAPasidARequestIsUnprivilegedDataAndSomeFlagsAreNeverSet()
    {
        const AccessKind Everything = AccessKind.Atomic | AccessKind.Instruction | AccessKind.Privileged;
        using var scene = new AtsScene();
        var space = scene.AttachStage1();
        space.Map(AtsScene.Iova, 0x4100_0000, UserRw);
        space.Map(AtsScene.Iova + 0x1000, 0x4100_1000, PrivilegedRw);
        scene.AssertGranted(R | W, wanted: Everything);
        scene.AssertNothing(AtsScene.Iova + 0x1000, Everything);
        Assert.False(scene.Request(AtsScene.Iova + 0x1000, Everything).Priv);

        const ulong NotGlobal = 1UL << 11;
        scene.AttachSubstream().Map(AtsScene.Iova, 0x4100_0000, UserRw & ~NotGlobal);
        var completion = scene.AssertGranted(R | W | X | P & ~P, wanted: Everything & ~Priv, substream: 1);
        Assert.Equal((false, false, false), (completion.Global, completion.U, completion.N));
    }

    [Theory]
    [InlineData(2UL, Priv, PrivilegedRw, P)]                  // Unprivileged: user has no access.
    [InlineData(2UL, Priv, UserRw, R | W | P)]
    [InlineData(3UL, (AccessKind)0, PrivilegedRw, R | W)]     // Privileged.
    [InlineData(1UL, Priv, PrivilegedRw, R | W | P)]
    [InlineData(0UL, (AccessKind)0, PrivilegedRw, AtsGrants.None)]
    [Rule("ATS-15")]
    [Rule("ATT-07")]
    [Rule("ATT-44")]
    public void PrivilegeIsOverriddenForTheJudgementAndRepeatedInTheAnswer(
        ulong privilege, AccessKind marks, ulong page, AtsGrants grants)
    {
        using var scene = new AtsScene();
        scene.AttachSubstream(entry: full => full.With(Field.PRIVCFG, privilege)).Map(AtsScene.Iova, 0x4100_0000, page);
        for (int round = 0; round < 2; round++) scene.AssertGranted(grants, wanted: Writes | marks, substream: 1);
    }

    [Theory]
    [InlineData(3UL, Reads, PrivilegedRw, R)]               // Instruction: execute-only for the user.
    [InlineData(3UL, Reads | Exe, PrivilegedRw, R | X)]
    [InlineData(3UL, Reads | Exe, UserRo | Uxn, AtsGrants.None)]
    [InlineData(2UL, Reads | Exe, UserRo | Uxn, R | X)]     // Data.
    [InlineData(2UL, Reads | Exe, PrivilegedRw, AtsGrants.None)]
    [InlineData(2UL, Reads, UserRo, R)]
    [Rule("ATS-14")]
    [Rule("ATT-07")]
    [Rule("ATT-46")]
    [Rule("ATT-47")]
    public void InstructionIsOverriddenSoThatOnePermissionStandsForBoth(
        ulong instruction, AccessKind wanted, ulong page, AtsGrants grants)
    {
        using var scene = new AtsScene();
        scene.AttachSubstream(entry: full => full.With(Field.INSTCFG, instruction)).Map(AtsScene.Iova, 0x4100_0000, page);
        for (int round = 0; round < 2; round++) scene.AssertGranted(grants, wanted: wanted, substream: 1);
    }

    [Fact]
    [Rule("ATS-14")]
    [Rule("ATS-15")]
    public void OverridesCountForNothingWithoutTheFeature()
    {
        using var scene = new AtsScene(AtsScene.Everything.With(SmmuFeatureField.ATTR_PERMS_OVR, 0));
        scene.AttachSubstream(entry: full => full.With(Field.INSTCFG, 3).With(Field.PRIVCFG, 3))
            .Map(AtsScene.Iova, 0x4100_0000, PrivilegedRw);
        scene.AssertGranted(AtsGrants.None, wanted: Reads | Exe, substream: 1);
    }

    [Theory]
    [InlineData(0b01UL, Writes, R)]
    [InlineData(0b10UL, Writes, W)]
    [InlineData(0b11UL, Writes, R | W)]
    [InlineData(0b01UL, Reads, R)]
    [InlineData(0b00UL, Writes, AtsGrants.None)]
    [Rule("ATS-11")]
    [Rule("ATS-20")]
    [Rule("ATT-48")]
    public void WhatOneStageDeniesIsTakenAwayAndNoMore(ulong permissions, AccessKind wanted, AtsGrants grants)
    {
        const ulong Page = AtsScene.AccessFlag | (0xfUL << 2) | (3UL << 8);
        using var scene = new AtsScene();
        var (stage1, stage2) = scene.AttachNested();
        stage1.Map(AtsScene.Iova, 0x5000_0000);
        stage2.Map(0x5000_0000, 0x4100_0000, Page | (permissions << 6));
        for (int round = 0; round < 2; round++) scene.AssertGranted(grants, wanted: wanted);
    }

    [Fact]
    [Rule("ATS-13")]
    [Rule("ATT-46")]
    public void APageThatMayBeWrittenAndExecutedButNotReadGrantsTheWriteAlone()
    {
        const ulong WriteOnly = AtsScene.AccessFlag | (0xfUL << 2) | (3UL << 8) | AtsScene.WriteControl;
        using var scene = new AtsScene();
        var stage1 = scene.NewSpace();
        var stage2 = scene.NewIntermediateSpace();
        ulong table = scene.Machine.Allocate(128, 128);
        scene.Machine.SetContext(table + 64, stage1.Descriptor());
        scene.SetStream(StreamScene.Nested(table, stage2).With(Field.S1CDMax, 1).With(Field.EATS, 1));
        stage1.Map(AtsScene.Iova, 0x5000_0000);
        stage2.Map(0x5000_0000, 0x4100_0000, WriteOnly);
        scene.AssertGranted(W, wanted: Writes | Exe, substream: 1);
        Assert.True(scene.Smmu.Translate(
            new StreamId(AtsScene.Stream), new SubstreamId(1), AtsScene.Iova, Reads | Exe).IsSuccess);
    }
}
