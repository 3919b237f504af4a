using System.Globalization;
using System.Text;

namespace Smmu.Fast.Props.Caching;

/// <summary>A world and what happens in it.</summary>
internal sealed record CachedProgram(WorldShape Shape, IReadOnlyList<Step> Steps)
{
    /// <summary>Runs the program; throws where the two SMMUs differ.</summary>
    /// <param name="coverage">Takes what was reached.</param>
    /// <param name="obeys">False leaves all invalidations out.</param>
    public void Run(Coverage coverage, bool obeys = true)
    {
        using var world = new TwinWorld(Shape, obeys);
        for (int i = 0; i < Steps.Count; i++)
        {
            try
            {
                Steps[i].Run(world);
            }
            catch (Exception problem)
            {
                throw new InvalidOperationException($"Step {i}, {Steps[i]}: {problem.Message}", problem);
            }
        }

        world.CountCaches();
        coverage.Add(world.Coverage);
    }

    /// <summary>Programs with fewer or simpler steps, the shortest first.</summary>
    public IEnumerable<CachedProgram> Simpler()
    {
        for (int length = Steps.Count / 2; length >= 1; length /= 2)
        {
            for (int at = 0; at + length <= Steps.Count; at += length)
            {
                yield return this with { Steps = [.. Steps.Take(at), .. Steps.Skip(at + length)] };
            }
        }

        for (int i = 0; i < Steps.Count; i++)
        {
            foreach (var simpler in Steps[i].Simpler())
            {
                yield return this with { Steps = [.. Steps.Take(i), simpler, .. Steps.Skip(i + 1)] };
            }
        }
    }

    public override string ToString()
    {
        var text = new StringBuilder().Append(Shape).AppendLine();
        for (int i = 0; i < Steps.Count; i++) text.AppendLine(CultureInfo.InvariantCulture, $"  {i,2}: {Steps[i]}");
        return text.ToString();
    }
}
