namespace Smmu.Fast.Oracle;

/// <summary>Direct permissions of stage 1 (Arm ARM, D8.4.1.2; IHI 0070, 13.4.1 and 5.4).</summary>
internal static class StageOnePermissions
{
    /// <summary>What a leaf permits to each privilege; in a StreamWorld with one, to both of them the same.</summary>
    public static (OraclePermissions Privileged, OraclePermissions Unprivileged) Of(
        Leaf leaf, ContextDescriptor cd, ContextTableRange range)
    {
        // 5.4, HADx: nothing of the tables counts.
        ulong tables = 0;
        if (!range.HAD)
        {
            foreach (ulong table in leaf.Tables) tables |= table;
        }

        // D8.5.2.2: a writable-clean leaf is writable, for WXN and the like as well.
        bool isWritableClean = cd.EffectiveHD && DescriptorUpdate.HasModifier(leaf.Descriptor);
        bool isReadOnly = (Bits.Bit(leaf.Descriptor, 7) && !isWritableClean) || Bits.Bit(tables, 62);
        bool executeNever = Bits.Bit(leaf.Descriptor, 54) || Bits.Bit(tables, 60);
        return cd.IsEL2 ? OnePrivilege(cd, isReadOnly, executeNever)
            : TwoPrivileges(leaf.Descriptor, tables, cd, isReadOnly, executeNever);
    }

    // AP[1] counts as 1; PXN, PXNTable, APTable[0] and PAN count for nothing.
    private static (OraclePermissions Privileged, OraclePermissions Unprivileged) OnePrivilege(
        ContextDescriptor cd, bool isReadOnly, bool executeNever)
    {
        bool write = !isReadOnly;
        bool execute = !executeNever && !(cd.WXN && write);
        var permissions = new OraclePermissions(true, write, execute);
        return (permissions, permissions);
    }

    private static (OraclePermissions Privileged, OraclePermissions Unprivileged) TwoPrivileges(
        ulong descriptor, ulong tables, ContextDescriptor cd, bool isReadOnly, bool executeNever)
    {
        bool privilegedExecuteNever = Bits.Bit(descriptor, 53) || Bits.Bit(tables, 59);
        bool unprivilegedRead = Bits.Bit(descriptor, 6) && !Bits.Bit(tables, 61);
        bool unprivilegedWrite = unprivilegedRead && !isReadOnly;
        bool privilegedRead = true;
        bool privilegedWrite = !isReadOnly;

        // What EL0 may write, EL1 never executes.
        bool unprivilegedExecute = !executeNever;
        bool privilegedExecute = !privilegedExecuteNever && !unprivilegedWrite;

        // PAN looks at unprivileged execute with EPAN, before WXN takes any of it away.
        if (cd.EffectivePAN && (unprivilegedRead || unprivilegedWrite || (cd.EffectiveEPAN && unprivilegedExecute)))
        {
            privilegedRead = false;
            privilegedWrite = false;
        }

        if (cd.WXN)
        {
            privilegedExecute &= !privilegedWrite;
            unprivilegedExecute &= !unprivilegedWrite;
        }

        return (new OraclePermissions(privilegedRead, privilegedWrite, privilegedExecute),
            new OraclePermissions(unprivilegedRead, unprivilegedWrite, unprivilegedExecute));
    }
}
