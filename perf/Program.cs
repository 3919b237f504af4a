using BenchmarkDotNet.Running;
using Smmu.Fast.Perf.Running;

return args switch
{
    ["--dry", .. var patterns] => DryRun.Run(patterns, Console.Out),
    ["--quick", .. var rest] => Report.RunQuick(rest, Console.Out, Console.Error),
    ["report", .. var rest] => Report.Run(rest, Console.Out, Console.Error),
    [Child.Verb, var type, var file, .. var patterns] => Child.Run(type, file, patterns, Console.Error),
    _ => Judgement.ExitCode(BenchmarkSwitcher.FromTypes([.. Suite.Types]).Run(args), Console.Error),
};
