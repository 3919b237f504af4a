using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Tests.Memory;

/// <summary>An epoch with memory of its own.</summary>
internal sealed unsafe class TestEpoch : IDisposable
{
    private readonly NativeBlock slots = NativeBlock.Of<EpochSlot>(4, EpochSlot.SizeBytes);

    public TestEpoch() => Epoch = new TranslationEpoch((EpochSlot*)slots.Pointer, 4);

    public TranslationEpoch Epoch { get; }

    /// <summary>Runs <paramref name="body"/> inside a scope of the calling thread.</summary>
    public void Inside(Action body)
    {
        EpochSlot* slot = Epoch.TryClaim();
        Epoch.Enter(slot);
        try
        {
            body();
        }
        finally
        {
            Epoch.Exit(slot);
            TranslationEpoch.Release(slot);
        }
    }

    public void Dispose() => slots.Dispose();
}
