using Xunit.Sdk;

namespace Smmu.Fast.Tests.Repository;

/// <summary>Names a conformance rule that the test shows: the test fails when the rule is broken.</summary>
/// <param name="id">The id of the rule, as a literal.</param>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
[TraitDiscoverer("Smmu.Fast.Tests.Repository.RuleDiscoverer", "Smmu.Fast.Tests")]
public sealed class RuleAttribute(string id) : Attribute, ITraitAttribute
{
    /// <summary>The id of the rule.</summary>
    public string Id { get; } = id;
}
