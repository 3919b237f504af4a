using System.Buffers.Binary;
using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Scenes;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Perf.Dma;

/// <summary>Reads of a device: translation, look-up of the RAM behind it, and copy. 64 pages, at random.</summary>
[MemoryDiagnoser]
public class ReadBenchmarks
{
    private const int Accesses = 4_096;
    private const int Pages = 64;
    private const uint DmaStream = 9;

    private readonly byte[] buffer = new byte[TranslationScene.PageBytes];
    private readonly ulong[] outputs = new ulong[Accesses];
    private ulong[] addresses = [];
    private TranslationScene? scene;
    private Device.DmaPort? port;

    /// <summary>Bytes of each read, which begins on a multiple of them.</summary>
    [Params(8, 64, 4_096)]
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
        addresses = new WorkingSet(Pages, AccessOrder.Random).Addresses(TranslationScene.FirstPage, Accesses);
        for (int i = 0; i < Accesses; i++)
        {
            addresses[i] &= ~((ulong)Bytes - 1);
            outputs[i] = ram + (addresses[i] - TranslationScene.FirstPage);
        }

        TranslationScene.Require(Read() == Textbook() && Read() == Floor() && Read() == Untranslated(), "the bytes differ");
    }

    [GlobalCleanup]
    public void CleanUp()
    {
        port!.Dispose();
        scene!.Dispose();
    }

    /// <summary>The copy alone, from addresses that are known.</summary>
    [Benchmark(OperationsPerInvoke = Accesses)]
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

    [Benchmark(OperationsPerInvoke = Accesses, Baseline = true)]
    public ulong Textbook()
    {
        var memory = scene!.Machine.Memory;
        var destination = buffer.AsSpan(0, Bytes);
        ulong sum = 0;
        foreach (ulong address in addresses)
        {
            var result = scene.Textbook.Translate(new StreamId(DmaStream), address, isWrite: false);
            if (result.IsSuccess && memory.Read(result.Address, destination)) sum += BinaryPrimitives.ReadUInt64LittleEndian(destination);
        }

        return sum;
    }

    /// <summary>The same reads by a device without an SMMU.</summary>
    [Benchmark(OperationsPerInvoke = Accesses, Description = "memory.Read, without SMMU")]
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

    [Benchmark(OperationsPerInvoke = Accesses, Description = "port.Read")]
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
}
