using System.Numerics;
using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Device;

/// <summary>What is known of the streams of many requesters, by StreamID and SubstreamID. Owned by one thread at a time.</summary>
/// <remarks>
/// An index of words with open addressing, at most half full, leads to the states. Requesters beyond the capacity begin anew with
/// an empty one.
/// </remarks>
internal sealed unsafe class StreamStates : IDisposable
{
    private const uint MostSubstream = (1u << 20) - 1;
    private const int SubstreamShift = 32;
    private const ulong IsOfTranslated = 1UL << 62;
    private const ulong IsKey = 1UL << 63;
    private const ulong Nobody = ulong.MaxValue;

    private readonly NativeBlock placeBlock;
    private readonly NativeBlock stateBlock;
    private readonly Place* places;
    private readonly byte* states;
    private readonly int capacity;
    private readonly int hashShift;
    private readonly uint placeMask;
    private int count;

    /// <summary>Makes a table that knows nobody.</summary>
    /// <param name="capacity">Requesters that it knows at a time, above 0.</param>
    public StreamStates(int capacity)
    {
        Invariant.Holds(capacity > 0);
        this.capacity = capacity;
        int log2 = BitOperations.Log2(BitOperations.RoundUpToPowerOf2((uint)capacity)) + 1;
        hashShift = 64 - log2;
        placeMask = (1u << log2) - 1;
        placeBlock = new NativeBlock((placeMask + 1UL) * (ulong)sizeof(Place));
        stateBlock = new NativeBlock((ulong)capacity * StateBytes);
        places = (Place*)placeBlock.Pointer;
        states = stateBlock.Pointer;
    }

    // Whole lines, so that what a hit reads first is in as few as can be.
    private static uint StateBytes => ((uint)sizeof(StreamState) + NativeBlock.DefaultAlignment - 1) & ~(uint)(NativeBlock.DefaultAlignment - 1);

    /// <summary>Names a requester; a name that nobody has for a SubstreamID of more than 20 bits. Never 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong KeyOf(StreamId stream, SubstreamId? substream, bool isOfTranslated = false)
    {
        ulong key = IsKey | stream.Value | (isOfTranslated ? IsOfTranslated : 0);
        if (substream is not { } value) return key;
        return value.Value <= MostSubstream ? key | ((value.Value + 1UL) << SubstreamShift) : Nobody;
    }

    /// <summary>Finds a requester; null when it is not known.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public StreamState* Find(ulong key)
    {
        for (uint place = HomeOf(key); places[place].Key != 0; place = (place + 1) & placeMask)
        {
            if (places[place].Key == key) return places[place].State;
        }

        return null;
    }

    /// <summary>Adds a requester that is not known. Nobody uses a state while that happens: all may be forgotten.</summary>
    public StreamState* Add(ulong key, in StreamState fresh)
    {
        Invariant.Holds(key is not (0 or Nobody) && Find(key) == null);
        if (count == capacity)
        {
            new Span<Place>(places, (int)placeMask + 1).Clear();
            count = 0;
        }

        var state = (StreamState*)(states + ((ulong)count++ * StateBytes));
        *state = fresh;
        uint place = HomeOf(key);
        while (places[place].Key != 0) place = (place + 1) & placeMask;
        places[place] = new Place { Key = key, State = state };
        return state;
    }

    public void Dispose()
    {
        placeBlock.Dispose();
        stateBlock.Dispose();
    }

    // Neighbouring streams lie apart, and no two of a run meet before the table is full.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private uint HomeOf(ulong key) => (uint)(key * 0x9e37_79b9_7f4a_7c15UL >> hashShift);

    private struct Place
    {
        public ulong Key;   // 0 for a free place.
        public StreamState* State;
    }
}
