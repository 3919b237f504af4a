using Smmu.Fast.Formats;

namespace Smmu.Fast.Comparison.Machine;

internal sealed partial class ProgramGenerator
{
    private static readonly uint[] Guarded =
    [
        RegisterOffset.CR1, RegisterOffset.CR2, RegisterOffset.STRTAB_BASE_CFG, RegisterOffset.STRTAB_BASE,
        RegisterOffset.CMDQ_BASE, RegisterOffset.EVENTQ_BASE, RegisterOffset.CMDQ_CONS, RegisterOffset.EVENTQ_PROD,
        RegisterOffset.EVENTQ_IRQ_CFG0, RegisterOffset.EVENTQ_IRQ_CFG1, RegisterOffset.EVENTQ_IRQ_CFG2,
        RegisterOffset.GERROR_IRQ_CFG0, RegisterOffset.GERROR_IRQ_CFG1, RegisterOffset.GERROR_IRQ_CFG2,
        RegisterOffset.PRIQ_BASE, RegisterOffset.PRIQ_PROD, RegisterOffset.PRIQ_CONS, RegisterOffset.PRIQ_IRQ_CFG0,
        RegisterOffset.PRIQ_IRQ_CFG1, RegisterOffset.PRIQ_IRQ_CFG2, RegisterOffset.GERROR, RegisterOffset.CR0ACK, RegisterOffset.IDR0,
    ];

    // Commands that a careful driver does not write.
    private void Commands()
    {
        var issued = new List<Command>();
        for (int i = random.Next(1, 4); i > 0; i--) issued.Add(commands.Any());
        if (!Chance(3)) issued.Add(commands.Sync(MessageAddress()));
        Issue(issued);
        if (!Chance(4)) steps.Add(new PlainStep(PlainAction.Recover));
    }

    private void Registers()
    {
        switch (random.Next(13))
        {
            case 0:   // Off, and on again without any invalidation.
                Write(RegisterOffset.CR0, QueuesEnabled);
                if (Chance(2)) Write(RegisterOffset.GBPA, GbpaUpdate | GlobalBypass());
                Accesses();
                Write(RegisterOffset.CR0, AllEnabled);
                break;
            case 1:
                Write(RegisterOffset.GBPA, (Chance(4) ? 0 : GbpaUpdate) | GlobalBypass());
                break;
            case 2:
                Write(RegisterOffset.CR0, (ulong)(uint)random.Next(0x10) | (Chance(4) ? (ulong)random.NextInt64(1L << 31) : 0));
                Accesses();
                if (!Chance(4)) Write(RegisterOffset.CR0, AllEnabled);
                break;
            case 3:
                Write(RegisterOffset.IRQ_CTRL, (ulong)random.Next(8));
                break;
            case 4:
                Write(RegisterOffset.GERRORN, (ulong)random.Next(0x800));
                break;
            case 5:   // Indexes that cannot be right.
                Write(RegisterOffset.CMDQ_PROD, (ulong)random.Next());
                if (!Chance(3)) steps.Add(new PlainStep(PlainAction.Recover));
                if (!Chance(3)) RestartCommands();
                break;
            case 6:
                RestartCommands();
                break;
            case 7:
                Write(RegisterOffset.EVENTQ_CONS, Chance(2) ? (ulong)(uint)random.Next(0x200) | (Chance(2) ? 1UL << 31 : 0) : (ulong)random.NextInt64(1L << 32));
                Accesses();
                if (!Chance(4)) steps.Add(new PlainStep(PlainAction.Consume));
                break;
            case 8:
                RestartEvents();
                break;
            case 9:   // Guarded or read-only, as things are.
                uint offset = Guarded[random.Next(Guarded.Length)];
                if (Chance(2) && ScriptNames.IsWide(offset)) Wide(offset, (ulong)random.NextInt64());
                else Write(offset + (Chance(4) ? 4u : 0), (ulong)random.Next());
                if (!Chance(3)) SetUp();
                break;
            case 10:
                Anything();
                break;
            case 11:   // Another table, then the old one.
                Write(RegisterOffset.CR0, QueuesEnabled);
                if (Chance(2)) Wide(RegisterOffset.STRTAB_BASE, MessageAddress() ^ (ulong)random.Next(0x1000));
                if (Chance(2)) Write(RegisterOffset.STRTAB_BASE_CFG, (ulong)random.Next(1 << 18));
                if (Chance(2)) Write(RegisterOffset.CR2, (ulong)random.Next(16));
                Write(RegisterOffset.CR0, AllEnabled);
                if (!Chance(3)) Issue([Command.CfgiAll(), Command.Sync()]);
                Accesses();
                SetUp();
                break;
            default:
                SetUp();
                break;
        }
    }

    private void RestartCommands()
    {
        Write(RegisterOffset.CR0, AllEnabled & ~8u);
        ulong start = (ulong)random.Next(2 << commandLog2);
        bool isElsewhere = Chance(10);
        if (!Chance(3))
        {
            ulong place = isElsewhere ? CaseImage.Nowhere : CaseImage.CommandQueue;
            Wide(RegisterOffset.CMDQ_BASE, place | (uint)random.Next(commandLog2 + 1));
        }

        Write(RegisterOffset.CMDQ_PROD, start);
        Write(RegisterOffset.CMDQ_CONS, start | (Chance(4) ? (ulong)(uint)random.Next(4) << 24 : 0));
        Write(RegisterOffset.CR0, AllEnabled);
        Issue([Command.TlbiNsnhAll(), commands.Sync(MessageAddress())]);
        if (isElsewhere) SetUp();
    }

    private void RestartEvents()
    {
        Write(RegisterOffset.CR0, AllEnabled & ~4u);
        if (Chance(2)) Accesses();
        bool isElsewhere = Chance(5);
        ulong place = isElsewhere ? (Chance(2) ? CaseImage.Nowhere : TwinMemory.Stretches[3].Base) : CaseImage.EventQueue;
        Wide(RegisterOffset.EVENTQ_BASE, place | (uint)random.Next(CaseImage.EventQueueLog2 + 1));
        ulong start = (ulong)random.Next(0x100);
        Write(RegisterOffset.EVENTQ_PROD, start);
        Write(RegisterOffset.EVENTQ_CONS, start);
        Write(RegisterOffset.CR0, AllEnabled);
        Accesses();
        if (!isElsewhere) return;
        if (!Chance(3)) steps.Add(new PlainStep(PlainAction.Recover));
        if (!Chance(3)) SetUp();
    }

    private void Anything()
    {
        uint offset = (uint)random.Next(Chance(2) ? 0x100 : 0x2_0000) & (Chance(8) ? ~0u : ~3u);
        ulong value = Chance(2) ? (ulong)random.NextInt64() : (ulong)random.Next(0x100);
        if (Chance(3)) Wide(offset, value);
        else Write(offset, value);
        Accesses();
        if (!Chance(3)) SetUp();
    }

    private void Host()
    {
        switch (random.Next(4))
        {
            case 0:
                steps.Add(new PlainStep(PlainAction.Close));
                break;
            case 1:
                steps.Add(new PlainStep(PlainAction.Reset));
                Accesses();
                SetUp();
                break;
            default:
                steps.Add(new PlainStep(PlainAction.Restore));
                break;
        }
    }

    private ulong GlobalBypass() => ((ulong)random.Next(1 << 20) & 0xf_3f1f) | (Chance(4) ? 1UL << 20 : 0);
}
