using System.Reflection;
using System.Runtime.CompilerServices;
using System.Xml.Linq;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Tests.Repository;

/// <summary>What the engine shows to the world is documented, and needs no unsafe code of those who use it.</summary>
public class PublicApiTests
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance
        | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly Assembly Engine = typeof(StreamId).Assembly;

    /// <summary>Documentation ids of the members with pointers: a host lends its memory to the SMMU by address.</summary>
    private static readonly string[] WithPointers =
    [
        "M:Smmu.Fast.Memory.GuestMemory.AddBorrowed(System.UInt64,System.Void*,System.UInt64,System.Boolean)",
        "P:Smmu.Fast.Memory.GuestRegion.HostPointer",
    ];

    [Fact]
    public void EveryPublicTypeAndMemberIsDocumented()
    {
        var documented = Documented(XDocument.Load(Path.ChangeExtension(Engine.Location, ".xml")));
        var members = VisibleMembers(Engine.GetExportedTypes()).Select(DocumentationId.Of).ToList();

        Assert.Contains("T:Smmu.Fast.Formats.StreamId", members);
        Assert.Empty(members.Except(documented));
    }

    [Fact]
    public void NoPublicMemberMentionsPointersExceptThoseListed()
    {
        var withPointers = VisibleMembers(Engine.GetExportedTypes()).Where(MentionsPointers).Select(DocumentationId.Of);

        Assert.Equal(WithPointers.Order(StringComparer.Ordinal), withPointers.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void PointersAreSeenWhereverTheyStand()
    {
        var found = VisibleMembers([typeof(Shapes)]).Where(MentionsPointers).Select(member => member.Name);

        Assert.Equal(
            [nameof(Shapes.FunctionPointer), nameof(Shapes.PointerArray), nameof(Shapes.PointerParameter), nameof(Shapes.PointerReturn)],
            found.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void IdsAreSpelledAsTheCompilerSpellsThem()
    {
        // The compiler wrote the file; were a spelling wrong, a documented member of Shapes would count as undocumented.
        var written = XDocument.Load(Path.ChangeExtension(typeof(Shapes).Assembly.Location, ".xml"));
        var members = VisibleMembers([typeof(Shapes), typeof(Shapes.Nested<>)]).Select(DocumentationId.Of).ToList();

        Assert.True(members.Count > 12);
        Assert.Equal([DocumentationId.Of(typeof(Shapes).GetMethod(nameof(Shapes.Undocumented))!)], members.Except(Documented(written)));
    }

    // Ids whose summary has words, and the parameters of records, which the file puts below the type.
    private static HashSet<string> Documented(XDocument file)
    {
        var ids = new HashSet<string>(StringComparer.Ordinal);
        foreach (var member in file.Descendants("member"))
        {
            string id = member.Attribute("name")!.Value;
            if (member.Element("inheritdoc") is not null || HasWords(member.Element("summary"))) ids.Add(id);
            if (!id.StartsWith("T:", StringComparison.Ordinal)) continue;
            foreach (var parameter in member.Elements("param").Where(HasWords)) ids.Add($"P:{id[2..]}.{parameter.Attribute("name")!.Value}");
        }

        return ids;
    }

    private static bool HasWords(XElement? element) => element is not null && (element.HasElements || element.Value.Trim().Length != 0);

    private static IEnumerable<MemberInfo> VisibleMembers(IEnumerable<Type> types) =>
        types.SelectMany(type => type.GetMembers(Declared).Where(IsVisible).Where(IsWritten).Prepend(type));

    private static bool IsVisible(MemberInfo member) => member switch
    {
        FieldInfo field => (field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly) && !field.IsSpecialName,
        MethodBase method => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly,
        PropertyInfo property => property.GetAccessors(nonPublic: true).Any(IsVisible),
        EventInfo raised => IsVisible(raised.AddMethod!),
        _ => false,   // Nested types are exported types of their own.
    };

    // Accessors are documented with their property or event, and delegates as types; a constructor without parameters or a
    // record's own members are the compiler's.
    private static bool IsWritten(MemberInfo member)
    {
        if (typeof(Delegate).IsAssignableFrom(member.DeclaringType)) return false;
        return member switch
        {
            ConstructorInfo constructor => constructor.GetParameters().Length != 0 && !IsOfRecord(constructor),
            MethodInfo method => !IsAccessor(method) && !method.IsDefined(typeof(CompilerGeneratedAttribute)),
            PropertyInfo property => property.Name != "EqualityContract",
            _ => true,
        };
    }

    private static bool IsAccessor(MethodInfo method) => method.IsSpecialName && !method.Name.StartsWith("op_", StringComparison.Ordinal);

    private static bool IsOfRecord(ConstructorInfo constructor)
    {
        var type = constructor.DeclaringType!;
        if (type.GetMethod("PrintMembers", Declared) is null) return false;
        var parameters = constructor.GetParameters();
        return parameters is [{ ParameterType: var only }] && only == type
            || parameters.All(parameter => type.GetProperty(parameter.Name!) is not null);
    }

    private static bool MentionsPointers(MemberInfo member) => member switch
    {
        FieldInfo field => IsPointer(field.FieldType),
        PropertyInfo property => IsPointer(property.PropertyType),
        MethodInfo method => IsPointer(method.ReturnType) || method.GetParameters().Any(parameter => IsPointer(parameter.ParameterType)),
        MethodBase method => method.GetParameters().Any(parameter => IsPointer(parameter.ParameterType)),
        Type type when typeof(Delegate).IsAssignableFrom(type) => type.GetMethod("Invoke") is { } invoke && MentionsPointers(invoke),
        _ => false,
    };

    private static bool IsPointer(Type type) =>
        type.IsPointer || type.IsFunctionPointer || (type.HasElementType && IsPointer(type.GetElementType()!));
}
