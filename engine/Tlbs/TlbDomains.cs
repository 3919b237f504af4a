using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Tlbs;

/// <summary>The domains of a device: one for each VMID, one for each world without VMIDs, and one that is never invalidated.</summary>
/// <remarks>The memory is reserved at once and touched by use: a domain that nobody uses costs nothing.</remarks>
internal sealed unsafe class TlbDomains : IDisposable
{
    private const int El2 = 0;
    private const int El2E2h = 1;
    private const int Other = 2;
    private const int WorldsWithoutVmid = 3;

    private readonly NativeBlock block;
    private readonly NativeBlock journalBlock;
    private readonly TlbDomain* domains;
    private readonly int vmids;

    public TlbDomains(SmmuFeatures features)
    {
        vmids = !features.S2P ? 1 : features.VMID16 ? 1 << 16 : 1 << 8;
        int count = vmids + WorldsWithoutVmid;
        block = new NativeBlock((ulong)count * TlbDomain.SizeBytes, TlbDomain.SizeBytes);
        journalBlock = new NativeBlock((ulong)count * TlbDomain.JournalLength * (ulong)sizeof(JournalEntry));
        domains = (TlbDomain*)block.Pointer;
    }

    /// <summary>The domain of a regime.</summary>
    public TlbDomain* Of(in TranslationRegime regime) => regime.World switch
    {
        StreamWorld.NonSecureEl1 => OfVmid(regime.HasVmid ? regime.Vmid : 0),
        _ => OfWorld(regime.World),
    };

    /// <summary>The domain of a VMID of NS-EL1; of VMID 0 where there are none, or fewer.</summary>
    public TlbDomain* OfVmid(int vmid) =>
        Prepared(vmid < vmids && !ControlBuild.Breaks(Breakage.VmidNotCompared) ? vmid : 0);

    /// <summary>The domain of a VMID that there is, for who changes what it has: it may have nothing yet, not even a journal.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TlbDomain* FindVmid(int vmid)
    {
        Invariant.Holds(vmid >= 0 && vmid < vmids);
        return ControlBuild.Breaks(Breakage.VmidNotCompared) ? domains : domains + vmid;
    }

    /// <summary>The domain of a world without VMIDs.</summary>
    public TlbDomain* OfWorld(StreamWorld world) => Prepared(vmids + world switch
    {
        StreamWorld.NonSecureEl2 => El2,
        StreamWorld.NonSecureEl2E2h => El2E2h,
        _ => Other,
    });

    /// <summary>A domain without contexts, for streams that no TLB serves.</summary>
    public TlbDomain* None => Prepared(vmids + Other);

    public void Dispose()
    {
        block.Dispose();
        journalBlock.Dispose();
    }

    private TlbDomain* Prepared(int index)
    {
        Invariant.Holds(index >= 0 && index < vmids + WorldsWithoutVmid);
        TlbDomain* domain = domains + index;

        // The same value whoever stores it.
        domain->Journal = (JournalEntry*)journalBlock.Pointer + ((long)index * TlbDomain.JournalLength);
        return domain;
    }
}
