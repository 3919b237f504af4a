using Xunit.Sdk;

namespace Smmu.Fast.Tests.Repository;

/// <summary>Says that a test fails when a conformance rule is broken; one attribute a rule.</summary>
/// <param name="id">Id of the rule in tests/Conformance/rules, as a string literal: <c>dotnet test --filter Rule=QUE-05</c> runs its tests.</param>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
[TraitDiscoverer("Smmu.Fast.Tests.Repository.RuleDiscoverer", "Smmu.Fast.Tests")]
public sealed class RuleAttribute(string id) : Attribute, ITraitAttribute
{
    /// <summary>Id of the rule, such as CMD-TLBI-14.</summary>
    public string Id { get; } = id;
}
