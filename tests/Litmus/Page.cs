namespace Smmu.Fast.Tests.Litmus;

/// <summary>A page whose owner poisons it as soon as nobody may be using it any more.</summary>
internal sealed unsafe class Page
{
    private const ulong Poison = 0xdead_dead_dead_dead;
    private const int Words = 512;

    private readonly ulong* words;

    public Page(ulong* words) => this.words = words;

    /// <summary>Fills the page; when it returns, everybody else sees it.</summary>
    public void Fill(bool poison)
    {
        for (int i = 0; i < Words; i += 8) Volatile.Write(ref words[i], poison ? Poison : 0);
        Interlocked.MemoryBarrier();
    }

    /// <summary>Reads a number of words through a pointer to the page; true when one is poisoned.</summary>
    public static bool IsPoisoned(ulong* words, int reads)
    {
        bool any = false;
        for (int i = 0; i < reads; i++) any |= Volatile.Read(ref words[i * 8 % Words]) == Poison;
        return any;
    }
}
