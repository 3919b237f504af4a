using Smmu.Fast.Formats;
using Smmu.Fast.Walks;

namespace Smmu.Fast.Streams;

/// <summary>Watches nothing and costs nothing.</summary>
internal readonly struct NoStreamTrace : IStreamTrace
{
    /// <inheritdoc/>
    public static bool IsEnabled => false;

    /// <inheritdoc/>
    public void StructureRead(StructureKind kind, ulong address, ReadOnlySpan<ulong> words)
    {
    }

    /// <inheritdoc/>
    public void OnDescriptor(TranslationStage stage, int level, ulong address, ulong descriptor, DescriptorMeaning meaning)
    {
    }

    /// <inheritdoc/>
    public void OnStage2Begin(ulong ipa, FaultClass faultClass, AccessKind access)
    {
    }

    /// <inheritdoc/>
    public void OnStage2End(EventType fault, ulong physicalAddress)
    {
    }

    /// <inheritdoc/>
    public void OnFlagUpdate(TranslationStage stage, int level, ulong address, ulong before, ulong after, bool written)
    {
    }
}
