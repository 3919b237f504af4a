using Smmu.Fast.Formats;

namespace Smmu.Fast.Props.Hostile;

/// <summary>Random words as an ill-meaning driver would choose them: mostly sensible, so that they are not refused at once.</summary>
/// <param name="random">Chooses.</param>
/// <param name="features">What is legal.</param>
/// <param name="memoryBase">Physical address of the memory there is.</param>
/// <param name="memoryBytes">Its size.</param>
internal sealed class HostileWords(Random random, SmmuFeatures features, ulong memoryBase, ulong memoryBytes)
{
    /// <summary>Structures lie in the first part of memory, tables in the rest; a table begins at any multiple of this.</summary>
    public const ulong TableStep = 0x1000;

    /// <summary>Where tables begin, from the start of memory.</summary>
    public const ulong TablesOffset = 0x2_0000;

    private static readonly CommandOpcode[] Opcodes = Enum.GetValues<CommandOpcode>();

    private readonly CommandOpcode[] legalOpcodes =
    [
        CommandOpcode.PrefetchAddress,
        CommandOpcode.CfgiSte,
        CommandOpcode.CfgiSteRange,
        CommandOpcode.CfgiCdAll,
        CommandOpcode.TlbiNhAll,
        CommandOpcode.TlbiNhAsid,
        CommandOpcode.TlbiNhVa,
        CommandOpcode.TlbiNhVaa,
        CommandOpcode.TlbiNsnhAll,
        .. features.S2P ? new[] { CommandOpcode.TlbiS12Vmall, CommandOpcode.TlbiS2Ipa } : [],
        .. features.Hyp ? new[] { CommandOpcode.TlbiEl2All, CommandOpcode.TlbiEl2Asid, CommandOpcode.TlbiEl2Va } : [],
    ];

    public bool Chance(int oneIn) => random.Next(oneIn) == 0;

    public int Next(int end) => random.Next(end);

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

    /// <summary>A physical address: mostly inside of memory, or at its edges.</summary>
    public ulong Address() => random.Next(10) switch
    {
        0 => memoryBase + memoryBytes - (ulong)random.Next(0x200),
        1 => memoryBase - (ulong)random.Next(0x200),
        2 => (ulong)random.NextInt64() & ~0xfffUL,
        _ => memoryBase + ((ulong)random.NextInt64((long)memoryBytes) & ~0x3fUL),
    };

    /// <summary>The address of a table, mostly.</summary>
    public ulong Table()
    {
        const ulong ExpressibleBits = 0x00ff_ffff_ffff_ffc0;
        if (Chance(12)) return Address() & ExpressibleBits;
        ulong tables = (memoryBytes - TablesOffset) / TableStep;
        ulong address = memoryBase + TablesOffset + ((ulong)random.NextInt64((long)tables) * TableStep);
        return Chance(2) ? address & ~0xffffUL : address;
    }

    /// <summary>A translation table descriptor, for any granule and level of both stages.</summary>
    public ulong Descriptor()
    {
        const ulong AccessFlag = 1UL << 10;
        const ulong Stage1Unprivileged = 1UL << 6;
        int kind = random.Next(20);
        if (kind < 8) return Table() | 0b11;
        if (kind < 12) return (Table() & ~0xfffUL) | AccessFlag | Stage1Unprivileged | (0x3UL << 8) | (Word() & (1UL << 51)) | 0b11;
        if (kind < 16) return ((ulong)random.NextInt64() & 0xffff_c000_0000) | AccessFlag | Stage1Unprivileged | 0b01;
        if (kind < 18) return (Table() & ~0xfffUL) | ((ulong)random.Next(0x400) << 2) | 0b11;
        return kind == 18 ? 0 : Word();
    }

    /// <summary>An STE.</summary>
    public ulong[] StreamTableEntry(ulong contexts)
    {
        ulong config = random.Next(12) switch { 0 => 0b100UL, 1 or 2 => 0b110, 3 or 4 or 5 => 0b111, _ => 0b101 };
        if (!features.S2P && !Chance(16)) config &= 0b101;
        var entry = default(StreamTableEntry)
            .With(StreamTableEntryField.V, 1)
            .With(StreamTableEntryField.Config, config)
            .With(StreamTableEntryField.S1ContextPtr, contexts)
            .With(StreamTableEntryField.S1CDMax, (ulong)(Chance(2) ? 0 : random.Next(Math.Min(12, features.SubstreamIdBits + 1))))
            .With(StreamTableEntryField.S1Fmt, (ulong)(Chance(2) ? 0 : random.Next(3)))
            .With(StreamTableEntryField.S1DSS, Chance(8) ? 0 : (ulong)random.Next(1, 3))
            .With(StreamTableEntryField.SHCFG, 1)
            .With(StreamTableEntryField.S2VMID, (ulong)random.Next(3))
            .With(StreamTableEntryField.S2AA64, 1)
            .With(StreamTableEntryField.S2PS, 5)
            .With(StreamTableEntryField.S2R, (ulong)random.Next(2))
            .With(StreamTableEntryField.S2HA, features.HTTU == 0 ? 0 : (ulong)random.Next(2))
            .With(StreamTableEntryField.S2AFFD, (ulong)random.Next(2))
            .With(StreamTableEntryField.S2TTB, Table());
        var (granule, offset, level) = random.Next(4) switch
        {
            0 => (0UL, 24UL, 1UL),
            1 => (0UL, 32UL, 0UL),
            2 => (2UL, 24UL, 1UL),
            _ => (1UL, 24UL, 1UL),
        };
        entry = entry
            .With(StreamTableEntryField.S2TG, granule)
            .With(StreamTableEntryField.S2T0SZ, offset)
            .With(StreamTableEntryField.S2SL0, level);
        ulong[] words = new ulong[8];
        entry.CopyTo(words);
        Spoil(words, Formats.StreamTableEntry.Fields);
        return words;
    }

    /// <summary>A CD.</summary>
    public ulong[] ContextDescriptor()
    {
        var descriptor = default(ContextDescriptor)
            .With(ContextDescriptorField.V, 1)
            .With(ContextDescriptorField.AA64, 1)
            .With(ContextDescriptorField.T0SZ, (ulong)random.Next(16, 40))
            .With(ContextDescriptorField.TG0, (ulong)random.Next(3))
            .With(ContextDescriptorField.TTB0, Table())
            .With(ContextDescriptorField.T1SZ, (ulong)random.Next(16, 40))
            .With(ContextDescriptorField.TG1, (ulong)random.Next(1, 4))
            .With(ContextDescriptorField.TTB1, Table())
            .With(ContextDescriptorField.TBI0, (ulong)random.Next(2))
            .With(ContextDescriptorField.IPS, 5)
            .With(ContextDescriptorField.HA, features.HTTU == 0 ? 0 : (ulong)random.Next(2))
            .With(ContextDescriptorField.AFFD, (ulong)random.Next(2))
            .With(ContextDescriptorField.ASID, (ulong)random.Next(3))
            .With(ContextDescriptorField.A, 1)
            .With(ContextDescriptorField.R, (ulong)random.Next(4) / 3 ^ 1)
            .With(ContextDescriptorField.MAIR0, 0x44ff_04bb);
        ulong[] words = new ulong[8];
        descriptor.CopyTo(words);
        Spoil(words, Formats.ContextDescriptor.Fields);
        return words;
    }

    /// <summary>A command: mostly one that the SMMU knows, with any bits besides.</summary>
    public (ulong Word0, ulong Word1) Command()
    {
        ulong opcode = Chance(40) ? (ulong)random.Next(256)
            : Chance(10) ? (ulong)Opcodes[random.Next(Opcodes.Length)]
            : Chance(3) ? (ulong)CommandOpcode.Sync
            : (ulong)legalOpcodes[random.Next(legalOpcodes.Length)];
        ulong rest = opcode == (ulong)CommandOpcode.Sync ? (ulong)random.Next(Chance(10) ? 4 : 3) << 12 : Word() & ~0x7ffUL;
        return (rest | opcode, Chance(2) ? Address() : Word());
    }

    // Legal structures get far; a field or a word that is not shows what lies on the way.
    private void Spoil(ulong[] words, IReadOnlyList<StructureField> fields)
    {
        if (Chance(24)) words[random.Next(8)] = Word();
        for (int i = Chance(5) ? random.Next(1, 3) : 0; i > 0; i--)
        {
            var field = fields[random.Next(fields.Count)];
            ulong mask = ulong.MaxValue >> (63 - field.High + field.Low);
            field.Set(words, Word() & (field.IsAddress ? mask << (field.Low & 63) : mask));
        }
    }
}
