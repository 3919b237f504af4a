using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Recordings;

namespace Smmu.Fast.Scenarios.Snapshots;

/// <summary>A stream as the snapshot says it is configured.</summary>
/// <param name="Line">The line in the file, from 1.</param>
/// <param name="Stream">The StreamID.</param>
/// <param name="Configuration">STE.Config (IHI 0070, 5.2).</param>
/// <param name="ContextAddress">STE.S1ContextPtr as an address; 0 without stage 1.</param>
/// <param name="Asid">CD.ASID; 0 without stage 1.</param>
/// <param name="ContextWord0">The CD's first 64 bits.</param>
/// <param name="ContextWord1">The CD's second 64 bits.</param>
public sealed record SnapshotStream(
    int Line, StreamId Stream, uint Configuration, ulong ContextAddress, ushort Asid, ulong ContextWord0, ulong ContextWord1);

/// <summary>A leaf of a stream's tables.</summary>
/// <param name="Line">The line in the file, from 1.</param>
/// <param name="Stream">The StreamID.</param>
/// <param name="InputAddress">The first byte.</param>
/// <param name="SizeBytes">A power of two.</param>
/// <param name="OutputAddress">Where the first byte goes.</param>
/// <param name="Permissions">1 read, 3 read and write.</param>
public sealed record SnapshotMap(
    int Line, StreamId Stream, ulong InputAddress, ulong SizeBytes, ulong OutputAddress, byte Permissions);

/// <summary>4 KiB of memory.</summary>
/// <param name="Address">Its physical address.</param>
/// <param name="Bytes">Its 4096 bytes.</param>
public sealed record SnapshotPage(ulong Address, byte[] Bytes);

/// <summary>The state of an SMMU in the middle of its work, and what each mapped address must translate to.</summary>
public sealed class Snapshot
{
    internal Snapshot(
        string name,
        IReadOnlyDictionary<uint, uint> registers,
        IReadOnlyList<SnapshotStream> streams,
        IReadOnlyList<SnapshotMap> maps,
        IReadOnlyList<SnapshotPage> pages)
    {
        Name = name;
        Registers = registers;
        Streams = streams;
        Maps = maps;
        Pages = pages;
    }

    /// <summary>What a snapshot starts with.</summary>
    public static ReadOnlySpan<byte> Magic => "SMMUSNAP1"u8;

    /// <summary>The file's name.</summary>
    public string Name { get; }

    /// <summary>Registers of 4 bytes by offset; those that are not there are 0.</summary>
    public IReadOnlyDictionary<uint, uint> Registers { get; }

    /// <summary>Every valid STE.</summary>
    public IReadOnlyList<SnapshotStream> Streams { get; }

    /// <summary>Every valid leaf.</summary>
    public IReadOnlyList<SnapshotMap> Maps { get; }

    /// <summary>Every page with a structure on a live path.</summary>
    public IReadOnlyList<SnapshotPage> Pages { get; }

    /// <summary>The ID registers.</summary>
    public IdentificationRegisters Identification => new(
        Register(0x0), Register(0x4), Register(0x8), Register(0xc), Register(0x10), Register(0x14),
        Register(0x18), Register(0x1c));

    /// <summary>A register of 4 bytes.</summary>
    public uint Register(uint offset) => Registers.GetValueOrDefault(offset);

    /// <summary>A register of 8 bytes, from its two halves.</summary>
    public ulong Register64(uint offset) => Register(offset) | ((ulong)Register(offset + 4) << 32);

    /// <summary>Opens and verifies a snapshot.</summary>
    /// <param name="path">A .snap.zst or .snap file.</param>
    /// <exception cref="RecordingException">The file cannot be used.</exception>
    public static Snapshot Open(string path) => From(VerifiedFile.Open(path));

    /// <summary>Verifies a snapshot whose bytes were read already.</summary>
    /// <param name="file">The verified bytes.</param>
    /// <exception cref="RecordingException">The file cannot be used.</exception>
    public static Snapshot From(VerifiedFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        return new SnapshotReader(file.Name).Read(file.Content);
    }
}
