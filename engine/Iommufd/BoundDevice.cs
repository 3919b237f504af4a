namespace Smmu.Fast.Iommufd;

/// <summary>A device with an id. It has a user of its own, so that only unbinding removes it.</summary>
internal sealed class BoundDevice : IommufdObject
{
    public const int UsersWhenUnused = 2;

    private readonly IommufdContext context;

    public BoundDevice(IommufdContext context, IIommuDevice device, DeviceGroup group)
    {
        this.context = context;
        Device = device;
        Group = group;
        Users = UsersWhenUnused;
        group.Members++;
    }

    public IIommuDevice Device { get; }

    public DeviceGroup Group { get; }

    /// <summary>It is not unbound yet; guarded by the lock of the topology.</summary>
    public bool IsBound { get; private set; } = true;

    public Vdevice? Vdevice { get; set; }

    public override void Destroy()
    {
        IsBound = false;
        Group.DetachAll(this);
        if (Vdevice is { } vdevice)
        {
            // Its id leads nowhere from now on, and to nobody else either.
            context.Objects.TryRemoveNow(vdevice, retire: true);
            vdevice.Destroy();
        }

        Group.Members--;
        context.ForgetIfEmpty(Group);
        Device.Disclaim(context);
    }
}
