using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Tests.Litmus;

/// <summary>A running machine with one stage 1 address space, and what drivers do to it.</summary>
internal sealed unsafe class Scene : IDisposable
{
    public const ushort Asid = 1;
    public const ulong PageBytes = 4096;

    private const uint FirstStream = 8;

    private readonly ulong context;
    private uint streams;

    /// <param name="recordsFaults">CD.R: whether denied accesses leave event records.</param>
    /// <param name="tlbEntries">Size of the shared TLB.</param>
    public Scene(bool recordsFaults = false, int tlbEntries = 1024)
    {
        Machine = new GuestMachine(configure: options => options with { TlbEntries = tlbEntries });
        Machine.Start();
        Space = new Stage1Space(Machine, Asid);
        context = Machine.Allocate(64, 64);
        Machine.SetContext(context, Space.Descriptor().With(ContextDescriptorField.R, recordsFaults ? 1UL : 0));
    }

    public GuestMachine Machine { get; }

    public Stage1Space Space { get; }

    /// <summary>Opens a port of a new stream whose device uses the address space.</summary>
    public DmaPort OpenPort()
    {
        uint stream = FirstStream + streams++;
        Machine.SetStream(stream, Entries.Stage1(context));
        return Machine.Smmu.OpenPort(new StreamId(stream));
    }

    /// <summary>Invalidates one page and waits for CMD_SYNC, as a driver does.</summary>
    public void InvalidateAndSync(ulong iova)
    {
        Machine.SubmitAndSync(Command.TlbiNhVa(default, new Asid(Asid), iova));
        var spin = new SpinWait();
        while (!Machine.IsCommandQueueEmpty) spin.SpinOnce();
    }

    /// <summary>Host address of a page of RAM.</summary>
    public ulong* HostOf(ulong pa)
    {
        bool isRam = Machine.Memory.TryGetHostSpan(pa, write: true, out byte* pointer, out _);
        return isRam ? (ulong*)pointer : throw new InvalidOperationException($"There is no RAM at 0x{pa:x}.");
    }

    public void Dispose() => Machine.Dispose();
}
