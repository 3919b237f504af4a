using System.Buffers.Binary;
using System.Numerics;
using Smmu.Fast.Formats;
using Smmu.Fast.VirtualQueues;
using Offset = Smmu.Fast.VirtualQueues.VirtualQueueOffset;

namespace Smmu.Fast.Iommufd.Tegra;

/// <summary>The interface that a vIOMMU has for itself: its VMID, its streams, its queues and its page.</summary>
/// <remarks>Methods are called by one thread at a time; errors come from any thread.</remarks>
public sealed class TegraVirtualInterface : IDisposable
{
    /// <summary>Bytes of the window that a guest maps: page 0 of the interface.</summary>
    public const ulong WindowBytes = Offset.PageSize;

    private const int AnswerBytes = 16;
    private const int EventBytes = 16;
    private const uint Enable = 1;
    private const uint Valid = 1;
    private const int VmidShift = 1;
    private const int EntryLog2 = 4;
    private const ulong LeastQueueBytes = 32;
    private const int QueueAddressBits = 48;

    private readonly TegraQueueDriver driver;
    private readonly IViommuHost host;
    private readonly Action synchronize;
    private readonly ulong registers;
    private readonly ulong?[] virtualIds;
    private readonly TegraHardwareQueue?[] queues;
    private bool isDisposed;

    private TegraVirtualInterface(TegraQueueDriver driver, int number, IViommuHost host, Action synchronize)
    {
        this.driver = driver;
        this.host = host;
        this.synchronize = synchronize;
        Number = number;
        registers = Offset.VINTF + ((ulong)(uint)number * Offset.VINTF_STRIDE);
        virtualIds = new ulong?[1 << driver.Block.Options.StreamSlotsLog2];
        queues = new TegraHardwareQueue?[driver.QueuesOfInterface];
    }

    /// <summary>Number of the interface.</summary>
    public int Number { get; }

    /// <summary>Block of the interface.</summary>
    internal VirtualQueueBlock Block => driver.Block;

    /// <summary>Takes an interface for a vIOMMU, switches it on, and tells the user where its page is to be mapped.</summary>
    /// <param name="driver">The driver of the block.</param>
    /// <param name="vmid">The host's VMID, which stands in every TLBI of the guest.</param>
    /// <param name="host">What the vIOMMU finds in its context; takes the window and the events.</param>
    /// <param name="synchronize">Submits a CMD_SYNC to the SMMU's own Command queue and waits for it.</param>
    /// <param name="data">
    /// What the user added: two doublewords of type <see cref="TegraQueueDriver.ViommuType"/>, which take offset and length of
    /// the window.
    /// </param>
    /// <param name="made">The interface, with the answer None.</param>
    /// <returns>None; EINVAL without data or for data of another type; ENOSPC when no interface is free; E2BIG; EFAULT.</returns>
    public static Errno Create(
        TegraQueueDriver driver, Vmid vmid, IViommuHost host, Action synchronize, in UserData data, out TegraVirtualInterface? made)
    {
        ArgumentNullException.ThrowIfNull(driver);
        ArgumentNullException.ThrowIfNull(host);
        ArgumentNullException.ThrowIfNull(synchronize);
        made = null;
        if (!data.HasData) return Errno.EINVAL;
        Span<byte> answer = stackalloc byte[AnswerBytes];
        Errno errno = data.Read(TegraQueueDriver.ViommuType, AnswerBytes, answer);
        if (errno != Errno.None) return errno;
        if (!driver.TryTake(out int number)) return Errno.ENOSPC;

        var taken = new TegraVirtualInterface(driver, number, host, synchronize);
        taken.SwitchOn(vmid);
        BinaryPrimitives.WriteUInt64LittleEndian(answer, host.PublishWindow(new Window(driver.Block.PageOf(number)), WindowBytes));
        BinaryPrimitives.WriteUInt64LittleEndian(answer[sizeof(ulong)..], WindowBytes);
        errno = data.WriteBack(answer);
        if (errno != Errno.None)
        {
            taken.Dispose();
            return errno;
        }

        made = taken;
        return Errno.None;
    }

    /// <summary>Lets the guest name a stream in its ATC invalidations.</summary>
    /// <param name="stream">The physical StreamID.</param>
    /// <param name="virtualId">The guest's.</param>
    /// <returns>None; EINVAL for a number that the hardware cannot compare, above 31 bits; ENOSPC when all slots are taken.</returns>
    /// <remarks>Linux takes 32 bits and cuts the highest one off, so that the guest's commands would reach another number.</remarks>
    public Errno AddDevice(StreamId stream, ulong virtualId)
    {
        if (virtualId > int.MaxValue) return Errno.EINVAL;
        int slot = Array.IndexOf(virtualIds, null);
        if (slot < 0) return Errno.ENOSPC;
        virtualIds[slot] = virtualId;
        Block.Write32(registers + Offset.VINTF_SID_REPLACE + ((ulong)(uint)slot * sizeof(uint)), stream.Value);
        Block.Write32(registers + Offset.VINTF_SID_MATCH + ((ulong)(uint)slot * sizeof(uint)), ((uint)virtualId << 1) | Valid);
        return Errno.None;
    }

    /// <summary>Takes a stream from the guest.</summary>
    /// <param name="virtualId">The guest's StreamID.</param>
    public void RemoveDevice(ulong virtualId)
    {
        int slot = Array.IndexOf(virtualIds, virtualId);
        if (slot < 0) return;
        virtualIds[slot] = null;
        Block.Write32(registers + Offset.VINTF_SID_MATCH + ((ulong)(uint)slot * sizeof(uint)), 0);
        Block.Write32(registers + Offset.VINTF_SID_REPLACE + ((ulong)(uint)slot * sizeof(uint)), 0);
    }

    /// <summary>Gives the guest a queue in its memory, which it switches on by itself. Queues come in rising order.</summary>
    /// <param name="request">Which and where.</param>
    /// <param name="queue">The queue, with the answer None.</param>
    /// <returns>
    /// None; EOPNOTSUPP for another type; EINVAL for an index that there is not, a length that is no power of two from 32 bytes
    /// to that of the longest queue of the SMMU, or an address above 48 bits or not aligned to the length; EEXIST when it is
    /// there; EIO when the one before it is missing; EBUSY while the host still reads a command for whoever had it before.
    /// </returns>
    public Errno CreateQueue(in HardwareQueueRequest request, out IHardwareQueue? queue)
    {
        queue = null;
        if (request.Type != TegraQueueDriver.HardwareQueueType) return Errno.EOPNOTSUPP;
        if (request.Index >= (uint)queues.Length) return Errno.EINVAL;
        int place = (int)request.Index;
        if (queues[place] is not null) return Errno.EEXIST;
        var before = place == 0 ? null : queues[place - 1];
        if (place != 0 && before is null) return Errno.EIO;

        ulong most = 1UL << (Block.Smmu.Features.CommandQueueLog2 + EntryLog2);
        if (!BitOperations.IsPow2(request.Length) || request.Length < LeastQueueBytes || request.Length > most) return Errno.EINVAL;
        ulong address = request.Physical.Value;
        if (address >> QueueAddressBits != 0 || (address & (request.Length - 1)) != 0) return Errno.EINVAL;
        var made = new TegraHardwareQueue(this, place, before);
        if (!made.TrySetUp(address | (uint)(BitOperations.Log2(request.Length) - EntryLog2))) return Errno.EBUSY;
        queues[place] = made;
        queue = made;
        return Errno.None;
    }

    /// <summary>Switches the interface off and gives it back. All its queues are to be gone.</summary>
    public void Dispose()
    {
        if (isDisposed) return;
        isDisposed = true;
        for (int place = queues.Length - 1; place >= 0; place--) queues[place]?.Dispose();
        Block.Write32(registers + Offset.VINTF_CONFIG, 0);
        foreach (ulong? virtualId in virtualIds)
        {
            if (virtualId is { } known) RemoveDevice(known);
        }

        driver.Return(Number);
    }

    /// <summary>Number in the block of a queue of this interface.</summary>
    internal int GlobalNumberOf(int place) => (Number * queues.Length) + place;

    /// <summary>
    /// Waits until nothing is under way for a queue that is gone: an ATC timeout that comes late would be blamed on whoever has
    /// the queue next.
    /// </summary>
    internal void Forget(TegraHardwareQueue queue)
    {
        synchronize();
        queues[queue.Place] = null;
    }

    /// <summary>Hands the error maps to the user; when nobody wants them, that is the user's affair.</summary>
    internal void ReportErrors()
    {
        Span<byte> maps = stackalloc byte[EventBytes];
        for (int word = 0; word < EventBytes; word += sizeof(ulong))
        {
            BinaryPrimitives.WriteUInt64LittleEndian(maps[word..], Block.Read64(registers + Offset.VINTF_LVCMDQ_ERR_MAP_64 + (uint)word));
        }

        host.ReportEvent(TegraQueueDriver.EventType, maps);
    }

    private void SwitchOn(Vmid vmid)
    {
        driver.Listen(Number, this);
        Block.Write32(registers + Offset.VINTF_CONFIG, (uint)vmid.Value << VmidShift);
        Block.Write32(registers + Offset.VINTF_CONFIG, ((uint)vmid.Value << VmidShift) | Enable);
    }

    private sealed class Window(VirtualInterfacePage page) : IMmioWindow
    {
        public uint Read32(ulong offset) => page.Read32(offset);

        public void Write32(ulong offset, uint value) => page.Write32(offset, value);
    }
}
