using System.Buffers;
using System.Runtime.InteropServices;

namespace Smmu.Fast.Memory;

/// <summary>A range of a <see cref="GuestMemory"/> that has host memory behind it. Made by the memory's Add methods.</summary>
public sealed unsafe class GuestRegion
{
    private readonly NativeBlock? owned;
    private readonly SafeBuffer? lentBuffer;
    private MemoryHandle pin;

    internal GuestRegion(ulong address, ulong size, byte* host)
    {
        Address = address;
        Size = size;
        HostPointer = host;
    }

    internal GuestRegion(ulong address, NativeBlock owned) : this(address, owned.SizeBytes, owned.Pointer) => this.owned = owned;

    internal GuestRegion(ulong address, ulong size, MemoryHandle pin) : this(address, size, (byte*)pin.Pointer) => this.pin = pin;

    internal GuestRegion(ulong address, ulong size, SafeBuffer lent, byte* host) : this(address, size, host) => lentBuffer = lent;

    /// <summary>Physical address of the first byte; a multiple of <see cref="GuestMemory.PageBytes"/>.</summary>
    public ulong Address { get; }

    /// <summary>Size in bytes; a multiple of <see cref="GuestMemory.PageBytes"/>.</summary>
    public ulong Size { get; }

    /// <summary>
    /// Host address of the first byte, for the host's own loads and stores. Stores through it are neither refused in
    /// read-only regions nor seen by a watch. Of owned memory it is valid until the region is removed.
    /// </summary>
    public byte* HostPointer { get; }

    /// <summary>Words that <see cref="GuestMemory.HarvestDirty"/> fills: one bit for each page.</summary>
    public long DirtyBitmapWords => (long)((Size / GuestMemory.PageBytes + 63) / 64);

    /// <summary>True when stores abort.</summary>
    public bool IsReadOnly { get; internal set; }

    /// <summary>True when stores are observed.</summary>
    public bool IsWatched { get; internal set; }

    /// <summary>Index in the memory's array of regions; meaningful while the region is part of it.</summary>
    internal int Slot { get; set; }

    /// <summary>One bit for each page; null unless stores mark dirty pages. Changed under the memory's lock.</summary>
    internal NativeBlock? Dirty { get; set; }

    /// <summary>What stores call. A store that began under an older table may find it gone, and then calls nobody.</summary>
    internal Action<ulong, int>? Observer { get; set; }

    /// <summary>Gives back what the region holds of its owner or of the system; nobody may be using it any more.</summary>
    internal void Release()
    {
        owned?.Dispose();
        Dirty?.Dispose();
        Dirty = null;
        pin.Dispose();
        lentBuffer?.ReleasePointer();
    }
}
