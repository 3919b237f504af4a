namespace Smmu.Fast.VirtualQueues;

/// <summary>How large a <see cref="VirtualQueueBlock"/> is. The defaults are those of the hardware.</summary>
public sealed record VirtualQueueOptions
{
    private const int MostInterfacesLog2 = 6;
    private const int MostQueuesLog2 = 7;
    private const int MostStreamSlotsLog2 = 4;
    private const int MostVersion = 15;

    /// <summary>log2 of the interfaces, each for one guest: 0 to 6.</summary>
    public int InterfacesLog2 { get; init; } = MostInterfacesLog2;

    /// <summary>log2 of the queues of all interfaces: not below <see cref="InterfacesLog2"/>, at most 7.</summary>
    public int QueuesLog2 { get; init; } = MostQueuesLog2;

    /// <summary>log2 of the streams that a guest can name in its queues: 0 to 4.</summary>
    public int StreamSlotsLog2 { get; init; } = MostStreamSlotsLog2;

    /// <summary>PARAM.VER: 0 to 15.</summary>
    public int Version { get; init; } = 1;

    /// <summary>PARAM.</summary>
    internal uint Parameters => ((uint)StreamSlotsLog2 << 12) | ((uint)InterfacesLog2 << 8) | ((uint)QueuesLog2 << 4) | (uint)Version;

    /// <summary>Refuses sizes that no block has.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A size is out of its range.</exception>
    internal void Check()
    {
        Check(InterfacesLog2, 0, MostInterfacesLog2, nameof(InterfacesLog2));
        Check(QueuesLog2, InterfacesLog2, MostQueuesLog2, nameof(QueuesLog2));
        Check(StreamSlotsLog2, 0, MostStreamSlotsLog2, nameof(StreamSlotsLog2));
        Check(Version, 0, MostVersion, nameof(Version));
    }

    private static void Check(int value, int least, int most, string name)
    {
        if (value < least || value > most) throw new ArgumentOutOfRangeException(
            name, value, $"{name} must be {least} to {most}.");
    }
}
