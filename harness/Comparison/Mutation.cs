namespace Smmu.Fast.Comparison;

/// <summary>One change of a word in memory, or of a register before it is written.</summary>
/// <param name="Text">What it changes, for people.</param>
/// <param name="IsRegister">True when the address is a register offset.</param>
/// <param name="Address">Physical address of the word.</param>
/// <param name="Mask">Its bits that change.</param>
/// <param name="Value">What they become.</param>
internal sealed record Mutation(string Text, bool IsRegister, ulong Address, ulong Mask, ulong Value)
{
    /// <summary>The word after the change.</summary>
    public ulong Apply(ulong word) => (word & ~Mask) | (Value & Mask);

    public override string ToString() => $"{Text}   [0x{Address:x}: 0x{Mask:x} := 0x{Value & Mask:x}]";
}
