using Smmu.Fast.Walks;

namespace Smmu.Fast.Streams;

/// <summary>A structure that the resolution of a stream reads.</summary>
internal enum StructureKind : byte
{
    Level1StreamTableDescriptor,
    StreamTableEntry,
    Level1ContextDescriptor,
    ContextDescriptor,
}

/// <summary>Watches a resolution; the untraced one is compiled without it.</summary>
internal interface IStreamTrace : IWalkTrace
{
    /// <summary>A structure was read from a physical address.</summary>
    void StructureRead(StructureKind kind, ulong address, ReadOnlySpan<ulong> words);
}
