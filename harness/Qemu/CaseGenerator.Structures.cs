using Smmu.Fast.Formats;

namespace Smmu.Fast.Qemu;

/// <content>CDs, STEs, Stream tables, and registers.</content>
internal sealed partial class CaseGenerator
{
    private const uint QueueStart = 5;   // Indexes begin somewhere, so that queues wrap.

    private ContextDescriptor MakeDescriptor(GeneratedContext context)
    {
        var descriptor = default(ContextDescriptor)
            .With(ContextDescriptorField.V, 1)
            .With(ContextDescriptorField.AA64, 1)
            .With(ContextDescriptorField.A, 1)
            .With(ContextDescriptorField.R, Chance(88) ? 1UL : 0)
            .With(ContextDescriptorField.ASID, context.Asid)
            .With(ContextDescriptorField.IPS, Chance(70) ? 4UL : (ulong)random.Next(8))
            .With(ContextDescriptorField.MAIR0, 0x0044_04ff)
            .With(ContextDescriptorField.AFFD, Chance(15) ? 1UL : 0)
            .With(ContextDescriptorField.TBI0, Chance(20) ? 1UL : 0)
            .With(ContextDescriptorField.TBI1, Chance(20) ? 1UL : 0)
            .With(ContextDescriptorField.HAD0, Chance(12) ? 1UL : 0)
            .With(ContextDescriptorField.HAD1, Chance(12) ? 1UL : 0)
            .With(ContextDescriptorField.EPD0, context.Lower is null ? 1UL : 0)
            .With(ContextDescriptorField.EPD1, context.Upper is null ? 1UL : 0);
        if (context.Lower is { } lower) descriptor = descriptor
            .With(ContextDescriptorField.T0SZ, (ulong)lower.SizeOffset)
            .With(ContextDescriptorField.TG0, lower.GranuleLog2 switch { 12 => 0UL, 16 => 1, _ => 2 })
            .With(ContextDescriptorField.TTB0, lower.Root);
        if (context.Upper is { } upper) descriptor = descriptor
            .With(ContextDescriptorField.T1SZ, (ulong)upper.SizeOffset)
            .With(ContextDescriptorField.TG1, upper.GranuleLog2 switch { 12 => 2UL, 14 => 1, _ => 3 })
            .With(ContextDescriptorField.TTB1, upper.Root);
        return Chance(10) ? Bend(descriptor) : descriptor;
    }

    private ContextDescriptor Bend(ContextDescriptor descriptor) => random.Next(24) switch
    {
        0 => descriptor.With(ContextDescriptorField.V, 0),
        1 => descriptor.With(ContextDescriptorField.AA64, 0),
        2 => descriptor.With(ContextDescriptorField.A, 0),
        3 => descriptor.With(ContextDescriptorField.S, 1),
        4 => descriptor.With(ContextDescriptorField.HA, 1),
        5 => descriptor.With(ContextDescriptorField.HD, 1),
        6 => descriptor.With(ContextDescriptorField.ENDI, 1),
        7 => descriptor.With(ContextDescriptorField.T0SZ, (ulong)Pick(0, 12, 15, 40, 48, 63)),
        8 => descriptor.With(ContextDescriptorField.T1SZ, (ulong)Pick(0, 12, 15, 40, 48, 63)),
        9 => descriptor.With(ContextDescriptorField.TG0, 3),
        10 => descriptor.With(ContextDescriptorField.TG1, 0),
        11 => descriptor.With(ContextDescriptorField.TTB0, descriptor.TTB0 | (1UL << random.Next(44, 48))),
        12 => descriptor.With(ContextDescriptorField.TTB1, descriptor.TTB1 | (1UL << random.Next(44, 48))),
        13 => descriptor.With(ContextDescriptorField.TTB0, MachineMap.Hole),
        14 => descriptor.With(ContextDescriptorField.IPS, 0).With(ContextDescriptorField.TTB0, 1UL << random.Next(32, 36)),
        15 => descriptor.With(ContextDescriptorField.WXN, 1),
        16 => descriptor.With(ContextDescriptorField.PAN, 1),
        17 => descriptor.With(ContextDescriptorField.UWXN, 1),
        18 => descriptor.With(ContextDescriptorField.ASET, 1),
        19 => descriptor.With(ContextDescriptorField.EPD0, 1),
        20 => descriptor.With(ContextDescriptorField.EPD1, 1),
        21 => descriptor.With(ContextDescriptorField.EPD0, 1).With(ContextDescriptorField.EPD1, 1),
        22 => descriptor
            .With(ContextDescriptorField.SH0, (ulong)random.Next(4))
            .With(ContextDescriptorField.IR0, (ulong)random.Next(4)),
        _ => descriptor.With(ContextDescriptorField.TTB0, descriptor.TTB0 | ((ulong)random.Next(1, 16) << 4)),
    };

    private void MakeStreams()
    {
        int count = random.Next(2, 7);
        var devices = new HashSet<int>();
        while (devices.Count < count) devices.Add(random.Next(MachineMap.Streams.Length));
        log2Streams = Chance(93) ? 8 : Pick(0, 3, 4, 5, 6, 7, 9, 12, 16, 17, 32, 63);
        split = Chance(96) ? Pick(6, 8, 10) : random.Next(3, 11);
        tableBase = isTwoLevel ? MachineMap.Level1Table : MachineMap.StreamTable;
        if (isTwoLevel) MakeLevel1(devices);
        foreach (int device in devices)
        {
            entries[device] = MakeEntry(device);
            Put(EntryAddress(device), entries[device], device);
        }
    }

    private void MakeLevel1(HashSet<int> devices)
    {
        const ulong Level2Bytes = 64 << 10;
        foreach (uint index in devices.Select(device => MachineMap.Streams[device].Value >> split).Distinct())
        {
            ulong span = (ulong)split + 1;
            ulong table = MachineMap.Level2Tables + ((index & 3) * Level2Bytes);
            ulong descriptor = Chance(93) ? table | span : random.Next(7) switch
            {
                0 => table,
                1 => table | (uint)random.Next(1, split + 1),
                2 => table | ((uint)split - 1),
                3 => table | (uint)random.Next(split + 1, 32),
                4 => MachineMap.Hole | span,
                5 => (table + ((ulong)random.Next(1, 8) << 6)) | (uint)random.Next(1, 5),
                _ => table | span | (1UL << random.Next(56, 64)),
            };
            ulong slot = MachineMap.Level1Table + (index * sizeof(ulong));
            words[slot] = descriptor;
            meanings[slot] = Step.Text($"L1STD {index}");
        }
    }

    // Where an STE lies in a table as it should be.
    private ulong EntryAddress(int device)
    {
        uint stream = MachineMap.Streams[device].Value;
        if (!isTwoLevel) return MachineMap.StreamTable + (stream * 64UL);
        uint index = stream >> split;
        return MachineMap.Level2Tables + ((index & 3) * 0x1_0000UL) + ((stream & ((1u << split) - 1)) * 64UL);
    }

    private StreamTableEntry MakeEntry(int device)
    {
        var context = PickFrom(contexts);
        var entry = default(StreamTableEntry)
            .With(StreamTableEntryField.V, 1)
            .With(StreamTableEntryField.Config, 5)
            .With(StreamTableEntryField.SHCFG, 1)
            .With(StreamTableEntryField.S1ContextPtr, context.Address);
        attached[device] = context;
        if (Chance(88)) return entry;
        attached[device] = null;
        return random.Next(14) switch
        {
            0 => default,
            1 => entry.With(StreamTableEntryField.V, 0),
            2 or 3 => entry.With(StreamTableEntryField.Config, 4),
            4 => entry.With(StreamTableEntryField.Config, 0),
            5 => entry.With(StreamTableEntryField.Config, (ulong)random.Next(1, 4)),
            6 => entry.With(StreamTableEntryField.Config, (ulong)random.Next(6, 8)),
            7 => entry.With(StreamTableEntryField.S1CDMax, (ulong)random.Next(1, 32)),
            8 => entry.With(StreamTableEntryField.S1STALLD, 1),
            9 => entry.With(StreamTableEntryField.S1ContextPtr, MachineMap.Hole + ((ulong)random.Next(64) << 6)),
            10 => entry.With(StreamTableEntryField.S1ContextPtr, context.Address | (1UL << random.Next(44, 56))),
            11 => entry
                .With(StreamTableEntryField.STRW, (ulong)random.Next(4))
                .With(StreamTableEntryField.EATS, (ulong)random.Next(4)),
            12 => entry
                .With(StreamTableEntryField.S1DSS, (ulong)random.Next(4))
                .With(StreamTableEntryField.S1Fmt, (ulong)random.Next(4)),
            _ => entry
                .With(StreamTableEntryField.PRIVCFG, (ulong)random.Next(4))
                .With(StreamTableEntryField.INSTCFG, (ulong)random.Next(4))
                .With(StreamTableEntryField.MTCFG, 1)
                .With(StreamTableEntryField.S2VMID, (ulong)random.Next(0x1_0000)),
        };
    }

    private void MakeRegisters()
    {
        const uint Ready = 0xd;
        uint format = isTwoLevel ? 1u << 16 : 0;
        Register(RegisterOffset.CR1, 0xd75, "CR1");
        Register(RegisterOffset.CR2, Chance(80) ? 2UL : 0, "CR2");
        if (Chance(2)) Register(RegisterOffset.GBPA, 0x8010_1000, "GBPA: abort");
        ulong misaligned = Chance(4) ? 1UL << random.Next(6, isTwoLevel ? 8 : 17) : 0;
        RegisterWide(RegisterOffset.STRTAB_BASE, tableBase | misaligned, "STRTAB_BASE");
        Register(
            RegisterOffset.STRTAB_BASE_CFG, format | ((uint)split << 6) | (uint)log2Streams, "STRTAB_BASE_CFG");
        if (isTwoLevel && Chance(2)) Register(RegisterOffset.STRTAB_BASE_CFG, 8, "STRTAB_BASE_CFG: linear after two-level");

        int commandLog2 = random.Next(5, 9);
        int eventLog2 = keepsEvents ? random.Next(0, 3) : random.Next(3, 7);
        bool noEvents = Chance(1);
        RegisterWide(RegisterOffset.CMDQ_BASE, MachineMap.CommandQueue | (uint)commandLog2, "CMDQ_BASE");
        Register(RegisterOffset.CMDQ_PROD, QueueStart, "CMDQ_PROD");
        Register(RegisterOffset.CMDQ_CONS, QueueStart, "CMDQ_CONS");
        RegisterWide(
            RegisterOffset.EVENTQ_BASE, (noEvents ? MachineMap.Hole : MachineMap.EventQueue) | (uint)eventLog2, "EVENTQ_BASE");
        uint eventStart = QueueStart & ((2u << eventLog2) - 1);
        Register(RegisterOffset.EVENTQ_PROD, eventStart, "EVENTQ_PROD");
        Register(RegisterOffset.EVENTQ_CONS, eventStart, "EVENTQ_CONS");
        isEnabled = !Chance(1);
        if (!isEnabled) Register(RegisterOffset.CR0, 8, "CR0: SMMUEN off, CMDQEN");
        else Register(RegisterOffset.CR0, Chance(95) ? Ready : Pick(0x9u, 0xfu, 0x1du, 0x5u | 0x8u | 0x80u), "CR0");
    }

    private void Register(uint offset, ulong value, string meaning) =>
        steps.Add(new RegisterStep(offset, value, false, meaning));

    private void RegisterWide(uint offset, ulong value, string meaning) =>
        steps.Add(new RegisterStep(offset, value, true, meaning));
}
