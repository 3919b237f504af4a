using System.Globalization;
using System.Reflection;
using System.Text;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Comparison.Machine;

/// <summary>Names that scripts use, all of them the architecture's: registers, commands, features, events.</summary>
internal static class ScriptNames
{
    /// <summary>What a register of 64 bits has in a script: two halves that can be written alone.</summary>
    private static readonly HashSet<uint> Wide =
    [
        RegisterOffset.GERROR_IRQ_CFG0, RegisterOffset.STRTAB_BASE, RegisterOffset.CMDQ_BASE, RegisterOffset.EVENTQ_BASE,
        RegisterOffset.EVENTQ_IRQ_CFG0, RegisterOffset.PRIQ_BASE, RegisterOffset.PRIQ_IRQ_CFG0,
    ];

    private static readonly Dictionary<string, uint> Registers = typeof(RegisterOffset)
        .GetFields(BindingFlags.Public | BindingFlags.Static)
        .Where(field => field.IsLiteral && field.Name.All(letter => char.IsUpper(letter) || char.IsDigit(letter) || letter == '_'))
        .Where(field => !field.Name.StartsWith("CMDQ_CONTROL_PAGE_", StringComparison.Ordinal))
        .ToDictionary(field => field.Name, field => (uint)field.GetRawConstantValue()!, StringComparer.Ordinal);

    private static readonly Dictionary<uint, string> RegisterNames =
        Registers.GroupBy(pair => pair.Value).ToDictionary(group => group.Key, group => group.First().Key);

    private static readonly Dictionary<string, CommandOpcode> Commands = Enum.GetValues<CommandOpcode>()
        .Where(opcode => new Command((ulong)opcode, 0).IsDefined)
        .ToDictionary(NameOf, StringComparer.Ordinal);

    private static readonly Dictionary<string, SmmuFeatures> Presets = new(StringComparer.Ordinal)
    {
        [nameof(SmmuFeatures.Default)] = SmmuFeatures.Default,
        [nameof(SmmuFeatures.Wide)] = SmmuFeatures.Wide,
        [nameof(SmmuFeatures.Stage1Only)] = SmmuFeatures.Stage1Only,
        [nameof(SmmuFeatures.QemuVirt)] = SmmuFeatures.QemuVirt,
    };

    private static readonly Dictionary<string, EventType> Events = new(StringComparer.Ordinal)
    {
        ["none"] = EventType.None,
        ["C_BAD_STREAMID"] = (EventType)0x02,
        ["F_STE_FETCH"] = (EventType)0x03,
        ["C_BAD_STE"] = (EventType)0x04,
        ["F_STREAM_DISABLED"] = (EventType)0x06,
        ["C_BAD_SUBSTREAMID"] = (EventType)0x08,
        ["F_CD_FETCH"] = (EventType)0x09,
        ["C_BAD_CD"] = (EventType)0x0a,
        ["F_WALK_EABT"] = (EventType)0x0b,
        ["F_TRANSLATION"] = (EventType)0x10,
        ["F_ADDR_SIZE"] = (EventType)0x11,
        ["F_ACCESS"] = (EventType)0x12,
        ["F_PERMISSION"] = (EventType)0x13,
    };

    /// <summary>Registers of 64 bits, by offset.</summary>
    public static bool IsWide(uint offset) => Wide.Contains(offset);

    /// <summary>True where there is a register.</summary>
    public static bool IsRegister(uint offset) => RegisterNames.ContainsKey(offset);

    public static string OfRegister(uint offset) => RegisterNames.TryGetValue(offset, out string? name)
        ? name : string.Create(CultureInfo.InvariantCulture, $"0x{offset:x}");

    /// <summary>The offset of a register by name; null when there is none of that name.</summary>
    public static uint? Register(string name) => Registers.TryGetValue(name, out uint offset) ? offset : null;

    public static string OfAction(PlainAction action) => action switch
    {
        PlainAction.Consume => "consume",
        PlainAction.Recover => "recover",
        PlainAction.Close => "close",
        PlainAction.Reset => "reset",
        _ => "restore",
    };

    public static string OfOutcome(AnswerOutcome outcome) => outcome switch
    {
        AnswerOutcome.Success => "success",
        AnswerOutcome.Aborted => "aborted",
        AnswerOutcome.Stalled => "stalled",
        _ => "ignored",
    };

    public static string OfEvent(EventType type) =>
        Events.FirstOrDefault(pair => pair.Value == type).Key ?? string.Create(CultureInfo.InvariantCulture, $"0x{(byte)type:x}");

    /// <summary>An event by name; null when there is none of that name.</summary>
    public static EventType? Event(string name) => Events.TryGetValue(name, out var type) ? type : null;

    /// <summary>A preset by name, or null.</summary>
    public static SmmuFeatures? Preset(string name) => Presets.GetValueOrDefault(name);

    /// <summary>Names of all presets.</summary>
    public static IEnumerable<string> PresetNames => Presets.Keys;

    /// <summary>An opcode by the name of the command, with or without CMD_; null when there is none.</summary>
    public static CommandOpcode? Opcode(string name)
    {
        if (!name.StartsWith("CMD_", StringComparison.Ordinal)) name = "CMD_" + name;
        return Commands.TryGetValue(name, out var opcode) ? opcode : null;
    }

    /// <summary>Features as their nearest preset, and what differs from it.</summary>
    public static string Describe(SmmuFeatures features)
    {
        var fields = Enum.GetValues<SmmuFeatureField>();
        return Presets.Select(Difference).MinBy(text => text.Length)!;

        string Difference(KeyValuePair<string, SmmuFeatures> preset)
        {
            var text = new StringBuilder(preset.Key);
            foreach (var field in fields)
            {
                ulong value = features.Get(field);
                if (value != preset.Value.Get(field)) text.Append(CultureInfo.InvariantCulture, $" {field}={value}");
            }

            return text.ToString();
        }
    }

    /// <summary>A command by name and fields, or its words where those do not say it all.</summary>
    public static string Describe(Command command)
    {
        if (command.IsDefined)
        {
            var text = new StringBuilder(NameOf(command.Opcode)[4..]);
            ReadOnlySpan<ulong> words = [command.Word0, command.Word1];
            Span<ulong> said = [(byte)command.Opcode, 0];
            foreach (var field in command.Fields)
            {
                ulong value = field.Get(words);
                field.Set(said, value);
                if (value == 0) continue;
                text.Append(' ').Append(field.Name).Append(value < 10 ? "=" : "=0x");
                text.Append(value.ToString(value < 10 ? "d" : "x", CultureInfo.InvariantCulture));
            }

            if (said.SequenceEqual(words)) return text.ToString();
        }

        return string.Create(CultureInfo.InvariantCulture, $"raw 0x{command.Word0:x} 0x{command.Word1:x}");
    }

    private static string NameOf(CommandOpcode opcode) => new Command((ulong)opcode, 0).ToString().Split(' ')[0];
}
