using Smmu.Fast.Cli;
using Smmu.Fast.Comparison.Machine;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Recordings;

namespace Smmu.Fast.Tests.Harness;

/// <summary>Scripts are replayed on the SMMU and on the Oracle; by its exit code the tool says whether they agree, and in one line
/// with file and number what is wrong with a script.</summary>
public sealed class ScriptCommandTests : IDisposable
{
    private const string Page = """
        ste 0x40010200 V=1 Config=5 S1ContextPtr=0x40020000 SHCFG=1
        cd 0x40020000 V=1 AA64=1 T0SZ=25 IPS=5 EPD1=1 A=1 R=1 ASID=7 TTB0=0x40030000
        store 0x40030000 0x40031003
        store 0x40031000 0x40032003
        store 0x40032008 0x40040743
        write64 CMDQ_BASE 0x40000004
        write64 STRTAB_BASE 0x40010000
        write32 STRTAB_BASE_CFG 4
        write32 CR0 0xd
        access 8 read 0x1234 port
        store 0x40032008 0
        command TLBI_NH_VA ASID=7 Address=0x1000
        command SYNC
        access 8 read 0x1234 port
        """;

    private readonly TemporaryFolder folder = new();

    public static TheoryData<string> SampleNames =>
        [.. Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "Samples"), "*.smmu").Select(path => Path.GetFileName(path)!)];

    public void Dispose() => folder.Dispose();

    [Fact]
    public void ThereAreSamples() => Assert.True(SampleNames.Count >= 2);

    [Theory]
    [MemberData(nameof(SampleNames))]
    public async Task ASampleAgrees(string name)
    {
        var (code, output, error) = await Run(new(), "run", Path.Combine(AppContext.BaseDirectory, "Samples", name));

        Assert.Equal((CommandLine.Agree, ""), (code, error));
        Assert.Contains("oracle: the same", output, StringComparison.Ordinal);
        Assert.Contains("no difference", output, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', output);
    }

    [Fact]
    public async Task ADifferenceEndsWithOneAndNamesTheLine()
    {
        string script = folder.Write("page.smmu", Page);
        var planted = new MachineOptions { Plant = command => command.Opcode == CommandOpcode.TlbiNhVa ? Command.PrefetchConfig(default) : command };

        var (code, output, error) = await Run(planted, "run", "--quiet", script);

        Assert.Equal((CommandLine.Differ, ""), (code, error));
        Assert.StartsWith("differs: line 14, access 8 read 0x1234 port: outcome differs\n  engine: success 0x40040234", output, StringComparison.Ordinal);
        Assert.Equal(CommandLine.Agree, (await Run(new(), "run", script)).Code);
    }

    [Theory]
    [InlineData("expect success 0x40040234")]
    [InlineData("expect event C_BAD_CD")]
    [InlineData("expect stalled")]
    [InlineData("expect CMDQ_CONS 1")]
    public async Task AnExpectationThatFailsIsADifference(string expectation)
    {
        string script = folder.Write("page.smmu", Page + "\n" + expectation);

        var (code, output, _) = await Run(new(), "run", "--quiet", script);

        Assert.Equal(CommandLine.Differ, code);
        Assert.Contains($"line 15, {expectation}: it is ", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nonsense", "'nonsense' is no step")]
    [InlineData("features", "begin the features with a preset")]
    [InlineData("features Nonsense", "begin the features with a preset")]
    [InlineData("features Default HTTU", "'HTTU' is no FIELD=VALUE")]
    [InlineData("features Default NONSENSE=1", "'NONSENSE' is no field")]
    [InlineData("features Default HTTU=9", "HTTU cannot be 9")]
    [InlineData("features Default HTTU=3", "the Oracle has no SMMU like this")]
    [InlineData("features Default ATS=0", "IDR0.PRI must be 0 without ATS")]
    [InlineData("features Default SIDSIZE=63", "the Oracle has no SMMU like this")]
    [InlineData("caches", "say 'caches on'")]
    [InlineData("memory 0x1000", "say 'memory BASE SIZE'")]
    [InlineData("memory 0x1001 0x1000", "multiples of 4096")]
    [InlineData("memory 0 0", "the size is not 0")]
    [InlineData("memory 0 0x100000000", "at most 256 MiB")]
    [InlineData("memory 0xfffffffffffff000 0x2000", "beyond 2^56")]
    [InlineData("store 0x40000000", "say 'store ADDRESS WORD...'")]
    [InlineData("store 0x40000001 1", "no multiple of 8")]
    [InlineData("store 0x10 1", "there is no memory")]
    [InlineData("store 0x402ffff8 1 2", "there is no memory for 16 bytes")]
    [InlineData("store 0x40000000 -1", "'-1' is no number")]
    [InlineData("store 0x40000000 0x10000000000000000", "no number of 64 bits")]
    [InlineData("ste 0x40000000", "at least one FIELD=VALUE")]
    [InlineData("ste 0x40000008 V=1", "a multiple of 64")]
    [InlineData("ste 0x40000000 Nonsense=1", "there is no field 'Nonsense'")]
    [InlineData("cd 0x40000000 V=2", "V [31] cannot hold 0x2")]
    [InlineData("cd 0x40000000 TTB0=1", "TTB0 [")]
    [InlineData("write32 CR0", "say a register and a value")]
    [InlineData("write32 CR9 0", "'CR9' is no register")]
    [InlineData("write32 CR0 0x100000000", "more than 32 bits")]
    [InlineData("write32 0x20000 0", "is more than 0x1ffff")]
    [InlineData("command", "name a command")]
    [InlineData("command NONSENSE", "name a command")]
    [InlineData("command raw 1", "name a command")]
    [InlineData("command SYNC CS=4", "cannot hold 0x4")]
    [InlineData("queue CFGI_STE VMID=1", "there is no field 'VMID'")]
    [InlineData("access 8 read", "say a StreamID")]
    [InlineData("access 8 look 0", "'look' is neither")]
    [InlineData("access 8 read 0 1", "say one address")]
    [InlineData("access 8 read port", "say one address")]
    [InlineData("access 8 read 0 nonsense", "'nonsense' is no mark")]
    [InlineData("access 0x100000000 read 0", "is more than 0xffffffff")]
    [InlineData("access 8 substream 0x100000 read 0", "is more than 0xfffff")]
    [InlineData("access 8 substream 1 read", "say a StreamID, a SubstreamID")]
    [InlineData("batch 8 read 0 waits", "'waits' is no mark")]
    [InlineData("resume oldest", "say 'resume oldest|newest")]
    [InlineData("reset now", "'reset' stands alone")]
    [InlineData("expect", "expect success")]
    [InlineData("expect event NONSENSE", "'NONSENSE' is no event")]
    [InlineData("consume\nfeatures Default", "'features' comes before all steps", 2)]
    [InlineData("features Default\nfeatures Default", "the features are said twice", 2)]
    [InlineData("memory 0x1000 0x2000\nmemory 0x2000 0x1000", "overlaps", 2)]
    public async Task WhatIsNoScriptEndsWithTwoAndTheLine(string text, string reason, int line = 1)
    {
        string script = folder.Write("wrong.smmu", text);

        var (code, output, error) = await Run(new(), "run", script);

        Assert.Equal((CommandLine.Unusable, ""), (code, output));
        Assert.StartsWith($"smmu: {script}:{line}: ", error, StringComparison.Ordinal);
        Assert.Contains(reason, error, StringComparison.Ordinal);
        Assert.Single(error.TrimEnd('\n').Split('\n'));
    }

    [Theory]
    [InlineData("run")]
    [InlineData("run", "/no/such/file")]
    [InlineData("run", "/")]
    [InlineData("run", "")]
    [InlineData("run", "a\0b")]
    [InlineData("run", "one", "two")]
    public async Task AFileThatCannotBeReadEndsWithTwo(params string[] arguments)
    {
        var (code, output, error) = await Run(new(), arguments);

        Assert.Equal((CommandLine.Unusable, ""), (code, output));
        Assert.StartsWith("smmu: ", error, StringComparison.Ordinal);
        Assert.Single(error.TrimEnd('\n').Split('\n'));
    }

    [Fact]
    public void GarbageIsRefusedOrRunsButNeverThrowsAnythingElse()
    {
        var random = new Random(1);
        using var runner = new MachineRunner(new MachineOptions());
        int refused = 0;
        for (int i = 0; i < 400; i++)
        {
            char[] text = (i % 2 == 0 ? Page : ProgramGenerator.Next(random).ToString()).ToCharArray();
            for (int j = random.Next(1, 4); j > 0; j--) text[random.Next(text.Length)] = (char)random.Next(1, 128);
            try
            {
                Assert.Null(runner.Run(ScriptReader.Read("garbage", new string(text))));
            }
            catch (ScriptException exception)
            {
                Assert.StartsWith("garbage:", exception.Message, StringComparison.Ordinal);
                refused++;
            }
        }

        Assert.InRange(refused, 1, 399);
    }

    internal static async Task<(int Code, string Output, string Error)> Run(MachineOptions machine, params string[] arguments)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        var tool = new CommandLine(new SmmuReplayTargets(), new Terminal(output, error, IsInteractive: false)) { Machine = machine };
        int code = await tool.RunAsync(arguments);
        return (code, output.ToString(), error.ToString());
    }
}
