namespace Smmu.Fast.Tests.Hostile;

/// <summary>A CPU of the guest at the registers, queues and tables.</summary>
internal sealed class CpuActor(string name, HostileMachine machine, HostileWords words) : Actor(name, machine, words)
{
    /// <inheritdoc/>
    protected override void Act()
    {
        switch (Words.Next(14))
        {
            case 0 or 1:
                WriteRegister();
                break;
            case 2:
                uint offset = Words.Offset();
                Note("read registers", offset);
                Machine.Smmu.ReadRegister32(offset);
                Machine.Smmu.ReadRegister64(offset);
                break;
            case 3 or 4 or 5:
                Note("submit");
                Machine.Submit(Words);
                break;
            case 6 or 7:
                Note("serve");
                Machine.Serve();
                break;
            case 8 or 9 or 10:
                Note("scribble");
                Machine.Scribble(Words);
                break;
            case 11:
                Note("run pending work");
                Machine.Smmu.RunPending();
                break;
            case 12:
                if (!Words.Chance(40)) break;
                Note("reset");
                Machine.Smmu.Reset();
                break;
            default:
                // Else hardly anything would be on for long.
                Note("start");
                Machine.Start(Words);
                break;
        }
    }
}
