using Smmu.Fast.Tables;

namespace Smmu.Fast.Tests.Tables;

/// <summary>The vector kernel finds what the scalar definition finds, and the definition what the architecture says.</summary>
public unsafe class DirtyBitsTests
{
    private const ulong Valid = 1;
    private const ulong WriteControl = 1UL << 7;
    private const ulong DirtyBitModifier = 1UL << 51;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void EveryKernelFindsTheDirtyDescriptors(bool isStage1)
    {
        var random = new Random(11);
        var bits = new DirtyBits(isStage1);
        ulong* descriptors = stackalloc ulong[DirtyBits.Window];
        ulong seen = 0;
        for (int round = 0; round < 1_000; round++)
        {
            ulong expected = 0;
            for (int i = 0; i < DirtyBits.Window; i++)
            {
                ulong noise = (ulong)random.NextInt64() & ~(Valid | WriteControl | DirtyBitModifier);
                int kind = random.Next(8);
                descriptors[i] = noise | ((ulong)kind & 1) | ((kind & 2) != 0 ? WriteControl : 0) | ((kind & 4) != 0 ? DirtyBitModifier : 0);
                bool dirty = (kind & 5) == 5 && (kind & 2) == (isStage1 ? 0 : 2);
                expected |= (dirty ? 1UL : 0) << i;
            }

            Assert.Equal(expected, bits.ScalarMatch(descriptors, DirtyBits.Window));
            Assert.Equal(expected, bits.VectorMatch64(descriptors));
            Assert.Equal(expected, bits.Match64(descriptors));
            seen |= expected;
        }

        Assert.Equal(ulong.MaxValue, seen);
    }
}
