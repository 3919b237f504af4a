using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Tlbs;

/// <summary>One 4 KiB page of a requester as a bus keeps it: a line.</summary>
[StructLayout(LayoutKind.Sequential, Size = SizeBytes)]
internal unsafe struct BusTlbEntry
{
    public const int SizeBytes = 64;

    /// <summary>Who accesses; 0 in an entry that holds nothing.</summary>
    public ulong Requester;

    /// <summary>
    /// [63:12] of the input address as given, tag byte included; [6] 1; [5:0] permissions that the entry denies, in the order of
    /// <see cref="AccessPermissions"/>.
    /// </summary>
    public ulong Key;

    /// <summary>The answer but for the offset in the page: see <see cref="TranslationResult.Payload"/>.</summary>
    public ulong Payload;

    /// <summary>Where the requester's translations are invalidated.</summary>
    public TlbDomain* Domain;

    /// <summary><see cref="InvalidationStamps.Any"/> of that domain, and of the device, when the answer was right.</summary>
    public ulong SeenDomain;
    public ulong SeenDevice;
}

/// <summary>What a bus remembers of the pages of its requesters: direct-mapped, owned by one thread.</summary>
/// <remarks>
/// An entry ends with the first invalidation in its domain; what that did not name is found in the shared TLB, and kept anew.
/// </remarks>
internal readonly unsafe struct BusTlb
{
    /// <summary>Entries.</summary>
    public const int Length = 1024;

    /// <summary>Bytes of the table.</summary>
    public const ulong SizeBytes = Length * BusTlbEntry.SizeBytes;

    private const ulong DeniedMask = 0x3f;
    private const ulong PageMask = ~0xfffUL;
    private const ulong Mark = RequiredPermissions.Impossible;

    private readonly BusTlbEntry* entries;

    public BusTlb(NativeBlock table)
    {
        Invariant.Holds(table.SizeBytes >= SizeBytes);
        entries = (BusTlbEntry*)table.Pointer;
    }

    /// <summary>Finds what is known of a page, if it permits the access and nothing was invalidated since.</summary>
    /// <param name="requester">Who accesses; not 0.</param>
    /// <param name="address">The input address.</param>
    /// <param name="required">Of <see cref="RequiredPermissions.BitsOf"/>.</param>
    /// <param name="device">Stamps of the device.</param>
    /// <param name="payload">What was kept.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryFind(ulong requester, ulong address, uint required, InvalidationStamps* device, out ulong payload)
    {
        BusTlbEntry* entry = EntryOf(requester, address);
        payload = entry->Payload;
        ulong differing = (entry->Key ^ (address & PageMask)) & (~(DeniedMask | Mark) | required);
        if ((differing | (entry->Requester ^ requester)) != 0) return false;

        // The domain first, as in StreamState.IsPresent.
        ulong later = Volatile.Read(ref entry->Domain->Stamps.Any) ^ entry->SeenDomain;
        return (later | (Volatile.Read(ref device->Any) ^ entry->SeenDevice)) == 0;
    }

    /// <summary>Keeps an answer.</summary>
    /// <param name="requester">Who accesses; not 0.</param>
    /// <param name="address">The input address.</param>
    /// <param name="payload">The answer.</param>
    /// <param name="domain">Where its translations are invalidated.</param>
    /// <param name="seenDomain">Up to when the answer is right.</param>
    /// <param name="seenDevice">The same for the device.</param>
    public void Fill(ulong requester, ulong address, ulong payload, TlbDomain* domain, ulong seenDomain, ulong seenDevice)
    {
        BusTlbEntry* entry = EntryOf(requester, address);
        entry->Requester = requester;
        entry->Key = (address & PageMask) | Mark | (~payload & DeniedMask);
        entry->Payload = payload;
        entry->Domain = domain;
        entry->SeenDomain = seenDomain;
        entry->SeenDevice = seenDevice;
    }

    // Neighbouring pages of a requester, and a page of neighbouring requesters, lie apart.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private BusTlbEntry* EntryOf(ulong requester, ulong address)
    {
        uint page = (uint)(address >> PortTlb.PageLog2);
        return entries + ((page + ((uint)requester << 4) + ((uint)(requester >> 32) * 17)) & (Length - 1));
    }
}
