using Smmu.Fast.Oracle;

namespace Smmu.Fast.Tests.Oracle;

/// <summary>A structure of 64 bytes, filled by the bit numbers of the text.</summary>
internal sealed class RawStructure
{
    private readonly ulong[] words = new ulong[8];

    public RawStructure Set(int high, int low, ulong value)
    {
        int count = high - low + 1;
        ulong mask = count == 64 ? ulong.MaxValue : (1UL << count) - 1;
        Assert.Equal(0UL, value & ~mask);
        words[low / 64] = (words[low / 64] & ~(mask << (low % 64))) | (value << (low % 64));
        return this;
    }

    public RawStructure Set(int bit) => Set(bit, bit, 1);

    public RawStructure Clear(int bit) => Set(bit, bit, 0);

    public void StoreTo(OracleMemory memory, ulong address)
    {
        for (int i = 0; i < words.Length; i++) memory[address + 8 * (ulong)i] = words[i];
    }
}

/// <summary>An oracle with a linear Stream table, both queues and room for tables; what a test asks for it adds itself.</summary>
internal sealed class OracleScene
{
    public const ulong StreamTable = 0x1_0000;
    public const ulong Context = 0x2_0000;
    public const ulong EventQueue = 0x3_0000;
    public const ulong CommandQueue = 0x4_0000;
    public const ulong Stage1Level1 = 0x10_0000;
    public const ulong Stage1Level2 = 0x10_1000;
    public const ulong Stage1Level3 = 0x10_2000;
    public const ulong Stage2Level1 = 0x20_0000;
    public const ulong Stage2Level2 = 0x20_2000;

    // S2P, S1P, TTF 10, HTTU 10, Hyp, ASID16, MSI, VMID16, CD2L, ST_LEVEL 01; stalls and RAZ/WI are there.
    public const uint Idr0 = 0x3 | 0x8 | 0x80 | 1 << 9 | 1 << 12 | 1 << 13 | 1 << 18 | 1 << 19 | 1 << 27;

    // SIDSIZE 16, SSIDSIZE 10, EVENTQS and CMDQS 8, both overrides.
    public const uint Idr1 = 16 | 10 << 6 | 8 << 16 | 8 << 21 | 1 << 26 | 1 << 27;

    // HAD, XNX, FWB, STT, RIL.
    public const uint Idr3 = 1 << 2 | 1 << 4 | 1 << 8 | 1 << 9 | 1 << 10;

    // OAS 48 bits and all granules.
    public const uint Idr5 = 0b101 | 0b111 << 4;

    public static readonly OracleAccess Read = new(OracleDirection.Read, Privileged: true);
    public static readonly OracleAccess Write = new(OracleDirection.Write, Privileged: true);
    public static readonly OracleAccess UserRead = new(OracleDirection.Read);
    public static readonly OracleAccess UserWrite = new(OracleDirection.Write);
    public static readonly OracleAccess Fetch = new(OracleDirection.Read, Privileged: true, Instruction: true);
    public static readonly OracleAccess UserFetch = new(OracleDirection.Read, Instruction: true);

    public OracleScene(uint idr0 = Idr0, uint idr1 = Idr1, uint idr3 = Idr3, uint idr5 = Idr5, OracleChoices? choices = null)
    {
        Smmu = new OracleSmmu(new OracleFeatures(idr0, idr1, 0, idr3, 0, idr5), Memory, choices);
        Smmu.WriteRegister(0x80, StreamTable);
        Smmu.WriteRegister(0x88, 6);   // 64 STEs.
        Smmu.WriteRegister(0x2C, 0b10);   // RECINVSID.
        Smmu.WriteRegister(0xA0, EventQueue | 2);   // 4 records.
        Smmu.WriteRegister(0x90, CommandQueue | 2);   // 4 commands.
        Smmu.WriteRegister(0x20, 0b1101);
    }

    public OracleMemory Memory { get; } = new();

    public OracleSmmu Smmu { get; }

    /// <summary>An STE with a Config and V, at the place of its StreamID once it is stored.</summary>
    public static RawStructure Ste(ulong config) => new RawStructure().Set(0).Set(3, 1, config).Set(109, 108, 0b01);

    /// <summary>Stage 1 with one CD at <see cref="Context"/>.</summary>
    public static RawStructure Stage1Ste() => Ste(0b101).Set(55, 6, Context >> 6);

    /// <summary>Stage 2: 4KB, a 40-bit IPA (S2T0SZ 24) from level 1 with 2 concatenated tables, S2PS 40 bits, S2R.</summary>
    public static RawStructure Stage2Ste(ulong config = 0b110) => WithStage2(Ste(config));

    /// <summary>Both stages.</summary>
    public static RawStructure NestedSte() => WithStage2(Stage1Ste().Set(3, 1, 0b111));

    /// <summary>4KB, T0SZ 25 and level 1, EPD1, IPS 40 bits, MAIR 0 0xFF, A and R.</summary>
    public static RawStructure Cd() => new RawStructure().Set(31).Set(5, 0, 25).Set(30).Set(34, 32, 0b010).Set(41).Set(45).Set(46)
        .Set(119, 68, Stage1Level1 >> 4).Set(199, 192, 0xFF);

    /// <summary>Tables for a VA below 2MB down to level 3.</summary>
    public void LinkStage1()
    {
        Memory[Stage1Level1] = Stage1Level2 | 0b11;
        Memory[Stage1Level2] = Stage1Level3 | 0b11;
    }

    /// <summary>Maps the first 1GB of the IPA space one to one by level 2 blocks: S2AP 11, AF, MemAttr 1111, SH 11.</summary>
    public void MapStage2OneToOne()
    {
        Memory[Stage2Level1] = Stage2Level2 | 0b11;
        for (ulong i = 0; i < 512; i++) Memory[Stage2Level2 + 8 * i] = (i << 21) | 0x7FD;
    }

    public void Store(RawStructure ste, uint streamId = 0) => ste.StoreTo(Memory, StreamTable + 64UL * streamId);

    public OracleResult Translate(ulong address, OracleAccess access, uint streamId = 0, uint? substreamId = null) =>
        Smmu.Translate(streamId, substreamId, address, access);

    /// <summary>The event of a transaction that has to cause one.</summary>
    public OracleEvent EventOf(ulong address, OracleAccess access, uint streamId = 0, uint? substreamId = null)
    {
        var result = Translate(address, access, streamId, substreamId);
        Assert.NotEqual(OracleOutcome.Success, result.Outcome);
        return Assert.NotNull(result.Event);
    }

    /// <summary>S2, CLASS and the access bits of word 1, from bit 97 up.</summary>
    public static ulong Word1(bool privileged = false, bool instruction = false, bool read = false, bool s2 = false,
        OracleFaultClass faultClass = OracleFaultClass.Input) =>
        (privileged ? 1UL << 33 : 0) | (instruction ? 1UL << 34 : 0) | (read ? 1UL << 35 : 0) | (s2 ? 1UL << 39 : 0)
        | ((ulong)faultClass << 40);

    private static RawStructure WithStage2(RawStructure ste) => ste.Set(165, 160, 24).Set(167, 166, 0b01).Set(178, 176, 0b010)
        .Set(179).Set(186).Set(247, 196, Stage2Level1 >> 4);
}
