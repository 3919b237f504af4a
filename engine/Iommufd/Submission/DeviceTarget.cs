using Smmu.Fast.Device;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Iommufd.Submission;

/// <summary>The Command queue of an SMMU, or one of its Enhanced Command queues, by its registers.</summary>
/// <remarks>A structure, so that the ring is compiled for it; what changes lies in <see cref="Shadow"/>.</remarks>
internal readonly struct DeviceTarget : ISubmissionTarget
{
    private const uint Enable = 1u << 31;
    private const uint ErrorFlag = 1 << 23;

    private readonly SmmuDevice smmu;
    private readonly uint producerOffset;
    private readonly uint consumerOffset;
    private readonly bool isEnhanced;
    private readonly Shadow shadow;

    private DeviceTarget(SmmuDevice smmu, uint producerOffset, uint consumerOffset, bool isEnhanced)
    {
        this.smmu = smmu;
        this.producerOffset = producerOffset;
        this.consumerOffset = consumerOffset;
        this.isEnhanced = isEnhanced;
        shadow = new Shadow { Controls = isEnhanced ? Enable : 0 };
    }

    /// <summary>The Command queue.</summary>
    public static DeviceTarget OfCommandQueue(SmmuDevice smmu) =>
        new(smmu, RegisterOffset.CMDQ_PROD, RegisterOffset.CMDQ_CONS, isEnhanced: false);

    /// <summary>An Enhanced Command queue whose registers begin at an offset from Page 0; ERRACK is 0.</summary>
    public static DeviceTarget OfEnhancedQueue(SmmuDevice smmu, uint registers) => new(
        smmu,
        registers + EnhancedCommandQueueOffset.ECMDQ_PROD,
        registers + EnhancedCommandQueueOffset.ECMDQ_CONS,
        isEnhanced: true);

    /// <inheritdoc/>
    public void WriteProducer(uint index)
    {
        shadow.Producer = index;
        smmu.WriteRegister32(producerOffset, index | shadow.Controls);
    }

    /// <inheritdoc/>
    public uint ReadConsumer() => smmu.ReadRegister32(consumerOffset);

    /// <inheritdoc/>
    public bool TryReadError(out CommandError error)
    {
        const uint EnhancedReason = 7;
        uint consumer = smmu.ReadRegister32(consumerOffset);
        if (isEnhanced)
        {
            error = (CommandError)((consumer >> 24) & EnhancedReason);
            return ((consumer ^ Volatile.Read(ref shadow.Controls)) & ErrorFlag) != 0;
        }

        error = new CommandQueueConsumer(consumer).ERR;
        uint active = smmu.ReadRegister32(RegisterOffset.GERROR) ^ smmu.ReadRegister32(RegisterOffset.GERRORN);
        if ((active & (uint)GlobalErrors.CMDQ_ERR) == 0) return false;
        error = new CommandQueueConsumer(smmu.ReadRegister32(consumerOffset)).ERR;   // That of the error just seen.
        return true;
    }

    /// <inheritdoc/>
    public void AcknowledgeError()
    {
        if (isEnhanced)
        {
            Volatile.Write(ref shadow.Controls, shadow.Controls ^ ErrorFlag);
            smmu.WriteRegister32(producerOffset, shadow.Producer | shadow.Controls);
            return;
        }

        uint acknowledged = smmu.ReadRegister32(RegisterOffset.GERRORN);
        smmu.WriteRegister32(RegisterOffset.GERRORN, acknowledged ^ (uint)GlobalErrors.CMDQ_ERR);
    }

    /// <summary>What ECMDQ_PROD holds, so that it need not be read: it carries more than the index.</summary>
    private sealed class Shadow
    {
        public uint Controls;   // EN and ERRACK.
        public uint Producer;
    }
}
