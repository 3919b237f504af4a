using System.Text.RegularExpressions;

namespace Smmu.Fast.Tests.Repository;

/// <summary>The rooms of the engine and who may use whom.</summary>
internal static partial class RoomOrder
{
    private const string Engine = "Smmu.Fast.";
    private const string Tables = "Tables";

    /// <summary>A room uses itself and the rooms before it.</summary>
    private static readonly string[] Rooms =
    [
        "Foundation", "Memory", "Formats", Tables, "Tlbs", "Walks", "Streams", "Queues", "Faults", "Commands", "Registers", "Device",
        "VirtualQueues", "Iommufd",
    ];

    /// <summary>Who reads tables as the SMMU does; shares memory and formats with who builds them, never code.</summary>
    private static readonly string[] TableReaders = ["Tlbs", "Walks", "Streams"];

    /// <summary>The room of a type by its full name; null when it lies in none.</summary>
    public static string? RoomOf(string type)
    {
        if (!type.StartsWith(Engine, StringComparison.Ordinal)) return null;
        string[] names = type[Engine.Length..].Split('.');
        return names.Length > 1 && Rooms.Contains(names[0]) ? names[0] : null;
    }

    /// <summary>True when the code of one room may use that of another.</summary>
    public static bool MayUse(string from, string to)
    {
        if (from == Tables && TableReaders.Contains(to)) return false;
        if (to == Tables && TableReaders.Contains(from)) return false;
        return Array.IndexOf(Rooms, to) <= Array.IndexOf(Rooms, from);
    }

    /// <summary>The uses that the order forbids; what the compiler made by itself lies in no room and does not count.</summary>
    public static IEnumerable<TypeUse> Violations(IEnumerable<TypeUse> uses) => uses.Where(use =>
        RoomOf(use.From) is { } from && RoomOf(use.To) is { } to && !MayUse(from, to));

    /// <summary>The rooms that the using directives of a source file name, with or without the common part of the name.</summary>
    public static IEnumerable<string> RoomsImportedBy(string source) => UsingDirective().Matches(source)
        .Select(match => match.Groups["room"].Value)
        .Where(room => Rooms.Contains(room));

    [GeneratedRegex(@"^\s*(global\s+)?using\s+(static\s+|unsafe\s+)*(\w+\s*=\s*)?(global::)?(Smmu\.Fast\.)?(?<room>\w+)[\w.<>]*\s*;",
        RegexOptions.Multiline | RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex UsingDirective();
}
