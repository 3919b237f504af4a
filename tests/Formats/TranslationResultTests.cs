using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Tests.Formats;

/// <summary>An answer keeps all that it was made of, in two words.</summary>
public class TranslationResultTests
{
    [Fact]
    public void AnAnswerIsTwoWords() => Assert.Equal(2 * sizeof(ulong), Unsafe.SizeOf<TranslationResult>());

    [Theory]
    [InlineData(TranslationOutcome.Translated, 63)]
    [InlineData(TranslationOutcome.Translated, 12)]
    [InlineData(TranslationOutcome.StreamBypassed, 0)]
    [InlineData(TranslationOutcome.DeviceBypassed, 0)]
    public void ASuccessKeepsEveryPart(TranslationOutcome outcome, byte leafSizeLog2)
    {
        var attributes = new MemoryAttributes(0xff, 3);
        var result = new TranslationResult(outcome, 0xfff_ffff_ffff_f123, leafSizeLog2, AccessPermissions.All, attributes);

        Assert.True(result.IsSuccess);
        Assert.Equal(outcome, result.Outcome);
        Assert.Equal(0xfff_ffff_ffff_f123UL, result.Address.Value);
        Assert.Equal(leafSizeLog2 == 0 ? 0 : 1UL << leafSizeLog2, result.LeafSize);
        Assert.Equal(AccessPermissions.All, result.Permissions);
        Assert.Equal(attributes, result.Attributes);
        Assert.Equal(EventType.None, result.Event);
        Assert.Equal(0u, result.StallToken);
    }

    [Fact]
    public void AFaultKeepsItsEventAndPermitsNothing()
    {
        var result = new TranslationResult(
            TranslationOutcome.Faulted, 0, 0, AccessPermissions.None, default, EventType.Permission);

        Assert.False(result.IsSuccess);
        Assert.Equal(EventType.Permission, result.Event);
        Assert.Equal(AccessPermissions.None, result.Permissions);
        Assert.Equal(0UL, result.LeafSize);
    }

    [Fact]
    public void AStallKeepsAllBitsOfItsToken()
    {
        var result = new TranslationResult(
            TranslationOutcome.Stalled, 0, 0, AccessPermissions.None, new MemoryAttributes(0xff, 3), EventType.Translation,
            stallToken: 0x8765_4321);

        Assert.Equal(0x8765_4321u, result.StallToken);
        Assert.Equal(EventType.Translation, result.Event);
        Assert.Equal(default, result.Attributes);
    }

    [Fact]
    public void AKeptPayloadMakesTheSameAnswerForAnotherAddress()
    {
        var result = new TranslationResult(
            TranslationOutcome.Translated, 0x1000, 21, AccessPermissions.All, new MemoryAttributes(0x44, 2));
        var other = new TranslationResult(0x1008, result.Payload);

        Assert.Equal(0x1008UL, other.Address.Value);
        Assert.Equal(result.Attributes, other.Attributes);
        Assert.Equal(result.LeafSize, other.LeafSize);
        Assert.Equal(result.Permissions, TranslationResult.PermissionsOf(other.Payload));
    }
}
