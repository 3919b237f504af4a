using System.ComponentModel;
using System.Diagnostics;
using System.Net.Sockets;
using System.Text.RegularExpressions;

namespace Smmu.Fast.Qemu;

/// <summary>A running QEMU: started without a guest, ended in every case.</summary>
public sealed partial class QemuProcess : IDisposable
{
    private const string Program = "qemu-system-aarch64";
    private const string Advice = "install the package qemu-system-arm (Debian, Ubuntu), or name the program with --qemu";
    private static readonly TimeSpan patience = TimeSpan.FromSeconds(20);

    private readonly string folder;
    private readonly Process process;
    private readonly EventHandler onExit;
    private bool isDisposed;

    private QemuProcess(string folder, Process process)
    {
        this.folder = folder;
        this.process = process;
        onExit = (_, _) => Dispose();   // A run that is told to end leaves no machine behind.
        AppDomain.CurrentDomain.ProcessExit += onExit;
    }

    /// <summary>Finds the program.</summary>
    /// <param name="named">A path, or null to look through PATH.</param>
    /// <returns>Its path, or null when there is none.</returns>
    public static string? Find(string? named = null)
    {
        if (named is not null) return File.Exists(named) ? named : null;
        return (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Select(entry => Path.Combine(entry, Program))
            .FirstOrDefault(File.Exists);
    }

    /// <summary>Asks the program for its version.</summary>
    /// <param name="named">A path, or null to look through PATH.</param>
    /// <returns>Its path, and the first line of its answer.</returns>
    /// <exception cref="QemuException">There is no program, or it cannot be run.</exception>
    public static (string Path, string Version) Identify(string? named = null)
    {
        string path = Find(named) ?? throw new QemuException(named is null
            ? $"there is no {Program} on this machine: {Advice}"
            : $"{named}: no such program: {Advice}");
        try
        {
            var start = new ProcessStartInfo(path, "--version") { RedirectStandardOutput = true, RedirectStandardError = true };
            using var asked = Process.Start(start) ?? throw new QemuException($"{path} cannot be run: {Advice}");
            var answer = asked.StandardOutput.ReadToEndAsync();
            if (!answer.Wait(patience))
            {
                asked.Kill(entireProcessTree: true);
                throw new QemuException($"{path} --version does not end: {Advice}");
            }

            string first = answer.Result.Split('\n')[0].Trim();
            return VersionLine().IsMatch(first)
                ? (path, first)
                : throw new QemuException($"{path} --version says '{first}', which is no QEMU's answer: {Advice}");
        }
        catch (Win32Exception exception)
        {
            throw new QemuException($"{path} cannot be run ({exception.Message}): {Advice}", exception);
        }
    }

    /// <summary>Starts a machine and connects to it.</summary>
    /// <param name="path">The program.</param>
    /// <exception cref="QemuException">It does not start; the message holds what it wrote.</exception>
    internal static (QemuProcess Process, QtestClient Client, SharedRam Ram) Start(string path)
    {
        string folder = Directory.CreateTempSubdirectory("smmu-qemu-").FullName;
        SharedRam? ram = null;
        QemuProcess? running = null;
        try
        {
            string socketPath = Path.Combine(folder, "qtest");
            string ramPath = Path.Combine(folder, "ram");
            ram = new SharedRam(ramPath);
            using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            listener.Bind(new UnixDomainSocketEndPoint(socketPath));
            listener.Listen(1);
            var process = Process.Start(StartInfo(path, socketPath, ramPath))
                ?? throw new QemuException($"{path} cannot be run: {Advice}");
            running = new QemuProcess(folder, process);
            var errors = process.StandardError.ReadToEndAsync();
            var accepted = listener.AcceptAsync();
            var watch = Stopwatch.StartNew();
            while (!accepted.Wait(TimeSpan.FromMilliseconds(50)))
            {
                if (!process.HasExited && watch.Elapsed < patience) continue;
                throw new QemuException(
                    $"{path} does not start a virt machine with an SMMUv3; it says: {LastWords(errors)}; {Advice}");
            }

            return (running, new QtestClient(accepted.Result, patience, () => LastWords(errors)), ram);
        }
        catch
        {
            ram?.Dispose();
            if (running is not null) running.Dispose();
            else Directory.Delete(folder, recursive: true);
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (isDisposed) return;
        isDisposed = true;
        AppDomain.CurrentDomain.ProcessExit -= onExit;
        try
        {
            process.Kill(entireProcessTree: true);
            process.WaitForExit(patience);
        }
        catch (InvalidOperationException)
        {
            // It ended by itself.
        }

        process.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    private static string LastWords(Task<string> errors)
    {
        bool isThere = errors.Wait(TimeSpan.FromSeconds(1)) && errors.Result.Length > 0;
        return isThere ? errors.Result.ReplaceLineEndings(" ").Trim() : "nothing";
    }

    private static ProcessStartInfo StartInfo(string path, string socketPath, string ramPath)
    {
        string size = $"{MachineMap.RamBytes >> 20}M";
        var start = new ProcessStartInfo(path) { RedirectStandardError = true, RedirectStandardInput = true };
        string[] arguments =
        [
            "-machine", "virt,iommu=smmuv3,highmem=off,memory-backend=ram",
            "-cpu", "cortex-a57",
            "-accel", "tcg",
            "-icount", "shift=0,sleep=off",   // Timers fire as soon as the CPU sleeps, which it does all the time.
            "-m", size,
            "-object", $"memory-backend-file,id=ram,size={size},mem-path={ramPath},share=on",
            "-nodefaults", "-no-user-config", "-display", "none", "-serial", "none", "-monitor", "none", "-no-reboot",
            "-device", $"loader,addr=0x{MachineMap.Loop:x},cpu-num=0",
            "-qtest", $"unix:{socketPath}",
            "-qtest-log", "none",
        ];
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        foreach (var stream in MachineMap.Streams)
        {
            start.ArgumentList.Add("-device");
            start.ArgumentList.Add(
                $"edu,addr={stream.Value >> 3:x}.{stream.Value & 7:x},multifunction=on,dma_mask={ulong.MaxValue}");
        }

        return start;
    }

    [GeneratedRegex(@"^QEMU emulator version \d+\.\d+", RegexOptions.CultureInvariant)]
    private static partial Regex VersionLine();
}
