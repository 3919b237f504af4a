using System.Runtime.InteropServices;

namespace Smmu.Fast.Iommufd.Submission;

/// <summary>What the threads of a ring share, each word alone on two lines: the adjacent-line prefetcher must not couple them.</summary>
[StructLayout(LayoutKind.Explicit, Size = 5 * 128)]
internal struct SubmissionCursors
{
    /// <summary>The next position to reserve. Moved by every producer.</summary>
    [FieldOffset(1 * 128)] public long Tail;

    /// <summary>Positions below it the hardware has passed. Moved by whoever reads the consumer index.</summary>
    [FieldOffset(2 * 128)] public long Consumed;

    /// <summary>Positions below it the hardware knows of. Written by whoever serves.</summary>
    [FieldOffset(3 * 128)] public long Published;

    /// <summary>Token of the thread that serves; 0 when nobody does.</summary>
    [FieldOffset(4 * 128)] public int Server;
}

/// <summary>A slot of a ring.</summary>
internal struct SubmissionSlot
{
    /// <summary>Position + 1 once the batch that begins here is whole.</summary>
    public long Stamp;

    /// <summary>Commands of the batch that begins here.</summary>
    public int Count;

    /// <summary>The command is a CMD_SYNC that tells of itself in its own slot: 0 in its first word.</summary>
    public bool HasMessage;

    /// <summary>Place of the command among those of its submission.</summary>
    public int Index;
}
