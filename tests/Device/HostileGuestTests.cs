using System.Globalization;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Device;

/// <summary>
/// Whatever registers, tables, commands and accesses a guest comes with, no call throws, every call ends, no byte outside of
/// what it may reach is touched, and a sane driver finds an SMMU that works afterwards. The guest runs in a process of its
/// own, whose memory lies between pages that nobody may touch; and the harness notices each defect that is planted in it.
/// </summary>
[Collection(AloneCollection.Name)]
public class HostileGuestTests
{
    private const int Operations = 2_000_000;
    private const int Seed = 1;
    private const int Held = 0;
    private const int Violated = 1;
    private const int Misused = 2;
    private const int Hung = 3;

    [Fact]
    [Rule("CACHE-07")]
    public void AHostileGuestReachesNothingButItsMemory()
    {
        var (code, output) = Run(TestScale.Of(Operations), TimeSpan.FromHours(1));

        Assert.True(code == Held, LastOf(output));
    }

    [Theory]
    [InlineData("WildWrite")]
    [InlineData("WildRead")]
    [InlineData("LateWrite")]
    public void AnAccessOutsideOfMemoryEndsTheProcess(string plant)
    {
        var (code, output) = RunPlanted(plant);

        Assert.True(code is not (Held or Violated or Misused or Hung), LastOf(output));
        Assert.Contains(nameof(AccessViolationException), output, StringComparison.Ordinal);
        Assert.Contains("round 0", output, StringComparison.Ordinal);   // The one to run again.
    }

    [Theory]
    [InlineData("NearWrite", "beside a region")]
    [InlineData("SecretWritten", "no word of the guest points to")]
    [InlineData("SecretRead", "no word of the guest points to")]
    [InlineData("FirmwareWritten", "Read-only memory")]
    [InlineData("StoreUnseen", "left no mark")]
    [InlineData("Exception", "This exception is planted")]
    [InlineData("StallForgotten", "stalls of a client")]
    [InlineData("WorkLeft", "Work is left")]
    [InlineData("Broken", "does not reach its memory")]
    public void ADefectIsNoticed(string plant, string words)
    {
        var (code, output) = RunPlanted(plant);

        Assert.True(code == Violated, LastOf(output));
        Assert.Contains(words, output, StringComparison.Ordinal);
        Assert.Contains($"--seed {Seed} --round 0", output, StringComparison.Ordinal);
    }

    [Fact]
    public void AHangIsNoticedAndTheLastStepsAreShown()
    {
        var (code, output) = RunPlanted("Hang");

        Assert.True(code == Hung, LastOf(output));
        Assert.Contains("does not move", output, StringComparison.Ordinal);
        Assert.Contains("CPU, ", output, StringComparison.Ordinal);
    }

    [Fact]
    public void AGuestThatIsRefusedAtOnceIsNotTakenForAResult()
    {
        const int EnoughToJudge = 100_000;
        var (code, output) = Run(EnoughToJudge, TimeSpan.FromMinutes(10), "--plant", "Shallow");

        Assert.True(code == Violated, LastOf(output));
        Assert.Contains("Too few accesses are translated", output, StringComparison.Ordinal);
    }

    [Fact]
    public void AnUnknownDefectOrOptionIsNotTakenForAResult()
    {
        Assert.Equal(Misused, RunPlanted("Unknown").Code);
        Assert.Equal(Misused, Run(1, TimeSpan.FromMinutes(1), "--unknown").Code);
    }

    private static (int Code, string Output) RunPlanted(string plant) =>
        Run(1, TimeSpan.FromMinutes(10), "--plant", plant, "--patience", plant == "Hang" ? "2" : "60");

    private static (int Code, string Output) Run(int operations, TimeSpan limit, params string[] more)
    {
        string count = operations.ToString(CultureInfo.InvariantCulture);
        string seed = Seed.ToString(CultureInfo.InvariantCulture);
        return ChildProgram.Run("tests/Hostile", "hostile", limit, ["--operations", count, "--seed", seed, .. more]);
    }

    // A line a round comes before what matters.
    private static string LastOf(string output) => output[Math.Max(0, output.Length - 8000)..];
}
