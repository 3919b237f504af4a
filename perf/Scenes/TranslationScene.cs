using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Baselines;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Perf.Scenes;

/// <summary>
/// A machine in which one stream has a number of pages mapped, and both SMMUs over it: the engine and the textbook. Four
/// levels of 4 KiB tables (T0SZ 16), pages of 4 KiB, all options of the engine at their defaults unless said otherwise.
/// </summary>
internal sealed unsafe class TranslationScene : IDisposable
{
    public const ulong PageBytes = 4096;
    public const ulong FirstPage = 0x80_4000_0000;
    public const ushort AsidNumber = 0x17;

    /// <summary>Output address of the first page. Outside of RAM: nothing here reads through a translation.</summary>
    public const ulong FirstOutput = 0x1_0000_0000;

    /// <summary>Bits of a page descriptor besides the address.</summary>
    public const ulong Leaf = Stage1Space.ReadWrite | Stage1Space.TableOrPage;

    private const int PagesOfTable = 512;

    private ulong* table;
    private int tableNumber = -1;

    /// <summary>Makes the scene, with translation on.</summary>
    /// <param name="pages">Pages mapped, from <see cref="FirstPage"/> on.</param>
    /// <param name="log2Streams">log2 of the streams that there can be.</param>
    /// <param name="commandQueueLog2">log2 of the entries of the Command queue.</param>
    public TranslationScene(int pages, int log2Streams = 12, int commandQueueLog2 = 8)
    {
        Machine = new GuestMachine();
        Machine.SetUpStreamTable(log2Streams);
        Machine.SetUpCommandQueue(commandQueueLog2);
        Machine.Start();
        Space = new Stage1Space(Machine, AsidNumber);
        for (int i = 0; i < pages; i++) DescriptorOf(i) = FirstOutput + ((ulong)i * PageBytes) | Leaf;
        Machine.AttachStage1(Stream.Value, Space);
        Port = Machine.Smmu.OpenPort(Stream);
        Textbook = new TextbookSmmu(Machine, Machine.Smmu.Options.TlbEntries * 3 / 4);
    }

    /// <summary>The stream that the pages are mapped for.</summary>
    public static StreamId Stream => new(8);

    public GuestMachine Machine { get; }

    public Stage1Space Space { get; }

    /// <summary>The engine, as the device of the stream sees it.</summary>
    public DmaPort Port { get; }

    /// <summary>The other SMMU over the same memory.</summary>
    public TextbookSmmu Textbook { get; }

    /// <summary>Host address of physical address 0, if RAM reached down to it: for floors.</summary>
    public byte* HostBase
    {
        get
        {
            bool isThere = Machine.Memory.TryGetHostSpan(GuestMachine.RamBase, write: false, out byte* host, out _);
            return isThere ? host - GuestMachine.RamBase : throw new InvalidOperationException("The machine has lost its RAM.");
        }
    }

    /// <summary>The descriptor of a page in its table, which is made if need be: loads and stores of a CPU of the guest.</summary>
    public ref ulong DescriptorOf(int index)
    {
        if (tableNumber != index / PagesOfTable)
        {
            tableNumber = index / PagesOfTable;
            table = (ulong*)(HostBase + Space.Slot(PageOf(tableNumber * PagesOfTable), level: 3, create: true));
        }

        return ref table[index % PagesOfTable];
    }

    /// <summary>Input address of a page.</summary>
    public static ulong PageOf(int index) => FirstPage + ((ulong)index * PageBytes);

    /// <summary>Lets both SMMUs cache what they can of the addresses.</summary>
    public void Warm(ReadOnlySpan<ulong> addresses)
    {
        foreach (ulong address in addresses)
        {
            Require(Port.Translate(address, AccessKind.Read).IsSuccess, "the engine does not translate a page that is mapped");
            Require(Textbook.Translate(Stream, address, isWrite: false).IsSuccess, "the textbook does not translate a mapped page");
        }
    }

    /// <summary>Ends the benchmark when a claim that its name makes is not true.</summary>
    /// <exception cref="InvalidOperationException">The claim is false.</exception>
    public static void Require(bool holds, string otherwise)
    {
        if (!holds) throw new InvalidOperationException($"The benchmark would measure something else: {otherwise}.");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Port.Dispose();
        Machine.Dispose();
    }
}
