using Smmu.Fast.Cli;
using Smmu.Fast.Scenarios.Recordings;

return await new CommandLine(new SmmuReplayTargets(), Terminal.OfProcess()).RunAsync(args);
