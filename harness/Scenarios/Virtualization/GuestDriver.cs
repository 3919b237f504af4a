using System.Runtime.InteropServices;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Scenarios.Virtualization;

/// <summary>The SMMU driver of a guest: its own tables at guest-physical addresses, and its own Command queue.</summary>
/// <remarks>
/// It knows nothing of the host: it writes VMID 0, and believes in the SMMU of <see cref="VirtualSmmu"/>. Structures are laid
/// out from the start of RAM; <see cref="DataBase"/> and what follows is for data.
/// </remarks>
public sealed class GuestDriver
{
    /// <summary>Guest-physical address of the first byte that no structure takes.</summary>
    public const ulong DataBase = VirtualMachine.RamBase + (2 << 20);

    /// <summary>Bytes of a page.</summary>
    public const ulong PageBytes = 4096;

    private const int QueueLog2 = 6;
    private const int Levels = 4;
    private const ulong TableOrPage = 0b11;
    private const ulong Leaf = (1UL << 11) | (1UL << 10) | (3UL << 8) | (1UL << 6) | TableOrPage;   // nG, AF, ISH, EL0.
    private const ulong ReadOnly = 1UL << 7;
    private const ulong AddressMask = 0x0000_ffff_ffff_f000;

    private readonly VirtualMachine machine;
    private readonly ulong contextAddress;
    private readonly ulong root;
    private ulong free = VirtualMachine.RamBase;
    private uint producer;

    /// <summary>Sets up a Stream table, a Command queue, a CD and an empty table, and switches translation of its device on.</summary>
    /// <param name="machine">Its machine.</param>
    /// <param name="asid">The ASID that it likes.</param>
    /// <param name="first">Where its structures begin, when several guests share one RAM.</param>
    public GuestDriver(VirtualMachine machine, ushort asid = 1, ulong first = VirtualMachine.RamBase)
    {
        ArgumentNullException.ThrowIfNull(machine);
        this.machine = machine;
        free = first;
        Asid = new Asid(asid);
        machine.Smmu.StreamTable = TakePage();
        machine.Smmu.CommandQueue = TakePage();
        machine.Smmu.CommandQueueLog2 = QueueLog2;
        contextAddress = TakePage();
        root = TakePage();
        WriteContext();
        AttachStage1();
    }

    /// <summary>Its ASID.</summary>
    public Asid Asid { get; }

    /// <summary>Guest-physical address of its first table.</summary>
    public ulong Root => root;

    /// <summary>A queue of its own for the invalidations of <see cref="Unmap"/>, if it has one.</summary>
    public GuestHardwareQueue? HardwareQueue { get; set; }

    /// <summary>Maps a page.</summary>
    /// <param name="iova">Device address.</param>
    /// <param name="ipa">Guest-physical address.</param>
    /// <param name="isWritable">The device may write.</param>
    public void Map(ulong iova, ulong ipa, bool isWritable = true)
    {
        ref ulong slot = ref SlotOf(iova);
        Volatile.Write(ref slot, (ipa & AddressMask) | Leaf | (isWritable ? 0 : ReadOnly));
    }

    /// <summary>Unmaps a page, and waits until no device reaches it.</summary>
    /// <param name="iova">Device address.</param>
    public void Unmap(ulong iova)
    {
        Volatile.Write(ref SlotOf(iova), 0);
        Command invalidation = Command.TlbiNhVa(default, Asid, iova);
        if (HardwareQueue is null) Submit(invalidation, Command.Sync());
        else if (!HardwareQueue.Submit(invalidation, Command.Sync())) throw new InvalidOperationException("The guest's queue has stopped.");
    }

    /// <summary>Has device addresses translated by its own table.</summary>
    public void AttachStage1() => SetStream(default(StreamTableEntry)
        .With(StreamTableEntryField.V, 1)
        .With(StreamTableEntryField.Config, (ulong)StreamConfiguration.Stage1)
        .With(StreamTableEntryField.S1ContextPtr, contextAddress)
        .With(StreamTableEntryField.S1CIR, 1)
        .With(StreamTableEntryField.S1COR, 1)
        .With(StreamTableEntryField.S1CSH, 3));

    /// <summary>Lets device addresses be guest-physical ones.</summary>
    public void Bypass() => SetStream(default(StreamTableEntry)
        .With(StreamTableEntryField.V, 1)
        .With(StreamTableEntryField.Config, (ulong)StreamConfiguration.Bypass));

    /// <summary>Writes its STE, and waits until it is in effect.</summary>
    /// <param name="entry">The STE; its first two words count.</param>
    public void SetStream(in StreamTableEntry entry)
    {
        uint stream = machine.Options.VirtualStream;
        Span<ulong> words = stackalloc ulong[8];
        entry.CopyTo(words);
        Span<ulong> inRam = MemoryMarshal.Cast<byte, ulong>(machine.At(machine.Smmu.StreamTable + (stream * 64UL), 64));
        words.CopyTo(inRam);
        Submit(Command.CfgiSte(new StreamId(stream)), Command.Sync());
    }

    /// <summary>Puts commands into its queue.</summary>
    /// <param name="commands">The commands.</param>
    public void Submit(params ReadOnlySpan<Command> commands)
    {
        const uint Mask = (1u << QueueLog2) - 1;
        foreach (Command command in commands)
        {
            MemoryMarshal.Write(machine.At(machine.Smmu.CommandQueue + ((producer & Mask) * (ulong)Command.SizeBytes), Command.SizeBytes), in command);
            producer++;
        }

        machine.Smmu.WriteProducer(producer);
    }

    private void WriteContext()
    {
        const ulong Bits48 = 5;
        ContextDescriptor descriptor = default(ContextDescriptor)
            .With(ContextDescriptorField.V, 1)
            .With(ContextDescriptorField.AA64, 1)
            .With(ContextDescriptorField.T0SZ, 16)
            .With(ContextDescriptorField.EPD1, 1)
            .With(ContextDescriptorField.IPS, Bits48)
            .With(ContextDescriptorField.ASID, Asid.Value)
            .With(ContextDescriptorField.ASET, 1)
            .With(ContextDescriptorField.A, 1)
            .With(ContextDescriptorField.R, 1)
            .With(ContextDescriptorField.MAIR0, 0xff)
            .With(ContextDescriptorField.TTB0, root);
        descriptor.CopyTo(MemoryMarshal.Cast<byte, ulong>(machine.At(contextAddress, 64)));
    }

    private ref ulong SlotOf(ulong iova)
    {
        ulong table = root;
        for (int level = 0; ; level++)
        {
            ulong index = (iova >> (12 + ((Levels - 1 - level) * 9))) & 0x1ff;
            ref ulong slot = ref MemoryMarshal.AsRef<ulong>(machine.At(table + (index * sizeof(ulong)), sizeof(ulong)));
            if (level == Levels - 1) return ref slot;
            if (slot == 0) Volatile.Write(ref slot, TakePage() | TableOrPage);
            table = slot & AddressMask;
        }
    }

    private ulong TakePage()
    {
        ulong page = free;
        free += PageBytes;
        if (free > DataBase) throw new InvalidOperationException("The guest has no memory left for structures: map less.");
        return page;
    }
}
