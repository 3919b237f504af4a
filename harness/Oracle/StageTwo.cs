namespace Smmu.Fast.Oracle;

/// <summary>Why stage 2 is asked: on behalf of which access it translates.</summary>
/// <param name="Class">CLASS of a fault.</param>
/// <param name="Reads">Needs read permission.</param>
/// <param name="Writes">Needs write permission.</param>
/// <param name="Executes">Needs execute permission, and no read permission.</param>
/// <param name="Privileged">Privilege that XNX looks at.</param>
internal readonly record struct StageTwoAccess(OracleFaultClass Class, bool Reads, bool Writes, bool Executes, bool Privileged)
{
    /// <summary>The fetch of a CD or an L1CD: a data read (7.3.16).</summary>
    public static StageTwoAccess ContextFetch { get; } = new(OracleFaultClass.ContextFetch, true, false, false, true);

    /// <summary>The read of a stage 1 descriptor.</summary>
    public static StageTwoAccess TableRead { get; } = new(OracleFaultClass.TableWalk, true, false, false, true);

    /// <summary>The hardware update of a stage 1 descriptor: it needs write permission, and no more (3.13.5; Arm ARM, D8.5.2,
    /// BDJJL).</summary>
    public static StageTwoAccess TableUpdate { get; } = new(OracleFaultClass.TableWalk, false, true, false, true);

    /// <summary>The client transaction itself.</summary>
    public static StageTwoAccess Client(in EffectiveAccess access) =>
        new(OracleFaultClass.Input, access.ReadsData, access.Writes, access.Instruction, access.Privileged);
}

/// <summary>What stage 2 made of an IPA.</summary>
internal sealed record StageTwoResult(
    ulong Output, int SizeLog2, ulong Descriptor, OraclePermissions Privileged, OraclePermissions Unprivileged);

/// <summary>Translation of an IPA by the stage 2 tables of an STE (IHI 0070, 3.4; Arm ARM, D8.2).</summary>
internal sealed class StageTwo(IOracleMemory memory, OracleFeatures features, OracleChoices choices, StreamTableEntry ste)
{
    /// <summary>Translates an IPA and, unless it only probes, updates the flags of the descriptor.</summary>
    /// <param name="address">The IPA, all its bits.</param>
    /// <param name="access">On whose behalf.</param>
    /// <param name="probes">True to learn of faults and to write nothing.</param>
    /// <param name="result">The output; null on a fault.</param>
    /// <returns>The fault; null when there is an output.</returns>
    public TranslationFault? Translate(ulong address, StageTwoAccess access, bool probes, out StageTwoResult result)
    {
        for (int attempt = 0; attempt < DescriptorUpdate.MostAttempts; attempt++)
        {
            var fault = TryTranslate(address, access, probes, out result, out bool changed);
            if (fault is not null || !changed) return fault;
        }

        throw DescriptorUpdate.NeverEnds();
    }

    private TranslationFault? TryTranslate(
        ulong address, StageTwoAccess access, bool probes, out StageTwoResult result, out bool changed)
    {
        result = null!;
        changed = false;

        // 3.4, stage 2 check 1: the IPA lies in the range that S2T0SZ gives.
        if (Bits.Exceeds(address, ste.Stage2InputBits)) return Fault(OracleEventKind.Translation);

        var fault = Walk().Run(address, out var leaf);
        if (fault is not null) return fault;

        // 3.13.2: F_ACCESS unless hardware sets the flag or the STE says that it counts as set.
        bool isAccessed = DescriptorUpdate.IsAccessed(leaf.Descriptor);
        if (!isAccessed && !ste.EffectiveS2HA && !ste.S2AFFD) return Fault(OracleEventKind.AccessFlag);

        // 5.2, S2PTW: counts with two stages alone.
        bool isForTable = access.Class != OracleFaultClass.Input;
        if (isForTable && ste.S2PTW && ste.Config == 0b111 && AttributeRules.IsStageTwoDevice(leaf.Descriptor, ste, choices))
        {
            return PermissionFault(lacksReadAlone: false);
        }

        var privileged = Permissions(leaf.Descriptor, privileged: true);
        var unprivileged = Permissions(leaf.Descriptor, privileged: false);
        var granted = access.Privileged ? privileged : unprivileged;
        if (access.Writes && !granted.Write) return PermissionFault(lacksReadAlone: false);
        if (access.Reads && !granted.Read) return PermissionFault(lacksReadAlone: access.Writes && !isForTable);
        if (access.Executes && !granted.Execute) return PermissionFault(lacksReadAlone: false);

        ulong updated = DescriptorUpdate.AfterStageTwo(leaf.Descriptor, ste.EffectiveS2HA, ste.EffectiveS2HD, access.Writes);
        if (updated != leaf.Descriptor && !probes)
        {
            var outcome = DescriptorUpdate.Write(memory, leaf.Address, leaf.Descriptor, updated, ste.S2ENDI);
            if (outcome == UpdateOutcome.Aborted) return TranslationFault.StageTwoAbort(access.Class, leaf.Address);
            changed = outcome == UpdateOutcome.Changed;
        }

        result = new StageTwoResult(leaf.Output, leaf.SizeLog2, leaf.Descriptor, privileged, unprivileged);
        return null;

        TranslationFault Fault(OracleEventKind kind) => TranslationFault.StageTwo(kind, access.Class, address);

        TranslationFault PermissionFault(bool lacksReadAlone) => Fault(OracleEventKind.Permission) with
        {
            LacksReadAlone = lacksReadAlone,
            TableRead = access.Class == OracleFaultClass.TableWalk && !access.Writes,
        };

        TableWalk Walk() => new(memory, features, choices, Tables())
        {
            Locate = static (ulong from, out ulong to) =>
            {
                to = from;
                return null;
            },
            Reads = new OracleRead(OracleStructure.StageTwoDescriptor, address)
            {
                Purpose = access.Class,
                IsForUpdate = access.Class == OracleFaultClass.TableWalk && access.Writes,
            },
            Abort = fetch => TranslationFault.StageTwoAbort(access.Class, fetch),
            Fault = Fault,
        };
    }

    private TableParameters Tables()
    {
        var granule = ste.Stage2Granule;
        int level = ste.Stage2StartLevel ?? throw new InvalidOperationException("An STE without a start level is illegal.");
        ulong start = TableGeometry.AlignedBase(ste.S2TTB, granule, level, ste.Stage2InputBits, ste.Stage2OutputBits);
        return new TableParameters(granule, ste.Stage2InputBits, level, start, ste.Stage2OutputBits, ste.EffectiveS2DS, ste.S2ENDI);
    }

    // D8.4.2.1: S2AP, and XN in one bit or, with XNX, in two.
    private OraclePermissions Permissions(ulong descriptor, bool privileged)
    {
        bool isWritableClean = ste.EffectiveS2HD && DescriptorUpdate.HasModifier(descriptor);
        bool execute = features.ExecuteNeverByPrivilege
            ? Bits.Field(descriptor, 54, 53) switch { 0b00 => true, 0b01 => !privileged, 0b10 => false, _ => privileged }
            : !Bits.Bit(descriptor, 54);
        return new OraclePermissions(Bits.Bit(descriptor, 6), Bits.Bit(descriptor, 7) || isWritableClean, execute);
    }
}
