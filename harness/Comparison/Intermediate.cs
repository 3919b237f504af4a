namespace Smmu.Fast.Comparison;

/// <summary>Stage 2 of a scene: besides data, it maps a window to the memory that holds CDs and stage 1 tables.</summary>
internal sealed class Intermediate
{
    private readonly StageGenerator stages;
    private readonly bool forcedWriteBack;
    private readonly int pageLog2;
    private readonly ulong window;
    private readonly HashSet<ulong> pages = [];

    /// <summary>Opens the window.</summary>
    /// <param name="stages">Makes attributes.</param>
    /// <param name="space">The stage 2 tables.</param>
    /// <param name="random">Chooses the place of the window, and the size of its leaves.</param>
    /// <param name="forcedWriteBack">S2FWB.</param>
    /// <param name="mostBits">Bits of the highest address that stage 1 can name.</param>
    public Intermediate(StageGenerator stages, TableSpace space, Random random, bool forcedWriteBack, int mostBits)
    {
        (this.stages, Space, this.forcedWriteBack) = (stages, space, forcedWriteBack);
        var shape = space.Shape;
        int bits = Math.Min(shape.InputBits, random.Next(2) == 0 ? Math.Min(mostBits, 32) : mostBits);
        int block = shape.Shift(2);
        bool isBlock = random.Next(3) == 0 && block >= 22 && block <= 30 && block < bits && shape.StartLevel <= 2;
        Level = isBlock ? 2 : 3;
        pageLog2 = shape.Shift(Level);
        int alignment = Math.Max(22, pageLog2);
        window = bits <= alignment ? 0 : (ulong)random.NextInt64(1L << bits) >> alignment << alignment;
    }

    public TableSpace Space { get; }

    /// <summary>Bits that an address of the window has.</summary>
    public int WindowBits => 64 - System.Numerics.BitOperations.LeadingZeroCount(window + CaseImage.Window.Size - 1);

    /// <summary>Level of the leaves of the window.</summary>
    public int Level { get; }

    /// <summary>The IPA of some low memory, which is mapped if it is not yet.</summary>
    /// <returns>Null when stage 2 has something else there, or memory has run out.</returns>
    public ulong? NameOf(ulong physical, ulong bytes)
    {
        ulong first = window + (physical - CaseImage.Window.Base);
        for (ulong page = first >> pageLog2; page <= (first + bytes - 1) >> pageLog2; page++)
        {
            if (pages.Contains(page)) continue;
            ulong input = page << pageLog2;
            ulong output = input - window + CaseImage.Window.Base;
            if (!Space.TryMap(input, Level, output, stages.Stage2Attributes(Space.Shape, forcedWriteBack, isForTables: true))) return null;
            pages.Add(page);
        }

        return first;
    }
}
