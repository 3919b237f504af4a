using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Streams;

/// <summary>Where the Stream table lies and which StreamIDs it has: STRTAB_BASE and STRTAB_BASE_CFG in effect (6.3.24, 6.3.25).</summary>
internal readonly struct StreamTableLayout
{
    public const int EntryLog2 = 6;
    public const int Level1EntryLog2 = 3;

    /// <summary>Judges the registers as they were written.</summary>
    public StreamTableLayout(ulong baseRegister, uint configuration, SmmuFeatures features)
    {
        int log2Size = (int)BitField.Get(configuration, 5, 0);
        IsTwoLevel = features.ST_LEVEL != 0 && BitField.Get(configuration, 17, 16) == 1;
        Split = BitField.Get(configuration, 10, 6) switch { 8 => 8, 10 => 10, _ => 6 };
        StreamBits = Math.Min(log2Size, features.StreamIdBits);

        // The table is aligned to its size, and the size is LOG2SIZE as written (RQ-06).
        int alignmentLog2 = IsTwoLevel
            ? Math.Max(EntryLog2, log2Size - Split + Level1EntryLog2)
            : log2Size + EntryLog2;
        ulong address = baseRegister & BitField.Mask(Math.Min(55, features.OutputAddressBits - 1), EntryLog2);
        Base = BitField.AlignDown(address, alignmentLog2);
    }

    /// <summary>Physical address of the table, rounded down to its size.</summary>
    public ulong Base { get; }

    /// <summary>StreamIDs of this many bits exist.</summary>
    public int StreamBits { get; }

    /// <summary>StreamID bits that the second level resolves: 6, 8 or 10.</summary>
    public int Split { get; }

    /// <summary>True when level 1 descriptors lead to the STEs.</summary>
    public bool IsTwoLevel { get; }

    /// <summary>True when the table has the StreamID.</summary>
    public bool Contains(StreamId stream) => !BitField.Exceeds(stream.Value, StreamBits);
}
