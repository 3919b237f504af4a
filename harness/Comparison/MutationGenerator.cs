using System.Buffers.Binary;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Comparison;

/// <summary>Chooses changes that take a legal scene over an edge, or only near one.</summary>
internal sealed class MutationGenerator(Scene scene, Random random)
{
    private const int Nowhere = 5;

    private static readonly string[] UsualStreamFields =
    [
        "V", "Config", "S1Fmt", "S1ContextPtr", "S1CDMax", "S1DSS", "S1STALLD", "EATS", "STRW", "S2VMID", "S2T0SZ", "S2SL0", "S2TG",
        "S2PS", "S2AA64", "S2ENDI", "S2AFFD", "S2PTW", "S2HD", "S2HA", "S2S", "S2R", "S2SL0_2", "S2DS", "S2TTB", "S2FWB", "MTCFG",
        "MemAttr", "SHCFG", "PRIVCFG", "INSTCFG",
    ];

    private static readonly string[] UsualContextFields =
    [
        "V", "T0SZ", "TG0", "SH0", "EPD0", "ENDI", "T1SZ", "TG1", "EPD1", "IPS", "AFFD", "WXN", "TBI0", "TBI1", "PAN", "AA64", "HD",
        "HA", "S", "R", "A", "ASID", "HAD0", "HAD1", "TTB0", "TTB1", "DS", "MAIR0",
    ];

    /// <summary>A change of memory, or of a register.</summary>
    public Mutation Next(bool registersToo)
    {
        if (registersToo && random.Next(12) == 0) return OfRegister();
        while (true)
        {
            var place = scene.Image.Places[random.Next(scene.Image.Places.Count)];
            bool isDescriptor = place.Kind is PlaceKind.Stage1Descriptor or PlaceKind.Stage2Descriptor;
            if (isDescriptor && random.Next(3) == 0) continue;   // There are far more of them than of the others.
            return place.Kind switch
            {
                PlaceKind.StreamTableEntry => OfStructure(place, "STE", StreamTableEntry.Fields, UsualStreamFields),
                PlaceKind.ContextDescriptor => OfStructure(place, "CD", ContextDescriptor.Fields, UsualContextFields),
                PlaceKind.Level1StreamTableDescriptor => OfPointer(place, "L1STD", 0x1f),
                PlaceKind.Level1ContextDescriptor => OfPointer(place, "L1CD", 1),
                _ => OfDescriptor(place),
            };
        }
    }

    private Mutation OfRegister()
    {
        var register = scene.Registers[random.Next(scene.Registers.Count)];
        ulong mask = 1UL << random.Next(register.Offset == RegisterOffset.STRTAB_BASE ? 64 : 20);
        if (register.Offset == RegisterOffset.STRTAB_BASE_CFG && random.Next(2) == 0) mask = (ulong)random.Next(1 << 18);
        if (register.Offset == RegisterOffset.GBPA) mask &= 0x7fff_ffff;
        return new Mutation($"register 0x{register.Offset:x}", true, register.Offset, mask, ~register.Value);
    }

    private Mutation OfStructure(Place place, string name, IReadOnlyList<StructureField> fields, string[] usual)
    {
        var field = fields[random.Next(fields.Count)];
        if (random.Next(4) != 0)
        {
            string wanted = usual[random.Next(usual.Length)];
            field = fields.First(candidate => candidate.Name == wanted);
        }

        int width = field.High - field.Low + 1;
        int shift = field.Low & 63;
        ulong mask = (width == 64 ? ulong.MaxValue : (1UL << width) - 1) << shift;
        ulong address = place.Address + ((ulong)(field.Low >> 6) * sizeof(ulong));
        ulong now = (scene.Image.Get(address) & mask) >> shift;
        ulong value = field.IsAddress ? now ^ (1UL << random.Next(width)) : random.Next(6) switch
        {
            0 => now + 1,
            1 => now - 1,
            2 => ulong.MaxValue,
            3 => now ^ (1UL << random.Next(width)),
            _ => (ulong)random.NextInt64(),
        };
        if (width == 1) value = ~now;
        string text = $"{name}.{field.Name} 0x{now:x} := 0x{(value << shift & mask) >> shift:x}";
        return new Mutation(text, false, address, mask, value << shift);
    }

    private Mutation OfPointer(Place place, string name, ulong lowBits)
    {
        ulong now = scene.Image.Get(place.Address);
        return random.Next(4) switch
        {
            0 => new Mutation($"{name} low bits", false, place.Address, lowBits, now + 1),
            1 => new Mutation($"{name} low bits", false, place.Address, lowBits, now - 1),
            2 => new Mutation($"{name} leads nowhere", false, place.Address, ~0xfffUL, CaseImage.Nowhere),
            _ => Flip(place, name, 1UL << random.Next(64)),
        };
    }

    private Mutation OfDescriptor(Place place)
    {
        string name = $"{place.Kind} of level {place.Level}{(place.IsTable ? " (table)" : "")}";
        const ulong AddressBits = ((1UL << 48) - 1) & ~0xfffUL;
        ulong self = place.Address & AddressBits;
        return random.Next(12) switch
        {
            0 => Change(place, $"{name}: type", 0b11, (ulong)random.Next(4)),
            1 => Change(place, $"{name}: AF", 1UL << 10, (ulong)random.Next(2) << 10),
            2 => Flip(place, $"{name}: DBM", 1UL << 51),
            3 => Flip(place, $"{name}: AP or S2AP", (ulong)random.Next(1, 4) << 6),
            4 => Flip(place, $"{name}: Contiguous", 1UL << 52),
            Nowhere => Change(place, $"{name}: leads nowhere", AddressBits, CaseImage.Nowhere),
            6 => Change(place, $"{name}: leads to itself", AddressBits, self),
            7 => Flip(place, $"{name}: high address bit", 1UL << random.Next(30, 52)),
            8 => Flip(place, $"{name}: low address bit", 1UL << random.Next(8, 30)),
            9 => Flip(place, $"{name}: two bits", (1UL << random.Next(64)) | (1UL << random.Next(64))),
            10 => Change(place, $"{name}: attributes", 0x3ff << 2, (ulong)random.Next(0x400) << 2),
            _ => Flip(place, $"{name}: a bit", 1UL << random.Next(64)),
        };
    }

    private Mutation Flip(Place place, string text, ulong mask)
    {
        ulong now = scene.Image.Get(place.Address);
        return Change(place, text, mask, ~(place.IsBigEndian ? BinaryPrimitives.ReverseEndianness(now) : now));
    }

    // Masks and values are those of the descriptor; a big-endian one has them elsewhere in its word.
    private static Mutation Change(Place place, string text, ulong mask, ulong value) => place.IsBigEndian
        ? new Mutation(text, false, place.Address, BinaryPrimitives.ReverseEndianness(mask), BinaryPrimitives.ReverseEndianness(value))
        : new Mutation(text, false, place.Address, mask, value);
}
