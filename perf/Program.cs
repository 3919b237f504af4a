using BenchmarkDotNet.Running;
using Smmu.Fast.Perf.Running;

return args switch
{
    ["--dry"] => DryRun.Run(Console.Out),
    ["--quick", .. var patterns] => QuickRun.Run(patterns, Console.Out, Console.Error),
    _ => Judgement.ExitCode(BenchmarkSwitcher.FromTypes([.. Suite.Types]).Run(args), Console.Error),
};
