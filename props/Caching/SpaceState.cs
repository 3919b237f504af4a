using Smmu.Fast.Formats;

namespace Smmu.Fast.Props.Caching;

/// <summary>CD fields that TLB entries may hold, alike in all spaces of a group because global entries cross spaces.</summary>
[Flags]
internal enum GroupControls
{
    None = 0,
    AccessFlagFaultDisabled = 1 << 0,
    WriteExecuteNever = 1 << 1,
    PrivilegedAccessNever = 1 << 2,
    TopByteIgnoredLow = 1 << 3,
    TopByteIgnoredHigh = 1 << 4,
    WalksDisabledLow = 1 << 5,
    WalksDisabledHigh = 1 << 6,
    HierarchyDisabledLow = 1 << 7,
    HierarchyDisabledHigh = 1 << 8,
    OtherMemoryTypes = 1 << 9,
    All = (1 << 10) - 1,
}

/// <summary>Spaces of one group and what they have in common.</summary>
internal sealed class GroupState(GroupShape shape)
{
    public GroupShape Shape => shape;

    public GroupControls Controls { get; set; }

    public List<SpaceState> Spaces { get; } = [];

    public bool Has(GroupControls control) => (Controls & control) != 0;
}

/// <summary>One stage 1 address space, as its driver knows it.</summary>
internal sealed class SpaceState
{
    public SpaceState(GroupState group, int index, ushort asid, TablePool pool)
    {
        Group = group;
        Index = index;
        Asid = asid;
        Low = new TableTree(pool, group.Shape.Low, isUpper: false);
        High = new TableTree(pool, group.Shape.High, isUpper: group.Shape.HasAsids);
    }

    public GroupState Group { get; }

    public int Index { get; }

    public TableTree Low { get; }

    public TableTree High { get; }

    public ushort Asid { get; set; }

    /// <summary>CD.A.</summary>
    public bool Aborts { get; set; } = true;

    /// <summary>CD.R.</summary>
    public bool Records { get; set; } = true;

    /// <summary>The half; without a second range it is always the lower one.</summary>
    public TableTree Half(bool upper) => upper && Group.Shape.HasAsids ? High : Low;

    /// <summary>The CD as it is to be now.</summary>
    public ContextDescriptor Descriptor()
    {
        var shape = Group.Shape;
        return default(ContextDescriptor)
            .With(ContextDescriptorField.V, 1)
            .With(ContextDescriptorField.AA64, 1)
            .With(ContextDescriptorField.T0SZ, (ulong)shape.Low.SizeOffset)
            .With(ContextDescriptorField.TG0, shape.Low.GranuleLog2 switch { 12 => 0UL, 14 => 2, _ => 1 })
            .With(ContextDescriptorField.TTB0, Low.Root)
            .With(ContextDescriptorField.T1SZ, (ulong)shape.High.SizeOffset)
            .With(ContextDescriptorField.TG1, shape.High.GranuleLog2 switch { 12 => 2UL, 14 => 1, _ => 3 })
            .With(ContextDescriptorField.TTB1, High.Root)
            .With(ContextDescriptorField.IPS, (ulong)shape.IpsCode)
            .With(ContextDescriptorField.ASID, Asid)
            .With(ContextDescriptorField.ASET, Bit(shape.Aset))
            .With(ContextDescriptorField.A, Bit(Aborts))
            .With(ContextDescriptorField.R, Bit(Records))
            .With(ContextDescriptorField.AFFD, Bit(GroupControls.AccessFlagFaultDisabled))
            .With(ContextDescriptorField.WXN, Bit(GroupControls.WriteExecuteNever))
            .With(ContextDescriptorField.PAN, Bit(GroupControls.PrivilegedAccessNever))
            .With(ContextDescriptorField.TBI0, Bit(GroupControls.TopByteIgnoredLow))
            .With(ContextDescriptorField.TBI1, Bit(GroupControls.TopByteIgnoredHigh))
            .With(ContextDescriptorField.EPD0, Bit(GroupControls.WalksDisabledLow))
            .With(ContextDescriptorField.EPD1, Bit(GroupControls.WalksDisabledHigh))
            .With(ContextDescriptorField.HAD0, Bit(GroupControls.HierarchyDisabledLow))
            .With(ContextDescriptorField.HAD1, Bit(GroupControls.HierarchyDisabledHigh))
            .With(ContextDescriptorField.MAIR0, Group.Has(GroupControls.OtherMemoryTypes) ? 0xff04_bb44 : 0x44bb_04ff);
    }

    private ulong Bit(GroupControls control) => Bit(Group.Has(control));

    private static ulong Bit(bool value) => value ? 1UL : 0;
}
