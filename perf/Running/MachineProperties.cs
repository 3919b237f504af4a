using System.Globalization;
using System.Runtime.InteropServices;

namespace Smmu.Fast.Perf.Running;

/// <summary>What figures were measured on.</summary>
/// <param name="Processor">As it calls itself.</param>
/// <param name="Cores">Logical ones.</param>
/// <param name="Caches">Of the first core, innermost first.</param>
/// <param name="MemoryMebibytes">Memory that the process may use.</param>
/// <param name="System">The operating system.</param>
/// <param name="Runtime">Version and architecture.</param>
/// <param name="Tier">The widest vectors.</param>
/// <param name="LoadAtStart">Mean number of tasks that ran or wanted to, over a minute; empty where unknown.</param>
/// <param name="LoadAtEnd">The same when all was measured.</param>
/// <param name="Seconds">How long it took.</param>
internal sealed record MachineProperties(
    string Processor,
    int Cores,
    IReadOnlyList<string> Caches,
    long MemoryMebibytes,
    string System,
    string Runtime,
    string Tier,
    string LoadAtStart,
    string LoadAtEnd = "",
    double Seconds = 0)
{
    /// <summary>Asks the system.</summary>
    public static MachineProperties Read() => new(
        ReadProcessor(),
        Environment.ProcessorCount,
        [.. ReadCaches()],
        GC.GetGCMemoryInfo().TotalAvailableMemoryBytes >> 20,
        RuntimeInformation.OSDescription,
        $"{RuntimeInformation.FrameworkDescription}, {RuntimeInformation.ProcessArchitecture}",
        Running.Tier.Own,
        LoadNow());

    /// <summary>The load average over a minute; empty where the system has none.</summary>
    public static string LoadNow() => ReadWord("/proc/loadavg") ?? "";

    /// <summary>Lines for a list.</summary>
    public IEnumerable<string> ToLines()
    {
        yield return $"{Processor}, {Cores} logical cores, caches of a core: {string.Join(", ", Caches)}";
        yield return string.Create(CultureInfo.InvariantCulture, $"{MemoryMebibytes:N0} MiB of memory, {System}");
        yield return $"{Runtime}, {Tier}";
        if (LoadAtStart.Length > 0) yield return
            $"load average {LoadAtStart} before and {LoadAtEnd} after: what is above 1 in the second was other work beside";
    }

    private static string ReadProcessor()
    {
        const string File = "/proc/cpuinfo";
        string? line = Path.Exists(File)
            ? global::System.IO.File.ReadLines(File).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))
            : null;
        if (line is not null) return string.Create(CultureInfo.InvariantCulture, $"{line.Split(':')[1].Trim()}{Frequency()}");
        return Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? "unknown processor";

        static string Frequency()
        {
            string? megahertz = global::System.IO.File.ReadLines(File)
                .FirstOrDefault(line => line.StartsWith("cpu MHz", StringComparison.Ordinal))?.Split(':')[1].Trim();
            return double.TryParse(megahertz, CultureInfo.InvariantCulture, out double value)
                ? string.Create(CultureInfo.InvariantCulture, $" ({value:F0} MHz)")
                : "";
        }
    }

    private static IEnumerable<string> ReadCaches()
    {
        const string Folder = "/sys/devices/system/cpu/cpu0/cache";
        if (!Directory.Exists(Folder)) yield break;
        foreach (string cache in Directory.GetDirectories(Folder, "index*").Order(StringComparer.Ordinal))
        {
            yield return $"L{ReadWord(Path.Combine(cache, "level"))} {ReadWord(Path.Combine(cache, "type"))} "
                + $"{ReadWord(Path.Combine(cache, "size"))}";
        }
    }

    private static string? ReadWord(string file) => Path.Exists(file) ? File.ReadAllText(file).Split([' ', '\n'])[0] : null;
}
