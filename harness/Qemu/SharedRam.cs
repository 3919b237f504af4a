using System.IO.MemoryMappedFiles;

namespace Smmu.Fast.Qemu;

/// <summary>The RAM of a machine as a file that QEMU maps too: what one writes the other sees at once.</summary>
internal sealed unsafe class SharedRam : IDisposable
{
    private readonly MemoryMappedFile file;
    private readonly MemoryMappedViewAccessor view;
    private readonly byte* start;
    private bool isDisposed;

    /// <summary>Makes the file.</summary>
    /// <param name="path">Where.</param>
    public SharedRam(string path)
    {
        file = MemoryMappedFile.CreateFromFile(path, FileMode.Create, null, (long)MachineMap.RamBytes);
        view = file.CreateViewAccessor(0, (long)MachineMap.RamBytes);
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        MachineMap.FillPristine(Bytes);   // The CPU's loop has to be there from the start.
    }

    /// <summary>All of it.</summary>
    public Span<byte> Bytes => new(start, (int)MachineMap.RamBytes);

    public void Dispose()
    {
        if (isDisposed) return;
        isDisposed = true;
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        file.Dispose();
    }
}
