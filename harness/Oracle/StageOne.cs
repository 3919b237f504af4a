namespace Smmu.Fast.Oracle;

/// <summary>A client transaction after the overrides of 13.1.4.</summary>
/// <param name="Reads">Reads, instruction reads included.</param>
/// <param name="Writes">Writes.</param>
/// <param name="Privileged">PnU.</param>
/// <param name="Instruction">InD; never with a write.</param>
internal readonly record struct EffectiveAccess(bool Reads, bool Writes, bool Privileged, bool Instruction)
{
    /// <summary>True when read permission is needed: an instruction read needs execute permission alone.</summary>
    public bool ReadsData => Reads && !Instruction;
}

/// <summary>What stage 1 made of a VA.</summary>
internal sealed record StageOneResult(
    ulong Output, int SizeLog2, OraclePermissions Privileged, OraclePermissions Unprivileged, OracleAttributes Attributes);

/// <summary>Translation of a VA by the tables of a CD (IHI 0070, 3.4; Arm ARM, D8.2).</summary>
internal sealed class StageOne(
    IOracleMemory memory, OracleFeatures features, OracleChoices choices, ContextDescriptor cd, StageTwo? stageTwo)
{
    /// <summary>Translates a VA and updates the flags of the descriptor.</summary>
    /// <param name="address">The VA, all 64 bits as they came in.</param>
    /// <param name="access">The transaction.</param>
    /// <param name="result">The output; null on a fault.</param>
    /// <returns>The fault, of either stage; null when there is an output.</returns>
    public TranslationFault? Translate(ulong address, in EffectiveAccess access, out StageOneResult result)
    {
        for (int attempt = 0; attempt < DescriptorUpdate.MostAttempts; attempt++)
        {
            var fault = TryTranslate(address, access, out result, out bool changed);
            if (fault is not null || !changed) return fault;
        }

        throw DescriptorUpdate.NeverEnds();
    }

    private TranslationFault? TryTranslate(ulong address, in EffectiveAccess access, out StageOneResult result, out bool changed)
    {
        result = null!;
        changed = false;

        // 3.4.1: VA[55] selects the half, except in EL2, which has one table.
        bool isUpper = !cd.IsEL2 && Bits.Bit(address, 55);
        var range = isUpper ? cd.Upper : cd.Lower;
        if (range.IsDisabled || !IsInRange(address, isUpper, range)) return TranslationFault.StageOne(OracleEventKind.Translation);
        if (range.E0PD && !access.Privileged) return TranslationFault.StageOne(OracleEventKind.Translation);

        var fault = Walk(address, range).Run(address, out var leaf);
        if (fault is not null) return fault;

        bool isAccessed = DescriptorUpdate.IsAccessed(leaf.Descriptor);
        if (!isAccessed && !cd.EffectiveHA && !cd.AFFD) return TranslationFault.StageOne(OracleEventKind.AccessFlag);

        var (privileged, unprivileged) = StageOnePermissions.Of(leaf, cd, range);
        fault = CheckPermissions(access, cd.IsEL2 || access.Privileged ? privileged : unprivileged);
        if (fault is not null) return fault;

        ulong updated = DescriptorUpdate.AfterStageOne(leaf.Descriptor, cd.EffectiveHA, cd.EffectiveHD, access.Writes);
        if (updated != leaf.Descriptor)
        {
            fault = Update(leaf, updated, access, out changed);
            if (fault is not null) return fault;
        }

        var attributes = AttributeRules.OfStageOne(leaf.Descriptor, cd, range);
        result = new StageOneResult(leaf.Output, leaf.SizeLog2, privileged, unprivileged, attributes);
        return null;
    }

    // 3.4.1: the bits above the range all equal VA[55]; in EL2, which has one range, they are all zero.
    private bool IsInRange(ulong address, bool isUpper, ContextTableRange range)
    {
        int top = range.TBI ? 55 : 63;
        int inputBits = 64 - range.TxSZ;
        ulong above = Bits.Field(address, top, inputBits);
        return above == (isUpper && !cd.IsEL2 ? Bits.Below(top - inputBits + 1) : 0);
    }

    // 13.1.1: write permission is judged before read permission.
    private static TranslationFault? CheckPermissions(in EffectiveAccess access, OraclePermissions granted)
    {
        if (access.Writes && !granted.Write) return TranslationFault.StageOne(OracleEventKind.Permission);
        if (access.ReadsData && !granted.Read)
        {
            return TranslationFault.StageOne(OracleEventKind.Permission) with { LacksReadAlone = access.Writes };
        }

        return access.Instruction && !granted.Execute ? TranslationFault.StageOne(OracleEventKind.Permission) : null;
    }

    // 3.13.5: the update is a write that stage 2 has to allow.
    private TranslationFault? Update(Leaf leaf, ulong updated, in EffectiveAccess access, out bool changed)
    {
        changed = false;
        ulong physicalAddress = leaf.Address;
        if (stageTwo is not null)
        {
            if (!choices.UpdateStageOneBeforeFinalStageTwo)
            {
                bool probes = !choices.DirtyTableBeforeFinalStageTwo;
                var denied = stageTwo.Translate(leaf.Address, StageTwoAccess.TableUpdate, probes, out _)
                    ?? stageTwo.Translate(leaf.Output, StageTwoAccess.Client(access), probes: true, out _);
                if (denied is not null) return denied;
            }

            var fault = stageTwo.Translate(leaf.Address, StageTwoAccess.TableUpdate, probes: false, out var located);
            if (fault is not null) return fault;
            physicalAddress = located.Output;
        }

        var outcome = DescriptorUpdate.Write(memory, physicalAddress, leaf.Descriptor, updated, cd.ENDI);
        changed = outcome == UpdateOutcome.Changed;
        return outcome == UpdateOutcome.Aborted ? TranslationFault.StageOneAbort(physicalAddress) : null;
    }

    private TableWalk Walk(ulong address, ContextTableRange range)
    {
        int inputBits = 64 - range.TxSZ;
        int level = TableGeometry.StageOneStartLevel(range.Granule, inputBits);
        ulong start = TableGeometry.AlignedBase(range.TTB, range.Granule, level, inputBits, cd.OutputBits);
        var tables = new TableParameters(range.Granule, inputBits, level, start, cd.OutputBits, range.DS, cd.ENDI);
        return new TableWalk(memory, features, choices, tables)
        {
            Locate = Locate,
            Reads = new OracleRead(OracleStructure.StageOneDescriptor, address) { Purpose = OracleFaultClass.TableWalk },
            Abort = TranslationFault.StageOneAbort,
            Fault = TranslationFault.StageOne,
        };
    }

    // With stage 2 on, table addresses are IPAs (5.4.1).
    private TranslationFault? Locate(ulong address, out ulong physicalAddress)
    {
        physicalAddress = address;
        if (stageTwo is null) return null;
        var fault = stageTwo.Translate(address, StageTwoAccess.TableRead, probes: false, out var located);
        if (fault is null) physicalAddress = located.Output;
        return fault;
    }
}
