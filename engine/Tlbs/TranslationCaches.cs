using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Tlbs;

/// <summary>All that a device remembers of translations, and what invalidations take away from it.</summary>
/// <remarks>
/// Invalidations and <see cref="Resolve"/> come behind the control gate; the TLB and the walk cache are read and filled by
/// ports at any time. Each invalidation is complete when its method returns; its last step tells the ports.
/// </remarks>
[SkipLocalsInit]
internal sealed unsafe class TranslationCaches : IDisposable
{
    // Precise searches of one invalidation; beyond that a context, or all of stage 1 of the domain, goes as a whole.
    private const int MostProbes = 512;
    private const int MostContexts = 64;

    private readonly NativeBlock stampBlock;
    private readonly TlbContexts contexts;

    /// <summary>Makes empty caches.</summary>
    /// <param name="features">How many VMIDs there are.</param>
    /// <param name="tlbEntries">Entries of the TLB: a power of two, at least 16.</param>
    /// <param name="walkCacheEntries">Entries of the walk cache: a power of two.</param>
    public TranslationCaches(SmmuFeatures features, int tlbEntries, int walkCacheEntries)
    {
        stampBlock = new NativeBlock(InvalidationStamps.SizeBytes);
        Device = (InvalidationStamps*)stampBlock.Pointer;
        *Device = new InvalidationStamps { Any = 1, Generation = 1 };
        Tlb = new SharedTlb(tlbEntries);
        Walks = new WalkCache(walkCacheEntries);
        Domains = new TlbDomains(features);
        contexts = new TlbContexts(Device, Tlb.Numbers);
    }

    /// <summary>
    /// True while nobody can find or fill anything until the control gate opens, so that invalidations need no fence of their own.
    /// </summary>
    public bool IsAlone { get; set; }

    /// <summary>Stamps of the device.</summary>
    public InvalidationStamps* Device { get; }

    /// <summary>The TLB.</summary>
    public SharedTlb Tlb { get; }

    /// <summary>Last-level tables.</summary>
    public WalkCache Walks { get; }

    /// <summary>The domains.</summary>
    public TlbDomains Domains { get; }

    /// <summary>Finds the contexts of a regime's entries.</summary>
    /// <param name="regime">The regime.</param>
    /// <param name="own">Its own entries.</param>
    /// <param name="global">Its global ones, if they are apart; else null.</param>
    /// <param name="intermediate">What its stage 2 makes of the outputs of its stage 1, if it has both; else null.</param>
    public void Resolve(in TranslationRegime regime, out TlbContext* own, out TlbContext* global, out TlbContext* intermediate)
    {
        if (contexts.MustBeginAnew) BeginAnew();
        TlbDomain* domain = Domains.Of(in regime);
        ulong tag = TlbTag.Of(in regime);
        ulong globalTag = TlbTag.OfGlobal(in regime);
        own = contexts.Resolve(tag, domain);
        global = globalTag == tag ? null : contexts.Resolve(globalTag, domain);
        bool isNested = regime.Stage1Enabled && regime.Stage2Enabled;
        intermediate = isNested ? contexts.Resolve(TlbTag.OfIntermediate(in regime), domain) : null;
    }

    /// <summary>Gives a context a number for fragments, if it lives under the number that the caller knows.</summary>
    public void NumberFragments(TlbContext* context, uint number)
    {
        if (contexts.MustBeginAnew) BeginAnew();
        else if (context->IsAlive(number, in *Device)) contexts.NumberFragments(context);
    }

    /// <summary>Removes what an address range names in a domain.</summary>
    /// <remarks>A domain without contexts has no entries, and no port that could be about to make some.</remarks>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public void RemoveAddresses(TlbDomain* domain, in InvalidationRecord record)
    {
        if (domain->ContextCount == 0) return;

        // A stage 2 leaf may lie under a cached stage 1 table, so an IPA ends the life of tables in any case.
        ref readonly JournalEntry entry = ref record.Entry;
        domain->Stamps.RaiseTranslations(entry.Has(InvalidationKind.Tables | InvalidationKind.ByIntermediateAddress));
        if (ControlBuild.Breaks(Breakage.PortsDatedFirst))
        {
            domain->Publish(in entry);
            ControlBuild.Linger();
        }

        if (!IsAlone) Interlocked.MemoryBarrier();   // Stamps are visible before sets are looked at; pairs with the close in Fill.
        int probes = MostProbes;
        if (entry.Has(InvalidationKind.ByAsid))
        {
            ushort asid = ControlBuild.Breaks(Breakage.AsidNotCompared) ? (ushort)0 : record.Asid;
            for (var context = contexts.FirstOf(domain, asid); context != null; context = context->NextOfAsid)
            {
                RemoveFrom(context, in entry, ref probes);
            }

            for (var context = domain->Globals; context != null; context = context->NextOfAsid)
            {
                RemoveFrom(context, in entry, ref probes);
            }
        }
        else
        {
            RemoveForAllAsids(domain, in entry, probes);
        }

        if (!ControlBuild.Breaks(Breakage.PortsDatedFirst)) domain->Publish(in entry);
    }

    private void RemoveForAllAsids(TlbDomain* domain, in JournalEntry entry, int probes)
    {
        if (entry.ByIntermediateAddress)
        {
            for (var context = contexts.FirstWithoutAsid(domain); context != null; context = context->NextOfAsid)
            {
                if ((context->Tag & TlbTag.Stage1) == 0) RemoveFrom(context, in entry, ref probes);
            }
        }
        else if (domain->ContextCount > MostContexts)
        {
            EndStage1(domain);
        }
        else
        {
            for (var context = domain->Contexts; context != null; context = context->NextInDomain)
            {
                if ((context->Tag & TlbTag.Stage1) != 0) RemoveFrom(context, in entry, ref probes);
            }
        }
    }

    /// <summary>Removes an ASID of a domain; global entries stay.</summary>
    public void RemoveAsid(TlbDomain* domain, ushort asid)
    {
        if (domain->ContextCount == 0) return;
        if (ControlBuild.Breaks(Breakage.AsidNotCompared)) asid = 0;
        for (var context = contexts.FirstOf(domain, asid); context != null; context = context->NextOfAsid) Kill(context);
        domain->Publish(default);
    }

    /// <summary>Removes what stage 1 took part in, of a domain.</summary>
    public void RemoveStage1(TlbDomain* domain)
    {
        if (domain->ContextCount == 0) return;
        EndStage1(domain);
        domain->Publish(default);
    }

    /// <summary>Removes a domain.</summary>
    public void RemoveAll(TlbDomain* domain)
    {
        if (domain->ContextCount == 0) return;
        Volatile.Write(ref domain->Stamps.Generation, domain->Stamps.Generation + 1);
        Volatile.Write(ref domain->Stamps.Deaths, domain->Stamps.Deaths + 1);
        domain->Publish(default);
    }

    /// <summary>Removes all domains of VMIDs.</summary>
    public void RemoveAllVmids()
    {
        Volatile.Write(ref Device->Generation, Device->Generation + 1);
        Device->RaiseAny();
    }

    /// <summary>Forgets everything, and uses numbers anew.</summary>
    /// <remarks>
    /// Whoever finds something under a number that has another meaning now finds afterwards that
    /// <see cref="InvalidationStamps.Any"/> of the device was raised.
    /// </remarks>
    public void BeginAnew()
    {
        Device->RaiseTranslations(tables: true);
        Interlocked.MemoryBarrier();   // As in RemoveAddresses.
        contexts.BeginAnew();
        Tlb.Clear();
        Walks.Clear();
        Device->RaiseAny();
    }

    public void Dispose()
    {
        Tlb.Dispose();
        Walks.Dispose();
        contexts.Dispose();
        Domains.Dispose();
        stampBlock.Dispose();
    }

    // What a dead context or an old generation left behind is removed too, if it is met: nobody looks for it.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void RemoveFrom(TlbContext* context, in JournalEntry entry, ref int probes)
    {
        // What of a leaf was filled in by pieces is not searched for.
        if (context->FragmentNumber != 0 && !ControlBuild.Breaks(Breakage.FragmentsKept))
        {
            Volatile.Write(ref context->FragmentNumber, 0);
        }

        ulong sizes = Volatile.Read(ref context->Sizes);
        if (sizes == 0) return;
        ulong first = entry.First;
        int sizeLog2 = System.Numerics.BitOperations.TrailingZeroCount(sizes);
        bool isOfOneSize = (sizes & (sizes - 1)) == 0;
        if (isOfOneSize && (entry.Last ^ first) >> sizeLog2 == 0) Tlb.RemovePage(context->Number, sizeLog2, first >> sizeLog2, IsAlone);
        else RemoveSizes(context, sizes, first, entry.Last, ref probes);
    }

    private void RemoveSizes(TlbContext* context, ulong sizes, ulong first, ulong last, ref int probes)
    {
        uint number = context->Number;
        if (number == 0) return;
        do
        {
            int sizeLog2 = System.Numerics.BitOperations.TrailingZeroCount(sizes);
            ulong needed = (last >> sizeLog2) - (first >> sizeLog2) + 1;
            if (needed > (ulong)probes)
            {
                Kill(context);
                return;
            }

            probes -= (int)needed;
            Tlb.Remove(number, sizeLog2, first, last, IsAlone);
            sizes &= sizes - 1;
        }
        while (sizes != 0);
    }

    private static void EndStage1(TlbDomain* domain)
    {
        Volatile.Write(ref domain->Stamps.Stage1Generation, domain->Stamps.Stage1Generation + 1);
        Volatile.Write(ref domain->Stamps.Deaths, domain->Stamps.Deaths + 1);
    }

    private static void Kill(TlbContext* context)
    {
        Volatile.Write(ref context->FragmentNumber, 0);
        Volatile.Write(ref context->Number, 0);
        Volatile.Write(ref context->Domain->Stamps.Deaths, context->Domain->Stamps.Deaths + 1);
    }
}
