namespace Smmu.Fast.Tables;

/// <summary>An entry of a table in a pool.</summary>
internal readonly unsafe ref struct HostEntry<TSynchronization>(ulong* words, ref TSynchronization synchronization) : IEntryWords
    where TSynchronization : IEntrySynchronization
{
    private readonly ref TSynchronization synchronization = ref synchronization;

    /// <inheritdoc/>
    public ulong Load(int word) => words[word];

    /// <inheritdoc/>
    public void Store(int word, ulong value) => Volatile.Write(ref words[word], value);

    /// <inheritdoc/>
    public void Synchronize() => synchronization.Synchronize(leaf: true);
}
