using Smmu.Fast.Foundation;

namespace Smmu.Fast.Device;

/// <summary>The gate in front of a device's registers and command consumer, shared by the classes that work behind it.</summary>
internal sealed class ControlGate
{
    private SpinGate gate;

    /// <inheritdoc cref="SpinGate.Enter"/>
    public void Enter() => gate.Enter();

    /// <inheritdoc cref="SpinGate.Exit"/>
    public void Exit() => gate.Exit();
}
