using System.Globalization;
using System.Text;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Tests.Hostile;

/// <summary>One party of a round: it makes a step at a time, and remembers the last ones for who has to explain them.</summary>
internal abstract class Actor(string name, HostileMachine machine, HostileWords words)
{
    private const int Remembered = 24;
    private const int MostLevels = 4;   // Host code stops calling back after a few levels, as hosts must.

    [ThreadStatic]
    private static Actor? current;

    private readonly (string What, ulong First, ulong Second)[] notes = new (string, ulong, ulong)[Remembered];
    private long noted;
    private long steps;
    private int levels;

    /// <summary>The party whose step the calling thread makes.</summary>
    public static Actor? Current => current;

    /// <summary>What to call it.</summary>
    public string Name { get; } = name;

    /// <summary>Steps made so far; read by the watchdog.</summary>
    public long Steps => Volatile.Read(ref steps);

    /// <summary>Calls of host code that came back into the SMMU.</summary>
    public long Callbacks { get; private set; }

    protected HostileMachine Machine { get; } = machine;

    protected HostileWords Words { get; } = words;

    /// <summary>Makes one step.</summary>
    public void Step()
    {
        var outer = current;
        current = this;
        try
        {
            Act();
        }
        catch (HostFailureException) when (Machine.HostFails)
        {
            Note("the host failed");
        }
        finally
        {
            current = outer;
            Volatile.Write(ref steps, steps + 1);
        }
    }

    /// <summary>What host code does when the SMMU calls it: nothing, or something inside the SMMU.</summary>
    public void CallBack()
    {
        if (Machine.IsQuiet || levels == MostLevels || !Words.Chance(2)) return;
        levels++;
        Callbacks++;
        try
        {
            ActInCallback();
        }
        finally
        {
            levels--;
        }
    }

    /// <summary>The last steps, the latest last.</summary>
    public string Describe()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{Name}, {Steps} steps:");
        long end = Volatile.Read(ref noted);
        for (long i = Math.Max(0, end - Remembered); i < end; i++)
        {
            var (what, first, second) = notes[i % Remembered];
            text.Append(CultureInfo.InvariantCulture, $"\n    {what} 0x{first:x} 0x{second:x}");
        }

        return text.ToString();
    }

    /// <summary>One step.</summary>
    protected abstract void Act();

    /// <summary>What is done from inside of a callback.</summary>
    protected virtual void ActInCallback()
    {
        var smmu = Machine.Smmu;
        switch (Words.Next(16))
        {
            case 0 or 1:
                Note("callback: CMDQ_PROD moves on");
                smmu.WriteRegister32(RegisterOffset.CMDQ_PROD, smmu.ReadRegister32(RegisterOffset.CMDQ_PROD) + 1);
                break;
            case 2 or 3:
                Note("callback: serve");
                Machine.Serve();
                break;
            case 4 or 5:
                WriteRegister();
                break;
            case 6:
                Note("callback: submit");
                Machine.Submit(Words);
                break;
            case 7 or 8:
                TranslateOnce();
                break;
            case 9:
                Note("callback: run pending work");
                smmu.RunPending();
                break;
            case 10:
                if (!Words.Chance(8)) break;
                Note("callback: reset");
                smmu.Reset();
                break;
            case 11:
                Note("callback: explain");
                smmu.Explain(Words.Stream(), Words.Substream(), Words.InputAddress(), Words.Access());
                break;
            case 12:
                Note("callback: statistics");
                smmu.GetStatistics();
                break;
            case 13:
                if (!Machine.HostFails || !Words.Chance(8)) break;
                Note("callback: fail");
                throw new HostFailureException();
            case 14:
                Note("callback: linger");
                Thread.SpinWait(500);
                break;
            default:
                smmu.ReadRegister64(Words.Offset());
                break;
        }
    }

    /// <summary>Takes note of a step that begins.</summary>
    protected void Note(string what, ulong first = 0, ulong second = 0)
    {
        notes[noted % Remembered] = (what, first, second);
        Volatile.Write(ref noted, noted + 1);
    }

    protected void WriteRegister()
    {
        uint offset = Words.Offset();
        ulong value = Words.RegisterValue();
        Note("write a register", offset, value);
        if (Words.Chance(3)) Machine.Smmu.WriteRegister64(offset, value);
        else Machine.Smmu.WriteRegister32(offset, (uint)value);
    }

    /// <summary>One access without a port.</summary>
    protected void TranslateOnce()
    {
        var stream = Words.Stream();
        ulong iova = Words.InputAddress();
        Note("translate without a port", stream.Value, iova);
        Count(Machine.Smmu.Translate(stream, Words.Substream(), iova, Words.Access()));
    }

    /// <summary>Takes note of how an access ended.</summary>
    protected virtual void Count(TranslationResult result)
    {
    }
}
