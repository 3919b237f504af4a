using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Registers;

/// <summary>Software changes structures under traffic, a 64-bit word at a time, without a fault in between (IHI 0070, 3.21.3).</summary>
public sealed class ConfigurationUpdateTests : IDisposable
{
    private const ulong Page = 0x1000;
    private const ulong Old = 0x4100_0000;
    private const ulong New = 0x4200_0000;

    private static readonly StreamId Stream = new(3);

    private readonly GuestMachine machine = new();
    private readonly DmaPort port;

    public ConfigurationUpdateTests()
    {
        machine.SetUpStreamTable();
        port = machine.Smmu.OpenPort(Stream);
    }

    public void Dispose() => machine.Dispose();

    [Fact]
    [Rule("EN-28")]
    public void AnEntryThatIsFilledAndThenMadeValidServesTraffic()
    {
        machine.Start();
        Assert.Equal(EventType.BadStreamTableEntry, port.Translate(Page, AccessKind.Read).Event);

        ulong[] words = WordsOf(Entries.Stage1(NewContext(New, asid: 1)));
        machine.Write64(machine.StreamEntry(Stream.Value), [words[0] & ~1UL, .. words[1..]]);
        machine.SubmitAndSync(Command.CfgiSte(Stream));
        Assert.Equal(EventType.BadStreamTableEntry, port.Translate(Page, AccessKind.Read).Event);

        machine.Write64(machine.StreamEntry(Stream.Value), words[0]);
        machine.SubmitAndSync(Command.CfgiSte(Stream));
        Assert.Equal(New, port.Translate(Page, AccessKind.Read).Address.Value);
    }

    [Fact]
    [Rule("EN-28")]
    public void AnAbortingEntryThatIsFilledBehindItsFirstWordServesTrafficWithoutAFaultInBetween()
    {
        machine.SetStream(Stream.Value, Entries.Abort);
        machine.Start();
        Assert.Equal(TranslationOutcome.Aborted, port.Translate(Page, AccessKind.Read).Outcome);

        ulong[] words = WordsOf(Entries.Stage1(NewContext(New, asid: 1)));
        for (int word = 1; word < 8; word++)
        {
            machine.Write64(machine.StreamEntry(Stream.Value) + ((ulong)word * 8), words[word]);
            Assert.Equal(TranslationOutcome.Aborted, port.Translate(Page, AccessKind.Read).Outcome);
        }

        machine.SubmitAndSync(Command.CfgiSte(Stream));
        machine.Write64(machine.StreamEntry(Stream.Value), words[0]);
        AssertOneOf(port.Translate(Page, AccessKind.Read), TranslationOutcome.Aborted, TranslationOutcome.Translated);
        machine.SubmitAndSync(Command.CfgiSte(Stream));
        Assert.Equal(New, port.Translate(Page, AccessKind.Read).Address.Value);
        Assert.False(machine.TryTakeEvent(out _));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Rule("EN-29")]
    public void AWordOfAValidEntryIsOldOrNewUntilTheSyncAndNewAfterIt(bool hasCaches)
    {
        using var other = new GuestMachine(configure: options => options with { CachesEnabled = hasCaches });
        ulong oldContext = ContextIn(other, Old, asid: 1);
        ulong newContext = ContextIn(other, New, asid: 2);
        other.SetUpStreamTable();
        other.SetStream(Stream.Value, Entries.Stage1(oldContext));
        other.Start();
        var user = other.Smmu.OpenPort(Stream);
        Assert.Equal(Old, user.Translate(Page, AccessKind.Read).Address.Value);

        other.Write64(other.StreamEntry(Stream.Value), WordsOf(Entries.Stage1(newContext))[0]);
        var between = user.Translate(Page, AccessKind.Read);
        Assert.Equal(TranslationOutcome.Translated, between.Outcome);
        Assert.Contains(between.Address.Value, (ulong[])[Old, New]);

        other.SubmitAndSync(Command.CfgiSte(Stream));
        Assert.Equal(New, user.Translate(Page, AccessKind.Read).Address.Value);
        Assert.False(other.TryTakeEvent(out _));
    }

    [Fact]
    [Rule("EN-29")]
    public void AWordOfAValidContextIsOldOrNewUntilTheSyncAndNewAfterIt()
    {
        var oldSpace = SpaceIn(machine, Old, asid: 1);
        var newSpace = SpaceIn(machine, New, asid: 1);
        machine.Start();
        ulong context = machine.AttachStage1(Stream.Value, oldSpace);
        Assert.Equal(Old, port.Translate(Page, AccessKind.Read).Address.Value);

        Span<ulong> words = stackalloc ulong[8];
        newSpace.Descriptor().CopyTo(words);
        machine.Write64(context + 8, words[1]);
        var between = port.Translate(Page, AccessKind.Read);
        Assert.Contains(between.Address.Value, (ulong[])[Old, New]);

        machine.SubmitAndSync(Command.CfgiCd(Stream), Command.TlbiNhAsid(default, new Asid(1)));
        Assert.Equal(New, port.Translate(Page, AccessKind.Read).Address.Value);
        Assert.False(machine.TryTakeEvent(out _));
    }

    [Fact]
    [Rule("EN-30")]
    public void AContextThatWasWholeBeforeItsEntryBecameValidNeedsNoInvalidation()
    {
        ulong context = machine.Allocate(64, 64);
        ulong[] words = WordsOf(Entries.Stage1(context));
        machine.Write64(machine.StreamEntry(Stream.Value), [words[0] & ~1UL, .. words[1..]]);
        machine.Start();
        Assert.Equal(EventType.BadStreamTableEntry, port.Translate(Page, AccessKind.Read).Event);

        machine.SetContext(context, SpaceIn(machine, New, asid: 1).Descriptor());
        machine.Write64(machine.StreamEntry(Stream.Value), words[0]);
        machine.SubmitAndSync(Command.CfgiSte(Stream));
        Assert.Equal(New, port.Translate(Page, AccessKind.Read).Address.Value);
    }

    [Fact]
    [Rule("EN-31")]
    public void ASecondLevelThatAppearsNeedsTheInvalidationOfItsDescriptorAlone()
    {
        const uint Neighbour = 60;   // Behind the same descriptor: SPLIT is 6.
        ulong level1 = machine.Allocate(4096);
        ulong level2 = machine.Allocate(64 * 64, 64 * 64);
        machine.WriteWhole(RegisterOffset.STRTAB_BASE, level1);
        machine.Write(RegisterOffset.STRTAB_BASE_CFG, new StreamTableBaseConfiguration { LOG2SIZE = 8, SPLIT = 6, FMT = 1 }.Value);
        machine.Start();
        Assert.Equal(EventType.BadStreamId, port.Translate(Page, AccessKind.Read).Event);

        machine.Write64(level2 + (Stream.Value * 64), WordsOf(Entries.Bypass));
        machine.Write64(level1, level2 | 7);
        machine.SubmitAndSync(Command.CfgiSte(new StreamId(Neighbour), leaf: false));
        Assert.Equal(TranslationOutcome.StreamBypassed, port.Translate(Page, AccessKind.Read).Outcome);
    }

    private static void AssertOneOf(TranslationResult result, params TranslationOutcome[] outcomes) =>
        Assert.Contains(result.Outcome, outcomes);

    private static ulong[] WordsOf(StreamTableEntry entry)
    {
        var words = new ulong[8];
        entry.CopyTo(words);
        return words;
    }

    private static Stage1Space SpaceIn(GuestMachine machine, ulong output, ushort asid)
    {
        var space = new Stage1Space(machine, asid);
        space.Map(Page, output);
        return space;
    }

    private static ulong ContextIn(GuestMachine machine, ulong output, ushort asid)
    {
        ulong context = machine.Allocate(64, 64);
        machine.SetContext(context, SpaceIn(machine, output, asid).Descriptor());
        return context;
    }

    private ulong NewContext(ulong output, ushort asid) => ContextIn(machine, output, asid);
}
