using System.Globalization;
using FsCheck;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Props;

/// <summary>How many cases a property runs, and from which seed: the variable SMMU_PROPS_SEED, 1 when it is not set.</summary>
/// <remarks>A fixed seed, so that a failure comes again; another one for a long night.</remarks>
internal static class Cases
{
    private const string Variable = "SMMU_PROPS_SEED";
    private const ulong Gamma = 0x9e37_79b9_7f4a_7c15;   // FsCheck's stream of numbers is chosen by any odd number.

    /// <summary>The seed of everything that is random here.</summary>
    public static int Seed { get; } = ReadSeed();

    /// <summary>FsCheck's settings for a number of cases at scale 1.</summary>
    public static Config Of(int count) => Exactly(TestScale.Of(count));

    /// <summary>FsCheck's settings for a number of cases at any scale: cheap ones that say how far they reached.</summary>
    public static Config Exactly(int count) =>
        Config.QuickThrowOnFailure.WithMaxTest(count).WithReplay((ulong)Seed, Gamma);

    /// <summary>Random numbers of one round of a loop.</summary>
    public static Random RandomOf(int round) => new(unchecked((Seed * (int)0x9e37_79b1) + (round * (int)0x85eb_ca77)));

    private static int ReadSeed()
    {
        string? text = Environment.GetEnvironmentVariable(Variable);
        if (string.IsNullOrEmpty(text)) return 1;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int seed)
            ? seed
            : throw new FormatException($"{Variable} is '{text}': set a number from 0 to {int.MaxValue}, or leave it out.");
    }
}
