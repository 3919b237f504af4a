namespace Smmu.Fast.Iommufd;

/// <summary>A mapping of an address space: a range of its addresses and the user memory behind it.</summary>
/// <remarks>Guarded by the lock of its <see cref="Ioas"/>.</remarks>
internal sealed class Area(ulong first, ulong length, UserPages pages, ulong startOffset, DomainPermissions permissions)
{
    public ulong First { get; } = first;

    public ulong Length { get; } = length;

    public ulong Last => First + (Length - 1);

    public UserPages Pages { get; } = pages;

    /// <summary>Where in <see cref="Pages"/> the first byte is.</summary>
    public ulong StartOffset { get; } = startOffset;

    public DomainPermissions Permissions { get; } = permissions;

    public ulong FirstPage => StartOffset >> UserPages.PageLog2;

    public ulong LastPage => (StartOffset + (Length - 1)) >> UserPages.PageLog2;

    /// <summary>Pins of accesses that are in it.</summary>
    public int AccessPins { get; set; }

    /// <summary>Of those, the ones that keep it from being unmapped.</summary>
    public int Locks { get; set; }

    /// <summary>Somebody waits for the pins to go, so there are no new ones.</summary>
    public bool IsLeaving { get; set; }

    /// <summary>It is out of its address space: what is still pinned is released by who holds it.</summary>
    public bool IsGone { get; set; }

    public ulong OffsetOf(ulong iova) => StartOffset + (iova - First);

    public bool IsAlignedTo(ulong alignment) => ((First | Length | (StartOffset & (UserPages.PageBytes - 1))) & (alignment - 1)) == 0;
}
