using System.Runtime.InteropServices;

namespace Smmu.Fast.Commands;

/// <summary>What keeps commands from being consumed at once, all of it in one word.</summary>
[StructLayout(LayoutKind.Explicit)]
internal struct CommandObstacles
{
    /// <summary>Not 0 when there is any.</summary>
    [FieldOffset(0)] public readonly ulong Any;

    /// <summary>CMDQEN, or EN, is 0.</summary>
    [FieldOffset(0)] public bool IsDisabled;

    /// <summary>An error is not acknowledged.</summary>
    [FieldOffset(1)] public bool IsStopped;

    /// <summary>A CMD_SYNC waits for scopes to end.</summary>
    [FieldOffset(2)] public bool IsWaiting;

    /// <summary>An endpoint owes an answer, or no tag is free.</summary>
    [FieldOffset(3)] public bool AwaitsEndpoint;

    /// <summary>A grace period has begun.</summary>
    [FieldOffset(4)] public bool HasGrace;

    /// <summary>A command was read through the host.</summary>
    [FieldOffset(5)] public bool HasFetched;

    /// <summary>A wake-up event is due.</summary>
    [FieldOffset(6)] public bool IsWakeUpDue;

    /// <summary>True when a step would find nothing to do until something else happens.</summary>
    public readonly bool IsLasting => IsDisabled || IsStopped || IsWaiting || AwaitsEndpoint;
}
