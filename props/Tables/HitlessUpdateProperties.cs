using Smmu.Fast.Formats;
using Smmu.Fast.Tables;
using Smmu.Fast.Tests.Repository;
using Xunit.Abstractions;

namespace Smmu.Fast.Props.Tables;

/// <summary>
/// While the builder rewrites an STE or a CD, the SMMU is asked after every single 64-bit store: each answer is that of the old
/// entry or of the new one, in all that a client and software see of it. Where the builder says that it cannot be, it may also be
/// that of no entry, and nothing else.
/// </summary>
public class HitlessUpdateProperties(ITestOutputHelper output)
{
    private const int Updates = 400;

    [Fact]
    public void AStreamTableEntryIsTheOldOneOrTheNewOneAtEveryStore()
    {
        using var scene = new HitlessScene();
        var counts = Run(
            scene, scene.EntryAddress, StreamTableEntry.Fields, random => Words(scene.Entry(random)),
            EntryUpdate.Write<StreamTableEntryUse, AskedEntry>, Forget);

        output.WriteLine(counts.ToString());
        AssertReached(counts);

        static void Forget(HitlessScene scene, Random random) =>
            scene.Synchronize(Command.CfgiSte(new StreamId(HitlessScene.Stream), leaf: random.Next(2) == 0));
    }

    [Fact]
    public void AContextDescriptorIsTheOldOneOrTheNewOneAtEveryStore()
    {
        using var scene = new HitlessScene();
        var entry = scene.Entry(Cases.RandomOf(0))
            .With(StreamTableEntryField.V, 1)
            .With(StreamTableEntryField.Config, 0b101)
            .With(StreamTableEntryField.STRW, 0)
            .With(StreamTableEntryField.S1DSS, 2)
            .With(StreamTableEntryField.S1CDMax, 2)
            .With(StreamTableEntryField.S1ContextPtr, scene.ContextAddress);
        scene.Store(scene.EntryAddress, Words(entry));
        scene.Synchronize(Command.CfgiSte(new StreamId(HitlessScene.Stream)));
        var counts = Run(
            scene, scene.ContextAddress, ContextDescriptor.Fields, random => Words(scene.Context(random)),
            EntryUpdate.Write<ContextDescriptorUse, AskedEntry>, Forget);

        output.WriteLine(counts.ToString());
        AssertReached(counts);

        static void Forget(HitlessScene scene, Random random) =>
            scene.Synchronize(Command.CfgiCd(new StreamId(HitlessScene.Stream), leaf: random.Next(2) == 0));
    }

    [Fact]
    public void AnEntryThatIsWrittenWordByWordIsSeenToBeNeither()
    {
        using var scene = new HitlessScene();

        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => Run(
            scene, scene.EntryAddress, StreamTableEntry.Fields, random => Words(scene.Entry(random)), InOrder, (scene, _) => scene.Synchronize(Command.CfgiAll())));

        static EntryUpdateResult InOrder(ref AskedEntry entry, scoped ReadOnlySpan<ulong> target)
        {
            for (int word = 0; word < target.Length; word++)
            {
                if (entry.Load(word) != target[word]) entry.Store(word, target[word]);
            }

            entry.Synchronize();
            return new EntryUpdateResult(PageTableStatus.Done, IsHitless: true, 1);
        }
    }

    private delegate EntryUpdateResult Writer(ref AskedEntry entry, scoped ReadOnlySpan<ulong> target);

    private static Counts Run(
        HitlessScene scene, ulong address, IReadOnlyList<StructureField> fields, Func<Random, ulong[]> next, Writer write,
        Action<HitlessScene, Random> forget)
    {
        var counts = new Counts();
        scene.Store(address, next(Cases.RandomOf(-1)));
        forget(scene, Cases.RandomOf(-1));
        for (int i = 0; i < TestScale.Of(Updates); i++)
        {
            var random = Cases.RandomOf(i);
            ulong[] old = scene.Load(address);
            ulong[] target = next(random);
            if (random.Next(3) != 0) target = Mostly(old, target, fields, random);
            var seen = new Seen { Old = scene.AskPlain(), None = Preview(new ulong[8]), New = Preview(target) };
            Assert.Equal(seen.Old, scene.AskWarm());

            var entry = new AskedEntry(scene, address, seen, random, forget);
            var result = write(ref entry, target);

            Assert.Equal(PageTableStatus.Done, result.Status);
            Assert.Equal(target, scene.Load(address));
            Assert.True(
                seen.Stranger is null || !result.IsHitless, $"Update {i} of seed {Cases.Seed} said to be hitless: {seen.Stranger}");
            Assert.Equal(seen.New, scene.AskPlain());
            Assert.Equal(seen.New, scene.AskWarm());
            Assert.Equal(seen.New, scene.AskLate());
            forget(scene, random);   // The caches of one of them are empty again.
            scene.AskWarm();
            counts.Add(result, seen);

            SeenAnswer[] Preview(ulong[] words)
            {
                scene.Store(address, words);
                var answers = scene.AskPlain();
                scene.Store(address, old);
                return answers;
            }
        }

        return counts;
    }

    // Drivers seldom change everything: a few fields of all that are new.
    private static ulong[] Mostly(ulong[] old, ulong[] target, IReadOnlyList<StructureField> fields, Random random)
    {
        ulong[] words = [.. old];
        StructureField[] different = [.. fields.Where(field => field.Get(old) != field.Get(target))];
        random.Shuffle(different);
        foreach (var field in different.Take(random.Next(1, 5))) field.Set(words, field.Get(target));
        return words;
    }

    private static void AssertReached(Counts counts)
    {
        string reached = counts.ToString();
        if (TestScale.Of(Updates) < Updates) return;
        Assert.True(counts.Hitless * 4 > counts.Updates, reached);
        Assert.True(counts.Broken > 0, reached);
        Assert.True(counts.Stores > counts.Updates, reached);
        Assert.True(counts.SawOld > counts.Stores && counts.SawNew > counts.Stores, reached);
    }

    private static ulong[] Words(StreamTableEntry entry)
    {
        ulong[] words = new ulong[8];
        entry.CopyTo(words);
        return words;
    }

    private static ulong[] Words(ContextDescriptor descriptor)
    {
        ulong[] words = new ulong[8];
        descriptor.CopyTo(words);
        return words;
    }

    /// <summary>What the answers to an update may be, and what they were.</summary>
    private sealed class Seen
    {
        public required SeenAnswer[] Old { get; init; }

        public required SeenAnswer[] New { get; init; }

        /// <summary>Answers with an entry of zeroes: V = 0.</summary>
        public required SeenAnswer[] None { get; init; }

        public int Stores { get; set; }

        public int SawOld { get; private set; }

        public int SawNew { get; private set; }

        /// <summary>An answer of neither entry that an invalid one explains.</summary>
        public string? Stranger { get; private set; }

        public void Take(SeenAnswer[] answers, string who)
        {
            for (int i = 0; i < answers.Length; i++)
            {
                if (answers[i] == Old[i] || answers[i] == New[i])
                {
                    if (Old[i] == New[i]) continue;
                    if (answers[i] == Old[i]) SawOld++;
                    else SawNew++;
                    continue;
                }

                string text = $"store {Stores}, {who}, {HitlessScene.Probes[i]}: {answers[i]}\n  old: {Old[i]}\n  new: {New[i]}";
                Assert.True(answers[i] == None[i], text);
                Stranger ??= text;
            }
        }
    }

    /// <summary>The entry in memory; after each store all SMMUs are asked.</summary>
    private struct AskedEntry(HitlessScene scene, ulong address, Seen seen, Random random, Action<HitlessScene, Random> forget) : IEntryWords
    {
        private bool lateIsAsked;

        public readonly ulong Load(int word) => scene.Load(address, word);

        public void Store(int word, ulong value)
        {
            scene.Store(address, word, value);
            seen.Stores++;
            Ask();
        }

        public void Synchronize()
        {
            forget(scene, random);
            Ask();
        }

        private void Ask()
        {
            seen.Take(scene.AskPlain(), "without caches");
            seen.Take(scene.AskWarm(), "with warm caches");
            lateIsAsked |= random.Next(3) == 0;
            if (lateIsAsked) seen.Take(scene.AskLate(), "with caches that were empty");
        }
    }

    private sealed class Counts
    {
        public int Updates { get; private set; }

        public int Hitless { get; private set; }

        public int Broken { get; private set; }

        public int Stores { get; private set; }

        public int SawOld { get; private set; }

        public int SawNew { get; private set; }

        public void Add(EntryUpdateResult result, Seen seen)
        {
            Updates++;
            if (result.IsHitless) Hitless++;
            if (seen.Stranger is not null) Broken++;
            Stores += seen.Stores;
            SawOld += seen.SawOld;
            SawNew += seen.SawNew;
        }

        public override string ToString() =>
            $"{Updates} updates, {Hitless} hitless, {Broken} with an invalid entry between, {Stores} stores; "
            + $"answers of the old entry {SawOld}, of the new one {SawNew}";
    }
}
