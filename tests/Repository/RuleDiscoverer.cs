using Xunit.Abstractions;
using Xunit.Sdk;

namespace Smmu.Fast.Tests.Repository;

/// <summary>Makes a trait "Rule" of each <see cref="RuleAttribute"/>.</summary>
public sealed class RuleDiscoverer : ITraitDiscoverer
{
    /// <inheritdoc/>
    public IEnumerable<KeyValuePair<string, string>> GetTraits(IAttributeInfo traitAttribute)
    {
        yield return new("Rule", (string)traitAttribute.GetConstructorArguments().Single());
    }
}
