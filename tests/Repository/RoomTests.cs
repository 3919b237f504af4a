using System.Reflection;
using System.Runtime.CompilerServices;
using System.Xml.Linq;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Tests.Repository;

/// <summary>A room of the engine uses only itself and the rooms above it: read from the compiled code.</summary>
public class RoomTests
{
    private static readonly Assembly Engine = typeof(StreamId).Assembly;
    private static readonly AssemblyUses EngineUses = AssemblyUses.Read(Engine.Location);
    private static readonly AssemblyUses TestUses = AssemblyUses.Read(typeof(RoomTests).Assembly.Location);

    /// <summary>The types of UseFixtures.cs that use something, each in its own way.</summary>
    public static TheoryData<string> UsersByOneWay =>
        [.. TestUses.Types.Where(type => type.StartsWith("Smmu.Fast.Tests.Repository.UsesBy", StringComparison.Ordinal))];

    [Fact]
    public void RoomsUseOnlyTheRoomsAboveThem()
    {
        Assert.Contains(EngineUses.Uses, use => RoomOrder.RoomOf(use.From) != RoomOrder.RoomOf(use.To));
        Assert.Empty(RoomOrder.Violations(EngineUses.Uses));
    }

    [Fact]
    public void SourcesImportOnlyTheRoomsAboveTheirOwn()
    {
        // Constants of another room leave no trace in the compiled code; the directive that names it does in the source.
        int seen = 0;
        foreach (string file in RepositoryFiles.EndingWith(".cs", "engine"))
        {
            string own = file.Split('/')[1];
            foreach (string room in RoomOrder.RoomsImportedBy(RepositoryFiles.Read(file)))
            {
                seen++;
                Assert.True(RoomOrder.MayUse(own, room), $"{file}: {own} may not use {room}.");
            }
        }

        Assert.NotEqual(0, seen);
    }

    [Fact]
    public void EveryTypeOfTheEngineLiesInARoom()
    {
        Assert.Contains("Smmu.Fast.Formats.StreamId", EngineUses.Types);
        Assert.DoesNotContain(EngineUses.Types, type => RoomOrder.RoomOf(type) is null);
    }

    [Fact]
    public void NobodyOfTheHarnessIsAFriendOfTheEngine()
    {
        var friends = Engine.GetCustomAttributes<InternalsVisibleToAttribute>().Select(friend => friend.AssemblyName.Split(',')[0]).ToList();
        var harness = RepositoryFiles.EndingWith(".csproj", "harness")
            .Select(file => XDocument.Parse(RepositoryFiles.Read(file)).Descendants("AssemblyName").FirstOrDefault()?.Value
                ?? Path.GetFileNameWithoutExtension(file))
            .ToList();

        Assert.NotEmpty(harness);
        Assert.Contains("Smmu.Fast.Tests", friends);
        Assert.Empty(friends.Except(["Smmu.Fast.Tests", "Smmu.Fast.Props", "Smmu.Fast.Perf"]));
        Assert.Empty(friends.Intersect(harness));
    }

    [Theory]
    [InlineData("Formats", "Tlbs")]
    [InlineData("Foundation", "Iommufd")]
    [InlineData("Walks", "Streams")]
    [InlineData("Walks", "Tables")]
    [InlineData("Tlbs", "Tables")]
    [InlineData("Streams", "Tables")]
    [InlineData("Tables", "Walks")]
    public void AUseAgainstTheOrderIsSeen(string from, string to)
    {
        var use = new TypeUse($"Smmu.Fast.{from}.One", $"Smmu.Fast.{to}.Inner.Other");

        Assert.Equal([use], RoomOrder.Violations([use]));
    }

    [Theory]
    [InlineData("Tlbs", "Formats")]
    [InlineData("Iommufd", "Foundation")]
    [InlineData("Walks", "Walks")]
    [InlineData("Iommufd", "Tables")]
    public void AUseAlongTheOrderIsFine(string from, string to) =>
        Assert.Empty(RoomOrder.Violations([new TypeUse($"Smmu.Fast.{from}.One", $"Smmu.Fast.{to}.Other")]));

    [Theory]
    [InlineData("Smmu.Fast.Everything")]
    [InlineData("Smmu.Fast.Helpers.Everything")]
    [InlineData("Smmu.Fast.Formats")]
    [InlineData("Everything")]
    public void ATypeOutsideOfTheRoomsIsSeen(string type) => Assert.Null(RoomOrder.RoomOf(type));

    [Theory]
    [InlineData("using Smmu.Fast.Walks;")]
    [InlineData("using Walks;")]
    [InlineData("    using static Smmu.Fast.Walks.Walker;")]
    [InlineData("global using global::Smmu.Fast.Walks;")]
    [InlineData("using Walker = Smmu.Fast.Walks.Walker<int>;")]
    public void EveryFormOfImportIsSeen(string directive) =>
        Assert.Equal(["Walks"], RoomOrder.RoomsImportedBy($"using System;\n{directive}\n\nnamespace Smmu.Fast.Tlbs;\n"));

    [Theory]
    [MemberData(nameof(UsersByOneWay))]
    public void TheReaderSeesEachWayToUseAType(string user) =>
        Assert.Contains(TestUses.Uses, use => use.From == user && use.To.StartsWith("Smmu.Fast.Tests.Repository.Used", StringComparison.Ordinal));

    [Fact]
    public void TheReaderSeesNoUseWhereThereIsNone()
    {
        Assert.True(UsersByOneWay.Count > 20);
        Assert.DoesNotContain(TestUses.Uses, use => use.From.EndsWith(".UsesNothing", StringComparison.Ordinal));
    }
}
