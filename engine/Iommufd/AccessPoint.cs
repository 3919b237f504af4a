namespace Smmu.Fast.Iommufd;

/// <summary>An access in one address space, with what it has pinned there; guarded by the lock of the address space.</summary>
/// <param name="owner">Who is asked to let go; null for a pin that keeps memory from being unmapped.</param>
/// <param name="alignment">Alignment of mappings that it needs: a page when it pins.</param>
internal sealed class AccessPoint(IAccessOwner? owner, ulong alignment)
{
    private readonly Dictionary<IovaRange, Stack<PagesOfArea[]>> pins = [];

    public IAccessOwner? Owner => owner;

    public ulong Alignment => alignment;

    /// <summary>It is in the list of its address space; only then it may pin.</summary>
    public bool IsAttached { get; set; }

    public bool LocksAreas => owner is null;

    public void Remember(IovaRange range, PagesOfArea[] pages)
    {
        if (!pins.TryGetValue(range, out Stack<PagesOfArea[]>? same)) pins.Add(range, same = new Stack<PagesOfArea[]>());
        same.Push(pages);
    }

    /// <summary>Takes back what a pin of exactly this range holds.</summary>
    public bool TryForget(IovaRange range, out PagesOfArea[] pages)
    {
        pages = [];
        if (!pins.TryGetValue(range, out Stack<PagesOfArea[]>? same)) return false;
        pages = same.Pop();
        if (same.Count == 0) pins.Remove(range);
        return true;
    }

    /// <summary>Takes back all pins.</summary>
    public List<PagesOfArea> ForgetAll()
    {
        List<PagesOfArea> all = [.. pins.Values.SelectMany(same => same).SelectMany(pages => pages)];
        pins.Clear();
        return all;
    }

    /// <summary>Pages of an area that an access has pinned.</summary>
    internal readonly record struct PagesOfArea(Area Area, ulong First, ulong Last);
}
