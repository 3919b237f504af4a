namespace Smmu.Fast.Perf.Scenes;

/// <summary>In which order accesses go through their pages.</summary>
public enum AccessOrder
{
    /// <summary>Page after page, from the beginning again after the last.</summary>
    InOrder,

    /// <summary>Every page as often as in order, shuffled with a fixed seed.</summary>
    Random,
}

/// <summary>Which pages a benchmark touches.</summary>
/// <param name="Pages">Pages of 4 KiB, neighbours of each other.</param>
/// <param name="Order">The order of the accesses.</param>
public sealed record WorkingSet(int Pages, AccessOrder Order)
{
    /// <inheritdoc/>
    public override string ToString() =>
        FormattableString.Invariant($"{Pages:N0} {(Pages == 1 ? "page" : Order == AccessOrder.InOrder ? "pages in order" : "pages at random")}");

    /// <summary>Addresses of accesses: an aligned word somewhere in each page.</summary>
    /// <param name="first">Address of the first page.</param>
    /// <param name="accesses">How many, at least one a page.</param>
    internal ulong[] Addresses(ulong first, int accesses)
    {
        const int Seed = 0x534d_4d55;
        const ulong WordsInPage = TranslationScene.PageBytes / sizeof(ulong);
        ArgumentOutOfRangeException.ThrowIfLessThan(accesses, Pages);
        var random = new Random(Seed);
        var addresses = new ulong[accesses];
        for (int i = 0; i < accesses; i++)
        {
            ulong offset = (ulong)random.Next((int)WordsInPage) * sizeof(ulong);
            addresses[i] = first + ((ulong)(i % Pages) * TranslationScene.PageBytes) + offset;
        }

        if (Order == AccessOrder.Random) random.Shuffle(addresses);
        return addresses;
    }
}
