using System.Globalization;
using System.Text;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Comparison.Machine;

/// <summary>One line of a script: something that the driver, a client or the host does.</summary>
internal abstract record ScriptStep
{
    /// <summary>Where it stands in its file; 0 for a step that stands in none.</summary>
    public int Line { get; init; }

    /// <summary>Steps that say less, for the shrinker.</summary>
    public virtual IEnumerable<ScriptStep> Simpler() => [];

    /// <summary>A number as scripts write it.</summary>
    protected static string Text(ulong value) =>
        value < 10 ? value.ToString(CultureInfo.InvariantCulture) : string.Create(CultureInfo.InvariantCulture, $"0x{value:x}");

    /// <summary>Simpler numbers: none of the bits, then half of them.</summary>
    protected static IEnumerable<ulong> SimplerThan(ulong value)
    {
        if (value == 0) yield break;
        yield return 0;
        ulong low = value & ((1UL << 32) - 1);
        if (low != value && low != 0) yield return low;
        if ((value & (value - 1)) == 0) yield break;
        for (int bit = 0; bit < 64; bit++)
        {
            if ((value >> bit & 1) != 0) yield return value & ~(1UL << bit);
        }
    }

    /// <summary>Lists with one element less, and lists with one element simpler.</summary>
    protected static IEnumerable<IReadOnlyList<ulong>> SimplerThan(IReadOnlyList<ulong> values, bool mayDrop)
    {
        for (int i = 0; mayDrop && values.Count > 1 && i < values.Count; i++)
        {
            int left = i;
            yield return [.. values.Where((_, index) => index != left)];
        }

        for (int i = 0; i < values.Count; i++)
        {
            foreach (ulong value in SimplerThan(values[i]))
            {
                ulong[] changed = [.. values];
                changed[i] = value;
                yield return changed;
            }
        }
    }
}

/// <summary>The driver stores words, one after the other.</summary>
internal sealed record StoreStep(ulong Address, IReadOnlyList<ulong> Words) : ScriptStep
{
    public override IEnumerable<ScriptStep> Simpler() => SimplerThan(Words, mayDrop: false).Select(words => this with { Words = words });

    public override string ToString() => $"store {Text(Address)} {string.Join(' ', Words.Select(Text))}";
}

/// <summary>A field and what it becomes.</summary>
internal readonly record struct FieldValue(StructureField Field, ulong Value);

/// <summary>The driver changes fields of an STE or a CD; the others stay.</summary>
internal sealed record StructureStep(bool IsContext, ulong Address, IReadOnlyList<FieldValue> Values) : ScriptStep
{
    public override IEnumerable<ScriptStep> Simpler()
    {
        for (int i = 0; Values.Count > 1 && i < Values.Count; i++)
        {
            int left = i;
            yield return this with { Values = [.. Values.Where((_, index) => index != left)] };
        }
    }

    public override string ToString()
    {
        var text = new StringBuilder(IsContext ? "cd " : "ste ").Append(Text(Address));
        foreach (var (field, value) in Values) text.Append(' ').Append(field.Name).Append('=').Append(Text(value));
        return text.ToString();
    }
}

/// <summary>The driver writes a register.</summary>
internal sealed record WriteStep(uint Offset, ulong Value, bool IsWide) : ScriptStep
{
    public override IEnumerable<ScriptStep> Simpler() => SimplerThan(Value).Select(value => this with { Value = value });

    public override string ToString() => $"{(IsWide ? "write64" : "write32")} {ScriptNames.OfRegister(Offset)} {Text(Value)}";
}

/// <summary>The driver puts a command into the queue, and perhaps tells the SMMU of all that it has put there.</summary>
internal sealed record CommandStep(Command Command, bool Publishes) : ScriptStep
{
    public override IEnumerable<ScriptStep> Simpler()
    {
        foreach (ulong word in SimplerThan(Command.Word0 & ~0xffUL))
            yield return this with { Command = new Command(word | (Command.Word0 & 0xff), Command.Word1) };
        foreach (ulong word in SimplerThan(Command.Word1))
            yield return this with { Command = new Command(Command.Word0, word) };
    }

    public override string ToString() => $"{(Publishes ? "command" : "queue")} {ScriptNames.Describe(Command)}";
}

/// <summary>How accesses are made.</summary>
internal enum AccessRoute
{
    /// <summary>One-off, without a port.</summary>
    OneOff,

    /// <summary>Through a port of the client's own.</summary>
    Port,

    /// <summary>Through a port whose client can wait for the end of a stall.</summary>
    WaitingPort,

    /// <summary>All at once, through a port.</summary>
    Batch,
}

/// <summary>A client makes an access, or several of one kind at once.</summary>
internal sealed record TranslateStep(
    uint Stream, uint? Substream, AccessKind Kind, AccessRoute Route, IReadOnlyList<ulong> Addresses) : ScriptStep
{
    public override IEnumerable<ScriptStep> Simpler()
    {
        if (Route != AccessRoute.OneOff && Addresses.Count == 1) yield return this with { Route = AccessRoute.OneOff };
        if ((Kind & AccessKind.Privileged) != 0) yield return this with { Kind = Kind & ~AccessKind.Privileged };
        if ((Kind & AccessKind.Instruction) != 0) yield return this with { Kind = Kind & ~AccessKind.Instruction };
        if ((Kind & AccessKind.Atomic) == AccessKind.Atomic) yield return this with { Kind = Kind & ~AccessKind.Write };
        if (Substream is not null) yield return this with { Substream = null };
        foreach (var addresses in SimplerThan(Addresses, mayDrop: true)) yield return this with { Addresses = addresses };
    }

    public override string ToString()
    {
        var text = new StringBuilder(Route == AccessRoute.Batch ? "batch " : "access ").Append(Text(Stream));
        if (Substream is { } substream) text.Append(" substream ").Append(Text(substream));
        text.Append((Kind & AccessKind.Atomic) switch
        {
            AccessKind.Read => " read",
            AccessKind.Write => " write",
            _ => " atomic",
        });
        foreach (ulong address in Addresses) text.Append(' ').Append(Text(address));
        if ((Kind & AccessKind.Privileged) != 0) text.Append(" privileged");
        if ((Kind & AccessKind.Instruction) != 0) text.Append(" instruction");
        if (Route == AccessRoute.Port) text.Append(" port");
        if (Route == AccessRoute.WaitingPort) text.Append(" waits");
        return text.ToString();
    }
}

/// <summary>What software does about a stalled access.</summary>
internal enum ResumeAnswer
{
    Retry,
    Abort,
    Ignore,
}

/// <summary>The driver answers a stalled access with CMD_RESUME: the oldest one that has a record, or the newest.</summary>
internal sealed record ResumeStep(bool IsNewest, ResumeAnswer Answer) : ScriptStep
{
    public override IEnumerable<ScriptStep> Simpler() => IsNewest ? [this with { IsNewest = false }] : [];

    public override string ToString() =>
        $"resume {(IsNewest ? "newest" : "oldest")} {Answer switch { ResumeAnswer.Retry => "retry", ResumeAnswer.Abort => "abort", _ => "ignore" }}";
}

/// <summary>Things that need nothing but their name.</summary>
internal enum PlainAction
{
    /// <summary>The driver takes all records from the Event queue, and acknowledges an overflow.</summary>
    Consume,

    /// <summary>The driver replaces a command in error by CMD_SYNC, and acknowledges all global errors.</summary>
    Recover,

    /// <summary>The host closes the ports that have no stalled access.</summary>
    Close,

    /// <summary>The host resets the SMMU.</summary>
    Reset,

    /// <summary>The host saves the SMMU and goes on with a new one that takes its state.</summary>
    Restore,
}

/// <summary>A step that needs nothing but its name.</summary>
internal sealed record PlainStep(PlainAction Action) : ScriptStep
{
    public override string ToString() => ScriptNames.OfAction(Action);
}

/// <summary>The writer of the script says what has to come out; both SMMUs are held to it.</summary>
/// <param name="What">A register by name, <c>event</c>, or nothing for the outcome of the last access.</param>
/// <param name="Offset">Of the register.</param>
/// <param name="Value">Value of the register, event number, or output address.</param>
/// <param name="Outcome">Outcome of the last access.</param>
internal sealed record ExpectStep(ExpectedThing What, uint Offset, ulong? Value, AnswerOutcome Outcome) : ScriptStep
{
    public override string ToString() => What switch
    {
        ExpectedThing.Register => $"expect {ScriptNames.OfRegister(Offset)} {Text(Value ?? 0)}",
        ExpectedThing.Event => $"expect event {ScriptNames.OfEvent((EventType)(byte)(Value ?? 0))}",
        _ => $"expect {ScriptNames.OfOutcome(Outcome)}{(Value is { } address ? " " + Text(address) : "")}",
    };
}

/// <summary>What a script can expect.</summary>
internal enum ExpectedThing
{
    Outcome,
    Event,
    Register,
}
