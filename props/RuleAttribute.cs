using Xunit.Sdk;

namespace Smmu.Fast.Props;

/// <summary>Says that a property fails when a conformance rule is broken; one attribute a rule.</summary>
/// <remarks>The unit tests have their own: a trait's discoverer has to lie beside the tests that carry it.</remarks>
/// <param name="id">Id of the rule in tests/Conformance/rules, as a string literal.</param>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
[TraitDiscoverer("Smmu.Fast.Props.RuleDiscoverer", "Smmu.Fast.Props")]
public sealed class RuleAttribute(string id) : Attribute, ITraitAttribute
{
    /// <summary>Id of the rule, such as CMD-TLBI-14.</summary>
    public string Id { get; } = id;
}
