namespace Smmu.Fast.Oracle;

/// <summary>The way of one client transaction through the SMMU (IHI 0070, 3.3, 3.4, 7.3.22, 13.4 and chapter 15).</summary>
internal sealed class TranslationProcedure(
    IOracleMemory memory, OracleFeatures features, OracleChoices choices, RegisterFile registers,
    uint streamId, uint? substreamId, ulong address, OracleAccess access)
{
    private readonly List<string> steps = [];
    private readonly OracleAttributes input = access.Attributes ?? OracleAttributes.Default;
    private EffectiveAccess effective = new(access.Reads, access.Writes, access.Privileged, access.Instruction && !access.Writes);
    private StreamTableEntry? ste;
    private ContextDescriptor? cd;

    /// <summary>Runs the procedure once.</summary>
    public OracleResult Run()
    {
        if (!registers.IsEnabled) return BypassGlobally();

        steps.Add("3.3.1 Stream table");
        var fault = new StreamTable(memory, features, choices, registers).Find(streamId, out var entry);
        if (fault is not null) return End(fault);

        steps.Add("5.2.2 Validity of the STE");
        ste = new StreamTableEntry(entry, features, registers.E2H);
        if (StreamTableEntryRules.FlawOf(ste, features, choices) is { } flaw)
        {
            steps.Add($"5.2.2 Illegal: {flaw}");
            return End(new TranslationFault(OracleEventKind.BadStreamTableEntry));
        }

        if (ste.Config < 0b100)
        {
            steps.Add("5.2 Config 0xx: silent abort");
            return Silent(OracleOutcome.Aborted);
        }

        steps.Add("5.2 SubstreamID and S1DSS");
        fault = SelectContext(out uint? contextIndex);
        if (fault is not null) return End(fault);

        steps.Add("13.1.4 Overrides");
        var overrides = new AttributeRules.Overrides(ste.MTCFG, ste.MemAttr, ste.ALLOCCFG, ste.SHCFG, ste.PRIVCFG, ste.INSTCFG);
        effective = AttributeRules.Override(access, overrides, features);
        var attributes = AttributeRules.Override(input, overrides, features);

        var stageTwo = ste.Stage2Enabled ? new StageTwo(memory, features, choices, ste) : null;
        return Translate(contextIndex, stageTwo, attributes);
    }

    private OracleResult Translate(uint? contextIndex, StageTwo? stageTwo, OracleAttributes attributes)
    {
        ulong output = address;
        int sizeLog2 = OracleResult.NoLeaf;
        var privileged = OraclePermissions.All;
        var unprivileged = OraclePermissions.All;

        if (contextIndex is uint index)
        {
            var fault = TranslateAtStageOne(index, stageTwo, out var result);
            if (fault is not null) return End(fault);
            (output, sizeLog2, privileged, unprivileged) = (result.Output, result.SizeLog2, result.Privileged, result.Unprivileged);
            attributes = AttributeRules.CombineWithInput(attributes, result.Attributes, choices);
        }
        else
        {
            steps.Add("3.4 Stage 1 bypassed");
            int limit = stageTwo is null ? features.OutputBits : features.IntermediateBits;
            if (Bits.Exceeds(address, limit)) return End(TranslationFault.StageOne(OracleEventKind.AddressSize) with { IsBypass = true });
        }

        if (stageTwo is not null)
        {
            steps.Add("3.4 Stage 2");
            var fault = stageTwo.Translate(output, StageTwoAccess.Client(effective), probes: false, out var result);
            if (fault is not null) return End(fault);
            output = result.Output;
            sizeLog2 = Math.Min(sizeLog2, result.SizeLog2);
            privileged = privileged.And(result.Privileged);
            unprivileged = unprivileged.And(result.Unprivileged);
            attributes = AttributeRules.CombineWithStageTwo(attributes, result.Descriptor, ste!, choices);
        }

        steps.Add("13.4.4 Output");
        return Success(output, sizeLog2, privileged, unprivileged, attributes);
    }

    private TranslationFault? TranslateAtStageOne(uint index, StageTwo? stageTwo, out StageOneResult result)
    {
        result = null!;
        steps.Add("3.3.2 Context descriptor");
        var fault = new ContextTable(memory, features, choices, ste!, stageTwo).Find(index, out var descriptor);
        if (fault is not null) return fault;

        steps.Add("5.4.2 Validity of the CD");
        cd = new ContextDescriptor(descriptor, features, ste!.IsEL2);
        if (ContextDescriptorRules.FlawOf(cd, ste, features) is { } flaw)
        {
            steps.Add($"5.4.2 Illegal: {flaw}");
            return new TranslationFault(OracleEventKind.BadContextDescriptor);
        }

        steps.Add("3.4 Stage 1");
        return new StageOne(memory, features, choices, cd, stageTwo).Translate(address, effective, out result);
    }

    // 5.2: which CD the transaction uses; null where stage 1 is bypassed.
    private TranslationFault? SelectContext(out uint? index)
    {
        index = null;
        if (substreamId is uint substream)
        {
            bool isReachable = ste!.SubstreamsEnabled && !Bits.Exceeds(substream, ste.S1CDMax);
            if (!isReachable) return new TranslationFault(OracleEventKind.BadSubstreamId);
            if (ste.S1DSS == 0b10 && substream == 0) return new TranslationFault(OracleEventKind.StreamDisabled);
            index = substream;
            return null;
        }

        if (!ste!.Stage1Enabled) return null;
        if (ste.SubstreamsEnabled)
        {
            if (ste.S1DSS == 0b01) return null;
            if (ste.S1DSS != 0b10) return new TranslationFault(OracleEventKind.StreamDisabled);
        }

        index = 0;
        return null;
    }

    // 3.4, 6.3.9.6, 13.2.
    private OracleResult BypassGlobally()
    {
        steps.Add("6.3.9.6 SMMUEN 0");
        effective = AttributeRules.Override(access, registers.GlobalOverrides, features);
        if (registers.AbortsGlobally || Bits.Exceeds(address, features.OutputBits)) return Silent(OracleOutcome.Aborted);
        var attributes = AttributeRules.Override(input, registers.GlobalOverrides, features);
        return Success(address, OracleResult.NoLeaf, OraclePermissions.All, OraclePermissions.All, attributes);
    }

    // 5.5: who decides what becomes of a transaction that faults.
    private OracleResult End(TranslationFault fault)
    {
        steps.Add("5.5 Fault");
        if (fault.Kind == OracleEventKind.BadStreamId && !registers.RecordsInvalidStreamIds) return Silent(OracleOutcome.Aborted);
        if (fault.Kind < OracleEventKind.Translation || fault.IsBypass) return Ended(OracleOutcome.Aborted, fault, stalls: false);

        bool stalls = fault.IsStageTwo ? ste!.S2S : cd!.S;
        bool records = fault.IsStageTwo ? ste!.S2R : cd!.R;
        bool aborts = fault.IsStageTwo || cd!.A;
        if (stalls && !access.CannotStall) return Ended(OracleOutcome.Stalled, fault, stalls: true);
        if (stalls) return Ended(OracleOutcome.Aborted, fault, stalls: false);

        var outcome = aborts ? OracleOutcome.Aborted : OracleOutcome.ReadZeroWriteIgnored;
        return records ? Ended(outcome, fault, stalls: false) : Silent(outcome);
    }

    private OracleResult Ended(OracleOutcome outcome, TranslationFault fault, bool stalls) => Silent(outcome) with
    {
        Event = EventEncoder.Encode(fault, streamId, substreamId, address, effective,
            stalls ? access.StallTag : null, features.OutputBits),
    };

    private OracleResult Silent(OracleOutcome outcome) => new() { Outcome = outcome, Steps = steps };

    private OracleResult Success(
        ulong output, int sizeLog2, OraclePermissions privileged, OraclePermissions unprivileged, OracleAttributes attributes) => new()
        {
            Outcome = OracleOutcome.Success,
            OutputAddress = output,
            LeafSizeLog2 = sizeLog2,
            Privileged = privileged,
            Unprivileged = unprivileged,
            Attributes = attributes.Consistent(),
            OutputPrivileged = effective.Privileged,
            OutputInstruction = effective.Instruction,
            Steps = steps,
        };
}
