using Smmu.Fast.Device;
using Smmu.Fast.Faults;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Comparison.Machine;

/// <summary>An access that waits for software.</summary>
/// <param name="Token">The engine's name for it.</param>
/// <param name="Access">The access.</param>
/// <param name="Address">Its address.</param>
internal sealed record StalledAccess(uint Token, TranslateStep Access, ulong Address)
{
    /// <summary>STAG of its record.</summary>
    public ushort Tag => (ushort)Token;

    /// <summary>False while the Event queue has not taken its record.</summary>
    public bool IsRecorded { get; init; }

    /// <summary>True while the port on which it was made is open.</summary>
    public bool CountsForPort { get; set; } = true;
}

/// <summary>The clients: their ports, their stalled accesses, and what they hear of them.</summary>
/// <remarks>A model of IHI 0070, 3.12.2 and 4.7, beside the Oracle, which knows of no time.</remarks>
internal sealed class MachineClients(SmmuFeatures features) : IStallClient
{
    /// <summary>Ports that are open at a time.</summary>
    public const int MostPorts = 24;

    private readonly Dictionary<(uint Stream, uint? Substream, bool Waits), DmaPort> ports = [];
    private readonly List<StalledAccess> stalled = [];
    private readonly List<(uint Token, StallAnswer Answer)> told = [];
    private readonly List<(StalledAccess Access, StallAnswer Answer)> expected = [];

    /// <summary>Stalled accesses, the oldest first.</summary>
    public IReadOnlyList<StalledAccess> Stalled => stalled;

    /// <inheritdoc/>
    public void EndStall(uint stallToken, StallAnswer answer) => told.Add((stallToken, answer));

    /// <summary>The port of a client, which is opened if it is not; null when all others have stalled accesses.</summary>
    public DmaPort? PortOf(SmmuDevice device, uint stream, uint? substream, bool waits)
    {
        var key = (stream, substream, waits);
        if (ports.TryGetValue(key, out var port)) return port;
        if (ports.Count == MostPorts) CloseIdle();
        if (ports.Count == MostPorts) return null;
        port = device.OpenPort(
            new StreamId(stream), substream is { } value ? new SubstreamId(value) : null, stalls: waits ? this : null);
        return ports[key] = port;
    }

    /// <summary>Closes the ports without stalled accesses.</summary>
    public void CloseIdle()
    {
        foreach (var (key, port) in ports.ToList())
        {
            if (key.Waits && stalled.Exists(access => Owns(key.Stream, key.Substream, access))) continue;
            port.Dispose();
            ports.Remove(key);
        }
    }

    /// <summary>Closes all ports, as their device goes away; stalled accesses go on.</summary>
    public void CloseAll()
    {
        foreach (var port in ports.Values) port.Dispose();
        ports.Clear();
        foreach (var access in stalled) access.CountsForPort = false;
    }

    /// <summary>Opens ports for stalled accesses once more, on a device that was restored.</summary>
    public void Reopen(SmmuDevice device)
    {
        foreach (var access in stalled) PortOf(device, access.Access.Stream, access.Access.Substream, waits: true);
    }

    /// <summary>True when there is room for one more stall of a client: no port takes more than what it leaves free.</summary>
    public bool MayStall(uint stream, uint? substream)
    {
        int held = stalled.Count(access => access.CountsForPort && Owns(stream, substream, access));
        return held < features.STALL_MAX - stalled.Count;
    }

    /// <summary>Takes note of a new stall; says what is wrong with its token.</summary>
    public string? Hold(StalledAccess access)
    {
        bool isTaken = stalled.Exists(other => other.Tag == access.Tag);
        stalled.Add(access);
        return isTaken || access.Tag >= features.STALL_MAX ? FormattableString.Invariant($"stall tag 0x{access.Tag:x} is taken or out of range") : null;
    }

    /// <summary>Takes note of a consumed command.</summary>
    public void Consume(Command command)
    {
        if (command.Opcode == CommandOpcode.StallTerm) AbortAll(command.StreamId.Value);
        if (command.Opcode != CommandOpcode.Resume) return;
        var access = stalled.Find(one => one.Access.Stream == command.StreamId.Value && one.Tag == command.StallTag && one.IsRecorded);
        if (access is null) return;
        Expect(access, command.Ac ? StallAnswer.Retry
            : command.Ab || features.TERM_MODEL ? StallAnswer.Abort : StallAnswer.ReadZeroWriteIgnored);
    }

    /// <summary>Takes note that stalls end with an abort: those of a stream, or all.</summary>
    public void AbortAll(uint? stream)
    {
        foreach (var access in stalled.Where(one => stream is null || one.Access.Stream == stream).ToList()) Expect(access, StallAnswer.Abort);
    }

    /// <summary>Compares what clients heard with what they should have heard.</summary>
    /// <param name="eventRoom">Records that the Event queue would take.</param>
    /// <param name="retried">Takes the accesses to make again.</param>
    /// <returns>What differs, or null.</returns>
    public string? Compare(int eventRoom, List<StalledAccess> retried)
    {
        string? difference = null;
        foreach (var (token, answer) in told)
        {
            int index = expected.FindIndex(one => one.Access.Token == token && one.Answer == answer);
            if (index >= 0)
            {
                if (answer == StallAnswer.Retry) retried.Add(expected[index].Access);
                expected.RemoveAt(index);
                continue;
            }

            // What has no record yet may be retried at any time (7.2.1), also just before a command would end it.
            var access = stalled.Concat(expected.Select(one => one.Access)).FirstOrDefault(one => one.Token == token && !one.IsRecorded);
            if (access is null || answer != StallAnswer.Retry)
            {
                difference ??= FormattableString.Invariant($"stall 0x{token:x} ended with {answer} for no reason");
                continue;
            }

            stalled.Remove(access);
            expected.RemoveAll(one => one.Access == access);
            retried.Add(access);
        }

        told.Clear();
        if (expected.Count != 0) difference ??= FormattableString.Invariant($"stall 0x{expected[0].Access.Token:x} did not end with {expected[0].Answer}");
        expected.Clear();
        if (eventRoom != 0 && stalled.Exists(access => !access.IsRecorded)) difference ??= "the Event queue has room, but a stall without a record is not retried";
        return difference;
    }

    private void Expect(StalledAccess access, StallAnswer answer)
    {
        stalled.Remove(access);
        expected.Add((access, answer));
    }

    private static bool Owns(uint stream, uint? substream, StalledAccess access) =>
        access.Access.Stream == stream && access.Access.Substream == substream;
}
