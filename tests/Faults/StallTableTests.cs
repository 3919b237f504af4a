using Smmu.Fast.Faults;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Tests.Faults;

/// <summary>Names of stalled accesses: 0 is none of them, and two that follow each other never share one.</summary>
public class StallTableTests
{
    [Fact]
    public void ATokenIsNeverZeroHoweverOftenAGuestStallsAndTerminates()
    {
        const int MoreThanGenerations = 140_000;
        var stream = new StreamId(1);
        var client = new StallClient(new DeafClient(), null);
        var table = new StallTable(SmmuFeatures.Default.With(SmmuFeatureField.STALL_MODEL, 0).With(SmmuFeatureField.STALL_MAX, 1));
        table.SetEnabled(true);
        uint last = 0;
        for (int i = 0; i < MoreThanGenerations; i++)
        {
            Assert.True(table.TryHold(stream, client, out uint token));
            Assert.True(token != 0 && token != last);
            table.Terminate(stream);
            Assert.True(table.TryTakeAnswered(out var end));
            Assert.Equal(token, end.Token);
            last = token;
        }
    }

    [Fact]
    public void AStallIsRecordedAgainOnlyWhileItWaitsForItsRecord()
    {
        var stream = new StreamId(1);
        var table = new StallTable(SmmuFeatures.Default.With(SmmuFeatureField.STALL_MODEL, 0).With(SmmuFeatureField.STALL_MAX, 2));
        table.SetEnabled(true);
        Assert.True(table.TryHold(stream, new StallClient(new DeafClient(), null), out uint token));
        Assert.False(table.TryRecordAgain(token));

        table.EndRecording(token, isRecorded: false);
        Assert.True(table.HasUnrecorded);
        Assert.True(table.TryRecordAgain(token));
        Assert.False(table.HasUnrecorded);
        Assert.False(table.TryRecordAgain(token));

        table.EndRecording(token, isRecorded: true);
        Assert.False(table.TryRecordAgain(token));
        table.Resume(stream, StallTable.TagOf(token), StallAnswer.Retry);
        Assert.True(table.TryTakeAnswered(out var end));
        Assert.Equal((token, StallAnswer.Retry), (end.Token, end.Answer));
    }

    [Theory]
    [InlineData(0x1_0003u, 0x1_0004u, true)]
    [InlineData(0x1_0003u, 0x2_0003u, false)]   // One tag twice.
    [InlineData(0x1_0003u, 0x0_0004u, false)]   // No generation is 0.
    [InlineData(0x1_0003u, 0x1_0010u, false)]   // A tag that is not there.
    public void SavedStallsAreTakenWhenEachCanHaveItsTag(uint first, uint second, bool isTaken)
    {
        var features = SmmuFeatures.Default.With(SmmuFeatureField.STALL_MODEL, 0).With(SmmuFeatureField.STALL_MAX, 16);
        SavedStall[] saved = [new(first, new StreamId(1), null, true), new(second, new StreamId(1), null, true)];

        Assert.Equal(isTaken, StallTable.CanHold(saved, features));
    }

    private sealed class DeafClient : IStallClient
    {
        public void EndStall(uint stallToken, StallAnswer answer)
        {
        }
    }
}
