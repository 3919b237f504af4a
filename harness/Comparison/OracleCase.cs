using System.Globalization;
using System.Text;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Comparison;

/// <summary>One thing that happens in a case.</summary>
internal abstract record CaseStep;

/// <summary>A client makes an access.</summary>
/// <param name="Stream">StreamID.</param>
/// <param name="Substream">SubstreamID, or none.</param>
/// <param name="Address">All 64 bits.</param>
/// <param name="Kind">What it does.</param>
/// <param name="ByPort">Through a port, or without one.</param>
internal sealed record AccessStep(uint Stream, uint? Substream, ulong Address, AccessKind Kind, bool ByPort) : CaseStep
{
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"stream 0x{Stream:x}{(Substream is { } value ? $", substream 0x{value:x}" : "")}: {Kind} at 0x{Address:x}"
        + $"{(ByPort ? " by its port" : "")}");
}

/// <summary>The driver changes memory and invalidates everything.</summary>
internal sealed record EditStep(Mutation Mutation) : CaseStep
{
    public override string ToString() => $"driver: {Mutation}; CFGI_ALL, TLBI";
}

/// <summary>A scene, what is wrong with it from the start, and what happens in it.</summary>
internal sealed record OracleCase(
    Scene Scene, bool CachesEnabled, IReadOnlyList<Mutation> Mutations, IReadOnlyList<CaseStep> Steps)
{
    private const int MostAccesses = 100;   // The Event queue has room for as many.

    private static readonly AccessKind[] Kinds =
    [
        AccessKind.Read, AccessKind.Read, AccessKind.Write, AccessKind.Atomic, AccessKind.Read | AccessKind.Instruction,
        AccessKind.Read | AccessKind.Privileged, AccessKind.Write | AccessKind.Privileged, AccessKind.Atomic | AccessKind.Privileged,
        AccessKind.Read | AccessKind.Instruction | AccessKind.Privileged, AccessKind.Write | AccessKind.Instruction,
    ];

    /// <summary>Makes a case.</summary>
    public static OracleCase Next(Random random)
    {
        var scene = SceneGenerator.Next(random);
        var generator = new MutationGenerator(scene, random);
        int count = random.Next(8) switch { < 4 => 0, < 6 => 1, 6 => 2, _ => 3 };
        var mutations = Enumerable.Range(0, count).Select(_ => generator.Next(registersToo: true)).ToList();

        var steps = new List<CaseStep>();
        foreach (var client in scene.Clients) AddAccesses(random, client, client == scene.Clients[0] ? 20 : 3, steps);
        for (int edits = random.Next(3); edits > 0; edits--)
        {
            steps.Add(new EditStep(generator.Next(registersToo: false)));
            AddAccesses(random, scene.Clients[random.Next(3) == 0 ? random.Next(scene.Clients.Count) : 0], 8, steps);
        }

        return new OracleCase(scene, random.Next(3) != 0, mutations, steps.Count > MostAccesses ? steps[..MostAccesses] : steps);
    }

    /// <summary>Reads as what a driver and its devices did.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{Scene.Features}");
        text.AppendLine(CultureInfo.InvariantCulture, $"caches {(CachesEnabled ? "on" : "off")}, SMMUEN {(Scene.IsEnabled ? 1 : 0)}");
        foreach (var (offset, value) in Scene.Registers)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"register 0x{offset:x} = 0x{value:x}");
        }

        foreach (string note in Scene.Notes) text.AppendLine(note);
        foreach (var mutation in Mutations) text.AppendLine(CultureInfo.InvariantCulture, $"changed: {mutation}");
        foreach (var step in Steps) text.AppendLine(step.ToString());
        return text.ToString();
    }

    // Each address once or more: what a first access has left in caches and flags, a second one meets.
    private static void AddAccesses(Random random, SceneClient client, int count, List<CaseStep> steps)
    {
        ulong address = 0;
        for (int i = 0; i < count; i++)
        {
            if (i == 0 || random.Next(3) != 0) address = Near(random, client.Addresses[random.Next(client.Addresses.Count)]);
            steps.Add(new AccessStep(client.Stream, client.Substream, address, Kinds[random.Next(Kinds.Length)], random.Next(2) == 0));
        }
    }

    private static ulong Near(Random random, ulong address) => random.Next(24) switch
    {
        0 => address ^ (1UL << random.Next(64)),
        1 => address ^ ((ulong)random.Next(256) << 56),
        2 => address ^ (ulong)random.Next(0x1_0000),
        _ => address,
    };
}
