using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Perf.Scenes;

/// <summary>Who translates.</summary>
public enum Stages
{
    /// <summary>STE.Config = 0b101.</summary>
    Stage1,

    /// <summary>STE.Config = 0b110.</summary>
    Stage2,

    /// <summary>STE.Config = 0b111.</summary>
    Nested,
}

/// <summary>Leaves of translation tables.</summary>
public enum LeafKind
{
    /// <summary>A page of the 4 KiB granule.</summary>
    Page4K,

    /// <summary>A page of the 64 KiB granule.</summary>
    Page64K,

    /// <summary>A block of level 2, 4 KiB granule.</summary>
    Block2M,

    /// <summary>A block of level 1, 4 KiB granule.</summary>
    Block1G,
}

/// <summary>A machine with leaves of one kind, in one stage or both, and a port over them.</summary>
internal sealed class LeafScene : IDisposable
{
    /// <summary>Input address of the first leaf.</summary>
    public const ulong First = 0x80_0000_0000;

    private const uint Stream = 8;
    private const ulong Intermediate = 0x10_0000_0000;
    private const ulong Output = 0x20_0000_0000;

    /// <summary>Makes the scene, with translation on.</summary>
    /// <param name="stages">Who translates.</param>
    /// <param name="kind">The leaves; both stages have the same.</param>
    /// <param name="leaves">How many, neighbours of each other.</param>
    /// <param name="tablesByPages">Stage 2 maps the tables of stage 1 by pages, not by blocks.</param>
    public LeafScene(Stages stages, LeafKind kind, int leaves, bool tablesByPages = false)
    {
        Machine = new GuestMachine();
        Machine.Start();
        int granuleLog2 = kind == LeafKind.Page64K ? 16 : 12;
        int level = kind switch { LeafKind.Block1G => 1, LeafKind.Block2M => 2, _ => 3 };
        LeafLog2 = kind switch { LeafKind.Block1G => 30, LeafKind.Block2M => 21, LeafKind.Page64K => 16, _ => 12 };
        var stage1 = stages == Stages.Stage2 ? null : new Stage1Space(Machine, asid: 5, granuleLog2: granuleLog2);
        var stage2 = stages == Stages.Stage1 ? null : new Stage2Tables(Machine, granuleLog2, tablesByPages ? 3 : 2);
        for (int i = 0; i < leaves; i++)
        {
            ulong at = (ulong)i << LeafLog2;
            stage1?.Map(First + at, stage2 is null ? Output + at : Intermediate + at, level: level);
            stage2?.Map(stage1 is null ? First + at : Intermediate + at, Output + at, level);
        }

        ulong context = Machine.Allocate(64, 64);
        if (stage1 is not null) Machine.SetContext(context, stage1.Descriptor());
        Machine.SetStream(Stream, stages switch
        {
            Stages.Stage1 => Entries.Stage1(context),
            Stages.Stage2 => stage2!.Alone(vmid: 3),
            _ => stage2!.Under(context, vmid: 3),
        });
        RootOfStage1 = stage1?.Root ?? 0;
        RootOfStage2 = stage2?.Root ?? 0;
        Port = Machine.Smmu.OpenPort(new StreamId(Stream));
    }

    public GuestMachine Machine { get; }

    public DmaPort Port { get; }

    /// <summary>Physical address, or IPA, of the first table of stage 1; 0 without it.</summary>
    public ulong RootOfStage1 { get; }

    /// <summary>Physical address of the first table of stage 2; 0 without it.</summary>
    public ulong RootOfStage2 { get; }

    /// <summary>log2 of the bytes of a leaf.</summary>
    public int LeafLog2 { get; }

    /// <summary>The answer for an address.</summary>
    public static ulong OutputOf(ulong iova) => iova - First + Output;

    /// <inheritdoc/>
    public void Dispose()
    {
        Port.Dispose();
        Machine.Dispose();
    }
}
