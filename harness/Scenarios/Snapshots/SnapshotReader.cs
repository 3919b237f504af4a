using System.Globalization;
using System.Text;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Recordings;

namespace Smmu.Fast.Scenarios.Snapshots;

/// <summary>Reads the text of a snapshot. Every line is understood in full, or the file is refused.</summary>
internal sealed class SnapshotReader(string name)
{
    private const int PageBytes = 4096;
    private const int WordBytes = 8;
    private const int LargestContentBytes = 256 << 20;   // Text takes several times its size once it is lines and pages.
    private const int AddressBits = 52;

    private readonly Dictionary<uint, uint> registers = [];
    private readonly List<SnapshotStream> streams = [];
    private readonly List<SnapshotMap> maps = [];
    private readonly List<SnapshotPage> pages = [];
    private readonly HashSet<ulong> pageAddresses = [];
    private readonly HashSet<uint> streamIds = [];
    private int line;

    public Snapshot Read(ReadOnlySpan<byte> content)
    {
        if (!content.StartsWith(Snapshot.Magic))
            throw new RecordingException($"{name}: byte 0x0: not a snapshot: the file does not start with SMMUSNAP1");
        if (content.Length > LargestContentBytes)
            throw new RecordingException($"{name}: the snapshot is larger than {LargestContentBytes} bytes");
        if (content[^1] != (byte)'\n')
            throw new RecordingException($"{name}: byte 0x{content.Length:x}: the last line does not end");
        int start = 0;
        while (start < content.Length)
        {
            line++;
            int length = content[start..].IndexOf((byte)'\n');
            Understand(Encoding.Latin1.GetString(content.Slice(start, length)));
            start += length + 1;
        }

        if (registers.Count == 0) throw new RecordingException($"{name}: the snapshot holds no registers");
        return new Snapshot(name, registers, streams, maps, pages);
    }

    private void Understand(string text)
    {
        string[] words = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length == 0 || words[0].StartsWith('#') || (line == 1 && text.TrimEnd() == "SMMUSNAP1")) return;
        switch (words[0])
        {
            case "reg":
                UnderstandRegister(words);
                break;
            case "stream":
                UnderstandStream(words);
                break;
            case "map":
                UnderstandMap(words);
                break;
            case "page":
                UnderstandPage(words);
                break;
            default:
                throw Broken("the line is neither reg, stream, map nor page");
        }
    }

    private void UnderstandRegister(string[] words)
    {
        Expect(words, 3);
        uint offset = (uint)Hex(words[1], 32);
        if (offset % 4 != 0 || offset >= RegisterOffsets.End) throw Broken($"there is no register at 0x{offset:x}");
        if (!registers.TryAdd(offset, (uint)Hex(words[2], 32))) throw Broken($"register 0x{offset:x} comes twice");
    }

    private void UnderstandStream(string[] words)
    {
        Expect(words, 13);
        if (words[1] != "sid" || words[3] != "config" || words[5] != "cdptr"
            || words[7] != "asid" || words[9] != "cd0" || words[11] != "cd1")
            throw Broken("the fields of a stream are sid, config, cdptr, asid, cd0 and cd1");
        uint stream = (uint)Hex(words[2], 32);
        if (!streamIds.Add(stream)) throw Broken($"stream 0x{stream:x} comes twice");
        streams.Add(new SnapshotStream(
            line, new StreamId(stream), (uint)Hex(words[4], 3), Hex(words[6], AddressBits), (ushort)Hex(words[8], 16),
            Hex(words[10], 64), Hex(words[12], 64)));
    }

    private void UnderstandMap(string[] words)
    {
        Expect(words, 9);
        ulong input = Hex(words[3], 64);
        ulong size = Hex(words[4], AddressBits);
        ulong output = Hex(words[5], AddressBits);
        ulong permissions = Hex(words[6], 2);
        Hex(words[2], 16);
        if (size == 0 || (size & (size - 1)) != 0) throw Broken($"size 0x{size:x} is no power of two");
        if (((input | output) & (size - 1)) != 0) throw Broken("an address is not aligned to the size");
        if (permissions is not (1 or 3)) throw Broken($"there are no permissions {permissions}");
        if (!byte.TryParse(words[7], CultureInfo.InvariantCulture, out _)
            || !byte.TryParse(words[8], CultureInfo.InvariantCulture, out _))
            throw Broken("level and granule are not decimal numbers");
        maps.Add(new SnapshotMap(line, new StreamId((uint)Hex(words[1], 32)), input, size, output, (byte)permissions));
    }

    private void UnderstandPage(string[] words)
    {
        if (words.Length < 3) throw Broken("a page has no words");
        ulong address = Hex(words[1], AddressBits);
        if (address % PageBytes != 0) throw Broken($"page 0x{address:x} is not aligned");
        if (!pageAddresses.Add(address)) throw Broken($"page 0x{address:x} comes twice");
        byte[] bytes = new byte[PageBytes];
        int used = 0;
        foreach (string word in words.AsSpan(2))
        {
            if (word[0] == 'z')
            {
                if (!int.TryParse(word.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out int zeroes)
                    || zeroes > (PageBytes - used) / WordBytes)
                    throw Broken("a run of zero words does not fit into the page");
                used += zeroes * WordBytes;
                continue;
            }

            if (used == PageBytes || word.Length != 2 * WordBytes) throw Broken("a word is not 16 digits, or one too many");
            if (Convert.FromHexString(word, bytes.AsSpan(used, WordBytes), out _, out int written)
                != System.Buffers.OperationStatus.Done || written != WordBytes)
                throw Broken("a word is not hexadecimal");
            used += WordBytes;
        }

        if (used != PageBytes) throw Broken($"the page has {used} bytes, not {PageBytes}");
        pages.Add(new SnapshotPage(address, bytes));
    }

    private void Expect(string[] words, int count)
    {
        if (words.Length != count) throw Broken($"the line has {words.Length} words, not {count}");
    }

    private ulong Hex(string word, int bits)
    {
        if (!ulong.TryParse(word, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong value)
            || (bits < 64 && value >> bits != 0))
            throw Broken($"'{word.ReplaceControlCharacters()}' is no hexadecimal number of {bits} bits");
        return value;
    }

    private RecordingException Broken(string reason) => new($"{name}: line {line}: {reason}");
}
