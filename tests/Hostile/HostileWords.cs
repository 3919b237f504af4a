using Smmu.Fast.Formats;

namespace Smmu.Fast.Tests.Hostile;

/// <summary>Random words as an ill-meaning driver chooses them: mostly sensible, so that they are not refused at once.</summary>
/// <param name="random">Chooses.</param>
/// <param name="features">What is legal.</param>
internal sealed partial class HostileWords(Random random, SmmuFeatures features)
{
    // Bits of an address that descriptors and base registers can express.
    private const ulong ExpressibleBits = 0x00ff_ffff_ffff_ffc0;
    private const ulong TableStep = 0x1000;
    private const int AddressesRemembered = 16;

    private readonly ulong[] recentAddresses = new ulong[AddressesRemembered];

    /// <summary>True when most of it is about memory that comes and goes: streams that bypass get there all the time.</summary>
    public bool PrefersLent { get; init; }

    /// <summary>True once in so many times.</summary>
    public bool Chance(int oneIn) => random.Next(oneIn) == 0;

    /// <summary>A number below the end.</summary>
    public int Next(int end) => random.Next(end);

    /// <summary>A number from one to below another.</summary>
    public int Next(int start, int end) => random.Next(start, end);

    /// <summary>A word that is an edge case to somebody.</summary>
    public ulong Word() => random.Next(9) switch
    {
        0 => 0,
        1 => ulong.MaxValue,
        2 => 1UL << random.Next(64),
        3 => ~(1UL << random.Next(64)),
        4 => (ulong)random.Next(64),
        5 => ulong.MaxValue << random.Next(64),
        6 => Address(),
        _ => (ulong)random.NextInt64() << random.Next(2),
    };

    /// <summary>A physical address: mostly inside of memory, or at its edges, or on the bus.</summary>
    public ulong Address() => random.Next(16) switch
    {
        0 or 1 => Places.Edges[random.Next(Places.Edges.Length)] + (ulong)random.Next(0x400) - 0x200,
        2 => (ulong)random.NextInt64() & ~0xfffUL,
        3 => Within(Chance(2) ? Places.Slow : Places.Calling, Places.BusBytes) & ~7UL,
        4 => Places.Registers + Offset(),
        5 => Within(Places.Observed, Places.ObservedBytes) & ~0x3fUL,
        6 => Within(Places.Lent, Places.LentBytes + Places.SwitchedBytes) & ~0x3fUL,
        7 => Within(Places.Firmware, Places.FirmwareBytes) & ~0x3fUL,
        8 => Within(Places.Passing, Places.PassingDistance * Places.PassingCount) & ~0x3fUL,
        9 => Within(Places.LastPage, Places.PageBytes) & ~7UL,
        _ => Within(Places.Ram, Places.RamBytes) & ~0x3fUL,
    };

    /// <summary>Where a queue could lie: on tables, on another queue, on registers, nowhere.</summary>
    public ulong Queue() => random.Next(8) switch
    {
        0 => Places.StreamTable,
        1 => Places.CommandQueue,
        2 => Places.EventQueue,
        3 => Places.Registers,
        4 => Places.Calling,
        _ => Address(),
    };

    /// <summary>The address of a table, mostly.</summary>
    public ulong Table()
    {
        if (Chance(12)) return Address() & ExpressibleBits;
        ulong address = Within(Places.Tables, Places.Ram + Places.RamBytes - Places.Tables) & ~(TableStep - 1);
        return Chance(2) ? address & ~0xffffUL : address;
    }

    /// <summary>Offset of a register: mostly of one there is, else anything within the pages or outside.</summary>
    public uint Offset() => random.Next(8) switch
    {
        0 => (uint)random.Next((int)Places.RegistersBytes) & ~3u,
        1 => (uint)Word(),
        2 => RegisterOffset.CMDQ_PROD,
        _ => Offsets[random.Next(Offsets.Length)] + (Chance(8) ? (uint)random.Next(8) : 0),
    };

    /// <summary>What to write to a register: small indexes, bits, addresses.</summary>
    public ulong RegisterValue() => random.Next(4) switch
    {
        0 => (ulong)random.Next(1 << (Places.QueueLog2 + 2)),
        1 => (Address() & ~0x1fUL) + (ulong)random.Next(32),
        _ => Word(),
    };

    /// <summary>The address a device uses: often one of the last; small indexes at each level; sometimes anything.</summary>
    public ulong InputAddress()
    {
        ref ulong recent = ref recentAddresses[random.Next(recentAddresses.Length)];
        return Chance(2) ? recent : recent = NewInputAddress();
    }

    /// <summary>A stream.</summary>
    public StreamId Stream() => new(
        Chance(24) ? (uint)Word() : (uint)random.Next(1 << (Chance(32) ? Places.Log2Streams + 6 : Places.Log2Streams)));

    /// <summary>A substream, seldom.</summary>
    public SubstreamId? Substream() =>
        Chance(16) ? new SubstreamId((uint)random.Next(Chance(8) ? 1 << 20 : 96)) : null;

    /// <summary>What a device does, of all that it can.</summary>
    public AccessKind Access()
    {
        var access = (AccessKind)random.Next(16);
        return (access & AccessKind.Atomic) == 0 ? access | AccessKind.Read : access;
    }

    private ulong NewInputAddress()
    {
        if (Chance(16)) return Word();
        if (Chance(12)) return Address();
        bool isLent = PrefersLent ? !Chance(4) : Chance(12);
        if (isLent) return Within(Places.Lent, Places.LentBytes);
        ulong iova = (uint)random.Next(0x10000) + ((ulong)(uint)random.Next(4) << (16 + random.Next(24)));
        return Chance(6) ? ~iova : iova;
    }

    private ulong Within(ulong start, ulong bytes) => start + (ulong)random.NextInt64((long)bytes);

    private static readonly uint[] Offsets =
    [
        .. from field in typeof(RegisterOffset).GetFields()
           where field.IsLiteral && field.FieldType == typeof(uint)
           let offset = (uint)field.GetRawConstantValue()!
           where offset < RegisterOffset.FirstOptionalPage
           select offset,
    ];
}
