using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Smmu.Fast.VirtualQueues;

/// <content>Saving and restoring.</content>
public sealed partial class VirtualQueueBlock
{
    private const ulong Magic = 0x5644_4d43_554d_4d53;   // "SMMUCMDV"
    private const uint StateVersion = 1;
    private const int HeaderBytes = 16;
    private const int BlockBytes = 12;
    private const int QueueBytes = 36;
    private const int InterfaceBytes = 4;
    private const int SlotBytes = 8;

    /// <summary>Saves the registers of the block, beside the state of the SMMU. The memory is the host's to save.</summary>
    /// <remarks>Call it while the machine stands still, as <see cref="Device.SmmuDevice.Save"/>.</remarks>
    /// <returns>Bytes that only <see cref="Restore"/> has to understand; they carry their version and a checksum.</returns>
    /// <exception cref="InvalidOperationException">
    /// A scope is open, a call runs commands, or an endpoint has not completed an ATS invalidation.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The SMMU is disposed.</exception>
    public byte[] Save()
    {
        ObjectDisposedException.ThrowIf(Smmu.IsDisposed, Smmu);
        byte[] bytes = new byte[StateBytes];
        var rest = bytes.AsSpan();
        Smmu.EnterAtRest();
        bool isReaching = Smmu.HasInvalidationsOut;
        Put64(ref rest, Magic);
        Put32(ref rest, StateVersion);
        Put32(ref rest, options.Parameters);
        Put32(ref rest, configuration);
        Put64(ref rest, interruptMask);
        foreach (var queue in queues)
        {
            Put32(ref rest, queue.AllocationRegister);
            Put64(ref rest, queue.BaseRegister);
            Put32(ref rest, queue.ConsumerRegister);
            Put32(ref rest, queue.ProducerRegister);
            Put32(ref rest, queue.ErrorRegister);
            Put32(ref rest, queue.AcknowledgeRegister);
            Put32(ref rest, queue.ConfigurationRegister);
            Put32(ref rest, queue.Consumer.HasTimedOutInvalidation ? 1u : 0);
        }

        foreach (var owner in interfaces)
        {
            Put32(ref rest, owner.ConfigurationRegister);
            for (uint slot = 0; slot < 1u << options.StreamSlotsLog2; slot++)
            {
                Put32(ref rest, owner.ReadMatch(slot));
                Put32(ref rest, owner.ReadReplacement(slot));
            }
        }

        Smmu.LeaveGate();
        if (isReaching) throw new InvalidOperationException("An ATS invalidation is under way: complete it before the block is saved.");
        SHA256.HashData(bytes.AsSpan(0, bytes.Length - SHA256.HashSizeInBytes), rest);
        return bytes;
    }

    /// <summary>Makes the block what it was when its state was saved. Restore memory and SMMU first.</summary>
    /// <remarks>Commands are run by the next call; <see cref="Device.SmmuDevice.HasPendingWork"/> tells of them.</remarks>
    /// <param name="state">What <see cref="Save"/> returned, on this or another block of the same size.</param>
    /// <exception cref="InvalidDataException">
    /// The state is none, is damaged, has another version or is of a block of another size. The block is unchanged.
    /// </exception>
    /// <exception cref="InvalidOperationException">A scope is open, or a call runs commands.</exception>
    /// <exception cref="ObjectDisposedException">The SMMU is disposed.</exception>
    public void Restore(ReadOnlySpan<byte> state)
    {
        ObjectDisposedException.ThrowIf(Smmu.IsDisposed, Smmu);
        Judge(state);
        var rest = state[HeaderBytes..];
        Smmu.EnterAtRest();
        ResetBehindGate();
        uint enables = Take32(ref rest);
        ulong mask = Take64(ref rest);
        for (int number = 0; number < queues.Length; number++)
        {
            var queue = queues[number];
            WriteAllocation(number, Take32(ref rest));
            queue.WriteBase(Take64(ref rest));
            queue.WriteConsumer(Take32(ref rest));
            queue.WriteProducer(Take32(ref rest), atOnce: false);
            queue.RestoreError(Take32(ref rest));
            queue.WriteAcknowledge(Take32(ref rest));
            queue.WriteConfiguration(Take32(ref rest));
            if (Take32(ref rest) != 0) queue.Consumer.RestoreTimeout();
        }

        for (int number = 0; number < interfaces.Length; number++)
        {
            WriteInterfaceConfiguration(number, Take32(ref rest));
            for (uint slot = 0; slot < 1u << options.StreamSlotsLog2; slot++)
            {
                interfaces[number].WriteMatch(slot, Take32(ref rest));
                interfaces[number].WriteReplacement(slot, Take32(ref rest));
            }
        }

        Volatile.Write(ref interruptMask, mask & AllInterfaces);
        WriteConfiguration(enables);
        Smmu.LeaveGate();
    }

    private int StateBytes => HeaderBytes + BlockBytes + (queues.Length * QueueBytes)
        + (interfaces.Length * (InterfaceBytes + (SlotBytes << options.StreamSlotsLog2))) + SHA256.HashSizeInBytes;

    private void Judge(ReadOnlySpan<byte> state)
    {
        var rest = state;
        if (state.Length < HeaderBytes || Take64(ref rest) != Magic) throw new InvalidDataException(
            "These bytes are not the saved state of a block of command queues: give Restore what Save returned.");
        uint version = Take32(ref rest);
        if (version != StateVersion) throw new InvalidDataException(
            $"The state has format version {version}, and this library reads version {StateVersion}: restore it with the library that saved it.");
        uint parameters = Take32(ref rest);
        if (parameters != options.Parameters) throw new InvalidDataException(
            $"The state is of a block with PARAM 0x{parameters:x}, and this one has 0x{options.Parameters:x}: make the block as large.");
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        if (state.Length == StateBytes)
        {
            SHA256.HashData(state[..^SHA256.HashSizeInBytes], hash);
            if (hash.SequenceEqual(state[^SHA256.HashSizeInBytes..])) return;
        }

        throw new InvalidDataException("The state is damaged: its bytes are not those that Save returned.");
    }

    private static void Put32(ref Span<byte> rest, uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(rest, value);
        rest = rest[sizeof(uint)..];
    }

    private static void Put64(ref Span<byte> rest, ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(rest, value);
        rest = rest[sizeof(ulong)..];
    }

    private static uint Take32(ref ReadOnlySpan<byte> rest)
    {
        uint value = BinaryPrimitives.ReadUInt32LittleEndian(rest);
        rest = rest[sizeof(uint)..];
        return value;
    }

    private static ulong Take64(ref ReadOnlySpan<byte> rest)
    {
        ulong value = BinaryPrimitives.ReadUInt64LittleEndian(rest);
        rest = rest[sizeof(ulong)..];
        return value;
    }
}
