using System.Buffers.Binary;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Smmu.Fast.Qemu;

/// <summary>Speaks QEMU's qtest protocol: lines of text that read and write the machine's physical addresses.</summary>
/// <remarks>Requests are collected and sent together; QEMU answers them in their order.</remarks>
internal sealed class QtestClient : IDisposable
{
    private readonly Socket socket;
    private readonly Func<string>? lastWords;
    private readonly byte[] incoming = new byte[1 << 16];
    private readonly List<ulong> values = [];
    private byte[] outgoing = new byte[1 << 14];
    private int outgoingLength;
    private int begin;
    private int end;
    private int unanswered;

    /// <summary>Takes over a connection.</summary>
    /// <param name="socket">Connected to QEMU.</param>
    /// <param name="patience">How long an answer may take.</param>
    /// <param name="lastWords">What QEMU has written elsewhere, for the message when it does not answer.</param>
    public QtestClient(Socket socket, TimeSpan patience, Func<string>? lastWords = null)
    {
        this.socket = socket;
        this.lastWords = lastWords;
        socket.ReceiveTimeout = (int)patience.TotalMilliseconds;
        socket.SendTimeout = (int)patience.TotalMilliseconds;
    }

    public void Write32(ulong address, uint value) => Append("writel"u8, address, value);

    public void Write64(ulong address, ulong value) => Append("writeq"u8, address, value);

    /// <summary>Writes neighbouring 64-bit words, the first one first.</summary>
    public void WriteWords(ulong address, ReadOnlySpan<ulong> words)
    {
        Reserve();
        Append("write"u8, address);
        AppendNumber((ulong)words.Length * sizeof(ulong));
        " 0x"u8.CopyTo(outgoing.AsSpan(outgoingLength));
        outgoingLength += 3;
        foreach (ulong word in words)
        {
            // Bytes in the order of their addresses.
            BinaryPrimitives.ReverseEndianness(word).TryFormat(
                outgoing.AsSpan(outgoingLength), out int written, "x16", CultureInfo.InvariantCulture);
            outgoingLength += written;
        }

        EndLine();
    }

    /// <summary>Asks for a word.</summary>
    /// <returns>Which of the values of the next <see cref="Exchange"/> it will be.</returns>
    public int Read32(ulong address) => Append("readl"u8, address, null);

    /// <inheritdoc cref="Read32"/>
    public int Read64(ulong address) => Append("readq"u8, address, null);

    /// <summary>
    /// Lets QEMU run its timers between the requests before and those behind: it takes 1,024 bytes at a time and runs them
    /// before it takes more. A read with leading zeros fills what is left of those bytes.
    /// </summary>
    public void Separate(ulong harmless)
    {
        const int BytesAtATime = 1024;
        int used = outgoingLength;
        Read32(harmless);
        int zeros = BytesAtATime - (outgoingLength % BytesAtATime);
        while (outgoing.Length < outgoingLength + zeros) Array.Resize(ref outgoing, outgoing.Length * 2);
        int number = used + "readl 0x"u8.Length;
        outgoing.AsSpan(number, outgoingLength - number).CopyTo(outgoing.AsSpan(number + zeros));
        outgoing.AsSpan(number, zeros).Fill((byte)'0');
        outgoingLength += zeros;
    }

    /// <summary>Sends what was collected and waits for all answers.</summary>
    /// <returns>A value for each request, 0 for writes; valid until the next request.</returns>
    public IReadOnlyList<ulong> Exchange()
    {
        try
        {
            for (int sent = 0; sent < outgoingLength;)
                sent += socket.Send(outgoing, sent, outgoingLength - sent, SocketFlags.None);
            outgoingLength = 0;
            values.Clear();
            for (; unanswered > 0; unanswered--) values.Add(ReceiveAnswer());
        }
        catch (SocketException exception)
        {
            throw new QemuException(
                $"QEMU does not answer ({exception.SocketErrorCode}); it says: {lastWords?.Invoke() ?? "nothing"}", exception);
        }

        return values;
    }

    public void Dispose() => socket.Dispose();

    private int Append(ReadOnlySpan<byte> verb, ulong address, ulong? value)
    {
        Reserve();
        Append(verb, address);
        if (value is { } number) AppendNumber(number);
        return EndLine();
    }

    private void Reserve()
    {
        const int LongestLine = 128;
        if (outgoing.Length - outgoingLength < LongestLine) Array.Resize(ref outgoing, outgoing.Length * 2);
    }

    private void Append(ReadOnlySpan<byte> verb, ulong address)
    {
        verb.CopyTo(outgoing.AsSpan(outgoingLength));
        outgoingLength += verb.Length;
        AppendNumber(address);
    }

    private int EndLine()
    {
        outgoing[outgoingLength++] = (byte)'\n';
        return unanswered++;
    }

    private void AppendNumber(ulong number)
    {
        " 0x"u8.CopyTo(outgoing.AsSpan(outgoingLength));
        outgoingLength += 3;
        number.TryFormat(outgoing.AsSpan(outgoingLength), out int written, "x", CultureInfo.InvariantCulture);
        outgoingLength += written;
    }

    private ulong ReceiveAnswer()
    {
        while (true)
        {
            var line = ReceiveLine();
            if (line.StartsWith("IRQ "u8)) continue;   // An event of the machine, no answer.
            if (line.SequenceEqual("OK"u8)) return 0;
            if (line.StartsWith("OK 0x"u8)
                && ulong.TryParse(line[5..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong value))
                return value;
            throw new QemuException($"QEMU answered '{Encoding.ASCII.GetString(line)}' to a qtest request.");
        }
    }

    private ReadOnlySpan<byte> ReceiveLine()
    {
        int scanned = begin;
        while (true)
        {
            int at = incoming.AsSpan(scanned, end - scanned).IndexOf((byte)'\n');
            if (at >= 0)
            {
                var line = incoming.AsSpan(begin, scanned + at - begin).TrimEnd((byte)'\r');
                begin = scanned + at + 1;
                return line;
            }

            scanned = end;
            if (end == incoming.Length)
            {
                if (begin == 0) throw new QemuException("QEMU sent a line without end: this is no qtest peer.");
                incoming.AsSpan(begin, end - begin).CopyTo(incoming);
                scanned -= begin;
                end -= begin;
                begin = 0;
            }

            int received = socket.Receive(incoming, end, incoming.Length - end, SocketFlags.None);
            if (received == 0) throw new QemuException(
                $"QEMU ended while it was to answer; it says: {lastWords?.Invoke() ?? "nothing"}");
            end += received;
        }
    }
}
