using System.Buffers.Binary;
using Smmu.Fast.Oracle;

namespace Smmu.Fast.Comparison.Machine;

/// <summary>Memory as one access may see it: each structure as it is, or as it was when an SMMU may have cached it.</summary>
/// <remarks>A plan names the choice at each structure that has several; without a plan everything is as it is. What the access
/// writes stays here until somebody applies it. One hypothesis serves many accesses, one after the other.</remarks>
internal sealed class Hypothesis(MachineMemory memory, Knowledge knowledge) : IOracleMemory
{
    private const int Words = 8;
    private readonly Dictionary<ulong, ulong> written = [];
    private readonly Dictionary<(ulong Address, OracleRead What), ulong> seen = [];
    private readonly List<ulong> read = [];
    private readonly List<int> plan = [];
    private readonly List<int> options = [];
    private readonly ulong[] ste = new ulong[Words];
    private readonly ulong[] cd = new ulong[Words];
    private uint stream;
    private uint index;
    private ulong input;
    private bool e2h;
    private bool chooses;
    private int? snapshot;
    private int decided;
    private OracleRead structure;
    private ulong structureBase;
    private int structureTime;
    private bool hasStructure;
    private CachedEntry leafOfStage1;
    private CachedEntry leafOfStage2;

    /// <summary>Words that the access writes.</summary>
    public IReadOnlyDictionary<ulong, ulong> Written => written;

    /// <summary>Translation table descriptors that it reads.</summary>
    public IReadOnlyList<ulong> Read => read;

    /// <summary>The STE that it uses; zeros when there is none.</summary>
    public ReadOnlySpan<ulong> StreamTableEntry => ste;

    /// <summary>The CD that it uses; zeros when there is none.</summary>
    public ReadOnlySpan<ulong> ContextDescriptor => cd;

    /// <summary>True when it gets as far as an STE.</summary>
    public bool HasStream { get; private set; }

    /// <summary>True when it gets as far as a CD.</summary>
    public bool HasContext { get; private set; }

    /// <summary>True when anything it sees is not as it is.</summary>
    public bool IsStale { get; private set; }

    /// <summary>Kinds of structures that are not as they are, a bit each.</summary>
    public int StaleKinds { get; private set; }

    /// <summary>True when no SMMU can see this.</summary>
    public bool IsImpossible { get; private set; }

    /// <summary>Its translation regime.</summary>
    public Regime Regime => Machine.Regime.Of(ste, cd, HasContext, knowledge.Features, e2h);

    /// <summary>The stage 1 leaf that it ends at; of no meaning without one.</summary>
    public CachedEntry LeafOfStage1 => leafOfStage1;

    /// <summary>The stage 2 leaf that it ends at; of no meaning without one.</summary>
    public CachedEntry LeafOfStage2 => leafOfStage2;

    /// <summary>True when the descriptor that it read last is not as it is, and was invalid, so that no TLB holds it.</summary>
    public bool EndsAtInvalid { get; private set; }

    /// <summary>True when the descriptor that it read last is not as it is, and was a leaf without its Access flag.</summary>
    public bool EndsAtUnaccessed { get; private set; }

    /// <summary>Begins with an access, with everything as it is.</summary>
    public void Begin(uint streamId, uint contextIndex, ulong address, bool isE2H)
    {
        (stream, index, input, e2h) = (streamId, contextIndex, address, isE2H);
        (chooses, snapshot) = (false, null);
        plan.Clear();
        Restart();
    }

    /// <summary>Begins once more, with the first of all choices.</summary>
    /// <param name="time">A time for all translation table descriptors: that of a TLB entry; null for each its own.</param>
    public void BeginChoices(int? time)
    {
        (chooses, snapshot) = (true, time);
        plan.Clear();
        Restart();
    }

    /// <summary>Begins once more, with the next choices; false when there are no others.</summary>
    public bool TryNext()
    {
        while (plan.Count != 0 && plan[^1] + 1 >= options[plan.Count - 1]) plan.RemoveAt(plan.Count - 1);
        if (plan.Count == 0) return false;
        plan[^1]++;
        Restart();
        return true;
    }

    /// <summary>True when what a snapshot shows can still be in a TLB: nothing has invalidated the entry since.</summary>
    public bool CanSnapshotBeCached()
    {
        if (snapshot is not { } time) return true;
        var regime = Regime;
        int since = regime.HasStage1
            ? knowledge.SinceOfStage1(in regime, in leafOfStage1)
            : knowledge.SinceOfStage2(in regime, in leafOfStage2, OracleFaultClass.Input, input, stream, index);
        return time >= since;
    }

    /// <inheritdoc/>
    public bool TryRead(ulong address, out ulong value)
    {
        value = Now(address);
        return memory.TryRead(address, out _);
    }

    /// <inheritdoc/>
    public bool TryRead(ulong address, OracleRead what, out ulong value)
    {
        value = 0;
        if (!memory.TryRead(address, out _)) return false;
        memory.Learn(address);
        value = what.Structure switch
        {
            OracleStructure.StreamTableEntry or OracleStructure.ContextDescriptor => OfStructure(address, what),
            OracleStructure.StageOneDescriptor or OracleStructure.StageTwoDescriptor => OfDescriptor(address, what),
            _ => OfPointer(address, what),
        };
        return true;
    }

    /// <inheritdoc/>
    public bool TryWrite(ulong address, ulong value)
    {
        if (!memory.CanWrite(address)) return false;
        written[address] = value;
        return true;
    }

    /// <inheritdoc/>
    public bool TryCompareExchange(ulong address, ulong expected, ulong desired, out ulong found)
    {
        found = expected;
        if (!memory.CanWrite(address)) return false;
        if (Now(address) != expected)
        {
            IsImpossible = true;   // The update finds another value, so nobody goes on with this one.
            return true;
        }

        written[address] = desired;
        foreach (var key in seen.Keys.Where(key => key.Address == address && seen[key] == expected).ToList()) seen[key] = desired;
        return true;
    }

    private void Restart()
    {
        decided = 0;
        options.Clear();
        written.Clear();
        seen.Clear();
        read.Clear();
        Array.Clear(ste);
        Array.Clear(cd);
        HasStream = HasContext = IsStale = IsImpossible = EndsAtInvalid = EndsAtUnaccessed = hasStructure = false;
        StaleKinds = 0;
        leafOfStage1 = leafOfStage2 = default;
    }

    private ulong Now(ulong address) => written.TryGetValue(address, out ulong value) ? value : memory.Get(address);

    // An STE or CD is seen whole, as it was at one time.
    private ulong OfStructure(ulong address, OracleRead what)
    {
        bool isNext = hasStructure && structure == what && address - structureBase is > 0 and < Words * sizeof(ulong);
        if (!isNext)
        {
            (structure, structureBase, structureTime, hasStructure) = (what, address, int.MaxValue, true);
            if (chooses) structureTime = ChooseTime(address, what);
        }

        ulong value = structureTime == int.MaxValue ? Now(address) : memory.At(address, structureTime);
        NoteStale(what, value != Now(address));
        bool isContext = what.Structure == OracleStructure.ContextDescriptor;
        (isContext ? cd : ste)[(address - structureBase) / sizeof(ulong)] = value;
        HasStream = true;
        HasContext |= isContext;
        return value;
    }

    private int ChooseTime(ulong address, OracleRead what)
    {
        int since = knowledge.SinceOfConfiguration(what.Structure, stream, index);
        var times = new List<int> { int.MaxValue };
        for (int i = 0; i < Words; i++)
        {
            foreach (var past in memory.PastOf(address + ((ulong)i * sizeof(ulong))))
            {
                if (past.Until > since && !times.Contains(past.Until - 1)) times.Add(past.Until - 1);
            }
        }

        return times[Choose(times.Count)];
    }

    private ulong OfPointer(ulong address, OracleRead what)
    {
        if (!chooses) return Now(address);
        int since = knowledge.SinceOfConfiguration(what.Structure, stream, index);
        ulong value = ChooseValue(address, int.MaxValue, _ => since);
        NoteStale(what, value != Now(address));
        return value;
    }

    private ulong OfDescriptor(ulong address, OracleRead what)
    {
        var key = (address, what);
        if (!seen.TryGetValue(key, out ulong value))
        {
            // A TLB entry is older than its CD may be: a CD that is cached asks stage 2 for nothing. And the entry itself may have
            // been made with tables that were cached then.
            int time = what.Purpose == OracleFaultClass.ContextFetch ? int.MaxValue : snapshot ?? int.MaxValue;
            value = chooses ? ChooseValue(address, time, word => SinceOf(what, word, time)) : Now(address);
            seen[key] = value;
            read.Add(address);
        }

        bool isStale = value != Now(address);
        NoteStale(what, isStale);
        ulong descriptor = what.IsBigEndian ? BinaryPrimitives.ReverseEndianness(value) : value;
        bool isValid = (descriptor & 1) != 0 && (what.Level < 3 || (descriptor & 2) != 0);
        EndsAtInvalid = isStale && !isValid;
        EndsAtUnaccessed = isStale && isValid && !IsTable(descriptor, what.Level) && (descriptor >> 10 & 1) == 0;
        if (IsTable(descriptor, what.Level)) return value;
        if (what.Structure == OracleStructure.StageOneDescriptor) leafOfStage1 = EntryOf(what, descriptor);
        else if (what.Purpose == OracleFaultClass.Input) leafOfStage2 = EntryOf(what, descriptor);
        return value;
    }

    private int SinceOf(OracleRead what, ulong word, int asOf)
    {
        ulong descriptor = what.IsBigEndian ? BinaryPrimitives.ReverseEndianness(word) : word;
        var regime = Regime;
        var entry = EntryOf(what, descriptor);
        if (what.Structure == OracleStructure.StageOneDescriptor) return knowledge.SinceOfStage1(in regime, in entry, asOf);

        // Stage 1 translates, too, when it is for its tables or its CD.
        regime = regime with { HasStage1 = HasContext || what.Purpose != OracleFaultClass.Input };
        return knowledge.SinceOfStage2(in regime, in entry, what.Purpose, input, stream, index, asOf);
    }

    private CachedEntry EntryOf(OracleRead what, ulong descriptor)
    {
        bool isLeaf = !IsTable(descriptor, what.Level);
        bool isStage1 = what.Structure == OracleStructure.StageOneDescriptor;
        bool isGlobal = isLeaf && isStage1 && (descriptor >> 11 & 1) == 0 && Regime.World != World.El2;
        return new CachedEntry(isStage1 ? input : what.Input, what.SpanLog2, what.Level, what.GranuleLog2, isLeaf, isGlobal);
    }

    // What a word is at a time, or was before while it could be known then.
    private ulong ChooseValue(ulong address, int time, Func<ulong, int> since)
    {
        var values = new List<ulong> { time == int.MaxValue ? Now(address) : memory.At(address, time) };
        foreach (var past in memory.PastOf(address))
        {
            if (past.Until > time) break;
            if (past.Until > since(past.Value) && !values.Contains(past.Value)) values.Add(past.Value);
        }

        return values[Choose(values.Count)];
    }

    private int Choose(int count)
    {
        if (count == 1) return 0;
        if (decided == plan.Count) plan.Add(0);
        options.Add(count);
        return plan[decided++];
    }

    private void NoteStale(OracleRead what, bool isStale)
    {
        IsStale |= isStale;
        if (isStale) StaleKinds |= 1 << (int)what.Structure;
    }

    private static bool IsTable(ulong descriptor, int level) => level < 3 && (descriptor & 3) == 3;
}
