namespace Smmu.Fast.Perf.Running;

/// <summary>Something that is counted, not timed: it comes out alike in every run.</summary>
/// <param name="Operation">What was done.</param>
/// <param name="Load">Over what.</param>
/// <param name="Value">The count.</param>
/// <param name="Unit">What the count is of.</param>
internal sealed record Count(string Operation, string Load, double Value, string Unit);

/// <summary>A class of counts; it is made with its default constructor, in a process of its own.</summary>
internal interface ICounts
{
    /// <summary>Counts.</summary>
    IEnumerable<Count> Take();
}
