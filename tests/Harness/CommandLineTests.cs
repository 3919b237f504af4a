using System.Text.Json;
using Smmu.Fast.Cli;
using Smmu.Fast.Scenarios.Recordings;

namespace Smmu.Fast.Tests.Harness;

/// <summary>The tool says by its exit code how a run ended, and in one line why a file or an argument is of no use.</summary>
public sealed class CommandLineTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly MiniatureSource source = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task AReplayThatAgreesEndsWithZeroAndAPlainTable()
    {
        var (code, output, error) = await Run("replay", Small());

        Assert.Equal((CommandLine.Agree, ""), (code, error));
        Assert.DoesNotContain('\u001b', output);
        Assert.Matches(@"agreements +\| +4 ", output);
        Assert.Matches(@"differences +\| +0 ", output);
        Assert.Matches("CMD_SYNC +\\| +1 ", output);
        Assert.Contains("disk", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AReplayThatDiffersEndsWithOneAndShowsWhatDiffered()
    {
        var (code, output, error) = await Run("replay", Small(new SmallRecording { OutputAddress = 0xabc000 }));

        Assert.Equal((CommandLine.Differ, ""), (code, error));
        Assert.Contains("output address", output, StringComparison.Ordinal);
        Assert.Contains("0xabc000", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task JsonHoldsTheSameAnswer()
    {
        var (code, output, _) = await Run("replay", "--json", "--mode", "port", Small(new SmallRecording { RegisterValue = 5 }));
        using var json = JsonDocument.Parse(output);
        var report = json.RootElement.GetProperty("files")[0].GetProperty("report");

        Assert.Equal(CommandLine.Differ, code);
        Assert.Equal(1, json.RootElement.GetProperty("differences").GetInt64());
        Assert.Equal(4, report.GetProperty("agreements").GetInt64());
        Assert.Equal("register", report.GetProperty("details")[0].GetProperty("kind").GetString());
        Assert.True(report.GetProperty("elapsed").GetDouble() >= 0);
    }

    [Theory]
    [InlineData("port", true, false)]
    [InlineData("port-uncached", false, false)]
    [InlineData("one-off", true, true)]
    [InlineData("one-off-uncached", false, true)]
    public async Task AModeReachesTheTarget(string mode, bool caches, bool oneOff)
    {
        await Run("replay", Small(), "--mode", mode);

        Assert.Equal([new ReplayTargetOptions(caches, oneOff)], source.Options);
    }

    [Theory]
    [InlineData]
    [InlineData("--mode", "all")]
    public async Task EveryModeIsReplayedUnlessOneIsNamed(params string[] switches)
    {
        var (code, output, _) = await Run(["replay", Small(new SmallRecording { OutputAddress = 0xabc000 }), .. switches]);

        Assert.Equal(CommandLine.Differ, code);
        Assert.Equal(ReplayTargetOptions.Modes, source.Options);
        Assert.Matches(@"\| measure +\| +port \| +port-uncached \| +one-off \| +one-off-uncached \|", output);
        Assert.Matches(@"\| small.smr +\| one-off-uncached +\| +4 \| +1 \|", output);
        Assert.Matches(@"\| total +\| +\| +16 \| +4 \|", output);
    }

    [Fact]
    public async Task NoFileMeansTheShippedOnes()
    {
        var (code, output, error) = await Run("replay", "--json", "--max-differences", "0");
        using var json = JsonDocument.Parse(output);
        var files = json.RootElement.GetProperty("files").EnumerateArray().Select(file => (
            File: file.GetProperty("report").GetProperty("file").GetString()!,
            Mode: file.GetProperty("mode").GetString()!,
            Differs: file.GetProperty("report").GetProperty("differences").GetInt64() != 0)).ToList();
        string[] names =
        [
            "nested_visible.smr.zst", "visible.smr.zst", "visible_vfio.smr.zst", "visible.snap.zst", "visible_vfio.snap.zst",
        ];

        // The miniature has no stage 2.
        Assert.Equal((CommandLine.Differ, ""), (code, error));
        Assert.Equal(
            names.SelectMany(name => ReplayTargetOptions.Modes.Select(mode => (name, mode.Mode, name == names[0]))), files);
    }

    [Theory]
    [InlineData(true, false, "--strict")]
    [InlineData(true, true)]
    [InlineData(false, false)]
    public async Task OnlyAStrictReplayHoldsTheTargetToTheArchitecture(bool departs, bool tolerates, params string[] switches)
    {
        await Run(["replay", Small(new SmallRecording { HasReservedRange = departs }), "--mode", "port", .. switches]);

        Assert.Equal([new ReplayTargetOptions(TolerateReservedRange: tolerates)], source.Options);
    }

    [Theory]
    [InlineData("replay", "/no/such/file")]
    [InlineData("replay", "/")]
    [InlineData("replay", "")]
    [InlineData("replay", "a\0b")]
    [InlineData("replay", "--nonsense")]
    [InlineData("replay", "--mode", "nonsense")]
    [InlineData("replay", "--mode")]
    [InlineData("replay", "--max-differences", "-1")]
    [InlineData("replay", "--max-differences", "0x")]
    [InlineData("replay", "--max-differences")]
    [InlineData("nonsense")]
    [InlineData("@nonsense")]
    [InlineData]
    [InlineData("explain")]
    [InlineData("explain", "SMALL")]
    [InlineData("explain", "SMALL", "--stream", "1")]
    [InlineData("explain", "SMALL", "--stream", "0x100000000", "--iova", "0")]
    [InlineData("explain", "SMALL", "--stream", "1", "--iova", "0x10000000000000000")]
    [InlineData("explain", "SMALL", "--at", "1000000")]
    [InlineData("explain", "SMALL", "--at", "0")]
    [InlineData("explain", "SMALL", "--at", "1", "--stream", "1", "--iova", "0")]
    [InlineData("info", "--features", "nonsense")]
    [InlineData("info", "--features", "wide", "SMALL")]
    public async Task WhatIsOfNoUseEndsWithTwoAndOneLine(params string[] arguments)
    {
        string small = Small();

        var (code, output, error) = await Run([.. arguments.Select(argument => argument == "SMALL" ? small : argument)]);

        Assert.Equal((CommandLine.Unusable, ""), (code, output));
        Assert.StartsWith("smmu: ", error, StringComparison.Ordinal);
        Assert.Single(error.TrimEnd('\n').Split('\n'));
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ADamagedFileIsRefusedBeforeAnythingOfAnotherIsShown()
    {
        byte[] damaged = new SmallRecording().Write().ToCompressedArray();
        damaged[^1] ^= 1;

        var (code, output, error) = await Run("replay", Small(), folder.Write("damaged.smr.zst", damaged));

        Assert.Equal((CommandLine.Unusable, ""), (code, output));
        Assert.Contains("damaged.smr.zst: byte 0x", error, StringComparison.Ordinal);
        Assert.Empty(source.Opened);
    }

    [Fact]
    public async Task AnExplanationIsATreeOfTheStructuresRead()
    {
        var (code, output, error) = await Run("explain", Small(), "--stream", "0x1", "--iova", "4660");

        Assert.Equal((CommandLine.Agree, ""), (code, error));
        Assert.Contains("Read of 0x1234 by stream 0x1", output, StringComparison.Ordinal);
        Assert.Contains("stream 0x1 at 0x40000040", output, StringComparison.Ordinal);
        Assert.Contains("context at 0x40001000", output, StringComparison.Ordinal);
        Assert.Contains("[not markup]", output, StringComparison.Ordinal);
        Assert.Contains("Translated: 0x40007234", output, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', output);
    }

    [Fact]
    public async Task TheRecordOfATranslationIsEnoughToAskForItsExplanation()
    {
        var recording = new SmallRecording().ToRecording();
        long at = 0;
        var reader = recording.Read();
        while (reader.TryRead(out var record))
        {
            if (record.Type == RecordType.Translation) at = record.Number;
        }

        var (code, output, _) = await Run("explain", Small(), "--at", $"0x{at:x}", "--json");
        using var json = JsonDocument.Parse(output);

        Assert.Equal(CommandLine.Agree, code);
        Assert.Equal("0x1234", json.RootElement.GetProperty("inputAddress").GetString());
        Assert.Equal("write", json.RootElement.GetProperty("access").GetString());
        Assert.Equal("Faulted", json.RootElement.GetProperty("outcome").GetString());
        Assert.Equal(at - 1, json.RootElement.GetProperty("records").GetInt64());
        Assert.Equal("CD", json.RootElement.GetProperty("steps")[0].GetProperty("children")[0].GetProperty("kind").GetString());
    }

    [Fact]
    public async Task InfoDecodesTheFeaturesOfASetAndOfAFile()
    {
        var (code, output, _) = await Run("info");
        Assert.Equal(CommandLine.Agree, code);
        Assert.Matches(@"OAS +\| 0x4 +\| 44 bits", output);
        Assert.Matches(@"S2P +\| 0x0 +\| no stage 2", output);
        Assert.Matches(@"streams +\| 65,536", output);
        Assert.Contains("vectors in use", output, StringComparison.Ordinal);

        Assert.Matches(@"OAS +\| 0x6 +\| 52 bits", (await Run("info", "--features", "wide")).Output);

        var file = await Run("info", "--json", Small());
        using var json = JsonDocument.Parse(file.Output);
        Assert.Equal("small.smr", json.RootElement.GetProperty("name").GetString());
        Assert.Equal("65,536", json.RootElement.GetProperty("capacities").GetProperty("streams").GetString());
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("replay", "--help")]
    public async Task HelpIsNotAnError(params string[] arguments) => Assert.Equal(CommandLine.Agree, (await Run(arguments)).Code);

    private string Small(SmallRecording? recording = null) =>
        folder.Write(SmallRecording.Name, (recording ?? new SmallRecording()).ToBytes());

    private async Task<(int Code, string Output, string Error)> Run(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int code = await new CommandLine(source, new Terminal(output, error, IsInteractive: false)).RunAsync(arguments);
        return (code, output.ToString(), error.ToString());
    }
}
