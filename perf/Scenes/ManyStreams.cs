using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Perf.Scenes;

/// <summary>Streams by the thousand, each with a CD and an ASID of its own over the same tables of 64 pages.</summary>
internal static class ManyStreams
{
    private const int Log2Streams = 16;

    /// <summary>A machine with so many streams attached.</summary>
    public static TranslationScene Attach(int streams)
    {
        const int Pages = 64;
        var scene = new TranslationScene(Pages, Log2Streams);
        var machine = scene.Machine;
        ulong contexts = machine.Allocate((ulong)streams * 64, 64);
        for (int i = 0; i < streams; i++)
        {
            ulong context = contexts + ((ulong)i * 64);
            machine.SetContext(context, scene.Space.Descriptor().With(ContextDescriptorField.ASID, (ulong)i));
            machine.SetStream(StreamOf(i).Value, Entries.Stage1(context));
        }

        machine.SubmitAndSync(Command.CfgiAll());
        return scene;
    }

    /// <summary>Lets each stream translate once.</summary>
    public static void TouchAll(TranslationScene scene, int streams)
    {
        for (int i = 0; i < streams; i++)
        {
            var result = scene.Machine.Smmu.Translate(StreamOf(i), null, TranslationScene.FirstPage, AccessKind.Read);
            TranslationScene.Require(result.IsSuccess, "a stream does not translate");
        }
    }

    /// <summary>The StreamIDs, which begin at 0.</summary>
    public static StreamId StreamOf(int index) => new((uint)index);
}
