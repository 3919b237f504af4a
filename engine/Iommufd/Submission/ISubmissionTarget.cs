using Smmu.Fast.Formats;

namespace Smmu.Fast.Iommufd.Submission;

/// <summary>The hardware's end of a Command queue, as the driver sees it through registers.</summary>
/// <remarks>A structure that the ring is compiled for, so that none of these calls is virtual.</remarks>
internal interface ISubmissionTarget
{
    /// <summary>Writes the producer index, wrap bit included. One thread at a time.</summary>
    void WriteProducer(uint index);

    /// <summary>Reads the consumer index, wrap bit included; other bits do not matter. Any thread.</summary>
    uint ReadConsumer();

    /// <summary>True while the queue stands still at a command that it refuses. Any thread.</summary>
    bool TryReadError(out CommandError error);

    /// <summary>Lets the queue go on with the command at the consumer index. One thread at a time, after an error.</summary>
    void AcknowledgeError();
}
