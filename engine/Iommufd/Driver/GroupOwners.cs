namespace Smmu.Fast.Iommufd.Driver;

/// <summary>Who owns a group of devices: one at a time, as often as it claims one of them. Thread-safe.</summary>
internal sealed class GroupOwners
{
    private readonly Lock gate = new();
    private readonly Dictionary<object, (object Owner, int Claims)> owners = new(ReferenceEqualityComparer.Instance);

    /// <summary>Takes a group; EPERM when somebody else has it.</summary>
    public Errno Claim(object group, object owner)
    {
        lock (gate)
        {
            bool isOwned = owners.TryGetValue(group, out (object Owner, int Claims) now);
            if (isOwned && !ReferenceEquals(now.Owner, owner)) return Errno.EPERM;
            owners[group] = (owner, now.Claims + 1);
            return Errno.None;
        }
    }

    /// <summary>Undoes one claim.</summary>
    public void Disclaim(object group, object owner)
    {
        lock (gate)
        {
            if (!owners.TryGetValue(group, out (object Owner, int Claims) now) || !ReferenceEquals(now.Owner, owner))
                throw new InvalidOperationException("The owner has not claimed the device: disclaim what was claimed, and once.");
            if (now.Claims == 1) owners.Remove(group);
            else owners[group] = (owner, now.Claims - 1);
        }
    }
}
