using Smmu.Fast.Formats;

namespace Smmu.Fast.Walks;

/// <summary>A stage of translation.</summary>
internal enum TranslationStage : byte
{
    /// <summary>Input address to intermediate or physical address.</summary>
    Stage1 = 1,

    /// <summary>Intermediate physical address to physical address.</summary>
    Stage2 = 2,
}

/// <summary>What a walk made of a descriptor (Arm ARM, D8.3).</summary>
internal enum DescriptorMeaning : byte
{
    /// <summary>Memory aborted the read; there is no descriptor.</summary>
    Aborted,

    /// <summary>Bit 0 is 0.</summary>
    Invalid,

    /// <summary>An encoding without meaning at its level: a block where none exists, or 0b01 at level 3.</summary>
    Reserved,

    /// <summary>The address of the next table.</summary>
    Table,

    /// <summary>A leaf above level 3.</summary>
    Block,

    /// <summary>A leaf at level 3.</summary>
    Page,
}

/// <summary>Watches a walk, step by step; <c>smmu explain</c> draws what it saw.</summary>
/// <remarks>Given as a struct, so that a walk without a watcher is compiled without these calls.</remarks>
internal interface IWalkTrace
{
    /// <summary>False where nobody watches: the walk then does not even work out what to tell.</summary>
    static abstract bool IsEnabled { get; }

    /// <summary>A descriptor was read.</summary>
    /// <param name="stage">Whose table it is.</param>
    /// <param name="level">-1 to 3.</param>
    /// <param name="address">Physical address of the descriptor.</param>
    /// <param name="descriptor">Its value, in the byte order of the host.</param>
    /// <param name="meaning">What the walk took it for.</param>
    void OnDescriptor(TranslationStage stage, int level, ulong address, ulong descriptor, DescriptorMeaning meaning);

    /// <summary>A stage 2 translation begins; it ends before another one begins.</summary>
    /// <param name="ipa">The address to translate.</param>
    /// <param name="faultClass">What it is the address of.</param>
    /// <param name="access">The access as stage 2 judges it.</param>
    void OnStage2Begin(ulong ipa, FaultClass faultClass, AccessKind access);

    /// <summary>The stage 2 translation that began last has ended.</summary>
    /// <param name="fault"><see cref="EventType.None"/> when it succeeded.</param>
    /// <param name="physicalAddress">Where it led; 0 with a fault.</param>
    void OnStage2End(EventType fault, ulong physicalAddress);

    /// <summary>The walk tried to set the Access flag or the dirty state of a leaf.</summary>
    /// <param name="stage">Whose leaf it is.</param>
    /// <param name="level">0 to 3.</param>
    /// <param name="address">Physical address of the descriptor.</param>
    /// <param name="before">The descriptor as the walk had read it.</param>
    /// <param name="after">The descriptor as it is to be.</param>
    /// <param name="written">False when memory aborted or somebody else had changed the descriptor.</param>
    void OnFlagUpdate(TranslationStage stage, int level, ulong address, ulong before, ulong after, bool written);
}

/// <summary>Watches nothing and costs nothing.</summary>
internal readonly struct NoTrace : IWalkTrace
{
    /// <inheritdoc/>
    public static bool IsEnabled => false;

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
