using System.Globalization;
using System.Text;
using Smmu.Fast.Comparison.Machine;

namespace Smmu.Fast.Comparison.Fuzzing;

/// <summary>The scripts that reached something new, and the keys of what was reached; in memory, and in a folder.</summary>
/// <remarks>
/// <c>corpus/</c> and <c>failures/</c> hold scripts, <c>keys.txt</c> the keys, <c>state.txt</c> seed and number of cases. Files
/// are replaced whole, so that a run which is killed loses seconds at most. <c>lock</c> is open while a run uses the folder: one at
/// a time. Safe for several threads.
/// </remarks>
internal sealed class Corpus : IDisposable
{
    private const string Header = "smmu fuzz 1";
    private const int MostScripts = 4_096;

    private readonly Lock gate = new();
    private readonly string? folder;
    private readonly FileStream? inUse;
    private readonly HashSet<ulong> keys = [];
    private readonly List<Script> scripts = [];

    /// <summary>Opens a folder, and takes up the run in it.</summary>
    /// <param name="folder">The folder, made where there is none; null for none.</param>
    /// <param name="seed">Seed of a run that begins here.</param>
    /// <exception cref="IOException">The folder cannot be used.</exception>
    /// <exception cref="ScriptException">A script of the corpus cannot be read.</exception>
    public Corpus(string? folder, int seed)
    {
        this.folder = folder;
        Seed = seed;
        if (folder is null) return;
        try
        {
            Directory.CreateDirectory(Path.Combine(folder, "corpus"));
            Directory.CreateDirectory(Path.Combine(folder, "failures"));
            inUse = Lock(Path.Combine(folder, "lock"));
            ReadState();
            var files = Directory.GetFiles(Path.Combine(folder, "corpus"), "*.smmu").Order(StringComparer.Ordinal).Take(MostScripts);
            scripts.AddRange(files.Select(ScriptReader.ReadFile));
        }
        catch (Exception exception)
        {
            inUse?.Dispose();
            if (exception is UnauthorizedAccessException or ArgumentException or NotSupportedException)
            {
                throw new IOException($"{folder.Replace('\0', '?')}: {exception.Message}", exception);
            }

            throw;
        }
    }

    /// <summary>What cases are made of.</summary>
    public int Seed { get; private set; }

    /// <summary>Cases of the runs before.</summary>
    public long CasesBefore { get; private set; }

    /// <summary>Distinct keys, and kept scripts.</summary>
    public (int Keys, int Scripts) Size
    {
        get
        {
            lock (gate) return (keys.Count, scripts.Count);
        }
    }

    /// <summary>Distinct keys by kind.</summary>
    public IReadOnlyDictionary<CoverageKind, int> KeysByKind
    {
        get
        {
            lock (gate) return keys.GroupBy(CoverageKeys.KindOf).OrderBy(group => group.Key).ToDictionary(group => group.Key, group => group.Count());
        }
    }

    /// <summary>Keeps a script if it reaches a key that none before it has reached.</summary>
    /// <param name="reached">What it reaches.</param>
    /// <param name="name">Its name.</param>
    /// <param name="make">Makes it; asked only when it is kept.</param>
    /// <returns>True when it is kept.</returns>
    public bool TryKeep(IReadOnlySet<ulong> reached, string name, Func<Script> make)
    {
        lock (gate)
        {
            if (reached.IsSubsetOf(keys)) return false;
            keys.UnionWith(reached);
            if (scripts.Count >= MostScripts) return false;
        }

        var script = make();
        lock (gate) scripts.Add(script);
        if (folder is not null) Replace(Path.Combine(folder, "corpus", name + ".smmu"), script.ToString());
        return true;
    }

    /// <summary>Two kept scripts at random; false while there are none.</summary>
    public bool TryPick(Random random, out Script one, out Script other)
    {
        lock (gate)
        {
            one = other = null!;
            if (scripts.Count == 0) return false;
            one = scripts[random.Next(scripts.Count)];
            other = scripts[random.Next(scripts.Count)];
            return true;
        }
    }

    /// <summary>Saves a failure.</summary>
    public void SaveFailure(FuzzFailure failure)
    {
        if (folder is not null) Replace(Path.Combine(folder, "failures", failure.Name + ".smmu"), failure.Script);
    }

    /// <summary>Saves how far the run has come.</summary>
    /// <param name="cases">Cases of this run.</param>
    public void SaveState(long cases)
    {
        if (folder is null) return;
        var text = new StringBuilder();
        lock (gate)
        {
            foreach (ulong key in keys) text.Append(key.ToString("x16", CultureInfo.InvariantCulture)).Append('\n');
        }

        Replace(Path.Combine(folder, "keys.txt"), text.ToString());
        Replace(
            Path.Combine(folder, "state.txt"),
            string.Create(CultureInfo.InvariantCulture, $"{Header}\nseed {Seed}\ncases {CasesBefore + cases}\n"));
    }

    /// <summary>Lets another run use the folder.</summary>
    public void Dispose() => inUse?.Dispose();

    private static FileStream Lock(string path)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None);
        }
        catch (IOException exception)
        {
            throw new IOException($"{path}: another run uses the folder ({exception.Message})", exception);
        }
    }

    private void ReadState()
    {
        string state = Path.Combine(folder!, "state.txt");
        if (!File.Exists(state)) return;
        string[] lines = File.ReadAllLines(state);
        bool isState = lines.Length == 3 && lines[0] == Header
            && TryNumber(lines[1], "seed ", out long seed) && seed is >= 0 and <= int.MaxValue;
        if (!isState || !TryNumber(lines[2], "cases ", out long cases)) throw new IOException($"{state}: this is not the state of a run");
        TryNumber(lines[1], "seed ", out seed);
        (Seed, CasesBefore) = ((int)seed, cases);

        string keyFile = Path.Combine(folder!, "keys.txt");
        foreach (string line in File.Exists(keyFile) ? File.ReadLines(keyFile) : [])
        {
            if (!ulong.TryParse(line, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong key)) throw new IOException($"{keyFile}: '{line}' is no key");
            keys.Add(key);
        }
    }

    private static bool TryNumber(string line, string name, out long value)
    {
        value = 0;
        return line.StartsWith(name, StringComparison.Ordinal)
            && long.TryParse(line.AsSpan(name.Length), NumberStyles.None, CultureInfo.InvariantCulture, out value);
    }

    private static void Replace(string path, string text)
    {
        string next = path + ".new";
        try
        {
            File.WriteAllText(next, text);
            File.Move(next, path, overwrite: true);
        }
        catch (UnauthorizedAccessException exception)
        {
            throw new IOException($"{path}: {exception.Message}", exception);
        }
    }
}
