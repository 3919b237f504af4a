namespace Smmu.Fast.Commands;

/// <summary>Who hears that a command was refused, for queues that neither CMDQ_ERR nor CMDQP_ERR speaks of.</summary>
internal interface IRefusalListener
{
    /// <summary>Makes the error visible in registers; behind the control gate, when the reason is there to be read.</summary>
    void NoteRefusal();

    /// <summary>Tells the host, with the gate open.</summary>
    void TellOfRefusal();
}
