using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Commands;

namespace Smmu.Fast.Tests.Device;

/// <summary>A machine with a stream of each kind, for tests that say what hot paths must not do.</summary>
internal sealed class HotPathScene : IDisposable
{
    /// <summary>Input address of the first page.</summary>
    public const ulong First = 0x80_4000_0000;

    /// <summary>Pages of the stage 1 and the nested stream; far more than the port keeps.</summary>
    public const int Pages = 2_048;

    public const uint Stage1 = 3;
    public const uint Nested = 4;
    public const uint Stage2 = 5;
    public const uint Bypass = 6;
    public const uint Abort = 7;
    public const uint Substreams = 8;
    public const ushort Asid = 5;
    public const ushort Vmid = 2;

    public HotPathScene()
    {
        Machine = new GuestMachine();
        Machine.Start();
        Ram = Machine.Allocate(Pages * 4096UL);
        var space = new Stage1Space(Machine, Asid);
        var stage2 = new Stage2Space(Machine, Vmid);
        var nested = stage2.AttachNested(Nested, Asid);
        for (int i = 0; i < Pages; i++)
        {
            ulong at = (ulong)i << 12;
            space.Map(First + at, Ram + at);
            nested.Map(First + at, Ram + at);
        }

        Machine.AttachStage1(Stage1, space);
        Machine.SetStream(Stage2, stage2.Alone());
        Machine.SetStream(Bypass, Entries.Bypass);
        Machine.SetStream(Abort, Entries.Abort);
        const int ContextsLog2 = 2;
        ulong contexts = Machine.Allocate(64 << ContextsLog2);
        for (ulong i = 0; i < 1 << ContextsLog2; i++) Machine.SetContext(contexts + (i * 64), space.Descriptor());
        Machine.SetStream(Substreams, Entries.Stage1(contexts).With(StreamTableEntryField.S1CDMax, ContextsLog2));
    }

    public GuestMachine Machine { get; }

    public SmmuDevice Smmu => Machine.Smmu;

    /// <summary>Where the pages lead.</summary>
    public ulong Ram { get; }

    /// <summary>Input address of a page.</summary>
    public static ulong PageOf(int index) => First + ((ulong)(index % Pages) << 12);

    /// <summary>Opens a port.</summary>
    public DmaPort Open(uint stream) => Smmu.OpenPort(new StreamId(stream));

    public void Dispose() => Machine.Dispose();
}
