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
    private readonly nint[] buckets = new nint[Buckets];
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
    }

    /// <summary>True when the next context might find no place or no number.</summary>
    public bool MustBeginAnew => count + MostPerRegime > Capacity || lastNumber > numbers - (2 * MostPerRegime);

    /// <summary>Finds the living context of a tag, or brings one to life.</summary>
    public TlbContext* Resolve(ulong tag, TlbDomain* domain)
    {
        Invariant.Holds(!MustBeginAnew);
        ref nint bucket = ref buckets[BucketOf(domain, KeyOf(tag))];
        TlbContext* context = (TlbContext*)bucket;
        while (context != null && (context->Tag != tag || context->Domain != domain)) context = context->NextInBucket;
        if (context == null)
        {
            context = contexts + count++;
            context->Tag = tag;
            context->Domain = domain;
            context->NextInBucket = (TlbContext*)bucket;
            context->NextInDomain = domain->Contexts;
            context->Number = 0;
            bucket = (nint)context;
            domain->Contexts = context;
            domain->ContextCount++;
        }

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

    /// <summary>The first context of a domain with an ASID, and of none when the world has no ASIDs.</summary>
    public TlbContext* FirstOf(TlbDomain* domain, ushort? asid) =>
        FirstWith(domain, asid is { } value ? value : NoAsid);

    /// <summary>The first context of global entries of a domain.</summary>
    public TlbContext* FirstOfGlobals(TlbDomain* domain) => FirstWith(domain, OfGlobals);

    /// <summary>The next context of the same domain and ASID.</summary>
    public TlbContext* Next(TlbContext* context) => Matching(context->NextInBucket, context->Domain, KeyOf(context->Tag));

    /// <summary>Drops all contexts; the caller has raised the stamps and clears the caches.</summary>
    public void BeginAnew()
    {
        for (int i = 0; i < count; i++)
        {
            Volatile.Write(ref contexts[i].Number, 0);
            contexts[i].Domain->Contexts = null;
            contexts[i].Domain->ContextCount = 0;
        }

        Array.Clear(buckets);
        count = 0;
        lastNumber = 0;
    }

    public void Dispose() => block.Dispose();

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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private TlbContext* FirstWith(TlbDomain* domain, uint key) =>
        Matching((TlbContext*)buckets[BucketOf(domain, key)], domain, key);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TlbContext* Matching(TlbContext* context, TlbDomain* domain, uint key)
    {
        while (context != null && (context->Domain != domain || KeyOf(context->Tag) != key)) context = context->NextInBucket;
        return context;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint KeyOf(ulong tag) =>
        (tag & TlbTag.Global) != 0 ? OfGlobals
        : (tag & TlbTag.HasAsid) != 0 ? (uint)(tag & TlbTag.AsidMask)
        : NoAsid;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int BucketOf(TlbDomain* domain, uint key)
    {
        ulong hash = (((ulong)domain / TlbDomain.SizeBytes * 0x9e37_79b9) ^ key) * 0x9e37_79b9_7f4a_7c15UL;
        return (int)(hash >> 40) & (Buckets - 1);
    }
}
