namespace Smmu.Fast.Tests.Hostile;

/// <summary>One machine, what is done to it on one thread or on four, and what is found afterwards.</summary>
/// <remarks>A round of one thread is the same each time; one of several threads differs in how they meet.</remarks>
internal sealed class Round : IDisposable
{
    private const int StepsOfTurn = 20;
    private const int Turns = 200;
    private const int StepsOfThread = 3000;

    private readonly HostileMachine machine;
    private readonly Plant plant;
    private readonly DeviceActor[] devices;
    private readonly Reach[] reaches;
    private readonly CpuActor cpu;
    private readonly HostActor host;
    private readonly bool isConcurrent;
    private int finished;

    /// <summary>Makes the machine.</summary>
    /// <param name="seed">Of the run.</param>
    /// <param name="number">0, 1, 2, ...: even ones run on one thread.</param>
    /// <param name="plant">A defect to make in the middle.</param>
    public Round(int seed, int number, Plant plant)
    {
        this.plant = plant;
        isConcurrent = number % 2 != 0;
        var random = RandomOf(0);
        var (features, value, isSane) = Features.Of(number / 2 % Features.Count, random);
        Name = $"{features}, {(isConcurrent ? "4 threads" : "1 thread")}";
        bool hostFails = plant == Plant.None && random.Next(6) == 0;
        machine = new HostileMachine(value, isSane, hostFails, new HostileWords(random, value));
        cpu = new CpuActor("CPU", machine, Words(1));
        host = new HostActor("host", machine, Words(2));
        reaches = [new Reach(), new Reach()];
        devices =
        [
            new DeviceActor("device 0", machine, Words(3), reaches[0], isConcurrent ? null : cpu),
            new DeviceActor("device 1", machine, Words(4), reaches[1], isConcurrent ? null : cpu),
        ];
        machine.Start();

        Random RandomOf(int stream) => new(HashCode(seed, number, stream));
        HostileWords Words(int stream) => new(RandomOf(stream), value) { PrefersLent = isConcurrent && number % 5 == 0 };
    }

    /// <summary>What it is about.</summary>
    public string Name { get; }

    /// <summary>All parties.</summary>
    public IReadOnlyList<Actor> Actors => [.. devices, cpu, host];

    /// <summary>Lets the guest do its worst, and looks what became of it.</summary>
    public Verdict Run(TimeSpan patience)
    {
        var verdict = isConcurrent
            ? Watchdog.Run(
                patience,
                new Strand([devices[0]], () => Repeat(devices[0])),
                new Strand([devices[1]], () => Repeat(devices[1])),
                new Strand([cpu], () => Accompany(cpu)),
                new Strand([host], () => Accompany(host)))
            : Watchdog.Run(patience, new Strand(Actors, TakeTurns));
        if (!verdict.Held) return verdict;

        IReadOnlyList<string> found = [];
        var judged = Watchdog.Run(patience, new Strand([], () => found = new Judgement(machine, devices, plant).Find()));
        return judged.Held ? new Verdict([.. found], false) : judged;
    }

    /// <summary>Adds what was reached.</summary>
    public void AddTo(Reach total)
    {
        foreach (var actor in Actors) total.Add(actor);
        foreach (var reach in reaches) total.Add(reach);
        long ends = devices.Sum(device => device.Clients.Sum(client => client.Ends));
        total.Add(machine.Smmu.GetStatistics(), ends, machine.Host.Changes);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var device in devices) device.Dispose();
        machine.Dispose();
    }

    private void TakeTurns()
    {
        for (int turn = 0; turn < Turns; turn++)
        {
            if (turn == Turns / 2) Make();
            for (int i = 0; i < StepsOfTurn; i++)
            {
                Actor next = i switch { 0 => host, _ when i % 3 == 0 || plant == Plant.Shallow => cpu, _ => devices[i % 2] };
                next.Step();
            }
        }
    }

    private void Repeat(DeviceActor device)
    {
        for (int i = 0; i < StepsOfThread && plant != Plant.Shallow; i++) device.Step();
        Interlocked.Increment(ref finished);
    }

    // As long as devices are at work: how many steps that takes depends on who waits for whom.
    private void Accompany(Actor actor)
    {
        do actor.Step();
        while (Volatile.Read(ref finished) < devices.Length && actor.Steps < 2 * StepsOfThread);
    }

    private void Make()
    {
        if (plant == Plant.SecretRead) devices[0].ReadSecret();
        else machine.Make(plant);
    }

    // A hash that is the same in every process, unlike those of the framework.
    private static int HashCode(int seed, int number, int stream)
    {
        const ulong Gamma = 0x9e37_79b9_7f4a_7c15;
        ulong hash = ((ulong)(uint)seed << 40) ^ ((ulong)(uint)number << 8) ^ (uint)stream;
        hash = (hash ^ (hash >> 31)) * Gamma;
        hash = (hash ^ (hash >> 29)) * Gamma;
        return (int)(hash >> 32);
    }
}
