using System.Diagnostics;
using System.Globalization;
using Smmu.Fast.Tests.Hostile;

// hostile [--operations N] [--seed S] [--round R] [--patience SECONDS] [--plant DEFECT]
// Runs rounds until so many operations are made, or one round by its number. 0 when nothing was found, 1 when something was,
// 2 when the command line makes no sense, 3 when a thread hangs; an access outside of guest memory ends the process.
const int Held = 0;
const int Violated = 1;
const int Misused = 2;
const int Hung = 3;
const long EnoughToJudge = 100_000;

long operations = 1_000_000;
int seed = 1;
int? only = null;
double patience = 60;
var plant = Plant.None;
for (int i = 0; i < args.Length; i += 2)
{
    string value = i + 1 < args.Length ? args[i + 1] : string.Empty;
    var culture = CultureInfo.InvariantCulture;
    bool isUnderstood = args[i] switch
    {
        "--operations" => long.TryParse(value, NumberStyles.AllowThousands, culture, out operations) && operations > 0,
        "--seed" => int.TryParse(value, NumberStyles.None, culture, out seed),
        "--round" => int.TryParse(value, NumberStyles.None, culture, out int number) && (only = number) >= 0,
        "--patience" => double.TryParse(value, NumberStyles.Float, culture, out patience) && patience is > 0 and <= 3600,
        "--plant" => Enum.TryParse(value, out plant) && Enum.IsDefined(plant),
        _ => false,
    };
    if (!isUnderstood) return Misuse($"{args[i]} {value}");
}

var watch = Stopwatch.StartNew();
var total = new Reach();
int rounds = 0;
for (int number = only ?? 0; total.Operations < operations && (only == null || rounds == 0); number++, rounds++)
{
    var round = new Round(seed, number, plant);
    Console.WriteLine($"round {number}: {round.Name}");   // Before it runs: it may end the process.
    var verdict = round.Run(TimeSpan.FromSeconds(patience));
    if (!verdict.Held)
    {
        Console.WriteLine($"Seed {seed}, round {number}: {string.Join('\n', verdict.Problems)}");
        foreach (var actor in round.Actors) Console.WriteLine(actor.Describe());
        Console.WriteLine($"again: hostile --seed {seed} --round {number}");
        return verdict.Hangs ? Hung : Violated;   // What the machine holds may still be in use, so it is left to the system.
    }

    round.AddTo(total);
    round.Dispose();
}

Console.WriteLine(string.Create(
    CultureInfo.InvariantCulture,
    $"{total.Operations} operations in {watch.Elapsed.TotalSeconds:f1} s, {rounds} rounds on 1 or 4 threads, seed {seed}"));
Console.WriteLine(total.Describe());
if (total.Operations >= EnoughToJudge && total.FindShortfall() is { } shortfall)
{
    Console.WriteLine($"Seed {seed}: {shortfall}");
    return Violated;
}

Console.WriteLine("held");
return Held;

static int Misuse(string what)
{
    Console.Error.WriteLine($"hostile: {what} is not understood.");
    Console.Error.WriteLine("usage: hostile [--operations N] [--seed S] [--round R] [--patience SECONDS] [--plant DEFECT]");
    Console.Error.WriteLine($"defects: {string.Join(' ', Enum.GetNames<Plant>())}");
    return Misused;
}
