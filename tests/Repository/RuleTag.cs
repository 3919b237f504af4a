using System.Reflection;

namespace Smmu.Fast.Tests.Repository;

/// <summary>One [Rule] as it stands on a method.</summary>
/// <param name="Id">The id it names.</param>
/// <param name="Test">Class and method, without the common part of the namespace.</param>
/// <param name="IsRun">True when the runner runs the method: it is a fact, theory or property of a class that gets made.</param>
internal sealed record RuleTag(string Id, string Test, bool IsRun)
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance
        | BindingFlags.Static | BindingFlags.DeclaredOnly;

    /// <summary>The tags of the unit tests and of the properties.</summary>
    public static IReadOnlyList<RuleTag> FindAll() => [.. FindIn(typeof(RuleTag).Assembly), .. FindIn(Assembly.LoadFrom(PropertiesFile()))];

    /// <summary>The tags of an assembly, in ordinal order of tests. Attributes are known by name: each suite has its own.</summary>
    public static IReadOnlyList<RuleTag> FindIn(Assembly assembly)
    {
        var types = assembly.GetTypes();
        return
        [
            .. from type in types
               from method in type.GetMethods(Declared)
               from attribute in method.GetCustomAttributesData()
               where attribute.AttributeType.Name == nameof(RuleAttribute)
               let id = attribute.ConstructorArguments[0].Value as string ?? ""
               let test = NameOf(type, method)
               orderby test, id
               select new RuleTag(id, test, IsTest(method) && IsMade(type, types)),
        ];
    }

    private static bool IsTest(MethodInfo method) =>
        method.GetCustomAttributesData().Any(attribute => attribute.AttributeType.IsAssignableTo(typeof(FactAttribute)));

    // Static classes are abstract and sealed, and are run; an abstract class is run through those that derive from it.
    private static bool IsMade(Type type, Type[] types) =>
        !type.IsAbstract || type.IsSealed || types.Any(other => !other.IsAbstract && DerivesFrom(other, type));

    private static bool DerivesFrom(Type type, Type ancestor)
    {
        for (var parent = type.BaseType; parent is not null; parent = parent.BaseType)
        {
            if (parent == ancestor || (parent.IsGenericType && parent.GetGenericTypeDefinition() == ancestor)) return true;
        }

        return false;
    }

    private static string NameOf(Type type, MethodInfo method)
    {
        string name = (type.FullName ?? type.Name).Replace('+', '.');
        foreach (string common in (string[])["Smmu.Fast.Tests.", "Smmu.Fast."])
        {
            if (!name.StartsWith(common, StringComparison.Ordinal)) continue;
            name = name[common.Length..];
            break;
        }

        return $"{name}.{method.Name}";
    }

    // The same configuration and framework as these tests; the project reference without its assembly orders the builds.
    private static string PropertiesFile()
    {
        string framework = new DirectoryInfo(AppContext.BaseDirectory).Name;
        string file = Path.Combine(RepositoryFiles.Root, "props", "bin", RepositoryFiles.Configuration, framework, "Smmu.Fast.Props.dll");
        return File.Exists(file) ? file : throw new FileNotFoundException(
            $"The properties are not built: dotnet build props -c {RepositoryFiles.Configuration}", file);
    }
}
