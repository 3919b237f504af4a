using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Smmu.Fast.Formats;

/// <summary>An event record as it lies in the Event queue: four little-endian words (IHI 0070, 7.3).</summary>
/// <remarks>
/// Fields of different events share bits. Each property reads its bits whatever the event; <see cref="Fields"/> tells which
/// of them the event at hand has. All other bits of a record made here are zero.
/// </remarks>
/// <param name="Word0">Bits [63:0].</param>
/// <param name="Word1">Bits [127:64].</param>
/// <param name="Word2">Bits [191:128].</param>
/// <param name="Word3">Bits [255:192].</param>
[StructLayout(LayoutKind.Sequential, Size = SizeBytes)]
public readonly partial record struct EventRecord(ulong Word0, ulong Word1, ulong Word2, ulong Word3)
{
    /// <summary>Bytes of one record.</summary>
    public const int SizeBytes = 32;

    /// <summary>What happened; may be a value that the architecture does not have.</summary>
    public EventType Type => (EventType)BitRange.Get(Word0, EventFields.Type);

    /// <summary>SubstreamID counts.</summary>
    public bool SSV => BitRange.Get(Word0, EventFields.SSV) != 0;

    /// <summary>Substream of the transaction; counts with SSV, and always in C_BAD_SUBSTREAMID.</summary>
    public SubstreamId SubstreamId => new((uint)BitRange.Get(Word0, EventFields.SubstreamID));

    /// <summary>Stream of the transaction.</summary>
    public StreamId StreamId => new((uint)BitRange.Get(Word0, EventFields.StreamID));

    /// <summary>Implementation defined cause of an abort.</summary>
    public ushort Reason => (ushort)BitRange.Get(Word1, EventFields.Reason);

    /// <summary>Implementation defined cause of a conflict.</summary>
    public uint ConflictReason => (uint)BitRange.Get(Word1, EventFields.ConflictReason);

    /// <summary>A granule protection check failed.</summary>
    public bool GPCF => BitRange.Get(Word1, EventFields.GPCF) != 0;

    /// <summary>STAG: names the stalled transaction; counts with <see cref="Stall"/>.</summary>
    public ushort StallTag => (ushort)BitRange.Get(Word1, EventFields.STAG);

    /// <summary>The transaction waits for CMD_RESUME.</summary>
    public bool Stall => BitRange.Get(Word1, EventFields.Stall) != 0;

    /// <summary>The transaction was privileged.</summary>
    public bool PnU => BitRange.Get(Word1, EventFields.PnU) != 0;

    /// <summary>The transaction was an instruction fetch.</summary>
    public bool InD => BitRange.Get(Word1, EventFields.InD) != 0;

    /// <summary>The transaction was a read.</summary>
    public bool RnW => BitRange.Get(Word1, EventFields.RnW) != 0;

    /// <summary>The IPA was in the Non-secure space of a Secure stream.</summary>
    public bool NSIPA => BitRange.Get(Word1, EventFields.NSIPA) != 0;

    /// <summary>The fault arose at stage 2.</summary>
    public bool S2 => BitRange.Get(Word1, EventFields.S2) != 0;

    /// <summary>CLASS: what was being translated or fetched.</summary>
    public FaultClass Class => (FaultClass)BitRange.Get(Word1, EventFields.CLASS);

    /// <summary>F_PERMISSION: hardware management of the dirty state would have let the access pass.</summary>
    public bool DirtyBit => BitRange.Get(Word1, EventFields.DirtyBit) != 0;

    /// <summary>F_PERMISSION: the AssuredOnly check failed.</summary>
    public bool AssuredOnly => BitRange.Get(Word1, EventFields.AssuredOnly) != 0;

    /// <summary>F_PERMISSION of CLASS TT: a descriptor read was refused; otherwise a descriptor write.</summary>
    public bool TTRnW => BitRange.Get(Word1, EventFields.TTRnW) != 0;

    /// <summary>F_PERMISSION: an overlay permission refused the access.</summary>
    public bool Overlay => BitRange.Get(Word1, EventFields.Overlay) != 0;

    /// <summary>The address of the transaction as the device gave it, or its page where the event has no more.</summary>
    public ulong InputAddress => BitRange.Get(Word2, EventFields.InputAddr);

    /// <summary>FetchAddr: the physical address that could not be read or updated, aligned to 8 bytes.</summary>
    public PhysicalAddress FetchAddress => new(BitRange.Get(Word3, EventFields.FetchAddr));

    /// <summary>IPA: the 4 KiB page of the intermediate physical address.</summary>
    public ulong IntermediatePhysicalAddress => BitRange.Get(Word3, EventFields.IPA);

    /// <summary>F_BAD_ATS_TREQ: smallest translation units asked for.</summary>
    public byte RequestSpan => (byte)BitRange.Get(Word1, EventFields.RequestSpan);

    /// <summary>F_BAD_ATS_TREQ: the permissions asked for, before the overrides of the STE.</summary>
    public AccessPermissions RequestPermissions
    {
        get
        {
            bool privileged = BitRange.Get(Word1, EventFields.RequestP) != 0;
            var permissions = AccessPermissions.None;
            if (BitRange.Get(Word1, EventFields.RequestR) != 0) permissions |= AccessPermissions.UnprivilegedRead;
            if (BitRange.Get(Word1, EventFields.RequestW) != 0) permissions |= AccessPermissions.UnprivilegedWrite;
            if (BitRange.Get(Word1, EventFields.RequestX) != 0) permissions |= AccessPermissions.UnprivilegedExecute;
            return privileged ? (AccessPermissions)((byte)permissions << 3) : permissions;
        }
    }

    /// <summary>E_PAGE_REQUEST: the permissions that would help.</summary>
    public AccessPermissions HintPermissions
    {
        get
        {
            var permissions = AccessPermissions.None;
            if (BitRange.Get(Word1, EventFields.HintUR) != 0) permissions |= AccessPermissions.UnprivilegedRead;
            if (BitRange.Get(Word1, EventFields.HintUW) != 0) permissions |= AccessPermissions.UnprivilegedWrite;
            if (BitRange.Get(Word1, EventFields.HintUX) != 0) permissions |= AccessPermissions.UnprivilegedExecute;
            if (BitRange.Get(Word1, EventFields.HintPR) != 0) permissions |= AccessPermissions.PrivilegedRead;
            if (BitRange.Get(Word1, EventFields.HintPW) != 0) permissions |= AccessPermissions.PrivilegedWrite;
            if (BitRange.Get(Word1, EventFields.HintPX) != 0) permissions |= AccessPermissions.PrivilegedExecute;
            return permissions;
        }
    }

    /// <summary>E_PAGE_REQUEST: pages of 4 KiB asked for.</summary>
    public byte HintSpan => (byte)BitRange.Get(Word1, EventFields.HintSpan);

    /// <summary>The fields that the event has beside its number.</summary>
    public IReadOnlyList<StructureField> Fields => EventFields.Of(Type);

    /// <summary>The event in words: what it is, whose access met it, and where.</summary>
    public override string ToString()
    {
        string? name = EventFields.NameOf(Type);
        if (name is null) return string.Create(CultureInfo.InvariantCulture, $"unknown event 0x{(byte)Type:x2}");

        var text = new StringBuilder(name);
        text.Append(CultureInfo.InvariantCulture, $": stream 0x{StreamId.Value:x}");
        if (SSV || Type == EventType.BadSubstreamId)
            text.Append(CultureInfo.InvariantCulture, $", substream 0x{SubstreamId.Value:x}");
        if (Has(nameof(EventFields.RnW))) AppendAccess(text);
        if (Has(nameof(EventFields.InputAddr))) text.Append(CultureInfo.InvariantCulture, $" at 0x{InputAddress:x}");
        if (Has(nameof(EventFields.S2))) AppendStage(text);
        if (Has(nameof(EventFields.FetchAddr)))
            text.Append(CultureInfo.InvariantCulture, $", fetching 0x{FetchAddress.Value:x}");
        if (Has(nameof(EventFields.Stall)) && Stall)
            text.Append(CultureInfo.InvariantCulture, $", stalled with tag 0x{StallTag:x}");
        return text.ToString();
    }

    private bool Has(string name)
    {
        foreach (StructureField field in Fields)
        {
            if (field.Name == name) return true;
        }

        return false;
    }

    private void AppendAccess(StringBuilder text) => text
        .Append(PnU ? ", privileged " : ", unprivileged ")
        .Append(InD ? "instruction fetch" : RnW ? "read" : "write");

    private void AppendStage(StringBuilder text)
    {
        text.Append(S2 ? ", stage 2" : ", stage 1");
        if (Has(nameof(EventFields.CLASS))) text.Append(Class switch
        {
            FaultClass.ContextDescriptor => " of a CD fetch",
            FaultClass.TranslationTable => " of a table access",
            FaultClass.Input => " of the access itself",
            _ => string.Empty,
        });
        if (S2 && Has(nameof(EventFields.IPA)))
            text.Append(CultureInfo.InvariantCulture, $", IPA page 0x{IntermediatePhysicalAddress:x}");
    }
}
