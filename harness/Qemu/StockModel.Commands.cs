using Smmu.Fast.Formats;

namespace Smmu.Fast.Qemu;

/// <content>The Command queue.</content>
internal sealed partial class StockModel
{
    private ulong commandBase;
    private uint commandProducer;
    private uint commandConsumer;
    private bool isStopped;

    /// <summary>CMDQ_CONS: the index with its wrap bit.</summary>
    public uint CommandConsumer => commandConsumer & CommandMask;

    /// <summary>True while CMDQ_ERR is active.</summary>
    public bool HasCommandError => isStopped;

    private uint CommandMask => (2u << (int)(commandBase & 0x1f)) - 1;

    /// <summary>Software acknowledges CMDQ_ERR.</summary>
    public void AcknowledgeCommandError()
    {
        isStopped = false;
        ConsumeCommands();
    }

    private void BeginCommands()
    {
        commandBase = 0;
        commandProducer = 0;
        commandConsumer = 0;
        isStopped = false;
    }

    private void ConsumeCommands()
    {
        const uint CommandQueueEnable = 8;
        if ((control0 & CommandQueueEnable) == 0) return;
        while (!isStopped && ((commandConsumer ^ commandProducer) & CommandMask) != 0)
        {
            ulong address = (commandBase & 0x000f_ffff_ffff_ffe0) + ((commandConsumer & (CommandMask >> 1)) * 16UL);
            if (!TryRead64(address, out ulong word0) || !TryRead64(address + 8, out ulong word1)
                || !TryExecute(new(word0, word1)))
            {
                isStopped = true;
                return;
            }

            commandConsumer = (commandConsumer + 1) & CommandMask;
        }
    }

    private bool TryExecute(Command command)
    {
        switch (command.Opcode)
        {
            case CommandOpcode.CfgiSte:
            case CommandOpcode.CfgiSteRange:
            case CommandOpcode.CfgiCd:
            case CommandOpcode.CfgiCdAll:
                return !command.SSec;

            case CommandOpcode.TlbiNhAsid:
                Forget((key, _) => key.Asid == command.Asid.Value);
                return true;

            case CommandOpcode.TlbiNhAll:
            case CommandOpcode.TlbiNsnhAll:
                tlb.Clear();
                return true;

            case CommandOpcode.TlbiNhVa:
            case CommandOpcode.TlbiNhVaa:
                ForgetRange(in command);
                return true;

            case CommandOpcode.PrefetchConfig:
            case CommandOpcode.PrefetchAddress:
            case CommandOpcode.Sync:
            case CommandOpcode.TlbiEl3All:
            case CommandOpcode.TlbiEl3Va:
            case CommandOpcode.TlbiEl2All:
            case CommandOpcode.TlbiEl2Asid:
            case CommandOpcode.TlbiEl2Va:
            case CommandOpcode.TlbiEl2Vaa:
            case CommandOpcode.TlbiS12Vmall:
            case CommandOpcode.TlbiS2Ipa:
            case CommandOpcode.AtcInv:
            case CommandOpcode.PriResp:
            case CommandOpcode.Resume:
            case CommandOpcode.StallTerm:
                return true;

            default:
                return false;
        }
    }

    private void ForgetRange(in Command command)
    {
        bool byAsid = command.Opcode == CommandOpcode.TlbiNhVa;
        ushort asid = command.Asid.Value;
        int granule = command.TG == 0 ? 12 : (command.TG * 2) + 10;
        ulong pages = command.TG == 0 ? 1 : ((ulong)command.NUM + 1) << command.SCALE;
        ulong first = command.Address >> granule << granule;
        ulong last = first + (pages << granule) - 1;
        Forget((key, leaf) =>
        {
            ulong start = key.Iova << leaf.SizeLog2;
            return (!byAsid || key.Asid == asid) && start <= last && start + ((1UL << leaf.SizeLog2) - 1) >= first;
        });
    }

    private void Forget(Func<(ushort Asid, int Granule, int Level, ulong Iova), CachedLeaf, bool> isMeant)
    {
        foreach (var (key, leaf) in tlb)
        {
            if (isMeant(key, leaf)) tlb.Remove(key);
        }
    }
}
