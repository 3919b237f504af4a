namespace Smmu.Fast.Oracle;

/// <summary>Attribute transformation (IHI 0070, chapter 13; Arm ARM, D8.6).</summary>
internal static class AttributeRules
{
    /// <summary>The override fields of an STE or of GBPA, which have the same codes (5.2, 6.3.14).</summary>
    internal readonly record struct Overrides(bool MTCFG, int MemAttr, int ALLOCCFG, int SHCFG, int PRIVCFG, int INSTCFG);

    /// <summary>replace_attrs of 13.1.4: the permission attributes.</summary>
    public static EffectiveAccess Override(in OracleAccess access, in Overrides overrides, OracleFeatures features)
    {
        bool privileged = access.Privileged;
        bool instruction = access.Instruction;
        if (features.OverridesPermissions)
        {
            privileged = overrides.PRIVCFG switch { 0b10 => false, 0b11 => true, _ => privileged };
            instruction = overrides.INSTCFG switch { 0b10 => false, 0b11 => true, _ => instruction };
        }

        // 13.1.2: a write is data, whatever says otherwise.
        return new EffectiveAccess(access.Reads, access.Writes, privileged, instruction && !access.Writes);
    }

    /// <summary>replace_attrs of 13.1.4: the memory attributes.</summary>
    public static OracleAttributes Override(OracleAttributes input, in Overrides overrides, OracleFeatures features)
    {
        var attributes = input.Consistent();
        if (!features.OverridesTypes) return attributes;

        if (overrides.MTCFG)
        {
            var (type, inner, outer) = FromMemAttr(overrides.MemAttr);

            // A level that becomes cacheable by this brought no hints.
            attributes = attributes with
            {
                Type = type,
                Inner = inner,
                Outer = outer,
                InnerHints = attributes.Inner == OracleCacheability.NonCacheable ? OracleHints.Allocate : attributes.InnerHints,
                OuterHints = attributes.Outer == OracleCacheability.NonCacheable ? OracleHints.Allocate : attributes.OuterHints,
            };
        }

        if ((overrides.ALLOCCFG & 0b1000) != 0)
        {
            var hints = new OracleHints(
                (overrides.ALLOCCFG & 0b100) != 0, (overrides.ALLOCCFG & 0b010) != 0, (overrides.ALLOCCFG & 0b001) != 0);
            attributes = attributes with { InnerHints = hints, OuterHints = hints };
        }

        if (overrides.SHCFG != 0b01) attributes = attributes with { Shareability = Shareability(overrides.SHCFG) };
        return attributes.Consistent();
    }

    /// <summary>Attributes that a stage 1 leaf gives by MAIR and SH (5.4, D8.6.1, D8.6.2).</summary>
    public static OracleAttributes OfStageOne(ulong descriptor, ContextDescriptor cd, ContextTableRange range)
    {
        int attr = cd.Attr((int)Bits.Field(descriptor, 4, 2));
        var shareability = Shareability(range.DS ? range.SH : (int)Bits.Field(descriptor, 9, 8));
        int outerCode = attr >> 4;
        if (outerCode == 0)
        {
            // A low nibble 0bddxx with xx not 0 is reserved and acts as Device of type dd.
            var device = (OracleMemoryType)((attr >> 2) & 0b11);
            return new OracleAttributes(device, OracleCacheability.NonCacheable, OracleCacheability.NonCacheable,
                default, default, shareability);
        }

        var (outer, outerHints) = Nibble(outerCode);
        var (inner, innerHints) = Nibble(attr & 0xF);
        return new OracleAttributes(OracleMemoryType.Normal, inner, outer, innerHints, outerHints, shareability);
    }

    /// <summary>13.4.2: stage 1 replaces the input, but where the input is cacheable its hints are combined.</summary>
    public static OracleAttributes CombineWithInput(OracleAttributes input, OracleAttributes stageOne, OracleChoices choices)
    {
        var combined = stageOne with
        {
            InnerHints = input.Inner == OracleCacheability.NonCacheable ? stageOne.InnerHints
                : Combine(input.InnerHints, stageOne.InnerHints),
            OuterHints = input.Outer == OracleCacheability.NonCacheable ? stageOne.OuterHints
                : Combine(input.OuterHints, stageOne.OuterHints),
        };
        return combined.IsUncached && choices.NormalizeStageOneShareability
            ? combined with { Shareability = OracleShareability.OuterShareable } : combined;
    }

    /// <summary>13.4.3: the attributes that enter stage 2, combined with those of its leaf.</summary>
    public static OracleAttributes CombineWithStageTwo(
        OracleAttributes input, ulong descriptor, StreamTableEntry ste, OracleChoices choices)
    {
        var combined = ste.EffectiveS2FWB ? ForcedWriteBack(input, descriptor, choices) : Strongest(input, descriptor);
        var shareability = Shareability(ste.EffectiveS2DS ? ste.S2SH0 : (int)Bits.Field(descriptor, 9, 8));
        return combined with { Shareability = (OracleShareability)Math.Max((int)input.Shareability, (int)shareability) };
    }

    /// <summary>True when a stage 2 leaf by itself is some Device type: what S2PTW looks at (5.2).</summary>
    public static bool IsStageTwoDevice(ulong descriptor, StreamTableEntry ste, OracleChoices choices)
    {
        if (ste.EffectiveS2FWB) return ForcedCode(descriptor, choices) < 0b100;
        return FromMemAttr((int)Bits.Field(descriptor, 5, 2)).Type != OracleMemoryType.Normal;
    }

    // D8.6.5.
    private static OracleAttributes Strongest(OracleAttributes input, ulong descriptor)
    {
        var (type, inner, outer) = FromMemAttr((int)Bits.Field(descriptor, 5, 2));
        return input with
        {
            Type = (OracleMemoryType)Math.Min((int)input.Type, (int)type),
            Inner = (OracleCacheability)Math.Min((int)input.Inner, (int)inner),
            Outer = (OracleCacheability)Math.Min((int)input.Outer, (int)outer),
        };
    }

    // D8.6.6; bit 5 of the descriptor is RES0.
    private static OracleAttributes ForcedWriteBack(OracleAttributes input, ulong descriptor, OracleChoices choices)
    {
        int code = ForcedCode(descriptor, choices);
        switch (code)
        {
            case < 0b100:
                return input with { Type = (OracleMemoryType)Math.Min((int)input.Type, code) };
            case 0b101:
                return input with { Inner = OracleCacheability.NonCacheable, Outer = OracleCacheability.NonCacheable };
            case 0b110:
                return input with
                {
                    Type = OracleMemoryType.Normal,
                    Inner = OracleCacheability.WriteBack,
                    Outer = OracleCacheability.WriteBack,
                    InnerHints = HasHints(input, input.Inner) ? input.InnerHints : OracleHints.Allocate,
                    OuterHints = HasHints(input, input.Outer) ? input.OuterHints : OracleHints.Allocate,
                };
            default:
                return input;
        }
    }

    private static int ForcedCode(ulong descriptor, OracleChoices choices)
    {
        int code = (int)Bits.Field(descriptor, 4, 2);
        return code != 0b100 ? code : choices.ReservedForcedWriteBackIsDevice ? 0b000 : 0b101;
    }

    private static bool HasHints(OracleAttributes attributes, OracleCacheability level) =>
        attributes.Type == OracleMemoryType.Normal && level != OracleCacheability.NonCacheable;

    // STE.MemAttr, GBPA.MemAttr and the stage 2 MemAttr without FWB; 0100, 1000 and 1100 are reserved (5.2, D8.6.5).
    private static (OracleMemoryType Type, OracleCacheability Inner, OracleCacheability Outer) FromMemAttr(int code)
    {
        int outer = code >> 2;
        int inner = code & 0b11;
        if (outer == 0) return ((OracleMemoryType)inner, OracleCacheability.NonCacheable, OracleCacheability.NonCacheable);
        if (inner == 0) return (OracleMemoryType.DeviceNGnRnE, OracleCacheability.NonCacheable, OracleCacheability.NonCacheable);
        return (OracleMemoryType.Normal, (OracleCacheability)(inner - 1), (OracleCacheability)(outer - 1));
    }

    // One nibble of a MAIR byte of Normal memory. An inner nibble 0000 is reserved: Write-Through transient, RW 11 (5.4).
    private static (OracleCacheability Cacheability, OracleHints Hints) Nibble(int code)
    {
        if (code == 0b0000) return (OracleCacheability.WriteThrough, new OracleHints(true, true, true));
        if (code == 0b0100) return (OracleCacheability.NonCacheable, default);
        bool isWriteBack = (code & 0b0100) != 0;
        bool isTransient = (code & 0b1000) == 0;
        return (isWriteBack ? OracleCacheability.WriteBack : OracleCacheability.WriteThrough,
            new OracleHints((code & 0b10) != 0, (code & 0b01) != 0, isTransient));
    }

    // Figure 13.1: no-allocate and transient are the stronger ones.
    private static OracleHints Combine(OracleHints one, OracleHints other) =>
        new(one.Read && other.Read, one.Write && other.Write, one.Transient || other.Transient);

    // SH, SHx, S2SH0, and SHCFG except for 01, which its users take as "incoming" first.
    private static OracleShareability Shareability(int code) => code switch
    {
        0b10 => OracleShareability.OuterShareable,
        0b11 => OracleShareability.InnerShareable,
        _ => OracleShareability.NonShareable,
    };
}
