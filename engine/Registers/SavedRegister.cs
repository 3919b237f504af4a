using Smmu.Fast.Formats;

namespace Smmu.Fast.Registers;

/// <summary>A register and what it reads as.</summary>
/// <param name="Offset">Bytes from the base of Page 0.</param>
/// <param name="Value">Its value; the upper half of a 32-bit register is 0.</param>
internal readonly record struct SavedRegister(uint Offset, ulong Value)
{
    private static ReadOnlySpan<uint> OffsetsOfAll =>
    [
        RegisterOffset.GBPA,
        RegisterOffset.CR1,
        RegisterOffset.CR2,
        RegisterOffset.STRTAB_BASE,
        RegisterOffset.STRTAB_BASE_CFG,
        RegisterOffset.CMDQ_BASE,
        RegisterOffset.CMDQ_PROD,
        RegisterOffset.CMDQ_CONS,
        RegisterOffset.EVENTQ_BASE,
        RegisterOffset.EVENTQ_PROD,
        RegisterOffset.EVENTQ_CONS,
        RegisterOffset.PRIQ_BASE,
        RegisterOffset.PRIQ_PROD,
        RegisterOffset.PRIQ_CONS,
        RegisterOffset.GERROR_IRQ_CFG0,
        RegisterOffset.GERROR_IRQ_CFG1,
        RegisterOffset.GERROR_IRQ_CFG2,
        RegisterOffset.EVENTQ_IRQ_CFG0,
        RegisterOffset.EVENTQ_IRQ_CFG1,
        RegisterOffset.EVENTQ_IRQ_CFG2,
        RegisterOffset.PRIQ_IRQ_CFG0,
        RegisterOffset.PRIQ_IRQ_CFG1,
        RegisterOffset.PRIQ_IRQ_CFG2,
        RegisterOffset.IRQ_CTRL,
        RegisterOffset.GERROR,
        RegisterOffset.GERRORN,
        RegisterOffset.CR0,
    ];

    /// <summary>All registers that software can change, in an order in which none guards a later one.</summary>
    public static uint[] OffsetsOf(SmmuFeatures features)
    {
        var offsets = new List<uint>(OffsetsOfAll.Length);
        offsets.AddRange(OffsetsOfAll);
        for (int queue = 0; queue < features.EnhancedCommandQueues; queue++)
        {
            uint first = features.EnhancedCommandQueueOffset(queue);
            offsets.Add(first + EnhancedCommandQueueOffset.ECMDQ_BASE);
            offsets.Add(first + EnhancedCommandQueueOffset.ECMDQ_CONS);
            offsets.Add(first + EnhancedCommandQueueOffset.ECMDQ_PROD);
        }

        return [.. offsets];
    }
}
