using System.Buffers.Binary;
using BenchmarkDotNet.Attributes;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Scenes;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Perf.Dma;

/// <summary>
/// Reads and writes of a device: translation, look-up of the RAM behind it, and copy. 64 pages of 4 KiB, at random; what is
/// larger than a page goes over neighbouring ones.
/// </summary>
[MemoryDiagnoser]
public class CopyBenchmarks
{
    private const int OfRound = 4_096;
    private const int Pages = 64;
    private const int MostBytes = 65_536;
    private const uint DmaStream = 9;

    private readonly byte[] buffer = new byte[MostBytes];
    private readonly ulong[] outputs = new ulong[OfRound];
    private ulong[] addresses = [];
    private TranslationScene? scene;
    private DmaPort? port;

    /// <summary>Bytes of each access, which begins on a multiple of them.</summary>
    [Params(8, 64, 512, 4_096, MostBytes)]
    public int Bytes { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        scene = new TranslationScene(pages: 1);
        var machine = scene.Machine;
        var space = new Stage1Space(machine, asid: 1);
        ulong ram = machine.Allocate(Pages * TranslationScene.PageBytes);
        for (int i = 0; i < Pages; i++)
        {
            ulong output = ram + ((ulong)i * TranslationScene.PageBytes);
            space.Map(TranslationScene.PageOf(i), output);
            for (ulong at = 0; at < TranslationScene.PageBytes; at += sizeof(ulong)) machine.Write64(output + at, output + at);
        }

        machine.AttachStage1(DmaStream, space);
        port = machine.Smmu.OpenPort(new StreamId(DmaStream));
        addresses = new WorkingSet(Pages, AccessOrder.Random).Addresses(TranslationScene.FirstPage, OfRound);
        for (int i = 0; i < OfRound; i++)
        {
            addresses[i] &= ~((ulong)Bytes - 1);
            outputs[i] = ram + (addresses[i] - TranslationScene.FirstPage);
        }

        ulong expected = Floor();
        TranslationScene.Require(Read() == expected && Textbook() == expected && Untranslated() == expected, "the bytes differ");
        TranslationScene.Require(Write() == OfRound && WriteFloor() == OfRound, "writes fail");
    }

    [GlobalCleanup]
    public void CleanUp()
    {
        port!.Dispose();
        scene!.Dispose();
    }

    /// <summary>The copy alone, from addresses that are known.</summary>
    [Benchmark(OperationsPerInvoke = OfRound)]
    public unsafe ulong Floor()
    {
        byte* host = scene!.HostBase;
        var destination = buffer.AsSpan(0, Bytes);
        ulong sum = 0;
        foreach (ulong address in outputs)
        {
            new ReadOnlySpan<byte>(host + address, destination.Length).CopyTo(destination);
            sum += BinaryPrimitives.ReadUInt64LittleEndian(destination);
        }

        return sum;
    }

    [Benchmark(OperationsPerInvoke = OfRound, Baseline = true)]
    public ulong Textbook()
    {
        var memory = scene!.Machine.Memory;
        int length = Math.Min(Bytes, (int)TranslationScene.PageBytes);
        ulong sum = 0;
        foreach (ulong address in addresses)
        {
            for (int at = 0; at < Bytes; at += length)
            {
                var part = buffer.AsSpan(at, length);
                var result = scene.Textbook.Translate(new StreamId(DmaStream), address + (ulong)at, isWrite: false);
                if (!result.IsSuccess || !memory.Read(result.Address, part)) return 0;
            }

            sum += BinaryPrimitives.ReadUInt64LittleEndian(buffer);
        }

        return sum;
    }

    /// <summary>The same reads by a device without an SMMU.</summary>
    [Benchmark(OperationsPerInvoke = OfRound, Description = "memory.Read, without SMMU")]
    public ulong Untranslated()
    {
        var memory = scene!.Machine.Memory;
        var destination = buffer.AsSpan(0, Bytes);
        ulong sum = 0;
        foreach (ulong address in outputs)
        {
            if (memory.Read(address, destination)) sum += BinaryPrimitives.ReadUInt64LittleEndian(destination);
        }

        return sum;
    }

    [Benchmark(OperationsPerInvoke = OfRound, Description = "port.Read")]
    public ulong Read()
    {
        var destination = buffer.AsSpan(0, Bytes);
        ulong sum = 0;
        foreach (ulong address in addresses)
        {
            if (port!.Read(address, destination)) sum += BinaryPrimitives.ReadUInt64LittleEndian(destination);
        }

        return sum;
    }

    /// <summary>Returns how many succeeded.</summary>
    [Benchmark(OperationsPerInvoke = OfRound, Description = "port.Write")]
    public ulong Write()
    {
        var source = buffer.AsSpan(0, Bytes);
        ulong done = 0;
        foreach (ulong address in addresses) done += port!.Write(address, source) ? 1UL : 0;
        return done;
    }

    /// <summary>The copy alone, to addresses that are known.</summary>
    [Benchmark(OperationsPerInvoke = OfRound, Description = "floor of port.Write")]
    public unsafe ulong WriteFloor()
    {
        byte* host = scene!.HostBase;
        var source = buffer.AsSpan(0, Bytes);
        foreach (ulong address in outputs) source.CopyTo(new Span<byte>(host + address, source.Length));
        return OfRound;
    }
}
