using System.Buffers;
using ZstdSharp;
using ZstdSharp.Unsafe;

namespace Smmu.Fast.Scenarios.Recordings;

/// <summary>Opens a file that is exactly one Zstandard frame with a content checksum (RFC 8878, 3.1).</summary>
/// <remarks>
/// The frame's own structure is checked first, so that a file which ends early, goes on behind its end, or says that it
/// has no checksum is refused before anything is decompressed. What decompresses is vouched for by the checksum.
/// </remarks>
internal static class ZstandardFrame
{
    private const int LargestWindowLog2 = 27;
    private const int LargestBlockBytes = 128 << 10;
    private const int ChecksumBytes = 4;
    private const int FirstBufferBytes = 64 << 20;

    public static ReadOnlySpan<byte> Magic => [0x28, 0xb5, 0x2f, 0xfd];

    /// <summary>Decompresses the whole file.</summary>
    /// <param name="file">The compressed bytes.</param>
    /// <param name="name">The file's name, for messages.</param>
    /// <param name="maximumBytes">What the content may have at most.</param>
    /// <exception cref="RecordingException">The file is damaged, or its content too large.</exception>
    public static ArraySegment<byte> Decompress(ReadOnlySpan<byte> file, string name, int maximumBytes)
    {
        long bound = BoundOfContent(file, name);
        byte[] content = GC.AllocateUninitializedArray<byte>((int)Math.Min(Math.Min(bound, FirstBufferBytes), maximumBytes));
        int consumed = 0;
        int written = 0;
        try
        {
            using var decompressor = new Decompressor();
            decompressor.SetParameter(ZSTD_dParameter.ZSTD_d_windowLogMax, LargestWindowLog2);
            while (true)
            {
                var status = decompressor.UnwrapStream(
                    file[consumed..], content.AsSpan(written), out int bytesConsumed, out int bytesWritten);
                consumed += bytesConsumed;
                written += bytesWritten;
                if (status == OperationStatus.Done) break;
                if (written == content.Length)
                {
                    if (content.Length == maximumBytes)
                        throw new RecordingException($"{name}: the content is larger than {maximumBytes} bytes");
                    Array.Resize(ref content, (int)Math.Min((long)content.Length * 2, maximumBytes));
                }
                else if (bytesConsumed == 0 && bytesWritten == 0)
                {
                    throw Damaged(name, consumed, "the frame does not end");
                }
            }
        }
        catch (ZstdException exception)
        {
            throw new RecordingException(Message(name, consumed, exception.Message), exception);
        }

        return consumed == file.Length
            ? new ArraySegment<byte>(content, 0, written)
            : throw Damaged(name, consumed, "the frame ends before the file does");
    }

    /// <summary>Checks headers and lengths, and says how large the content can be at most.</summary>
    private static long BoundOfContent(ReadOnlySpan<byte> file, string name)
    {
        int position = Magic.Length;
        if (position >= file.Length) throw Damaged(name, file.Length, "the file ends inside the frame header");
        int descriptor = file[position++];
        bool isSingleSegment = (descriptor & 0x20) != 0;
        if ((descriptor & 0x18) != 0) throw Damaged(name, position - 1, "reserved bits of the frame header are set");
        if ((descriptor & 0x04) == 0) throw Damaged(name, position - 1, "the frame has no content checksum");
        if ((descriptor & 0x03) != 0) throw Damaged(name, position - 1, "the frame needs a dictionary");
        if (!isSingleSegment) position++;
        position += (descriptor >> 6) switch { 0 => isSingleSegment ? 1 : 0, 1 => 2, 2 => 4, _ => 8 };

        long bound = 1;   // An empty content still needs a place to be written to.
        bool isLast = false;
        while (!isLast)
        {
            if (file.Length - position < 3) throw Damaged(name, file.Length, "the file ends inside a block header");
            int header = file[position] | (file[position + 1] << 8) | (file[position + 2] << 16);
            int size = header >> 3;
            int type = (header >> 1) & 3;
            if (type == 3) throw Damaged(name, position, "the block has a reserved type");
            isLast = (header & 1) != 0;
            position += 3;
            int stored = type == 1 ? 1 : size;
            if (size > LargestBlockBytes) throw Damaged(name, position - 3, "the block is larger than a block can be");
            if (file.Length - position < stored) throw Damaged(name, file.Length, "the file ends inside a block");
            position += stored;
            bound += type == 2 ? LargestBlockBytes : size;
        }

        if (file.Length - position < ChecksumBytes) throw Damaged(name, file.Length, "the file ends inside the checksum");
        if (file.Length - position > ChecksumBytes)
            throw Damaged(name, position + ChecksumBytes, "bytes follow the end of the frame");
        return bound;
    }

    private static RecordingException Damaged(string name, int offset, string reason) => new(Message(name, offset, reason));

    private static string Message(string name, int offset, string reason) =>
        $"{name}: byte 0x{offset:x} of the compressed file: {reason}";
}
