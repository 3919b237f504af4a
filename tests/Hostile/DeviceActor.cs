using Smmu.Fast.Formats;

namespace Smmu.Fast.Tests.Hostile;

/// <summary>Client devices behind a few ports, and accesses of all kinds.</summary>
/// <param name="name">What to call it.</param>
/// <param name="machine">The victim.</param>
/// <param name="words">Choose.</param>
/// <param name="reach">Counts how accesses ended.</param>
/// <param name="partner">Makes steps inside of this one's scopes, on the same thread; null for none.</param>
internal sealed class DeviceActor(string name, HostileMachine machine, HostileWords words, Reach reach, Actor? partner)
    : Actor(name, machine, words), IDisposable
{
    private const int Ports = 3;
    private const int LongestScope = 6;

    private readonly HostileClient?[] clients = new HostileClient?[Ports];
    private readonly byte[] buffer = new byte[3 * 4096];
    private readonly ulong[] iovas = new ulong[16];
    private readonly TranslationResult[] results = new TranslationResult[16];
    private bool isInside;

    /// <summary>Clients whose ports are open; the others hear no ends any more.</summary>
    public IEnumerable<HostileClient> Clients => clients.OfType<HostileClient>();

    /// <summary>Reads what no device may read, for the harness to notice.</summary>
    public void ReadSecret()
    {
        Machine.Host.ReadSecret(buffer);
        Inspect(buffer);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var client in Clients) client.Dispose();
    }

    /// <inheritdoc/>
    protected override void Act()
    {
        ref var place = ref clients[Words.Next(Ports)];
        if (place == null || Words.Chance(64)) Reopen(ref place);

        var client = place!;
        switch (Words.Next(20))
        {
            case 0 or 1:
                Read(client);
                break;
            case 2 or 3:
                Write(client);
                break;
            case 4:
                TranslateBatch(client);
                break;
            case 5:
                TranslateOnce();
                break;
            case 6:
                Note("park");
                client.Port.Park();
                break;
            case 7:
                ulong iova = Words.InputAddress();
                Note("explain", client.Port.Stream.Value, iova);
                Machine.Smmu.Explain(client.Port.Stream, client.Port.Substream, iova, Words.Access());
                break;
            case 8:
                Misuse(client);
                break;
            case 9 or 10:
                HoldScope(client);
                break;
            case 11 or 12:
                Retry(client);
                break;
            default:
                Translate(client);
                break;
        }
    }

    /// <inheritdoc/>
    protected override void ActInCallback()
    {
        var client = clients[Words.Next(Ports)];
        switch (client == null ? 3 : Words.Next(8))
        {
            case 0:
                Translate(client!);
                break;
            case 1:
                Write(client!);
                break;
            case 2:
                Retry(client!);
                break;
            default:
                base.ActInCallback();
                break;
        }
    }

    /// <inheritdoc/>
    protected override void Count(TranslationResult result) => reach.Count(in result);

    private void Reopen(ref HostileClient? place)
    {
        Note("open a port");
        place?.Dispose();
        place = null;
        place = new HostileClient(Machine, this, Words, canStall: !Words.Chance(4));
    }

    private void Read(HostileClient client)
    {
        ulong iova = Words.InputAddress();
        var access = Words.Access();
        Span<byte> bytes = isInside ? stackalloc byte[64] : buffer.AsSpan(0, Words.Next(buffer.Length));
        Note("read", iova, (ulong)bytes.Length);
        var progress = client.Port.ReadSome(iova, bytes, access);
        client.Remember(progress.Last, iova, access);
        Inspect(bytes[..progress.Bytes]);
    }

    private void Write(HostileClient client)
    {
        ulong iova = Words.InputAddress();
        var access = Words.Access();
        Span<byte> bytes = stackalloc byte[Words.Next(64)];
        foreach (ref byte value in bytes) value = (byte)Words.Next(256);
        Note("write", iova, (ulong)bytes.Length);
        client.Remember(client.Port.WriteSome(iova, bytes, access).Last, iova, access);
    }

    private void TranslateBatch(HostileClient client)
    {
        var access = Words.Access();
        Note("translate a batch");
        foreach (ref ulong iova in iovas.AsSpan()) iova = Words.InputAddress();
        client.Port.TranslateBatch(iovas, results, access);
        for (int i = 0; i < results.Length; i++) Take(client, results[i], iovas[i], access);
    }

    // Often the same address again: once from tables, once from a cache.
    private void Translate(HostileClient client)
    {
        ulong iova = Words.InputAddress();
        var access = Words.Access();
        Note("translate", iova, (ulong)access);
        using var scope = client.Port.Enter();
        for (int i = Words.Next(3); i >= 0; i--) Take(client, scope.Translate(iova, access), iova, access);
    }

    private void Retry(HostileClient client)
    {
        if (!client.TryTakeRetry(out ulong iova, out var access)) return;
        Note("retry", iova, (ulong)access);
        Take(client, client.Port.Translate(iova, access), iova, access);
    }

    // Everything may happen in a scope but what waits for its end.
    private void HoldScope(HostileClient client)
    {
        if (isInside) return;
        isInside = true;
        try
        {
            Note("hold a scope");
            using var scope = client.Port.Enter();
            for (int i = Words.Next(LongestScope); i >= 0; i--)
            {
                var another = clients[Words.Next(Ports)] ?? client;
                switch (Words.Next(6))
                {
                    case 0: Read(another); break;
                    case 1: Write(another); break;
                    case 2: WriteRegister(); break;
                    case 3: partner?.Step(); break;
                    case 4: RefuseInside(client); break;
                    default: Translate(another); break;
                }
            }

            Note("end a scope");
        }
        finally
        {
            isInside = false;
        }
    }

    private void RefuseInside(HostileClient client)
    {
        Note("misuse inside a scope");
        Refused.By<InvalidOperationException>(() => client.Port.Park());
        Refused.By<InvalidOperationException>(() => client.Port.Dispose());
        Refused.By<InvalidOperationException>(() => Machine.Host.ChangeInsideScope());
    }

    private void Misuse(HostileClient client)
    {
        Note("misuse");
        Refused.By<ArgumentException>(() => client.Port.TranslateBatch(iovas, results.AsSpan(1), AccessKind.Read));
        Refused.By<ArgumentOutOfRangeException>(() => Machine.Smmu.Translate(Words.Stream(), null, 0, AccessKind.Privileged));
    }

    private void Take(HostileClient client, TranslationResult result, ulong iova, AccessKind access)
    {
        Count(result);
        client.Remember(in result, iova, access);
    }

    private static void Inspect(ReadOnlySpan<byte> bytes)
    {
        if (HostMemory.IsSecret(bytes)) throw new HostileFindingException(
            "A device read memory that no word of the guest points to.");
    }
}
