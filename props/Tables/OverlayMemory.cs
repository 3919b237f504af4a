using System.Buffers.Binary;
using Smmu.Fast.Memory;
using Smmu.Fast.Oracle;

namespace Smmu.Fast.Props.Tables;

/// <summary>The engine's memory for the Oracle to read; what the Oracle writes is kept aside, as what the engine has to write.</summary>
internal sealed class OverlayMemory(GuestMemory memory) : IOracleMemory
{
    private readonly Dictionary<ulong, ulong> written = [];

    /// <summary>Asserts that memory is now as the Oracle would have left it, and begins anew.</summary>
    public void AssertWrittenByOther()
    {
        foreach (var (address, value) in written)
        {
            Assert.True(Load(address, out ulong seen) && seen == value, $"The word at 0x{address:x} is 0x{seen:x}, and should be 0x{value:x}.");
        }

        written.Clear();
    }

    /// <inheritdoc/>
    public bool TryRead(ulong address, out ulong value) => written.TryGetValue(address, out value) || Load(address, out value);

    /// <inheritdoc/>
    public bool TryWrite(ulong address, ulong value)
    {
        written[address] = value;
        return true;
    }

    /// <inheritdoc/>
    public bool TryCompareExchange(ulong address, ulong expected, ulong desired, out ulong seen)
    {
        if (!TryRead(address, out seen)) return false;
        if (seen == expected) written[address] = desired;
        return true;
    }

    private bool Load(ulong address, out ulong value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        bool isMemory = memory.Read(address, bytes);
        value = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        return isMemory;
    }
}
