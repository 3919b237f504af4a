using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd;

namespace Smmu.Fast.Tests.Iommufd;

/// <summary>A process's memory in pages of 4 KiB that come and go, and count how often they are pinned.</summary>
/// <remarks>Pages of one allocation lie in one piece, or scattered so that no two are neighbours.</remarks>
internal sealed class MockUserMemory : IUserMemory
{
    public const int PageBytes = 4096;

    private readonly Lock gate = new();
    private readonly Dictionary<ulong, Page> byAddress = [];
    private readonly Dictionary<ulong, Page> byPhysical = [];
    private ulong nextAddress = 0x10_0000_0000;
    private ulong nextPhysical = 0x1_0000_0000;

    /// <summary>Pages that one call pins at most, as a kernel with a small work buffer.</summary>
    public int MostPagesPerPin { get; set; } = int.MaxValue;

    /// <summary>Asked before each pin and each allocation; an answer other than None is the result.</summary>
    public Func<Errno> Inject { get; set; } = () => Errno.None;

    /// <summary>Called before pages are unpinned.</summary>
    public Action Unpinning { get; set; } = () => { };

    /// <summary>Pins that are not undone.</summary>
    public int Pins
    {
        get
        {
            lock (gate) return byPhysical.Values.Sum(page => page.Pins);
        }
    }

    /// <summary>Calls of Pin that succeeded.</summary>
    public int PinCalls { get; private set; }

    public ulong Allocate(ulong bytes, bool scattered = false, bool writable = true)
    {
        lock (gate)
        {
            ulong address = nextAddress;
            for (ulong at = 0; at < bytes; at += PageBytes)
            {
                var page = new Page { Physical = nextPhysical, IsWritable = writable };
                nextPhysical += scattered ? 2 * (ulong)PageBytes : PageBytes;
                byAddress.Add(address + at, page);
                byPhysical.Add(page.Physical, page);
            }

            nextAddress += ((bytes + PageBytes - 1) & ~(PageBytes - 1UL)) + (1UL << 21);
            nextAddress &= ~((1UL << 21) - 1);
            nextPhysical += PageBytes;
            return address;
        }
    }

    public void Free(ulong address, ulong bytes)
    {
        lock (gate)
        {
            for (ulong at = 0; at < bytes; at += PageBytes) byAddress.Remove(address + at);
        }
    }

    public ulong PhysicalOf(ulong address)
    {
        lock (gate) return byAddress[address & ~(PageBytes - 1UL)].Physical + (address & (PageBytes - 1));
    }

    public int PinsOf(ulong address)
    {
        lock (gate) return byAddress[address & ~(PageBytes - 1UL)].Pins;
    }

    public bool TryRead(ulong address, Span<byte> destination)
    {
        lock (gate)
        {
            while (!destination.IsEmpty)
            {
                if (!byAddress.TryGetValue(address & ~(PageBytes - 1UL), out Page? page)) return false;
                Span<byte> part = page.Bytes.AsSpan((int)(address & (PageBytes - 1)));
                part = part[..Math.Min(part.Length, destination.Length)];
                part.CopyTo(destination);
                destination = destination[part.Length..];
                address += (ulong)part.Length;
            }

            return true;
        }
    }

    public bool TryWrite(ulong address, ReadOnlySpan<byte> source)
    {
        lock (gate)
        {
            while (!source.IsEmpty)
            {
                if (!byAddress.TryGetValue(address & ~(PageBytes - 1UL), out Page? page) || !page.IsWritable) return false;
                Span<byte> part = page.Bytes.AsSpan((int)(address & (PageBytes - 1)));
                part = part[..Math.Min(part.Length, source.Length)];
                source[..part.Length].CopyTo(part);
                source = source[part.Length..];
                address += (ulong)part.Length;
            }

            return true;
        }
    }

    public Errno Pin(ulong address, ulong bytes, bool forWriting, out PinnedRun run)
    {
        Assert.Equal(0UL, (address | bytes) & (PageBytes - 1));
        Assert.NotEqual(0UL, bytes);
        run = default;
        Errno errno = Inject();
        if (errno != Errno.None) return errno;
        lock (gate)
        {
            ulong done = 0;
            ulong most = (ulong)MostPagesPerPin * PageBytes;
            while (done < Math.Min(bytes, most) && byAddress.TryGetValue(address + done, out Page? page))
            {
                if (forWriting && !page.IsWritable) break;
                if (done != 0 && page.Physical != run.First.Value + done) break;
                if (done == 0) run = new PinnedRun(new PhysicalAddress(page.Physical), 0);
                page.Pins++;
                done += PageBytes;
            }

            run = run with { Bytes = done };
            if (done != 0) PinCalls++;
            return done == 0 ? Errno.EFAULT : Errno.None;
        }
    }

    public void Unpin(PinnedRun run, bool forWriting)
    {
        Unpinning();
        lock (gate)
        {
            for (ulong at = 0; at < run.Bytes; at += PageBytes)
            {
                Page page = byPhysical[run.First.Value + at];
                Assert.True(page.Pins > 0, "Unpinned more often than pinned.");
                page.Pins--;
            }
        }
    }

    public void ReadPinned(PhysicalAddress physical, Span<byte> destination) =>
        EachPinned(physical.Value, destination.Length, (bytes, at, self) => bytes.CopyTo(self[at..]), destination);

    public void WritePinned(PhysicalAddress physical, ReadOnlySpan<byte> source)
    {
        byte[] copy = source.ToArray();
        EachPinned(physical.Value, copy.Length, (bytes, at, self) => self.Slice(at, bytes.Length).CopyTo(bytes), copy);
    }

    private delegate void Copier(Span<byte> bytes, int at, Span<byte> self);

    private void EachPinned(ulong physical, int length, Copier copy, Span<byte> self)
    {
        lock (gate)
        {
            for (int at = 0; at < length;)
            {
                Page page = byPhysical[(physical + (ulong)at) & ~(PageBytes - 1UL)];
                Assert.True(page.Pins > 0, "Touched without a pin.");
                Span<byte> part = page.Bytes.AsSpan((int)((physical + (ulong)at) & (PageBytes - 1)));
                part = part[..Math.Min(part.Length, length - at)];
                copy(part, at, self);
                at += part.Length;
            }
        }
    }

    private sealed class Page
    {
        private byte[]? bytes;

        public ulong Physical { get; init; }

        public bool IsWritable { get; init; }

        public int Pins { get; set; }

        public byte[] Bytes => bytes ??= new byte[PageBytes];
    }
}
