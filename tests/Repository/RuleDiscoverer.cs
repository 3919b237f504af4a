using Xunit.Abstractions;
using Xunit.Sdk;

namespace Smmu.Fast.Tests.Repository;

/// <summary>Makes the trait Rule=id of a <see cref="RuleAttribute"/>.</summary>
public sealed class RuleDiscoverer : ITraitDiscoverer
{
    /// <inheritdoc/>
    public IEnumerable<KeyValuePair<string, string>> GetTraits(IAttributeInfo traitAttribute) =>
        [new("Rule", traitAttribute.GetConstructorArguments().OfType<string>().Single())];
}
