using Smmu.Fast.Formats;

namespace Smmu.Fast.Tests.Hostile;

/// <content>Structures: legal ones get far; a field or a word that is not legal shows what lies on the way.</content>
internal sealed partial class HostileWords
{
    private static readonly CommandOpcode[] Opcodes = Enum.GetValues<CommandOpcode>();

    private readonly CommandOpcode[] legalOpcodes =
    [
        CommandOpcode.PrefetchConfig,
        CommandOpcode.PrefetchAddress,
        CommandOpcode.CfgiSte,
        CommandOpcode.CfgiSteRange,
        CommandOpcode.CfgiCd,
        CommandOpcode.CfgiCdAll,
        CommandOpcode.TlbiNhAll,
        CommandOpcode.TlbiNhAsid,
        CommandOpcode.TlbiNhVa,
        CommandOpcode.TlbiNhVaa,
        CommandOpcode.TlbiNsnhAll,
        .. features.S2P ? new[] { CommandOpcode.TlbiS12Vmall, CommandOpcode.TlbiS2Ipa } : [],
        .. features.Hyp ? new[] { CommandOpcode.TlbiEl2All, CommandOpcode.TlbiEl2Asid } : [],
        .. features.Hyp ? new[] { CommandOpcode.TlbiEl2Va, CommandOpcode.TlbiEl2Vaa } : [],
        .. features.ATS ? new[] { CommandOpcode.AtcInv } : [],
        .. features.PRI ? new[] { CommandOpcode.PriResp } : [],
        .. features.STALL_MODEL != 1 ? new[] { CommandOpcode.Resume, CommandOpcode.Resume, CommandOpcode.StallTerm } : [],
    ];

    /// <summary>A command: mostly one that the SMMU knows, with any bits besides.</summary>
    public (ulong Word0, ulong Word1) Command()
    {
        var opcode = Chance(40) ? (CommandOpcode)random.Next(256)
            : Chance(16) ? Opcodes[random.Next(Opcodes.Length)]
            : Chance(3) ? CommandOpcode.Sync
            : legalOpcodes[random.Next(legalOpcodes.Length)];
        switch (opcode)
        {
            case CommandOpcode.Sync:
                // Its message is a small number: an index, where it lands on a register.
                ulong signal = (ulong)random.Next(Chance(10) ? 4 : 3);
                return (((ulong)random.Next(256) << 32) | (signal << 12) | (ulong)opcode, Chance(2) ? Address() : Word());

            case CommandOpcode.Resume:
                ulong tag = (ulong)random.Next(Chance(4) ? 1 << 16 : 24);
                return (((ulong)Stream().Value << 32) | ((ulong)random.Next(4) << 12) | (ulong)opcode, tag);

            case CommandOpcode.StallTerm:
            case CommandOpcode.CfgiSte or CommandOpcode.CfgiCd or CommandOpcode.CfgiCdAll:
                return (((ulong)Stream().Value << 32) | ((ulong)random.Next(96) << 12) | (ulong)opcode, Word());

            default:
                return ((Word() & ~0x7ffUL) | (ulong)opcode, Chance(2) ? InputAddress() : Word());
        }
    }

    /// <summary>A translation table descriptor, for any granule and level of both stages.</summary>
    public ulong Descriptor()
    {
        const ulong AccessFlag = 1UL << 10;
        const ulong Stage1Unprivileged = 1UL << 6;
        const ulong DirtyModifier = 1UL << 51;
        const ulong Contiguous = 1UL << 52;
        const ulong Leaf = AccessFlag | Stage1Unprivileged;
        const ulong InnerShareable = 0b11UL << 8;
        int kind = random.Next(20);
        if (kind < 8) return Table() | 0b11 | (Chance(16) ? Word() & (0x1fUL << 59) : 0);
        if (kind < 12) return (Table() & ~0xfffUL) | Leaf | InnerShareable | (Word() & (DirtyModifier | Contiguous)) | 0b11;
        if (kind < 16) return ((ulong)random.NextInt64() & 0xffff_c000_0000) | Leaf | (Word() & DirtyModifier) | 0b01;
        if (kind < 18) return (Table() & ~0xfffUL) | ((ulong)random.Next(0x400) << 2) | (Word() & DirtyModifier) | 0b11;
        return kind == 18 ? 0 : Word();
    }

    /// <summary>A level 1 Stream table descriptor.</summary>
    public ulong Level1StreamTableDescriptor() => Chance(8)
        ? Word()
        : default(Level1StreamTableDescriptor)
            .With(Level1StreamTableDescriptorField.Span, (ulong)(Chance(6) ? random.Next(32) : random.Next(5, 8)))
            .With(Level1StreamTableDescriptorField.L2Ptr, (Chance(4) ? Address() : Places.Level2StreamTables) & ExpressibleBits)
            .Word;

    /// <summary>A level 1 Context Descriptor.</summary>
    public ulong Level1ContextDescriptor() => Chance(8)
        ? Word()
        : default(Level1ContextDescriptor)
            .With(Level1ContextDescriptorField.V, Chance(8) ? 0UL : 1)
            .With(Level1ContextDescriptorField.L2Ptr, (Chance(8) ? Address() : Context()) & ExpressibleBits & ~0xfffUL)
            .Word;

    /// <summary>An STE.</summary>
    public ulong[] StreamTableEntry()
    {
        ulong config = random.Next(12) switch { 0 => 0b100UL, 1 or 2 => 0b110, 3 or 4 or 5 => 0b111, _ => 0b101 };
        if (!features.S2P && !Chance(16)) config &= 0b101;
        ulong format = Chance(2) || !(features.CD2L || Chance(8)) ? 0 : (ulong)random.Next(3);
        ulong contexts = format != 0 ? Places.Level1Contexts + ((ulong)random.Next(0x8000) & ~0x3ffUL) : Context();
        var entry = default(StreamTableEntry)
            .With(StreamTableEntryField.V, 1)
            .With(StreamTableEntryField.Config, config)
            .With(StreamTableEntryField.S1ContextPtr, contexts)
            .With(StreamTableEntryField.S1CDMax, (ulong)(Chance(2) ? 0 : random.Next(Math.Min(12, features.SubstreamIdBits + 1))))
            .With(StreamTableEntryField.S1Fmt, format)
            .With(StreamTableEntryField.S1DSS, Chance(8) ? 0 : (ulong)random.Next(1, 3))
            .With(StreamTableEntryField.S1STALLD, features.STALL_MODEL == 0 && Chance(8) ? 1UL : 0)
            .With(StreamTableEntryField.SHCFG, 1)
            .With(StreamTableEntryField.STRW, features.Hyp && Chance(6) ? 2UL : 0)
            .With(StreamTableEntryField.S2VMID, (ulong)random.Next(3))
            .With(StreamTableEntryField.S2AA64, 1)
            .With(StreamTableEntryField.S2PS, 5)
            .With(StreamTableEntryField.S2R, (ulong)random.Next(2))
            .With(StreamTableEntryField.S2S, StallsAtTimes())
            .With(StreamTableEntryField.S2HA, features.HTTU == 0 ? 0 : (ulong)random.Next(2))
            .With(StreamTableEntryField.S2HD, features.HTTU < 2 ? 0 : (ulong)random.Next(2))
            .With(StreamTableEntryField.S2AFFD, (ulong)random.Next(2))
            .With(StreamTableEntryField.S2PTW, Chance(8) ? 1UL : 0)
            .With(StreamTableEntryField.S2TTB, Table());
        ulong granule = GranuleOf(4, 64, 16);
        var (offset, level) = granule == 0 && Chance(2) ? (32UL, 0UL) : (24UL, 1UL);
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
            .With(ContextDescriptorField.TG0, GranuleOf(4, 64, 16))
            .With(ContextDescriptorField.TTB0, Table())
            .With(ContextDescriptorField.T1SZ, (ulong)random.Next(16, 40))
            .With(ContextDescriptorField.TG1, 1 + GranuleOf(16, 4, 64))
            .With(ContextDescriptorField.TTB1, Table())
            .With(ContextDescriptorField.TBI0, (ulong)random.Next(2))
            .With(ContextDescriptorField.IPS, 5)
            .With(ContextDescriptorField.HA, features.HTTU == 0 ? 0 : (ulong)random.Next(2))
            .With(ContextDescriptorField.HD, features.HTTU < 2 ? 0 : (ulong)random.Next(2))
            .With(ContextDescriptorField.HAD0, features.HAD ? (ulong)random.Next(2) : 0)
            .With(ContextDescriptorField.AFFD, (ulong)random.Next(2))
            .With(ContextDescriptorField.ASID, (ulong)random.Next(3))
            .With(ContextDescriptorField.S, StallsAtTimes())
            .With(ContextDescriptorField.A, 1)
            .With(ContextDescriptorField.R, (ulong)random.Next(4) / 3 ^ 1)
            .With(ContextDescriptorField.MAIR0, 0x44ff_04bb);
        ulong[] words = new ulong[8];
        descriptor.CopyTo(words);
        Spoil(words, Formats.ContextDescriptor.Fields);
        return words;
    }

    // The index of a granule, in KiB, that is offered, whatever its code in the field at hand.
    private ulong GranuleOf(params ReadOnlySpan<int> codes)
    {
        int first = random.Next(codes.Length);
        for (int i = first; i < first + codes.Length; i++)
        {
            int index = i % codes.Length;
            if (codes[index] switch { 4 => features.GRAN4K, 16 => features.GRAN16K, _ => features.GRAN64K }) return (ulong)index;
        }

        return 0;
    }

    private static ulong ContextsBytes => Places.Tables - Places.Contexts;

    private ulong Context() => Places.Contexts + ((ulong)random.Next((int)ContextsBytes) & ~0x3ffUL);

    private ulong StallsAtTimes() => features.STALL_MODEL switch
    {
        0 => (ulong)random.Next(2),
        1 => Chance(32) ? 1UL : 0,
        _ => Chance(32) ? 0UL : 1,
    };

    private void Spoil(ulong[] words, IReadOnlyList<StructureField> fields)
    {
        if (Chance(40)) words[random.Next(8)] = Word();
        for (int i = Chance(8) ? random.Next(1, 3) : 0; i > 0; i--)
        {
            var field = fields[random.Next(fields.Count)];
            ulong mask = ulong.MaxValue >> (63 - field.High + field.Low);
            field.Set(words, Word() & (field.IsAddress ? mask << (field.Low & 63) : mask));
        }
    }
}
