using Smmu.Fast.Formats;

namespace Smmu.Fast.Tests.VirtualQueues;

/// <summary>
/// The block once more, as plainly as it can be said: registers in arrays, and after each write all queues run dry. It shares
/// no code with the engine. Ranges are not judged, so commands are to have TG = 0.
/// </summary>
/// <param name="read">Reads a command; null when that aborts.</param>
/// <param name="largestLog2">CMDQS.</param>
/// <param name="addressBits">OAS.</param>
internal sealed class PlainBlock(Func<ulong, (ulong Word0, ulong Word1)?> read, int largestLog2, int addressBits)
{
    public const int Interfaces = 4;
    public const int Slots = 4;
    public const int QueueCount = 16;

    private const uint ErrorField = 0x7f00_0000;

    private readonly uint[] interfaces = new uint[Interfaces];
    private readonly uint[,] matches = new uint[Interfaces, Slots];
    private readonly uint[,] replacements = new uint[Interfaces, Slots];
    private readonly Queue[] queues = [.. Enumerable.Range(0, QueueCount).Select(_ => new Queue())];
    private uint enable;
    private uint mask;

    /// <summary>StreamIDs that CMD_ATC_INV reached.</summary>
    public List<uint> Streams { get; } = [];

    /// <summary>Interfaces whose errors were told.</summary>
    public List<int> Told { get; } = [];

    public int Consumed { get; private set; }

    public uint Read(ulong offset)
    {
        if (offset % 4 != 0) return 0;
        if (offset >= 0x1_0000) return Find(offset) is { } queue ? queue.Read((uint)offset % 128, IsPage1(offset), IsActive(queue)) : 0;
        if (offset is >= 0x200 and < 0x240) return queues[(offset - 0x200) / 4].Allocation;
        if (offset is >= 0x1000 and < 0x1400)
        {
            int number = (int)(offset - 0x1000) / 256;
            int place = (int)offset & 0xff;
            if (place == 0) return interfaces[number];
            if (place == 4) return enable & interfaces[number] & 1;
            if (place is >= 0x40 and < 0x50) return matches[number, (place - 0x40) / 4];
            if (place is >= 0x80 and < 0x90) return replacements[number, (place - 0x80) / 4];
            if (place < 0xc0) return 0;
            return Bits(queue => queue.IsOf(number) && queue.Local / 32 == (place - 0xc0) / 4, queue => queue.Local % 32);
        }

        return offset switch
        {
            0 or 8 => enable,
            4 => 0x2241,
            0x14 => Bits(queue => queue.IsAllocated && queue.Interface < Interfaces, queue => queue.Interface),
            0x1c => mask,
            0x24 => Bits(_ => true, queue => Array.IndexOf(queues, queue)),
            _ => 0,
        };
    }

    public void Write(ulong offset, uint value)
    {
        if (offset % 4 != 0) return;
        if (offset >= 0x1_0000) WriteQueue(offset, value);
        else if (offset is >= 0x200 and < 0x240) queues[(offset - 0x200) / 4].Allocation = value & 0x1f_80ff;
        else if (offset is >= 0x1000 and < 0x1400) WriteInterface((int)(offset - 0x1000) / 256, (int)offset & 0xff, value);
        else if (offset == 0) enable = value & 1;
        else if (offset == 0x1c) WriteMask(value & 0xf);
        RunDry();
    }

    private void WriteMask(uint value)
    {
        uint unmasked = mask & ~value;
        mask = value;
        for (int number = 0; number < Interfaces; number++)
        {
            if ((unmasked & Read(0x14) & (1u << number)) != 0) Told.Add(number);
        }
    }

    private void WriteInterface(int number, int place, uint value)
    {
        if (place == 0) interfaces[number] = value & 0x3_ffff;
        else if (place is >= 0x40 and < 0x50) matches[number, (place - 0x40) / 4] = value;
        else if (place is >= 0x80 and < 0x90) replacements[number, (place - 0x80) / 4] = value;
    }

    private void WriteQueue(ulong offset, uint value)
    {
        if (Find(offset) is not { } queue) return;
        uint place = (uint)offset % 128;
        bool isActive = IsActive(queue);
        if (IsPage1(offset))
        {
            if (isActive || place > 4) return;
            ulong written = place == 0 ? (queue.Base & ~0xffff_ffffUL) | value : (queue.Base & 0xffff_ffff) | ((ulong)value << 32);
            queue.Base = written & 0xffff_ffff_ffff & ((1UL << addressBits) - 1);
            queue.Consumer &= ErrorField | Used(queue);
            return;
        }

        switch (place)
        {
            case 0 when !isActive: queue.Consumer = value & (ErrorField | Used(queue)); break;
            case 4: queue.Producer = value & 0xf_ffff; break;
            case 8: queue.Enable = value & 1; break;
            case 0x14: queue.Acknowledged = value & 1; break;
            default: break;
        }
    }

    private void RunDry()
    {
        foreach (var queue in queues)
        {
            while (IsActive(queue) && !queue.HasError && RunOne(queue)) Consumed++;
        }
    }

    private bool RunOne(Queue queue)
    {
        uint used = Used(queue);
        uint entries = (used + 1) / 2;
        uint count = (queue.Producer - queue.Consumer) & used;
        if (count == 0 || count > entries) return false;
        ulong bytes = Math.Max(entries * 16UL, 32);
        ulong address = (queue.Base & ~31UL) / bytes * bytes;
        uint error = read(address + ((queue.Consumer & (entries - 1)) * 16UL)) is { } words ? Judge(queue, words.Word0, words.Word1) : 2;
        if (error == 0)
        {
            queue.Consumer = (queue.Consumer & ErrorField) | ((queue.Consumer + 1) & used);
            return true;
        }

        queue.Consumer = (queue.Consumer & ~ErrorField) | (error << 24);
        queue.Errors ^= 1;
        if ((mask & (1u << queue.Interface)) == 0) Told.Add(queue.Interface);
        return false;
    }

    private uint Judge(Queue queue, ulong word0, ulong word1)
    {
        bool isHypervisors = (interfaces[queue.Interface] & (1 << 17)) != 0;
        uint stream = (uint)(word0 >> 32);
        switch ((CommandOpcode)(word0 & 0xff))
        {
            case CommandOpcode.TlbiNhAsid or CommandOpcode.TlbiNhVa:
                return 0;
            case CommandOpcode.Sync:
                ulong signal = (word0 >> 12) & 3;
                return (isHypervisors && signal != 3) || signal == 0 ? 0u : 1;
            case CommandOpcode.AtcInv:
                int slot = Enumerable.Range(0, Slots).FirstOrDefault(at => matches[queue.Interface, at] == ((stream << 1) | 1) && stream >> 31 == 0, -1);
                if (!isHypervisors && slot < 0) return 1;
                if ((word1 & 0x3f) > 52) return 1;
                Streams.Add(isHypervisors ? stream : replacements[queue.Interface, slot]);
                return 0;
            case CommandOpcode.TlbiNsnhAll or CommandOpcode.TlbiNhAll:
                return isHypervisors ? 0u : 1;
            default:
                return 1;
        }
    }

    private bool IsActive(Queue queue) => enable == 1 && queue.IsAllocated && queue.Interface < Interfaces
        && (interfaces[queue.Interface] & 1) != 0 && queue.Enable == 1;

    private uint Used(Queue queue) => (2u << Math.Min((int)(queue.Base & 31), Math.Min(largestLog2, 19))) - 1;

    private static bool IsPage1(ulong offset) => offset is >= 0x2_0000 and < 0x3_0000 || (offset >= 0x3_0000 && (offset & 0x1_0000) == 0);

    private Queue? Find(ulong offset)
    {
        int place = (int)(offset & 0xffff) / 128;
        if (offset < 0x3_0000) return place < QueueCount ? queues[place] : null;
        ulong number = (offset - 0x3_0000) / 0x2_0000;
        return number < Interfaces ? queues.FirstOrDefault(queue => queue.IsOf((int)number) && queue.Local == place && place < QueueCount) : null;
    }

    private uint Bits(Func<Queue, bool> which, Func<Queue, int> bit) =>
        queues.Where(queue => queue.HasError && which(queue)).Aggregate(0u, (map, queue) => map | (1u << bit(queue)));

    private sealed class Queue
    {
        public uint Allocation { get; set; }

        public ulong Base { get; set; }

        public uint Consumer { get; set; }

        public uint Producer { get; set; }

        public uint Enable { get; set; }

        public uint Errors { get; set; }

        public uint Acknowledged { get; set; }

        public bool IsAllocated => Allocation % 2 == 1;

        public int Interface => (int)(Allocation >> 15);

        public int Local => (int)(Allocation >> 1) & 0x7f;

        public bool HasError => Errors != Acknowledged;

        public bool IsOf(int number) => IsAllocated && Interface == number;

        public uint Read(uint place, bool isPage1, bool isActive)
        {
            if (isPage1) return place == 0 ? (uint)Base : place == 4 ? (uint)(Base >> 32) : 0;
            return place switch
            {
                0 => Consumer,
                4 => Producer,
                8 => Enable,
                0xc => isActive ? 1u : 0,
                0x10 => Errors,
                0x14 => Acknowledged,
                _ => 0,
            };
        }
    }
}
