using Smmu.Fast.Device;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Commands;

/// <summary>Pages that both TLBs hold when a command comes.</summary>
internal static class CachedPages
{
    /// <summary>
    /// Room for the pages. The default TLB serves unless there are more pages than it has entries; then it gets twice as
    /// many as there are pages, so that the benchmark's name is true.
    /// </summary>
    public static Func<SmmuOptions, SmmuOptions> Room(int pages) =>
        options => pages <= options.TlbEntries ? options : options with { TlbEntries = pages * 2 };

    /// <summary>Lets the engine cache all pages.</summary>
    public static void FillEngine(TranslationScene scene, int pages)
    {
        for (int i = 0; i < pages; i++) scene.Port.Translate(TranslationScene.PageOf(i), Formats.AccessKind.Read);
    }

    /// <summary>Lets the textbook cache all pages.</summary>
    public static void FillTextbook(TranslationScene scene, int pages)
    {
        for (int i = 0; i < pages; i++)
        {
            scene.Textbook.Translate(TranslationScene.Stream, TranslationScene.PageOf(i), isWrite: false);
        }
    }

    /// <summary>Fills both, and checks that they hold at least 99 % of the pages.</summary>
    public static void FillAndRequire(TranslationScene scene, int pages)
    {
        FillEngine(scene, pages);
        FillTextbook(scene, pages);
        ulong before = scene.Machine.Smmu.GetStatistics().Walks;
        FillEngine(scene, pages);
        ulong walks = scene.Machine.Smmu.GetStatistics().Walks - before;
        TranslationScene.Require(walks <= pages * 0.01, $"{walks} of {pages} pages are not cached");
        TranslationScene.Require(scene.Textbook.Cached == pages, "the textbook has not cached the pages");
    }
}
