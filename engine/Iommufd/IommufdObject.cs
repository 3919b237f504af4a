namespace Smmu.Fast.Iommufd;

/// <summary>Something with an id in an <see cref="IommufdContext"/>.</summary>
/// <remarks>The counts belong to the <see cref="ObjectTable"/> and are guarded by its lock.</remarks>
internal abstract class IommufdObject
{
    /// <summary>Its id, 1 to 2^31 - 1; 0 before it has one.</summary>
    public uint Id { get; set; }

    /// <summary>Who needs it for long: the table for one, and every object that refers to it.</summary>
    public int Users { get; set; } = 1;

    /// <summary>Requests that are working with it right now.</summary>
    public int Borrowers { get; set; }

    /// <summary>Undoes what making it did; called once, under the lock of the topology, when nobody uses it.</summary>
    public abstract void Destroy();
}
