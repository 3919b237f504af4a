using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Streams;
using Smmu.Fast.Tlbs;
using Smmu.Fast.Walks;

namespace Smmu.Fast.Device;

/// <summary>How the accesses of a stream are answered.</summary>
internal enum StreamMode : byte
{
    /// <summary>Nothing is known that may be kept: each access asks the configuration.</summary>
    Unknown,

    /// <summary>By the regime.</summary>
    Translate,

    /// <summary>They pass, with the overrides of the STE.</summary>
    Bypass,

    /// <summary>They abort without a record.</summary>
    Abort,

    /// <summary>SMMUEN is 0.</summary>
    DeviceOff,
}

/// <summary>What is known of one stream and substream: configuration, contexts of the TLB, and up to when that was so.</summary>
/// <remarks>
/// Owned by one thread at a time: a port, or the borrower of a slot for accesses without a port. What it knows holds while
/// the stamps of the device and of its domain are those that it has seen; when they have moved on, it catches up first
/// (<see cref="TranslationPath.Refresh"/>).
/// </remarks>
internal unsafe struct StreamState
{
    // What a hit reads comes first.

    /// <summary>The domain; the one that is never invalidated while there is no regime.</summary>
    public TlbDomain* Domain;

    /// <summary>Stamps of the device.</summary>
    public readonly InvalidationStamps* Device;

    /// <summary><see cref="InvalidationStamps.Any"/> of the device, as far as it was caught up with; 0 for not at all.</summary>
    public ulong SeenDevice;

    /// <summary>The same of the domain.</summary>
    public ulong SeenDomain;

    /// <summary>Answers, page by page.</summary>
    public PortTlb Kept;

    /// <summary>The quick ways are open: it translates, its contexts are known, and it overrides no permissions.</summary>
    public bool IsDirect;

    public StreamMode Mode;

    /// <summary>The stream has overrides, so that what its client may do differs from what its regime permits.</summary>
    public bool HasPermissionOverrides;

    /// <summary>The contexts below are known.</summary>
    public bool HasContexts;

    /// <summary>There is one half only: bit 55 is an address bit like others.</summary>
    public bool IsUpperLikeLower;

    /// <summary>
    /// A walk by it, or a look at its configuration, is under way. Those may run host code, which may make accesses by the same
    /// port: they must leave the state alone.
    /// </summary>
    public bool IsBusy;

    /// <summary>It is about Translated transactions, whose configuration is another one.</summary>
    public bool IsOfTranslated;

    /// <summary>Where the latest answer out of the TLB came from; of a context that is alive while the state is present.</summary>
    public FavouredEntries Favoured;

    /// <summary>The size that <see cref="Favoured"/> covers, as a bit: of the own context, of the global one.</summary>
    public ulong FavouredOwnSize;
    public ulong FavouredGlobalSize;

    /// <summary>Entries of the stream's ASID, and their number when it was asked for.</summary>
    public TlbContext* Own;
    public uint OwnNumber;
    public uint GlobalNumber;

    /// <summary>The number of its tables: <see cref="OwnNumber"/>.</summary>
    public uint TableNumber;

    /// <summary>Entries for all ASIDs; null where they are not apart.</summary>
    public TlbContext* Global;

    /// <summary>What stage 2 makes of the outputs of stage 1; null unless both are on.</summary>
    public TlbContext* Intermediate;
    public uint IntermediateNumber;

    /// <summary>The bits above the range that have to be like bit 55, of the lower and of the upper half.</summary>
    public ulong LowerTop;
    public ulong UpperTop;

    /// <summary>The last-level table of the latest walk.</summary>
    public LeafTable Table;

    /// <summary>What the quick way makes of the latest kind of leaf in that table.</summary>
    public LeafKind Leaf;

    /// <summary><see cref="InvalidationStamps.Deaths"/> of the domain when the contexts were seen alive.</summary>
    public ulong SeenDeaths;

    /// <summary>The last-level table of stage 2 of the latest IPA.</summary>
    public Stage2LeafTable Stage2Table;

    public StreamId Id;
    public SubstreamId? Substream;

    /// <summary><see cref="Registers.RegisterFile.TranslationControl"/> when the configuration was read.</summary>
    public ulong Control;

    /// <summary><see cref="ConfigurationDates.Of"/> the stream then.</summary>
    public ulong ConfigurationDate;

    /// <summary><see cref="InvalidationStamps.Translations"/> of the device when the contexts were asked for.</summary>
    public ulong Beginning;

    /// <summary>The configuration.</summary>
    public ResolvedStream Stream;

    /// <summary>Attributes as payloads hold them, by AttrIndx [2:0] and SH [4:3] of a leaf of stage 1; 0 for not yet known.</summary>
    public fixed ulong Attributes[32];

    /// <summary>Permissions of a leaf of stage 1, by AP[2:1] [1:0], DBM [2], PXN [3] and UXN [4].</summary>
    public fixed byte Permissions[32];

    /// <summary>The <see cref="LeafTable.Restrictions"/> that those hold for, plus 1; 0 for not yet known.</summary>
    public int PermissionsOf;

    /// <summary>What the attributes below were combined of: those of stage 1, and the type and shareability of stage 2.</summary>
    public ulong CombinedOf;

    /// <summary>Attributes of both stages as payloads hold them.</summary>
    public ulong Combined;

    /// <summary>A state that knows nothing.</summary>
    public StreamState(
        StreamId id, SubstreamId? substream, InvalidationStamps* device, TlbDomain* nowhere, bool isOfTranslated = false)
    {
        Device = device;
        Id = id;
        Substream = substream;
        Domain = nowhere;
        IsOfTranslated = isOfTranslated;
    }

    /// <summary>True while nothing was invalidated that could concern it.</summary>
    /// <remarks>The domain first: who has seen a TLB invalidation also sees the configuration invalidation before it.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly bool IsPresent()
    {
        var differing = Volatile.Read(ref Domain->Stamps.Any) ^ SeenDomain;
        return (differing | (Volatile.Read(ref Device->Any) ^ SeenDevice)) == 0;   // One branch for both.
    }

    /// <summary>True for addresses that TLB entries can be about: bits [63:56] say nothing, or what they have to.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly bool CanBeCached(ulong address)
    {
        bool isUpper = (address & (1UL << 55)) != 0 && !IsUpperLikeLower;
        return (isUpper ? ~address & UpperTop : address & LowerTop) == 0;
    }
}

/// <summary>Leaves that differ in the page alone: all that follows from their other bits is known.</summary>
internal struct LeafKind
{
    /// <summary>None: the descriptor 0 is all that is like it, and permits nothing.</summary>
    public static LeafKind None => new() { Mask = ulong.MaxValue };

    /// <summary>A descriptor of the kind.</summary>
    public ulong Descriptor;

    /// <summary>The bits in which all of them are alike.</summary>
    public ulong Mask;

    /// <summary>The payload but for the page.</summary>
    public ulong Payload;

    /// <summary>The bits of an address within the page that an answer for 4 KiB holds.</summary>
    public ulong InLeaf;
}

/// <summary>A last-level table of stage 2.</summary>
internal struct Stage2LeafTable
{
    /// <summary>The IPA, shifted right by <see cref="CoverageLog2"/>.</summary>
    public ulong Prefix;

    /// <summary>Physical address.</summary>
    public ulong Address;

    /// <summary><see cref="InvalidationStamps.Tables"/> of the domain before it was looked for.</summary>
    public ulong Stamp;

    /// <summary>log2 of what it covers; 0 for no table.</summary>
    public byte CoverageLog2;
}

/// <summary>A table that a walk may begin at.</summary>
internal struct LeafTable
{
    /// <summary>Bits [55:0] of the address, shifted right by <see cref="CoverageLog2"/>.</summary>
    public ulong Prefix;

    /// <summary>Physical address.</summary>
    public ulong Address;

    /// <summary>Before stage 2.</summary>
    public ulong AddressIpa;

    /// <summary><see cref="InvalidationStamps.Tables"/> of the domain before the walk that found it.</summary>
    public ulong Stamp;

    /// <summary>log2 of what it covers; 0 for no table.</summary>
    public byte CoverageLog2;

    public byte Hierarchy;
    public sbyte Level;

    /// <summary>Of the tables of its half.</summary>
    public byte GranuleLog2;

    /// <summary><see cref="Hierarchy"/>, or 0 with HADx.</summary>
    public byte Restrictions;

    /// <summary>Its leaves can be read by the quick way: pages of a world with two privileges, in the common layout.</summary>
    public bool IsPlain;

    /// <summary>The bits of a descriptor that have to be as in <see cref="DescriptorLayout.AccessedPage"/>.</summary>
    public ulong DecidedBits;

    /// <summary>The address in a descriptor.</summary>
    public ulong OutputBits;

    /// <summary>The index of a descriptor, in place: the bits of the input address times 8, shifted right by the granule.</summary>
    public ulong SlotMask;
}
