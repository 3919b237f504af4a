using Smmu.Fast.Formats;

namespace Smmu.Fast.Comparison.Machine;

/// <summary>Non-secure translation regimes, which TLB entries are tagged with (IHI 0070, 3.17).</summary>
internal enum World
{
    El1,
    El2,
    El2E2h,
}

/// <summary>What an access's configuration makes of it, as far as caches tell translations apart.</summary>
/// <param name="World">The translation regime.</param>
/// <param name="Vmid">VMID; 0 where there is none.</param>
/// <param name="Asid">ASID; 0 where there is none.</param>
/// <param name="HasStage1">Stage 1 translates.</param>
/// <param name="HasStage2">Stage 2 translates.</param>
internal readonly record struct Regime(World World, ushort Vmid, ushort Asid, bool HasStage1, bool HasStage2)
{
    // V, S, R, A, and the ASID, which is a tag.
    private const ulong UncachedContextBits = (1UL << 31) | (0b111UL << 44) | (0xffffUL << 48);

    // S2VMID, which is a tag; S2S and S2R.
    private const ulong UncachedStage2Bits = 0xffff | (0b11UL << 57);

    private const ulong ForcedWriteBack = 1UL << (89 - 64);

    /// <summary>Reads it from the structures.</summary>
    /// <param name="ste">The words of the STE.</param>
    /// <param name="cd">The words of the CD; zeros while there is none.</param>
    /// <param name="hasContext">True when stage 1 translates.</param>
    /// <param name="features">What there is.</param>
    /// <param name="e2h">CR2.E2H.</param>
    public static Regime Of(ReadOnlySpan<ulong> ste, ReadOnlySpan<ulong> cd, bool hasContext, SmmuFeatures features, bool e2h)
    {
        int config = (int)(ste[0] >> 1) & 7;
        bool hasStage2 = (config & 0b110) == 0b110;
        bool ignoresWorld = !features.S1P || !features.Hyp || hasStage2 || config == 0b100;
        bool isEl2 = !ignoresWorld && ((ste[1] >> 30) & 3) == 0b10;
        var world = !isEl2 ? World.El1 : e2h ? World.El2E2h : World.El2;
        ushort vmid = world == World.El1 && features.S2P ? (ushort)ste[2] : (ushort)0;
        ushort asid = hasContext && world != World.El2 ? (ushort)(cd[0] >> 48) : (ushort)0;
        return new Regime(world, vmid, asid, hasContext, hasStage2);
    }

    /// <summary>A number for what TLB entries may hold of stage 2's configuration.</summary>
    public static ulong FingerprintOfStage2(ReadOnlySpan<ulong> ste, bool hasStage2)
    {
        if (!hasStage2) return 0;
        var hash = Fingerprint.Begin();
        hash = hash.With(ste[1] & ForcedWriteBack).With(ste[2] & ~UncachedStage2Bits).With(ste[3]);
        return hash.Value;
    }

    /// <summary>A number for what TLB entries may hold of stage 1's configuration, and of stage 2's below it.</summary>
    public static ulong FingerprintOfStage1(ReadOnlySpan<ulong> cd, ulong stage2)
    {
        var hash = Fingerprint.Begin().With(stage2).With(cd[0] & ~UncachedContextBits);
        foreach (ulong word in cd[1..]) hash = hash.With(word);
        return hash.Value;
    }
}

/// <summary>A hash that is the same in every process (FNV-1a).</summary>
internal readonly record struct Fingerprint(ulong Value)
{
    private const ulong Basis = 0xcbf2_9ce4_8422_2325;
    private const ulong Prime = 0x0000_0100_0000_01b3;

    public static Fingerprint Begin() => new(Basis);

    public Fingerprint With(ulong value)
    {
        ulong hash = Value;
        for (int i = 0; i < sizeof(ulong); i++)
        {
            hash = (hash ^ (byte)value) * Prime;
            value >>= 8;
        }

        return new Fingerprint(hash);
    }

    public Fingerprint With(ReadOnlySpan<char> text)
    {
        ulong hash = Value;
        foreach (char letter in text) hash = (hash ^ letter) * Prime;
        return new Fingerprint(hash);
    }
}
