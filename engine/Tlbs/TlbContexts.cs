using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Tlbs;

/// <summary>All contexts of a device, found by domain and ASID. Used behind the control gate only.</summary>
/// <remarks>
/// Numbers are never used twice while an entry may bear them. When they, or the places for contexts, have run out, the
/// device forgets all translations and begins anew; <see cref="MustBeginAnew"/> tells.
/// </remarks>
internal sealed unsafe class TlbContexts : IDisposable
{
    /// <summary>Contexts that fit.</summary>
    public const int Capacity = 1 << 14;

    private const int Buckets = 1 << 12;
    private const int MostPerRegime = 3;
    private const uint NoAsid = 0x1_0000;
    private const uint OfGlobals = 0x2_0000;

    private readonly NativeBlock block;
    private readonly TlbContext* contexts;
    private readonly NativeBlock bucketBlock = new(Buckets * sizeof(ushort));
    private readonly ushort* buckets;   // 0, or the place of a context and 1: the first one of its domain and ASID.
    private readonly InvalidationStamps* device;
    private readonly uint numbers;
    private uint lastNumber;
    private int count;

    /// <summary>Makes an empty table.</summary>
    /// <param name="device">Stamps of the device.</param>
    /// <param name="numbers">Numbers that there are.</param>
    public TlbContexts(InvalidationStamps* device, uint numbers)
    {
        this.device = device;
        this.numbers = numbers;
        block = new NativeBlock(Capacity * (ulong)TlbContext.SizeBytes, TlbContext.SizeBytes);
        contexts = (TlbContext*)block.Pointer;
        buckets = (ushort*)bucketBlock.Pointer;
    }

    /// <summary>True when the next context might find no place or no number.</summary>
    public bool MustBeginAnew => count + MostPerRegime > Capacity || lastNumber > numbers - (2 * MostPerRegime);

    /// <summary>Finds the living context of a tag, or brings one to life.</summary>
    public TlbContext* Resolve(ulong tag, TlbDomain* domain)
    {
        Invariant.Holds(!MustBeginAnew);
        TlbContext* context = FirstWith(domain, AsidOf(tag));
        while (context != null && context->Tag != tag) context = context->NextOfAsid;
        if (context == null) context = Add(tag, domain);
        if (!context->IsAlive(context->Number, in *device)) Revive(context);
        return context;
    }

    /// <summary>Gives a context a number for its fragments.</summary>
    public void NumberFragments(TlbContext* context)
    {
        if (context->FragmentNumber != 0) return;
        context->FragmentSizes = 0;
        Volatile.Write(ref context->FragmentNumber, ++lastNumber);
    }

    /// <summary>The first context of a domain with an ASID; <see cref="TlbContext.NextOfAsid"/> leads to the others.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TlbContext* FirstOf(TlbDomain* domain, ushort asid) => FirstWith(domain, asid);

    /// <summary>The first context without an ASID.</summary>
    public TlbContext* FirstWithoutAsid(TlbDomain* domain) => FirstWith(domain, NoAsid);

    /// <summary>Drops all contexts; the caller has raised the stamps and clears the caches.</summary>
    public void BeginAnew()
    {
        for (int i = 0; i < count; i++)
        {
            Volatile.Write(ref contexts[i].Number, 0);
            contexts[i].Domain->Contexts = null;
            contexts[i].Domain->Globals = null;
            contexts[i].Domain->ContextCount = 0;
        }

        new Span<ushort>(buckets, Buckets).Clear();
        count = 0;
        lastNumber = 0;
    }

    public void Dispose()
    {
        block.Dispose();
        bucketBlock.Dispose();
    }

    private void Revive(TlbContext* context)
    {
        context->Sizes = 0;
        context->FragmentSizes = 0;
        Volatile.Write(ref context->FragmentNumber, 0);
        bool hasVmids = (context->Tag & TlbTag.WorldMask) == TlbTag.Place(StreamWorld.NonSecureEl1);
        context->DeviceGeneration = hasVmids ? device->Generation : TlbContext.NoGeneration;
        context->DomainGeneration = context->Domain->Stamps.Generation;
        context->Stage1Generation = context->Domain->Stamps.Stage1Generation;
        Volatile.Write(ref context->Number, ++lastNumber);
    }

    private TlbContext* Add(ulong tag, TlbDomain* domain)
    {
        TlbContext* context = contexts + count++;
        uint asid = AsidOf(tag);
        context->Tag = tag;
        context->Asid = asid;
        context->Domain = domain;
        context->NextInDomain = domain->Contexts;
        context->Number = 0;
        domain->Contexts = context;
        domain->ContextCount++;

        // Chains change behind the gate, and are followed there.
        TlbContext* first = FirstWith(domain, asid);
        context->NextOfAsid = first == null ? null : first->NextOfAsid;
        context->NextInBucket = null;
        if (first != null)
        {
            first->NextOfAsid = context;
            return context;
        }

        ref ushort bucket = ref buckets[BucketOf(domain, asid)];
        if (bucket != 0) context->NextInBucket = contexts + (bucket - 1);
        bucket = (ushort)count;
        if (asid == OfGlobals) domain->Globals = context;
        return context;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private TlbContext* FirstWith(TlbDomain* domain, uint asid)
    {
        int place = buckets[BucketOf(domain, asid)];
        TlbContext* context = place == 0 ? null : contexts + (place - 1);
        while (context != null && (context->Asid != asid || context->Domain != domain)) context = context->NextInBucket;
        return context;
    }

    private static uint AsidOf(ulong tag) =>
        (tag & TlbTag.Global) != 0 ? OfGlobals
        : (tag & TlbTag.HasAsid) != 0 ? (uint)(tag & TlbTag.AsidMask)
        : NoAsid;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int BucketOf(TlbDomain* domain, uint asid)
    {
        ulong hash = (((ulong)domain / TlbDomain.SizeBytes * 0x9e37_79b9) ^ asid) * 0x9e37_79b9_7f4a_7c15UL;
        return (int)(hash >> 40) & (Buckets - 1);
    }
}
