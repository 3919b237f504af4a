namespace Smmu.Fast.VirtualQueues;

/// <summary>Offsets of the registers of a <see cref="VirtualQueueBlock"/>, in bytes. Names are those of the hardware.</summary>
public static class VirtualQueueOffset
{
    /// <summary>Bytes of a page of registers.</summary>
    public const uint PageSize = 0x1_0000;

    /// <summary>The block: EN [0].</summary>
    public const uint CONFIG = 0x0;

    /// <summary>log2 of the StreamID slots of an interface [15:12], of interfaces [11:8], of queues [7:4], version [3:0].</summary>
    public const uint PARAM = 0x4;

    /// <summary>ENABLED [0].</summary>
    public const uint STATUS = 0x8;

    /// <summary>Interfaces that have a queue with an error; two words.</summary>
    public const uint VINTF_ERR_MAP = 0x14;

    /// <summary>Interfaces whose errors make no interrupt; two words.</summary>
    public const uint VINTF_INT_MASK = 0x1c;

    /// <summary>Queues with an error, by their number in the block; four words.</summary>
    public const uint CMDQ_ERR_MAP = 0x24;

    /// <summary>Whose the first queue is: interface [20:15], number there [7:1], ALLOCATED [0]; a word for each queue.</summary>
    public const uint CMDQ_ALLOC = 0x200;

    /// <summary>The registers of the first interface.</summary>
    public const uint VINTF = 0x1000;

    /// <summary>From the registers of an interface to those of the next one.</summary>
    public const uint VINTF_STRIDE = 0x100;

    /// <summary>In an interface: HYP_OWN [17], VMID [16:1], EN [0].</summary>
    public const uint VINTF_CONFIG = 0x0;

    /// <summary>In an interface: ENABLED [0].</summary>
    public const uint VINTF_STATUS = 0x4;

    /// <summary>In an interface: StreamID of the guest [31:1], valid [0]; a word for each slot.</summary>
    public const uint VINTF_SID_MATCH = 0x40;

    /// <summary>In an interface: the StreamID in its place; a word for each slot.</summary>
    public const uint VINTF_SID_REPLACE = 0x80;

    /// <summary>In an interface: its queues with an error, by their number there; two doublewords.</summary>
    public const uint VINTF_LVCMDQ_ERR_MAP_64 = 0xc0;

    /// <summary>Page 0 of the queues by their number in the block.</summary>
    public const uint VCMDQ_PAGE0 = 0x1_0000;

    /// <summary>Page 1 of the queues by their number in the block.</summary>
    public const uint VCMDQ_PAGE1 = 0x2_0000;

    /// <summary>Page 0 of the first interface, for its queues by their number there; page 1 follows.</summary>
    public const uint VINTF_PAGE0 = 0x3_0000;

    /// <summary>From page 0 of an interface to that of the next one.</summary>
    public const uint VINTF_PAGE_STRIDE = 0x2_0000;

    /// <summary>From the registers of a queue to those of the next one, in all pages.</summary>
    public const uint VCMDQ_STRIDE = 0x80;

    /// <summary>In page 0 of a queue: RD [19:0], ERR [30:24], as CMDQ_CONS.</summary>
    public const uint VCMDQ_CONS = 0x0;

    /// <summary>In page 0 of a queue: WR [19:0], as CMDQ_PROD.</summary>
    public const uint VCMDQ_PROD = 0x4;

    /// <summary>In page 0 of a queue: EN [0].</summary>
    public const uint VCMDQ_CONFIG = 0x8;

    /// <summary>In page 0 of a queue: ENABLED [0].</summary>
    public const uint VCMDQ_STATUS = 0xc;

    /// <summary>In page 0 of a queue: CMDQ_ERR [0], active while it differs from that of <see cref="VCMDQ_GERRORN"/>.</summary>
    public const uint VCMDQ_GERROR = 0x10;

    /// <summary>In page 0 of a queue: CMDQ_ERR [0].</summary>
    public const uint VCMDQ_GERRORN = 0x14;

    /// <summary>In page 1 of a queue: LOG2SIZE [4:0], ADDR [47:5]; 64 bits.</summary>
    public const uint VCMDQ_BASE = 0x0;

    /// <summary>
    /// In page 1 of a queue: where hardware may keep a copy of CONS in memory. Reads as zero and ignores writes: there is none.
    /// </summary>
    public const uint VCMDQ_CONS_INDX_BASE = 0x8;
}
