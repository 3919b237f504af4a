using Smmu.Fast.Formats;

namespace Smmu.Fast.Faults;

/// <summary>A port's share of the stall table. Changed behind the table's gate only.</summary>
internal sealed class StallClient
{
    private readonly IStallClient client;
    private bool isClosed;

    public StallClient(IStallClient client, SubstreamId? substream)
    {
        this.client = client;
        Substream = substream;
    }

    /// <summary>The substream of the port, or none.</summary>
    public SubstreamId? Substream { get; }

    /// <summary>Accesses that the port has in the table.</summary>
    public int Held { get; set; }

    /// <summary>Hears no more: the port is closed, but what it left stalled keeps its tag until software answers.</summary>
    public void Close() => Volatile.Write(ref isClosed, true);

    /// <summary>Tells the client, unless its port is closed. Called with no gate closed.</summary>
    public void Tell(in StallEnd end)
    {
        if (!Volatile.Read(ref isClosed)) client.EndStall(end.Token, end.Answer);
    }
}
