using Smmu.Fast.Formats;

namespace Smmu.Fast.Tests.Hostile;

/// <summary>The host program: it changes memory at run time, asks for figures, and makes its mistakes.</summary>
internal sealed class HostActor(string name, HostileMachine machine, HostileWords words) : Actor(name, machine, words)
{
    private readonly byte[] buffer = new byte[2 * 4096];

    /// <inheritdoc/>
    protected override void Act()
    {
        var smmu = Machine.Smmu;
        switch (Words.Next(8))
        {
            case 0:
                Note("statistics");
                smmu.GetStatistics();
                break;
            case 1:
                Note("pending work");
                if (smmu.HasPendingWork) smmu.RunPending();
                break;
            case 2:
                Note("misuse");
                if (Words.Chance(2)) Machine.Host.Misuse(Words);
                else MisuseDevice();
                break;
            case 3:
                Note("explain");
                smmu.Explain(Words.Stream(), Words.Substream(), Words.InputAddress(), Words.Access());
                break;
            case 4:
                ulong address = Words.Address() & ((1UL << 56) - 1);   // The host itself could reach what an SMMU cannot.
                Span<byte> bytes = buffer.AsSpan(0, Words.Next(buffer.Length));
                Note("use memory as the host does", address, (ulong)bytes.Length);
                if (Words.Chance(2)) Machine.Memory.Read(address, bytes);
                else Machine.Memory.Write(address, bytes);
                break;
            default:
                Note("change a region");
                Machine.Host.Change(Words);
                break;
        }
    }

    private void MisuseDevice()
    {
        const uint TooLarge = 1 << 20;
        var smmu = Machine.Smmu;
        switch (Words.Next(3))
        {
            case 0:
                Refused.By<ArgumentOutOfRangeException>(
                    () => smmu.Translate(Words.Stream(), new SubstreamId(TooLarge), Words.InputAddress(), AccessKind.Read));
                break;
            case 1:
                Refused.By<ArgumentException>(() => smmu.OpenPort(Words.Stream(), null, SecurityState.Realm));
                break;
            default:
                Refused.By<ArgumentOutOfRangeException>(() => smmu.OpenPort(Words.Stream(), new SubstreamId(TooLarge)));
                break;
        }
    }
}
