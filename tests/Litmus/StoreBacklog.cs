namespace Smmu.Fast.Tests.Litmus;

/// <summary>Keeps a processor's store buffer busy, so that the next store of the thread takes long to become visible.</summary>
/// <remarks>Stores leave the buffer in order on x86, and those made here miss the caches.</remarks>
internal sealed class StoreBacklog
{
    private const int Bytes = 64 << 20;
    private const int MostStores = 64;

    private readonly byte[] memory = new byte[Bytes];
    private readonly Random random;

    public StoreBacklog(Random random)
    {
        this.random = random;
        memory.AsSpan().Fill(1);   // Pages that nobody wrote to would fault.
    }

    /// <summary>Makes a few stores.</summary>
    public void Grow()
    {
        int stores = random.Next(2) * random.Next(MostStores);
        for (int i = 0; i < stores; i++) memory[random.Next(Bytes)] = (byte)i;
    }
}
