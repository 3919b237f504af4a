using Smmu.Fast.Memory;

namespace Smmu.Fast.Tests.Memory;

/// <summary>A copy moves exactly its bytes, at every alignment and length.</summary>
public sealed unsafe class WholeWordCopyTests
{
    [Fact]
    public void EveryOffsetAndLengthIsCopiedAndItsNeighboursAreNot()
    {
        using var block = new NativeBlock(256);
        var shared = new Span<byte>(block.Pointer, 256);
        var source = new byte[128];
        for (int i = 0; i < source.Length; i++) source[i] = (byte)(i + 1);
        for (int offset = 0; offset < 17; offset++)
        {
            for (int length = 0; length < 100; length++)
            {
                shared.Clear();
                fixed (byte* bytes = &source[3]) WholeWordCopy.Store(block.Pointer + offset, bytes, (ulong)length);
                Assert.Equal(source.AsSpan(3, length), shared.Slice(offset, length));
                Assert.Equal(-1, shared[..offset].IndexOfAnyExcept((byte)0));
                Assert.Equal(-1, shared[(offset + length)..].IndexOfAnyExcept((byte)0));

                var loaded = new byte[128];
                fixed (byte* bytes = &loaded[5]) WholeWordCopy.Load(block.Pointer + offset, bytes, (ulong)length);
                Assert.Equal(source.AsSpan(3, length), loaded.AsSpan(5, length));
                Assert.Equal(length, 128 - loaded.AsSpan().Count((byte)0));
            }
        }
    }
}
