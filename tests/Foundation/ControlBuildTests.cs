using System.Reflection;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Tests.Foundation;

/// <summary>What users get holds every safeguard: there is no switch in it.</summary>
public class ControlBuildTests
{
    private const BindingFlags All = BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic;
    private const byte NoOperation = 0x00;
    private const byte LoadZero = 0x16;
    private const byte Return = 0x2a;

    [Fact]
    public void TheEngineHasNoSwitchForItsSafeguards() => Assert.Empty(typeof(ControlBuild).GetFields(All));

    [Fact]
    public void WhatHangsOnASafeguardIsAConstant()
    {
        Assert.Equal([LoadZero, Return], InstructionsOf(nameof(ControlBuild.Breaks)));
        Assert.Equal([LoadZero, Return], InstructionsOf(nameof(ControlBuild.HidesEntry)));
        Assert.Equal([Return], InstructionsOf(nameof(ControlBuild.Linger)));
        Assert.Equal([Return], InstructionsOf(nameof(ControlBuild.NoteEntry)));
    }

    // Debug builds put operations that do nothing in between.
    private static IEnumerable<byte> InstructionsOf(string method) =>
        typeof(ControlBuild).GetMethod(method)!.GetMethodBody()!.GetILAsByteArray()!.Where(code => code != NoOperation);
}
