using System.Globalization;

namespace Smmu.Fast.Tests.Mutation;

/// <summary>The command line.</summary>
internal sealed class Options
{
    /// <summary>How to use the program.</summary>
    public const string Usage = """
        Breaks the engine on purpose, one breakage at a time, and sees that a test notices each.

          dotnet run -c Release --project tests/Mutation                 all of them, and writes tests/MUTATION.md
          dotnet run -c Release --project tests/Mutation -- --list       names them
          dotnet run -c Release --project tests/Mutation -- --only ID    one, or several with commas between; mends their rows

          --parallel N      run N side by side, 1 to 64
          --lists FOLDER    take the mutants from this folder; no report
          --tests PREFIX    run only test classes whose full name begins so; no report
          --no-build        take the tests as they are built

        Ends with 0 when all are caught, 1 when some survive, 2 when the run is of no use.
        """;

    /// <summary>Ids to run; empty for all.</summary>
    public IReadOnlyList<string> Only { get; private set; } = [];

    /// <summary>Folder of the lists, or null for the one of the repository.</summary>
    public string? Lists { get; private set; }

    /// <summary>Beginning of the full names of the test classes to run.</summary>
    public string Tests { get; private set; } = "";

    /// <summary>How many run side by side.</summary>
    public int Parallel { get; private set; } = 1;

    /// <summary>True to name the mutants and do no more.</summary>
    public bool IsList { get; private set; }

    /// <summary>True to take the tests as they are built.</summary>
    public bool IsBuilt { get; private set; }

    /// <summary>True for a run of the repository's mutants against all tests, which goes into the report.</summary>
    public bool IsReported => Lists is null && Tests.Length == 0;

    /// <summary>Reads a command line.</summary>
    /// <exception cref="FormatException">It is malformed.</exception>
    public static Options Parse(ReadOnlySpan<string> arguments)
    {
        var options = new Options();
        for (int i = 0; i < arguments.Length; i++)
        {
            string name = arguments[i];
            if (name == "--list") options.IsList = true;
            else if (name == "--no-build") options.IsBuilt = true;
            else if (i + 1 == arguments.Length) throw new FormatException(Usage);
            else options.Set(name, arguments[++i]);
        }

        return options;
    }

    private void Set(string name, string value)
    {
        switch (name)
        {
            case "--only":
                Only = value.Split(',');
                break;
            case "--lists":
                Lists = value;
                break;
            case "--tests":
                Tests = value;
                break;
            case "--parallel" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count is > 0 and <= 64:
                Parallel = count;
                break;
            default:
                throw new FormatException(Usage);
        }
    }
}
