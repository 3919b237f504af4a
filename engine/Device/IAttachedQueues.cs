namespace Smmu.Fast.Device;

/// <summary>Command queues beside those of the architecture, which share the device's caches, gate and reset.</summary>
internal interface IAttachedQueues
{
    /// <summary>Returns all of them to the reset state, behind the control gate; the device is at its reset state already.</summary>
    void ResetBehindGate();
}
