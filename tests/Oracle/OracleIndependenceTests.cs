using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace Smmu.Fast.Tests.Oracle;

/// <summary>The oracle and the engine share nothing but the text: neither assembly refers to the other.</summary>
public class OracleIndependenceTests
{
    private const string Engine = "Smmu.Fast";
    private const string Second = "Smmu.Fast.Oracle";

    [Fact]
    public void NeitherAssemblyRefersToTheOther()
    {
        Assert.DoesNotContain(Second, ReferencesOf(Engine));
        Assert.DoesNotContain(Engine, ReferencesOf(Second));
        Assert.All(ReferencesOf(Second), name => Assert.StartsWith("System.", name, StringComparison.Ordinal));
    }

    [Fact]
    public void AReferenceIsSeenWhereThereIsOne()
    {
        Assert.Contains(Second, ReferencesOf("Smmu.Fast.Tests"));
        Assert.Contains(Engine, ReferencesOf("Smmu.Fast.Tests"));
    }

    private static string[] ReferencesOf(string assembly)
    {
        using var stream = File.OpenRead(Path.Combine(AppContext.BaseDirectory, assembly + ".dll"));
        using var file = new PEReader(stream);
        var metadata = file.GetMetadataReader();
        return [.. metadata.AssemblyReferences.Select(handle => metadata.GetString(metadata.GetAssemblyReference(handle).Name))];
    }
}
