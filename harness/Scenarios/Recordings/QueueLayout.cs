namespace Smmu.Fast.Scenarios.Recordings;

/// <summary>Where a circular queue lies, from its *_BASE register (IHI 0070, 3.5.1 and 6.3.27).</summary>
/// <param name="Register">The value of the base register: LOG2SIZE [4:0], ADDR [55:5].</param>
/// <param name="EntryBytes">16 for commands and page requests, 32 for events.</param>
internal readonly record struct QueueLayout(ulong Register, int EntryBytes)
{
    private const int LargestLog2 = 19;
    private const ulong AddressMask = 0x00ff_ffff_ffff_ffe0;

    /// <summary>Entries, as a power of two; what exceeds the architecture's largest queue counts as that.</summary>
    public int Log2 => Math.Min((int)(Register & 0x1f), LargestLog2);

    public ulong SizeBytes => (ulong)EntryBytes << Log2;

    /// <summary>The base; bits below the queue's own size are taken as zero, as the SMMU takes them.</summary>
    public ulong Base => Register & AddressMask & ~(SizeBytes - 1);

    /// <summary>The bits of an index register that count entries: the index and its wrap bit.</summary>
    public uint IndexMask => (2u << Log2) - 1;

    /// <summary>Where the entry of an index register's value lies.</summary>
    public ulong AddressOf(uint index) => Base + (ulong)(index & (IndexMask >> 1)) * (uint)EntryBytes;

    /// <summary>How many entries lie between two values of the index registers.</summary>
    public uint Distance(uint from, uint to) => (to - from) & IndexMask;
}
