using System.Collections.Immutable;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Text;

namespace Smmu.Fast.Tests.Repository;

/// <summary>One type makes use of another; nested types count as the type around them.</summary>
/// <param name="From">Full name of the user.</param>
/// <param name="To">Full name of what it uses.</param>
internal readonly record struct TypeUse(string From, string To);

/// <summary>Reads from a compiled assembly which of its types use which others of it.</summary>
/// <remarks>Whatever the compiler leaves a trace of is a use: signatures, bodies, locals, generic arguments, attributes.
/// Constants leave none: the compiler copies them.</remarks>
internal sealed class AssemblyUses
{
    private const int LongestTypeName = 512;

    private readonly MetadataReader metadata;
    private readonly PEReader image;
    private readonly TypesOfSignature types;
    private readonly Dictionary<string, TypeDefinitionHandle> byName = new(StringComparer.Ordinal);
    private readonly HashSet<TypeUse> uses = [];
    private string from = "";

    private AssemblyUses(PEReader image)
    {
        this.image = image;
        metadata = image.GetMetadataReader();
        types = new TypesOfSignature(Use);
        foreach (var handle in metadata.TypeDefinitions) byName.TryAdd(NameOf(handle), handle);
    }

    /// <summary>Full names of the types that are not nested and that a person wrote.</summary>
    public IReadOnlyList<string> Types { get; private set; } = [];

    /// <summary>Every use between two different types.</summary>
    public IReadOnlySet<TypeUse> Uses => uses;

    /// <summary>Reads an assembly file.</summary>
    public static AssemblyUses Read(string path)
    {
        using var image = new PEReader(File.OpenRead(path));
        var reader = new AssemblyUses(image);
        reader.Types = [.. reader.metadata.TypeDefinitions.Where(reader.IsWritten).Select(reader.NameOf)];
        foreach (var handle in reader.metadata.TypeDefinitions) reader.ReadType(handle);
        return reader;
    }

    private void ReadType(TypeDefinitionHandle handle)
    {
        var type = metadata.GetTypeDefinition(handle);
        from = NameOf(handle);
        Use(type.BaseType);
        UseAttributes(type.GetCustomAttributes());
        UseParameters(type.GetGenericParameters());
        foreach (var each in type.GetInterfaceImplementations()) Use(metadata.GetInterfaceImplementation(each).Interface);
        foreach (var each in type.GetMethodImplementations()) Use(metadata.GetMethodImplementation(each).MethodDeclaration);
        foreach (var each in type.GetMethods()) ReadMethod(metadata.GetMethodDefinition(each));
        foreach (var each in type.GetFields())
        {
            var field = metadata.GetFieldDefinition(each);
            field.DecodeSignature(types, null);
            UseAttributes(field.GetCustomAttributes());
        }

        foreach (var each in type.GetProperties())
        {
            var property = metadata.GetPropertyDefinition(each);
            property.DecodeSignature(types, null);
            UseAttributes(property.GetCustomAttributes());
        }

        foreach (var each in type.GetEvents())
        {
            var raised = metadata.GetEventDefinition(each);
            Use(raised.Type);
            UseAttributes(raised.GetCustomAttributes());
        }
    }

    private void ReadMethod(MethodDefinition method)
    {
        method.DecodeSignature(types, null);
        UseAttributes(method.GetCustomAttributes());
        UseParameters(method.GetGenericParameters());
        foreach (var each in method.GetParameters()) UseAttributes(metadata.GetParameter(each).GetCustomAttributes());
        if (method.RelativeVirtualAddress == 0) return;

        var body = image.GetMethodBody(method.RelativeVirtualAddress);
        if (!body.LocalSignature.IsNil) Use(body.LocalSignature);
        foreach (var region in body.ExceptionRegions) Use(region.CatchType);
        foreach (var token in InstructionTokens.Read(body.GetILReader())) Use(token);
    }

    private void Use(EntityHandle handle)
    {
        if (handle.IsNil) return;
        switch (handle.Kind)
        {
            case HandleKind.TypeDefinition:
                string to = NameOf((TypeDefinitionHandle)handle);
                if (to != from) uses.Add(new TypeUse(from, to));
                break;
            case HandleKind.TypeSpecification:
                metadata.GetTypeSpecification((TypeSpecificationHandle)handle).DecodeSignature(types, null);
                break;
            case HandleKind.MethodDefinition:
                Use(metadata.GetMethodDefinition((MethodDefinitionHandle)handle).GetDeclaringType());
                break;
            case HandleKind.FieldDefinition:
                Use(metadata.GetFieldDefinition((FieldDefinitionHandle)handle).GetDeclaringType());
                break;
            case HandleKind.MemberReference:
                Use(metadata.GetMemberReference((MemberReferenceHandle)handle).Parent);
                break;
            case HandleKind.MethodSpecification:
                var specification = metadata.GetMethodSpecification((MethodSpecificationHandle)handle);
                Use(specification.Method);
                specification.DecodeSignature(types, null);
                break;
            case HandleKind.StandaloneSignature:
                var signature = metadata.GetStandaloneSignature((StandaloneSignatureHandle)handle);
                if (signature.GetKind() == StandaloneSignatureKind.Method) signature.DecodeMethodSignature(types, null);
                else signature.DecodeLocalSignature(types, null);
                break;
            default:
                break;   // Types of other assemblies, which use nothing of this one.
        }
    }

    private void UseParameters(GenericParameterHandleCollection parameters)
    {
        foreach (var each in parameters)
        {
            var parameter = metadata.GetGenericParameter(each);
            UseAttributes(parameter.GetCustomAttributes());
            foreach (var constraint in parameter.GetConstraints()) Use(metadata.GetGenericParameterConstraint(constraint).Type);
        }
    }

    private void UseAttributes(CustomAttributeHandleCollection attributes)
    {
        foreach (var each in attributes)
        {
            var attribute = metadata.GetCustomAttribute(each);
            Use(attribute.Constructor);
            if (!attribute.Value.IsNil) UseNames(Encoding.UTF8.GetString(metadata.GetBlobBytes(attribute.Value)));
        }
    }

    // A type in the arguments of an attribute is a name between bytes of other meaning, so the longest known name counts.
    private void UseNames(string arguments)
    {
        const string common = "Smmu.Fast.";
        for (int start = arguments.IndexOf(common, StringComparison.Ordinal); start >= 0;
            start = arguments.IndexOf(common, start + 1, StringComparison.Ordinal))
        {
            for (int length = Math.Min(arguments.Length - start, LongestTypeName); length > common.Length; length--)
            {
                if (!byName.TryGetValue(arguments.Substring(start, length), out var handle)) continue;
                Use(handle);
                break;
            }
        }
    }

    private bool IsWritten(TypeDefinitionHandle handle)
    {
        var type = metadata.GetTypeDefinition(handle);
        if (!type.GetDeclaringType().IsNil) return false;
        if (type.Namespace.IsNil && metadata.GetString(type.Name).StartsWith('<')) return false;
        return !type.GetCustomAttributes().Any(each => AttributeNameOf(metadata.GetCustomAttribute(each))
            is "CompilerGeneratedAttribute" or "EmbeddedAttribute");
    }

    private string AttributeNameOf(CustomAttribute attribute)
    {
        var type = attribute.Constructor.Kind == HandleKind.MemberReference
            ? metadata.GetMemberReference((MemberReferenceHandle)attribute.Constructor).Parent
            : metadata.GetMethodDefinition((MethodDefinitionHandle)attribute.Constructor).GetDeclaringType();
        return type.Kind switch
        {
            HandleKind.TypeReference => metadata.GetString(metadata.GetTypeReference((TypeReferenceHandle)type).Name),
            HandleKind.TypeDefinition => metadata.GetString(metadata.GetTypeDefinition((TypeDefinitionHandle)type).Name),
            _ => "",
        };
    }

    private string NameOf(TypeDefinitionHandle handle)
    {
        var type = metadata.GetTypeDefinition(handle);
        while (!type.GetDeclaringType().IsNil) type = metadata.GetTypeDefinition(type.GetDeclaringType());
        string name = metadata.GetString(type.Name);
        return type.Namespace.IsNil ? name : $"{metadata.GetString(type.Namespace)}.{name}";
    }

    /// <summary>Reports each type of this assembly that a signature mentions; the decoded value itself is of no interest.</summary>
    private sealed class TypesOfSignature(Action<EntityHandle> report) : ISignatureTypeProvider<bool, object?>
    {
        public bool GetTypeFromDefinition(MetadataReader reader, TypeDefinitionHandle handle, byte rawTypeKind)
        {
            report(handle);
            return true;
        }

        public bool GetTypeFromSpecification(MetadataReader reader, object? genericContext, TypeSpecificationHandle handle, byte rawTypeKind)
        {
            report(handle);
            return true;
        }

        public bool GetTypeFromReference(MetadataReader reader, TypeReferenceHandle handle, byte rawTypeKind) => false;

        public bool GetArrayType(bool elementType, ArrayShape shape) => elementType;

        public bool GetByReferenceType(bool elementType) => elementType;

        public bool GetFunctionPointerType(MethodSignature<bool> signature) => false;

        public bool GetGenericInstantiation(bool genericType, ImmutableArray<bool> typeArguments) => genericType;

        public bool GetGenericMethodParameter(object? genericContext, int index) => false;

        public bool GetGenericTypeParameter(object? genericContext, int index) => false;

        public bool GetModifiedType(bool modifier, bool unmodifiedType, bool isRequired) => unmodifiedType;

        public bool GetPinnedType(bool elementType) => elementType;

        public bool GetPointerType(bool elementType) => elementType;

        public bool GetPrimitiveType(PrimitiveTypeCode typeCode) => false;

        public bool GetSZArrayType(bool elementType) => elementType;
    }
}
