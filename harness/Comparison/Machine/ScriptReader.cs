using System.Globalization;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Comparison.Machine;

/// <summary>Reads scripts. README.md has the format.</summary>
internal sealed class ScriptReader
{
    private const int MostLines = 1_000_000;
    private const int MostStretches = 16;
    private const ulong MostBytes = 256UL << 20;
    private const ulong PageBytes = 4096;
    private const uint LargestSubstream = (1 << 20) - 1;
    private const uint EndOfRegisters = 0x2_0000;

    private readonly string file;
    private readonly List<ScriptStep> steps = [];
    private readonly List<Stretch> memory = [];
    private SmmuFeatures features = SmmuFeatures.Default;
    private bool cachesEnabled = true;
    private bool hasFeatures;
    private int line;

    private ScriptReader(string file) => this.file = file;

    /// <summary>Reads a file.</summary>
    /// <exception cref="ScriptException">The script cannot be used.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static Script ReadFile(string path)
    {
        try
        {
            return Read(path, File.ReadAllText(path));
        }
        catch (Exception exception) when (exception is UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new IOException($"{path.Replace('\0', '?')}: {exception.Message}", exception);
        }
    }

    /// <summary>Reads a text.</summary>
    /// <param name="file">Its name, for messages.</param>
    /// <param name="text">The script.</param>
    /// <exception cref="ScriptException">The script cannot be used.</exception>
    public static Script Read(string file, string text)
    {
        var reader = new ScriptReader(file);
        foreach (var range in text.AsSpan().Split('\n'))
        {
            reader.line++;
            if (reader.line > MostLines) throw reader.Wrong($"there are more than {MostLines} lines");
            reader.ReadLine(text[range]);
        }

        return new Script(
            reader.features, reader.cachesEnabled, reader.memory.Count == 0 ? TwinMemory.Stretches : reader.memory, reader.steps);
    }

    private void ReadLine(string text)
    {
        int comment = text.IndexOf('#', StringComparison.Ordinal);
        if (comment >= 0) text = text[..comment];
        string[] words = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        if (words.Length == 0) return;
        string[] rest = words[1..];
        switch (words[0])
        {
            case "features":
                ReadFeatures(rest);
                return;
            case "caches":
                if (rest is not ["on" or "off"]) throw Wrong("say 'caches on' or 'caches off'");
                RequireBeforeSteps("caches");
                cachesEnabled = rest[0] == "on";
                return;
            case "memory":
                ReadMemory(rest);
                return;
            default:
                steps.Add(Step(words[0], rest) with { Line = line });
                return;
        }
    }

    private ScriptStep Step(string verb, string[] rest) => verb switch
    {
        "store" => Store(rest),
        "ste" => Structure(rest, isContext: false),
        "cd" => Structure(rest, isContext: true),
        "write32" => Write(rest, isWide: false),
        "write64" => Write(rest, isWide: true),
        "queue" => new CommandStep(Command(rest), Publishes: false),
        "command" => new CommandStep(Command(rest), Publishes: true),
        "access" => Access(rest, isBatch: false),
        "batch" => Access(rest, isBatch: true),
        "resume" => Resume(rest),
        "expect" => Expect(rest),
        "consume" or "recover" or "close" or "reset" or "restore" => Plain(verb, rest),
        _ => throw Wrong($"'{verb}' is no step; README.md in harness/Comparison lists them"),
    };

    private void ReadFeatures(string[] words)
    {
        RequireBeforeSteps("features");
        if (hasFeatures) throw Wrong("the features are said twice");
        hasFeatures = true;
        if (words.Length == 0 || ScriptNames.Preset(words[0]) is not { } chosen)
        {
            throw Wrong($"begin the features with a preset: {string.Join(", ", ScriptNames.PresetNames)}");
        }

        foreach (string word in words[1..])
        {
            var (name, value) = Assignment(word);
            if (char.IsDigit(name[0]) || !Enum.TryParse(name, out SmmuFeatureField field)) throw Wrong($"'{name}' is no field of an ID register");
            try
            {
                chosen = chosen.With(field, value);
            }
            catch (ArgumentOutOfRangeException)
            {
                throw Wrong($"{name} cannot be {value}");
            }
        }

        features = chosen;
        try
        {
            FeatureGenerator.ForOracle(features);
        }
        catch (ArgumentException exception)
        {
            throw Wrong($"the Oracle has no SMMU like this: {exception.Message}");
        }

        var found = features.FindContradictions();
        if (found.Count != 0) throw Wrong(found[0]);
    }

    private void ReadMemory(string[] words)
    {
        RequireBeforeSteps("memory");
        if (words.Length is < 2 or > 3 || (words.Length == 3 && words[2] != "readonly")) throw Wrong("say 'memory BASE SIZE' or 'memory BASE SIZE readonly'");
        ulong first = Number(words[0]);
        ulong size = Number(words[1]);
        if (size == 0 || first % PageBytes != 0 || size % PageBytes != 0) throw Wrong($"base and size are multiples of {PageBytes}, and the size is not 0");
        if (memory.Count == MostStretches) throw Wrong($"there are at most {MostStretches} pieces of memory");
        if (size > MostBytes || memory.Aggregate(size, (sum, stretch) => sum + stretch.Size) > MostBytes) throw Wrong($"there are at most {MostBytes >> 20} MiB of memory");
        if (first + (size - 1) < first || (first + (size - 1)) >> 56 != 0) throw Wrong("the memory goes beyond 2^56");
        if (memory.Exists(other => first < other.Base + other.Size && other.Base < first + size)) throw Wrong("the memory overlaps another piece");
        memory.Add(new Stretch(first, size, words.Length == 3));
    }

    private StoreStep Store(string[] words)
    {
        if (words.Length < 2) throw Wrong("say 'store ADDRESS WORD...'");
        ulong address = Memory(words[0], (ulong)(words.Length - 1) * sizeof(ulong));
        return new StoreStep(address, [.. words[1..].Select(Number)]);
    }

    private StructureStep Structure(string[] words, bool isContext)
    {
        if (words.Length < 2) throw Wrong("say an address and at least one FIELD=VALUE");
        ulong address = Memory(words[0], 64);
        if (address % 64 != 0) throw Wrong("a structure lies at a multiple of 64");
        var fields = isContext ? ContextDescriptor.Fields : StreamTableEntry.Fields;
        var values = new List<FieldValue>();
        Span<ulong> probe = stackalloc ulong[8];
        foreach (string word in words[1..])
        {
            var (name, value) = Assignment(word);
            values.Add(new FieldValue(Field(fields, name, value, probe), value));
        }

        return new StructureStep(isContext, address, values);
    }

    private WriteStep Write(string[] words, bool isWide)
    {
        if (words.Length != 2) throw Wrong("say a register and a value");
        uint offset = Register(words[0]);
        ulong value = Number(words[1]);
        if (!isWide && value > uint.MaxValue) throw Wrong($"{words[1]} has more than 32 bits");
        return new WriteStep(offset, value, isWide);
    }

    private Command Command(string[] words)
    {
        if (words is ["raw", var first, var second]) return new Command(Number(first), Number(second));
        if (words.Length == 0 || ScriptNames.Opcode(words[0]) is not { } opcode) throw Wrong("name a command of the architecture, or say 'raw WORD WORD'");
        Span<ulong> bits = [(ulong)opcode, 0];
        var fields = new Command((ulong)opcode, 0).Fields;
        foreach (string word in words[1..])
        {
            var (name, value) = Assignment(word);
            Field(fields, name, value, bits);
        }

        return new Command(bits[0], bits[1]);
    }

    private TranslateStep Access(string[] words, bool isBatch)
    {
        if (words.Length < 3) throw Wrong("say a StreamID, read, write or atomic, and an address");
        uint stream = Small(words[0], uint.MaxValue);
        uint? substream = null;
        int at = 1;
        if (words[at] == "substream")
        {
            if (words.Length < 5) throw Wrong("say a StreamID, a SubstreamID, read, write or atomic, and an address");
            substream = Small(words[at + 1], LargestSubstream);
            at += 2;
        }

        var kind = words[at] switch
        {
            "read" => AccessKind.Read,
            "write" => AccessKind.Write,
            "atomic" => AccessKind.Atomic,
            _ => throw Wrong($"'{words[at]}' is neither read nor write nor atomic"),
        };
        var addresses = new List<ulong>();
        for (at++; at < words.Length && char.IsDigit(words[at][0]); at++) addresses.Add(Number(words[at]));
        if (addresses.Count == 0 || (addresses.Count > 1 && !isBatch)) throw Wrong(isBatch ? "say the addresses" : "say one address");

        var route = isBatch ? AccessRoute.Batch : AccessRoute.OneOff;
        for (; at < words.Length; at++)
        {
            switch (words[at])
            {
                case "privileged":
                    kind |= AccessKind.Privileged;
                    break;
                case "instruction":
                    kind |= AccessKind.Instruction;
                    break;
                case "port" when !isBatch:
                    route = AccessRoute.Port;
                    break;
                case "waits" when !isBatch:
                    route = AccessRoute.WaitingPort;
                    break;
                default:
                    throw Wrong($"'{words[at]}' is no mark of an access");
            }
        }

        return new TranslateStep(stream, substream, kind, route, addresses);
    }

    private ResumeStep Resume(string[] words)
    {
        if (words is not ["oldest" or "newest", "retry" or "abort" or "ignore"]) throw Wrong("say 'resume oldest|newest retry|abort|ignore'");
        return new ResumeStep(
            words[0] == "newest",
            words[1] switch { "retry" => ResumeAnswer.Retry, "abort" => ResumeAnswer.Abort, _ => ResumeAnswer.Ignore });
    }

    private ExpectStep Expect(string[] words)
    {
        switch (words)
        {
            case ["event", var name]:
                var type = ScriptNames.Event(name) ?? throw Wrong($"'{name}' is no event of a client's access, nor none");
                return new ExpectStep(ExpectedThing.Event, 0, (ulong)type, default);
            case ["aborted"]:
                return new ExpectStep(ExpectedThing.Outcome, 0, null, AnswerOutcome.Aborted);
            case ["ignored"]:
                return new ExpectStep(ExpectedThing.Outcome, 0, null, AnswerOutcome.ReadZeroWriteIgnored);
            case ["stalled"]:
                return new ExpectStep(ExpectedThing.Outcome, 0, null, AnswerOutcome.Stalled);
            case ["success"]:
                return new ExpectStep(ExpectedThing.Outcome, 0, null, AnswerOutcome.Success);
            case ["success", var address]:
                return new ExpectStep(ExpectedThing.Outcome, 0, Number(address), AnswerOutcome.Success);
            case [var register, var value]:
                return new ExpectStep(ExpectedThing.Register, Register(register), Number(value), default);
            default:
                throw Wrong("expect success [ADDRESS], aborted, ignored, stalled, event NAME, or REGISTER VALUE");
        }
    }

    private PlainStep Plain(string verb, string[] rest)
    {
        if (rest.Length != 0) throw Wrong($"'{verb}' stands alone");
        return new PlainStep(Enum.GetValues<PlainAction>().First(action => ScriptNames.OfAction(action) == verb));
    }

    private uint Register(string word)
    {
        if (ScriptNames.Register(word) is { } known) return known;
        if (!char.IsDigit(word[0])) throw Wrong($"'{word}' is no register");
        return Small(word, EndOfRegisters - 1);
    }

    private StructureField Field(IReadOnlyList<StructureField> fields, string name, ulong value, Span<ulong> words)
    {
        foreach (var field in fields)
        {
            if (field.Name != name) continue;
            try
            {
                field.Set(words, value);
                return field;
            }
            catch (ArgumentOutOfRangeException)
            {
                throw Wrong($"{field} cannot hold 0x{value:x}");
            }
        }

        throw Wrong($"there is no field '{name}'");
    }

    private (string Name, ulong Value) Assignment(string word)
    {
        int equals = word.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0) throw Wrong($"'{word}' is no FIELD=VALUE");
        return (word[..equals], Number(word[(equals + 1)..]));
    }

    private ulong Memory(string word, ulong bytes)
    {
        ulong address = Number(word);
        if (address % sizeof(ulong) != 0) throw Wrong($"0x{address:x} is no multiple of 8");
        IReadOnlyList<Stretch> stretches = memory.Count == 0 ? TwinMemory.Stretches : memory;
        bool isThere = stretches.Any(stretch => address - stretch.Base < stretch.Size && stretch.Size - (address - stretch.Base) >= bytes);
        return isThere ? address : throw Wrong($"there is no memory for {bytes} bytes at 0x{address:x}");
    }

    private uint Small(string word, uint most)
    {
        ulong value = Number(word);
        return value <= most ? (uint)value : throw Wrong($"{word} is more than 0x{most:x}");
    }

    private ulong Number(string word)
    {
        bool isHex = word.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        bool isNumber = isHex
            ? ulong.TryParse(word.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong value)
            : ulong.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out value);
        return isNumber ? value : throw Wrong($"'{word}' is no number of 64 bits, decimal or with 0x in front");
    }

    private void RequireBeforeSteps(string what)
    {
        if (steps.Count != 0) throw Wrong($"'{what}' comes before all steps");
    }

    private ScriptException Wrong(string reason) => new(file, line, reason);
}
