using System.Text;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Comparison.Machine;

/// <summary>A machine and what happens to it, step by step: what <c>smmu run</c> replays and <c>smmu fuzz</c> makes.</summary>
/// <param name="Features">What the SMMU announces.</param>
/// <param name="CachesEnabled">Whether the engine caches.</param>
/// <param name="Memory">Where memory is.</param>
/// <param name="Steps">What happens.</param>
internal sealed record Script(
    SmmuFeatures Features, bool CachesEnabled, IReadOnlyList<Stretch> Memory, IReadOnlyList<ScriptStep> Steps)
{
    /// <summary>The text that <see cref="ScriptReader"/> reads.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.Append("features ").Append(ScriptNames.Describe(Features)).Append('\n');
        if (!CachesEnabled) text.Append("caches off\n");
        if (!Memory.SequenceEqual(TwinMemory.Stretches))
        {
            foreach (var stretch in Memory)
            {
                text.Append(FormattableString.Invariant($"memory 0x{stretch.Base:x} 0x{stretch.Size:x}"));
                text.Append(stretch.IsReadOnly ? " readonly\n" : "\n");
            }
        }

        foreach (var step in Steps) text.Append(step).Append('\n');
        return text.ToString();
    }
}

/// <summary>A script that cannot be used: which file, which line, and why.</summary>
public sealed class ScriptException : Exception
{
    /// <summary>Makes the message <c>file:line: reason</c>.</summary>
    public ScriptException(string file, int line, string reason)
        : base(FormattableString.Invariant($"{file}:{line}: {reason}"))
    {
    }

    /// <summary>Makes an exception.</summary>
    public ScriptException()
    {
    }

    /// <inheritdoc cref="ScriptException()"/>
    public ScriptException(string message)
        : base(message)
    {
    }

    /// <inheritdoc cref="ScriptException()"/>
    public ScriptException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
