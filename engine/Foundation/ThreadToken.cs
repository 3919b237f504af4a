using System.Runtime.CompilerServices;

namespace Smmu.Fast.Foundation;

/// <summary>A small number for each thread, never 0 and never reused, cheaper to compare than a managed thread id.</summary>
internal static unsafe class ThreadToken
{
    [ThreadStatic]
    private static int token;

    private static int last;

    /// <summary>The number of the calling thread.</summary>
    public static int Current
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            int value = token;
            return value != 0 ? value : Assign();
        }
    }

    /// <summary>A page of the calling thread's stack: the quickest thing to know a thread by, if less surely than by its number.</summary>
    /// <remarks>
    /// No two threads have a page in common. Of a thread that has ended a later one may get a page: it then counts as foreign to
    /// itself, which costs a barrier and is safe.
    /// </remarks>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint StackPage()
    {
        const int PageLog2 = 12;
        byte here;
        return (nuint)(&here) >> PageLog2;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int Assign() => token = Interlocked.Increment(ref last);
}

/// <summary>The thread that called last, remembered by a page of its stack. Guarded by whoever has it.</summary>
/// <remarks>A later thread on the page of one that has ended gets that one's number: it shares it with nobody alive.</remarks>
internal struct LatestCaller
{
    private nuint stackPage;
    private int token;

    /// <summary>The number of the calling thread.</summary>
    public int Token
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            nuint page = ThreadToken.StackPage();
            if (page != stackPage)
            {
                stackPage = page;
                token = ThreadToken.Current;
            }

            return token;
        }
    }
}
