using System.Runtime.CompilerServices;

namespace Smmu.Fast.Foundation;

/// <summary>The gate in front of a device's registers and command consumer, shared by the classes that work behind it.</summary>
internal sealed class ControlGate
{
    private SpinGate gate;

    /// <inheritdoc cref="SpinGate.Enter"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Enter() => gate.Enter();

    /// <inheritdoc cref="SpinGate.Exit"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Exit() => gate.Exit();

    /// <summary>Returns once nobody was behind the gate, having passed a full fence before: who enters later is seen by nobody here.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void AwaitOpen() => gate.AwaitOpen();

    /// <summary>Returns when whoever is behind the gate has left; who enters later sees what was stored before this call.</summary>
    public void Pass()
    {
        gate.Enter();
        gate.Exit();
    }
}
