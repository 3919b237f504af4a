using System.Globalization;
using Smmu.Fast.Foundation;
using Smmu.Fast.Scenarios.Recordings;
using Smmu.Fast.Tests.Litmus;

// litmus NAME [--break SAFEGUARD] [--seconds N] [--seed S]
// Runs one scenario: 0 when nothing was violated, 1 when something was, 2 when the command line makes no sense.
// litmus replay FILE [--break SAFEGUARD]
// Replays a recording: 0 when there are no differences, 1 when there are, 2 when the command line or the file makes no sense.
const int Held = 0;
const int Violated = 1;
const int Misused = 2;

string? name = null;
string? file = null;
var broken = Breakage.None;
double seconds = 2;
int seed = 1;
for (int i = 0; i < args.Length; i++)
{
    string option = args[i];
    if (!option.StartsWith("--", StringComparison.Ordinal))
    {
        if (name == RecordingReplay.Name) file = option;
        else name = option;
        continue;
    }

    string value = ++i < args.Length ? args[i] : string.Empty;
    bool isUnderstood = option switch
    {
        "--break" => Enum.TryParse(value, out broken) && Enum.IsDefined(broken),
        "--seconds" => double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out seconds)
            && seconds is > 0 and <= 3600,
        "--seed" => int.TryParse(value, CultureInfo.InvariantCulture, out seed),
        _ => false,
    };
    if (!isUnderstood) return Misuse($"{option} {value}");
}

ControlBuild.Broken = broken;
if (name == RecordingReplay.Name && file is not null)
{
    try
    {
        return RecordingReplay.Agrees(file) ? Held : Violated;
    }
    catch (RecordingException exception)
    {
        return Misuse(exception.Message);
    }
}

if (name is null || !Scenarios.ByName.TryGetValue(name, out var scenario)) return Misuse(name ?? "no scenario");

var run = new LitmusRun(TimeSpan.FromSeconds(seconds), seed);
scenario(run);
Console.WriteLine($"{name}, {broken}, seed {seed}: {run.Violation ?? "held"}; {run.Summary}");
return run.Violation is null ? Held : Violated;

static int Misuse(string what)
{
    Console.Error.WriteLine($"litmus: {what} is not understood.");
    Console.Error.WriteLine("usage: litmus NAME [--break SAFEGUARD] [--seconds N] [--seed S]");
    Console.Error.WriteLine("       litmus replay FILE [--break SAFEGUARD]");
    Console.Error.WriteLine($"names: {string.Join(' ', Scenarios.ByName.Keys.Order(StringComparer.Ordinal))}");
    Console.Error.WriteLine($"safeguards: {string.Join(' ', Enum.GetNames<Breakage>())}");
    return Misused;
}
