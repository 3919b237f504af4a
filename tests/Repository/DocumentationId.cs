using System.Reflection;

namespace Smmu.Fast.Tests.Repository;

/// <summary>Spells a member as the compiler's documentation file does (C# language specification, annex D.4).</summary>
internal static class DocumentationId
{
    /// <summary>The id of a type.</summary>
    public static string Of(Type type) => $"T:{NameOf(type)}";

    /// <summary>The id of a member of a type.</summary>
    public static string Of(MemberInfo member) => member switch
    {
        Type type => Of(type),
        FieldInfo => $"F:{Qualified(member)}",
        EventInfo => $"E:{Qualified(member)}",
        PropertyInfo property => $"P:{Qualified(member)}{Parameters(property.GetIndexParameters())}",
        MethodBase method => $"M:{Qualified(member)}{Arity(method)}{Parameters(method.GetParameters())}{Conversion(method)}",
        _ => throw new ArgumentOutOfRangeException(nameof(member), member, "No kind of member that documentation knows."),
    };

    private static string Qualified(MemberInfo member) => $"{NameOf(member.DeclaringType!)}.{member.Name.Replace('.', '#')}";

    private static string Arity(MethodBase method) => method.IsGenericMethod ? $"``{method.GetGenericArguments().Length}" : "";

    private static string Conversion(MethodBase method) =>
        method is MethodInfo { Name: "op_Implicit" or "op_Explicit" } conversion ? $"~{Reference(conversion.ReturnType)}" : "";

    private static string Parameters(ParameterInfo[] parameters) =>
        parameters.Length == 0 ? "" : $"({string.Join(',', parameters.Select(parameter => Reference(parameter.ParameterType)))})";

    private static string NameOf(Type type) => (type.IsGenericType ? type.GetGenericTypeDefinition() : type).FullName!.Replace('+', '.');

    private static string Reference(Type type)
    {
        if (type.IsByRef) return Reference(type.GetElementType()!) + "@";
        if (type.IsPointer) return Reference(type.GetElementType()!) + "*";
        if (type.IsSZArray) return Reference(type.GetElementType()!) + "[]";
        if (type.IsArray)
        {
            return $"{Reference(type.GetElementType()!)}[{string.Join(',', Enumerable.Repeat("0:", type.GetArrayRank()))}]";
        }

        if (type.IsGenericMethodParameter) return $"``{type.GenericParameterPosition}";
        if (type.IsGenericTypeParameter) return $"`{type.GenericParameterPosition}";
        return type.IsGenericType ? Constructed(type) : NameOf(type);
    }

    // Outer`1.Inner`1 of int and string is written Outer{int}.Inner{string}: each name takes the arguments it introduces.
    private static string Constructed(Type type)
    {
        var arguments = new Queue<Type>(type.GetGenericArguments());
        return string.Join('.', NameOf(type).Split('.').Select(name =>
        {
            string[] parts = name.Split('`');
            if (parts.Length == 1) return name;
            var own = Enumerable.Range(0, int.Parse(parts[1])).Select(_ => Reference(arguments.Dequeue())).ToList();
            return $"{parts[0]}{{{string.Join(',', own)}}}";
        }));
    }
}
