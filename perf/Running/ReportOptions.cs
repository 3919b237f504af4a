using System.Globalization;

namespace Smmu.Fast.Perf.Running;

/// <summary>What a run of benchmarks is asked for.</summary>
internal sealed record ReportOptions
{
    /// <summary>Globs over full names; all when there are none.</summary>
    public string[] Patterns { get; init; } = [];

    /// <summary>Runs that a median is taken over.</summary>
    public int Runs { get; init; } = 3;

    /// <summary>The widest vectors that code may use; those of the machine when null.</summary>
    public string? Tier { get; init; }

    /// <summary>Where the two files go; the folder of the sources unless said.</summary>
    public string? Folder { get; init; }

    /// <summary>Reads arguments; false when they are not understood, which is then said.</summary>
    public static bool TryParse(IReadOnlyList<string> arguments, ReportOptions defaults, TextWriter errors, out ReportOptions options)
    {
        options = defaults;
        for (int i = 0; i < arguments.Count; i++)
        {
            string? value = i + 1 < arguments.Count ? arguments[i + 1] : null;
            switch (arguments[i])
            {
                case "--only" when value is not null:
                    options = options with { Patterns = [.. options.Patterns, value] };
                    break;
                case "--runs" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int runs) && runs > 0:
                    options = options with { Runs = runs };
                    break;
                case "--tier" when Running.Tier.Names.Contains(value):
                    options = options with { Tier = value };
                    break;
                case "--to" when value is not null:
                    options = options with { Folder = value };
                    break;
                case var pattern when !pattern.StartsWith('-'):
                    options = options with { Patterns = [.. options.Patterns, pattern] };
                    continue;
                default:
                    errors.WriteLine($"'{arguments[i]}' is not understood here: --only GLOB, --runs N, --to FOLDER, "
                        + $"--tier {string.Join('|', Running.Tier.Names)}");
                    return false;
            }

            i++;
        }

        return true;
    }
}
