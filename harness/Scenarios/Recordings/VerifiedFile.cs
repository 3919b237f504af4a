using System.Security.Cryptography;
using System.Text;

namespace Smmu.Fast.Scenarios.Recordings;

/// <summary>The whole content of a recording or snapshot, verified before anybody looks at it.</summary>
/// <param name="Name">The file's name, for messages.</param>
/// <param name="FileBytes">What the file has on disk, in bytes.</param>
/// <param name="Content">The content, decompressed where it was compressed.</param>
public sealed record VerifiedFile(string Name, long FileBytes, ArraySegment<byte> Content)
{
    /// <summary>The largest content that is accepted, in bytes: an array's limit, and far above any real recording.</summary>
    public const int LargestContentBytes = 0x7fff_ff00;

    private const int LargestFileBytes = 1 << 30;
    private const int ReadBytes = 1 << 20;
    private const string ChecksumFile = "SHA256SUMS";
    private const int LargestChecksumFileBytes = 64 << 10;

    /// <summary>Reads, decompresses and verifies a file.</summary>
    /// <param name="path">A .zst file, or an uncompressed recording or snapshot.</param>
    /// <exception cref="RecordingException">The file cannot be read, is damaged, or is of another kind.</exception>
    /// <remarks>
    /// Where a SHA256SUMS file beside it lists the file, that sum must be right too: a few bits of a Zstandard header do not
    /// change the content, so the content's own checksum cannot see them.
    /// </remarks>
    public static VerifiedFile Open(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        string name = Path.GetFileName(path).ReplaceControlCharacters();
        if (name.Length == 0) name = path.ReplaceControlCharacters();
        try
        {
            if (Directory.Exists(path)) throw new RecordingException($"{name}: this is a directory, not a file");
            byte[] file = ReadAll(path, name);
            CheckSum(path, name, file);
            return FromBytes(file, name);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new RecordingException($"{name}: no such file", exception);
        }
        catch (UnauthorizedAccessException exception)
        {
            throw new RecordingException($"{name}: no permission to read the file", exception);
        }
        catch (Exception exception) when (exception is IOException or ArgumentException or NotSupportedException)
        {
            throw new RecordingException($"{name}: {exception.Message.ReplaceControlCharacters()}", exception);
        }
    }

    /// <summary>Decompresses and verifies the bytes of a file.</summary>
    /// <param name="file">The bytes as they lie on disk.</param>
    /// <param name="name">A name for messages.</param>
    /// <param name="maximumContentBytes">What the content may have at most.</param>
    /// <exception cref="RecordingException">The bytes are damaged, or of another kind of file.</exception>
    public static VerifiedFile FromBytes(byte[] file, string name, int maximumContentBytes = LargestContentBytes)
    {
        ArgumentNullException.ThrowIfNull(file);
        RefuseOtherKinds(file, name);
        var content = file.AsSpan().StartsWith(ZstandardFrame.Magic)
            ? ZstandardFrame.Decompress(file, name, maximumContentBytes)
            : new ArraySegment<byte>(file);
        return new VerifiedFile(name, file.Length, content);
    }

    private static byte[] ReadAll(string path, string name)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        using var bytes = new MemoryStream(stream.CanSeek ? (int)Math.Min(stream.Length, LargestFileBytes) : ReadBytes);
        byte[] buffer = new byte[ReadBytes];
        int count;
        while ((count = stream.Read(buffer)) > 0)
        {
            // Looked at before the rest is read: a device file has no end.
            if (bytes.Length == 0 && count >= RecordingReader.Magic.Length) RefuseOtherKinds(buffer.AsSpan(0, count), name);
            if (bytes.Length + count > LargestFileBytes)
                throw new RecordingException($"{name}: the file is larger than {LargestFileBytes} bytes");
            bytes.Write(buffer, 0, count);
        }

        return bytes.ToArray();
    }

    private static void RefuseOtherKinds(ReadOnlySpan<byte> file, string name)
    {
        if (file.StartsWith(ZstandardFrame.Magic) || file.StartsWith(RecordingReader.Magic)
            || file.StartsWith(Snapshots.Snapshot.Magic)) return;
        throw new RecordingException(file.IsEmpty
            ? $"{name}: byte 0x0: the file is empty"
            : $"{name}: byte 0x0: neither a recording, nor a snapshot, nor a Zstandard file of one");
    }

    private static void CheckSum(string path, string name, byte[] file)
    {
        string list = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path)) ?? ".", ChecksumFile);
        if (!File.Exists(list) || new FileInfo(list).Length > LargestChecksumFileBytes) return;
        foreach (string line in File.ReadLines(list, Encoding.UTF8))
        {
            int separator = line.IndexOf("  ", StringComparison.Ordinal);
            if (separator < 0 || line[(separator + 2)..] != name) continue;
            if (!line.AsSpan(0, separator).Equals(Convert.ToHexString(SHA256.HashData(file)), StringComparison.OrdinalIgnoreCase))
                throw new RecordingException($"{name}: the file is damaged: its SHA-256 is not the one in {ChecksumFile}");
        }
    }
}
