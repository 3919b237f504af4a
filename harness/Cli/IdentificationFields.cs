using System.Globalization;
using Smmu.Fast.Scenarios.Recordings;

namespace Smmu.Fast.Cli;

/// <summary>One decoded field of an ID register.</summary>
/// <param name="Register">The register's name.</param>
/// <param name="Name">The field's name.</param>
/// <param name="Value">Its value.</param>
/// <param name="Meaning">What it says.</param>
internal sealed record IdentificationField(string Register, string Name, uint Value, string Meaning);

/// <summary>Decodes the ID registers (IHI 0070, 6.3.1 to 6.3.8).</summary>
internal static class IdentificationFields
{
    private static readonly Layout[] layouts =
    [
        new("IDR0", 0, 0, "S2P", "stage 2"),
        new("IDR0", 1, 1, "S1P", "stage 1"),
        new("IDR0", 3, 2, "TTF", ["reserved", "AArch32 tables", "AArch64 tables", "AArch32 and AArch64 tables"]),
        new("IDR0", 4, 4, "COHACC", "coherent table walks and queues"),
        new("IDR0", 5, 5, "BTM", "broadcast TLB maintenance"),
        new("IDR0", 7, 6, "HTTU",
            ["no flag updates", "Access flag", "Access flag and dirty state", "also the Access flag of tables"]),
        new("IDR0", 8, 8, "DORMHINT", "dormant hint"),
        new("IDR0", 9, 9, "Hyp", "EL2 stage 1 contexts"),
        new("IDR0", 10, 10, "ATS", "PCIe ATS"),
        new("IDR0", 11, 11, "NS1ATS", ["split-stage ATS as ATS allows", "no split-stage ATS"]),
        new("IDR0", 12, 12, "ASID16", ["8-bit ASIDs", "16-bit ASIDs"]),
        new("IDR0", 13, 13, "MSI", "message signalled interrupts"),
        new("IDR0", 14, 14, "SEV", "wake-up events"),
        new("IDR0", 15, 15, "ATOS", "address translation operations"),
        new("IDR0", 16, 16, "PRI", "PCIe page requests"),
        new("IDR0", 17, 17, "VMW", "VMID wildcards"),
        new("IDR0", 18, 18, "VMID16", ["8-bit VMIDs", "16-bit VMIDs"]),
        new("IDR0", 19, 19, "CD2L", "two-level CD tables"),
        new("IDR0", 20, 20, "VATOS", "address translation operations of guests"),
        new("IDR0", 22, 21, "TTENDIAN", ["tables of either endianness", "reserved", "little-endian tables", "big-endian tables"]),
        new("IDR0", 23, 23, "ATSRECERR", "recording of ATS configuration errors"),
        new("IDR0", 25, 24, "STALL_MODEL", ["stall and terminate", "terminate only", "stall only", "reserved"]),
        new("IDR0", 26, 26, "TERM_MODEL", ["abort or RAZ/WI", "abort only"]),
        new("IDR0", 28, 27, "ST_LEVEL", ["linear Stream table", "linear or two-level Stream table", "reserved", "reserved"]),
        new("IDR0", 30, 30, "RME_IMPL", "Realm Management Extension"),
        new("IDR1", 5, 0, "SIDSIZE", "bits of StreamID"),
        new("IDR1", 10, 6, "SSIDSIZE", "bits of SubstreamID"),
        new("IDR1", 15, 11, "PRIQS", "log2 of PRI queue entries"),
        new("IDR1", 20, 16, "EVENTQS", "log2 of Event queue entries"),
        new("IDR1", 25, 21, "CMDQS", "log2 of Command queue entries"),
        new("IDR1", 26, 26, "ATTR_PERMS_OVR", "override of privilege and instruction marks"),
        new("IDR1", 27, 27, "ATTR_TYPES_OVR", "override of memory attributes"),
        new("IDR1", 28, 28, "REL", "preset bases are offsets"),
        new("IDR1", 29, 29, "QUEUES_PRESET", "fixed queue bases"),
        new("IDR1", 30, 30, "TABLES_PRESET", "fixed Stream table base"),
        new("IDR1", 31, 31, "ECMDQ", "enhanced command queues"),
        new("IDR2", 9, 0, "BA_VATOS", "place of the VATOS page"),
        new("IDR3", 2, 2, "HAD", "hierarchical attributes can be disabled"),
        new("IDR3", 3, 3, "PBHA", "page-based hardware attributes"),
        new("IDR3", 4, 4, "XNX", "stage 2 execute-never by privilege"),
        new("IDR3", 5, 5, "PPS", "PASIDs in automatic page responses"),
        new("IDR3", 7, 7, "MPAM", "MPAM"),
        new("IDR3", 8, 8, "FWB", "stage 2 forced write-back"),
        new("IDR3", 9, 9, "STT", "small translation tables"),
        new("IDR3", 10, 10, "RIL", "range invalidation and level hints"),
        new("IDR3", 12, 11, "BBML",
            ["break-before-make level 0", "break-before-make level 1", "break-before-make level 2", "reserved"]),
        new("IDR3", 13, 13, "E0PD", "E0PD"),
        new("IDR3", 14, 14, "PTWNNC", "table walks to Device memory"),
        new("IDR3", 15, 15, "DPT", "Device Permission Table"),
        new("IDR3", 16, 16, "PASIDTT", "PASIDs on Translated transactions"),
        new("IDR3", 17, 17, "EPAN", "EPAN"),
        new("IDR3", 18, 18, "S1PI", "stage 1 permission indirection"),
        new("IDR3", 19, 19, "S2PI", "stage 2 permission indirection"),
        new("IDR3", 20, 20, "S2PO", "stage 2 permission overlays"),
        new("IDR3", 21, 21, "THE", "translation hardening"),
        new("IDR3", 22, 22, "MTEPERM", "stage 2 NoTagAccess"),
        new("IDR3", 23, 23, "AIE", "attribute index extension"),
        new("IDR5", 2, 0, "OAS", ["32 bits", "36 bits", "40 bits", "42 bits", "44 bits", "48 bits", "52 bits", "56 bits"]),
        new("IDR5", 4, 4, "GRAN4K", "4 KiB granule"),
        new("IDR5", 5, 5, "GRAN16K", "16 KiB granule"),
        new("IDR5", 6, 6, "GRAN64K", "64 KiB granule"),
        new("IDR5", 7, 7, "DS", "52-bit addresses with small granules"),
        new("IDR5", 8, 8, "D128", "128-bit descriptors"),
        new("IDR5", 11, 10, "VAX", ["48-bit input addresses", "52-bit input addresses", "56-bit input addresses", "reserved"]),
        new("IDR5", 31, 16, "STALL_MAX", "stalled accesses at most"),
        new("IIDR", 11, 0, "Implementer", ""),
        new("IIDR", 15, 12, "Revision", ""),
        new("IIDR", 19, 16, "Variant", ""),
        new("IIDR", 31, 20, "ProductID", ""),
        new("AIDR", 7, 0, "ArchRev", ["SMMUv3.0", "SMMUv3.1", "SMMUv3.2", "SMMUv3.3", "SMMUv3.4"]),
    ];

    public static IReadOnlyList<IdentificationField> Of(in IdentificationRegisters registers)
    {
        var fields = new List<IdentificationField>(layouts.Length);
        foreach (var layout in layouts)
        {
            uint value = layout.ValueIn(in registers);
            fields.Add(new IdentificationField(layout.Register, layout.Field, value, layout.MeaningOf(value)));
        }

        return fields;
    }

    public static IReadOnlyList<(string What, string HowMuch)> CapacitiesOf(in IdentificationRegisters registers) =>
    [
        ("streams", PowerOfTwo(registers.Idr1 & 0x3f)),
        ("substreams of a stream", PowerOfTwo((registers.Idr1 >> 6) & 0x1f)),
        ("Command queue entries", PowerOfTwo((registers.Idr1 >> 21) & 0x1f)),
        ("Event queue entries", PowerOfTwo((registers.Idr1 >> 16) & 0x1f)),
        ("PRI queue entries", (registers.Idr0 >> 16 & 1) != 0 ? PowerOfTwo((registers.Idr1 >> 11) & 0x1f) : "none"),
        ("ASIDs", PowerOfTwo((registers.Idr0 >> 12 & 1) != 0 ? 16u : 8)),
        ("VMIDs", (registers.Idr0 & 1) != 0 ? PowerOfTwo((registers.Idr0 >> 18 & 1) != 0 ? 16u : 8) : "none"),
        ("stalled accesses", (registers.Idr5 >> 16).ToString("n0", CultureInfo.InvariantCulture)),
    ];

    private static string PowerOfTwo(uint log2) => (1UL << (int)log2).ToString("n0", CultureInfo.InvariantCulture);

    /// <summary>One field: where it is and what its values say.</summary>
    private sealed record Layout(string Register, int High, int Low, string Field, string[] Meanings)
    {
        private readonly string noun = "";

        public Layout(string register, int high, int low, string field, string noun) : this(register, high, low, field, []) =>
            this.noun = noun;

        public uint ValueIn(in IdentificationRegisters registers)
        {
            uint register = Register switch
            {
                "IDR0" => registers.Idr0,
                "IDR1" => registers.Idr1,
                "IDR2" => registers.Idr2,
                "IDR3" => registers.Idr3,
                "IDR5" => registers.Idr5,
                "IIDR" => registers.Iidr,
                _ => registers.Aidr,
            };
            return (uint)((register >> Low) & (ulong.MaxValue >> (63 - (High - Low))));
        }

        public string MeaningOf(uint value)
        {
            if (Meanings.Length > 0) return value < Meanings.Length ? Meanings[value] : "reserved";
            if (High > Low || noun.Length == 0) return noun;
            return value != 0 ? noun : $"no {noun}";
        }
    }
}
