using System.Collections.Concurrent;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Props.Hostile;

/// <summary>What one thread of a hostile guest does: a client device behind a port, or a CPU at the registers.</summary>
/// <param name="machine">The victim.</param>
/// <param name="words">Random words of this thread.</param>
/// <param name="outcomes">Counts how accesses ended.</param>
internal sealed class HostileClient(HostileMachine machine, HostileWords words, ConcurrentDictionary<string, long> outcomes)
{
    private static readonly uint[] Offsets =
    [
        .. from field in typeof(RegisterOffset).GetFields()
           where field.IsLiteral && field.FieldType == typeof(uint)
           let offset = (uint)field.GetRawConstantValue()!
           where offset < RegisterOffset.FirstOptionalPage
           select offset,
    ];

    private readonly byte[] buffer = new byte[3 * 4096];
    private readonly ulong[] iovas = new ulong[16];
    private readonly TranslationResult[] results = new TranslationResult[16];
    private DmaPort? port;

    /// <summary>One step of a client device.</summary>
    public void StepAsDevice()
    {
        if (port is null || words.Chance(64))
        {
            port?.Dispose();
            port = machine.Smmu.OpenPort(Stream(), Substream());
        }

        var access = Access();
        switch (words.Next(16))
        {
            case 0:
                Span<byte> read = buffer.AsSpan(0, words.Next(buffer.Length));
                port.Read(Iova(), read, access);
                break;
            case 1:
                Span<byte> written = buffer.AsSpan(0, words.Next(64));
                foreach (ref byte value in written) value = (byte)words.Next(256);
                port.Write(Iova(), written, access);
                break;
            case 2:
                foreach (ref ulong iova in iovas.AsSpan()) iova = Iova();
                port.TranslateBatch(iovas, results, access);
                foreach (ref readonly var result in results.AsSpan()) Count(in result);
                break;
            case 3:
                CountOf(machine.Smmu.Translate(Stream(), Substream(), Iova(), access));
                break;
            case 4:
                port.Park();
                break;
            case 5:
                machine.Smmu.Explain(Stream(), Substream(), Iova(), access);
                break;
            default:
                using (var scope = port.Enter())
                {
                    // Often the same address again: once from tables, once from a cache.
                    ulong iova = Iova();
                    for (int i = words.Next(3); i >= 0; i--) CountOf(scope.Translate(iova, access));
                }

                break;
        }
    }

    /// <summary>One step of a CPU.</summary>
    public void StepAsCpu()
    {
        switch (words.Next(12))
        {
            case 0:
                machine.Smmu.WriteRegister32(Offset(), (uint)words.Word());
                break;
            case 1:
                machine.Smmu.WriteRegister64(Offset(), words.Word());
                break;
            case 2:
                machine.Smmu.ReadRegister32(Offset());
                machine.Smmu.ReadRegister64(Offset());
                break;
            case 3 or 4 or 5:
                machine.Submit(words);
                break;
            case 6:
                machine.Serve();
                break;
            case 7 or 8 or 9:
                machine.Scribble(words);
                break;
            case 10:
                machine.Smmu.RunPending();
                if (words.Chance(20)) machine.Smmu.Reset();
                break;
            default:
                machine.Start();   // Else hardly anything would be on for long.
                break;
        }
    }

    /// <summary>Closes the port.</summary>
    public void Stop() => port?.Dispose();

    private uint Offset() => words.Chance(16) ? (uint)words.Word() : Offsets[words.Next(Offsets.Length)] + (words.Chance(8) ? 4u : 0);

    private StreamId Stream() => new(words.Chance(20) ? (uint)words.Word() : (uint)words.Next(1 << HostileMachine.Log2Streams));

    private SubstreamId? Substream() => words.Chance(10) ? new SubstreamId((uint)words.Next(words.Chance(8) ? 1 << 20 : 8)) : null;

    private AccessKind Access()
    {
        var access = (AccessKind)words.Next(16);
        return (access & AccessKind.Atomic) == 0 ? access | AccessKind.Read : access;
    }

    // Small indexes at each level, in both halves; and sometimes anything.
    private ulong Iova()
    {
        if (words.Chance(16)) return words.Word();
        ulong iova = (uint)words.Next(0x10000) | ((ulong)(uint)words.Next(4) << (16 + words.Next(24)));
        return words.Chance(6) ? ~iova : iova;
    }

    private void CountOf(TranslationResult result) => Count(in result);

    private void Count(in TranslationResult result) =>
        outcomes.AddOrUpdate(result.IsSuccess || result.Event == EventType.None ? $"{result.Outcome}" : $"{result.Event}", 1, (_, count) => count + 1);
}
