using System.Runtime.InteropServices;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Tests.Hostile;

/// <summary>The memory behind the guest's, what the host does with it at run time, and what it holds at the end.</summary>
internal sealed unsafe class HostMemory : IDisposable
{
    private readonly GuestMemory memory;
    private readonly GuardedBlock observed = new(Places.ObservedBytes);
    private readonly GuardedBlock firmware;
    private readonly GuardedBlock lent;
    private readonly GuardedBlock switched;
    private readonly GuardedBlock lastPage = new(Places.PageBytes);
    private readonly GuardedBlock unreachable = new(Places.PageBytes);
    private readonly GuardedBlock secret = new(Places.SecretBytes);
    private readonly GuestRegion observedRegion;
    private readonly GuestRegion switchedRegion;
    private readonly GuestRegion?[] passing = new GuestRegion?[Places.PassingCount];
    private readonly byte[] observedBefore;
    private readonly byte[] firmwareBefore;
    private readonly ulong[] marks;
    private readonly ulong[] harvest;
    private GuestRegion? lentRegion;

    /// <summary>Adds the regions.</summary>
    public HostMemory(GuestMemory memory, HostileWords words)
    {
        this.memory = memory;
        firmware = new GuardedBlock(Places.FirmwareBytes, Shift());
        lent = new GuardedBlock(Places.LentBytes, Shift());
        switched = new GuardedBlock(Places.SwitchedBytes, Shift());
        foreach (ref ulong word in observed.Words) word = words.Descriptor();
        foreach (ref ulong word in firmware.Words) word = words.Descriptor();
        foreach (ref ulong word in lastPage.Words) word = words.Descriptor();
        unreachable.Words.Fill(SecretWord);
        secret.Words.Fill(SecretWord);

        memory.AddBorrowed(Places.Ram, Ram.Start, Ram.Bytes);
        memory.AddBorrowed(Places.Firmware, firmware.Start, firmware.Bytes, readOnly: true);
        observedRegion = memory.AddBorrowed(Places.Observed, observed.Start, observed.Bytes);
        switchedRegion = memory.AddBorrowed(Places.Switched, switched.Start, switched.Bytes);
        memory.AddBorrowed(Places.LastPage, lastPage.Start, lastPage.Bytes);
        memory.AddBorrowed(Places.Unreachable, unreachable.Start, unreachable.Bytes);
        memory.AddBorrowed(Places.Secret, secret.Start, secret.Bytes);
        memory.Watch(observedRegion);
        lent.Forbid();

        observedBefore = observed.Span.ToArray();
        firmwareBefore = firmware.Span.ToArray();
        marks = new ulong[observedRegion.DirtyBitmapWords];
        harvest = new ulong[observedRegion.DirtyBitmapWords];

        ulong Shift() => words.Chance(2) ? (ulong)words.Next(1, 512) * 8 : 8;
    }

    /// <summary>What secret memory is full of; no device may ever read it.</summary>
    public static ulong SecretWord => 0x7365_6372_6574_2121;

    /// <summary>Structures and tables.</summary>
    public GuardedBlock Ram { get; } = new(Places.RamBytes);

    /// <summary>Changes of regions made so far.</summary>
    public long Changes { get; private set; }

    /// <summary>Changes a region; the calling thread is inside no scope.</summary>
    public void Change(HostileWords words)
    {
        Changes++;
        switch (words.PrefersLent ? 0 : words.Next(8))
        {
            case 0 or 1:
                if (lentRegion == null) Lend(words.Chance(4));
                else TakeBack();
                break;
            case 2:
                memory.MakeReadOnly(switchedRegion);
                break;
            case 3:
                memory.MakeWritable(switchedRegion);
                break;
            case 4:
                memory.Watch(switchedRegion, marksDirty: words.Chance(2), (_, _) => Actor.Current?.CallBack());
                break;
            case 5:
                memory.StopWatching(switchedRegion);
                break;
            case 6:
                // The marks stay; only the calls come and go.
                memory.Watch(observedRegion, marksDirty: true, words.Chance(2) ? (_, _) => Actor.Current?.CallBack() : null);
                Harvest();
                break;
            default:
                Pass(words.Next(passing.Length));
                break;
        }
    }

    /// <summary>Calls that the memory has to refuse, each with the exception that its documentation names.</summary>
    public void Misuse(HostileWords words)
    {
        switch (words.Next(4))
        {
            case 0:
                Refused.By<ArgumentException>(() => memory.AddOwned(Places.Ram + Places.PageBytes, Places.PageBytes));
                break;
            case 1:
                Refused.By<ArgumentException>(() => memory.AddOwned(Places.Unreachable, 2 * Places.PageBytes));
                break;
            case 2:
                Refused.By<InvalidOperationException>(() => memory.Dispose());
                break;
            default:
                if (lentRegion is not { } region) break;
                TakeBack();
                Refused.By<InvalidOperationException>(() => memory.Remove(region));
                break;
        }
    }

    /// <summary>What the guest and its devices did that they could not have done; empty when nothing.</summary>
    public List<string> FindDamage()
    {
        var found = new List<string>();
        lent.Allow();
        if (!firmware.Span.SequenceEqual(firmwareBefore)) found.Add("Read-only memory was written.");
        if (IsWritten(secret)) found.Add("Memory was written that no word of the guest points to.");
        if (IsWritten(unreachable)) found.Add("Memory was written that lies beyond what an SMMU can address.");
        bool isSlackIntact = firmware.IsSlackIntact && lent.IsSlackIntact && switched.IsSlackIntact;
        if (!isSlackIntact) found.Add("Host memory beside a region was written.");

        Harvest();
        for (int page = 0; page < (int)(Places.ObservedBytes / Places.PageBytes); page++)
        {
            var range = (page * (int)Places.PageBytes)..((page + 1) * (int)Places.PageBytes);
            bool isChanged = !observed.Span[range].SequenceEqual(observedBefore.AsSpan(range));
            bool isMarked = (marks[page / 64] & (1UL << (page % 64))) != 0;
            if (isChanged && !isMarked) found.Add($"A store to page {page} of watched memory left no mark.");
        }

        return found;

        static bool IsWritten(GuardedBlock block) => block.Words.IndexOfAnyExcept(SecretWord) >= 0;
    }

    /// <summary>Makes one of the defects that memory has to notice.</summary>
    public void Make(Plant plant)
    {
        switch (plant)
        {
            case Plant.WildWrite: Volatile.Write(ref Ram.Start[Ram.Bytes], 1); break;
            case Plant.WildRead: Volatile.Read(ref Ram.Start[-1]); break;
            case Plant.NearWrite: switched.Start[-1] = 0; break;
            case Plant.FirmwareWritten: firmware.Start[Places.FirmwareBytes / 2] ^= 1; break;
            case Plant.StoreUnseen: observed.Start[5 * Places.PageBytes] ^= 1; break;
            case Plant.SecretWritten: memory.Write(Places.Secret + 0x1234, [0]); break;
            case Plant.LateWrite:
                if (lentRegion != null) TakeBack();
                Volatile.Write(ref *lent.Start, 1);
                break;
            default: break;
        }
    }

    /// <summary>Changes a region, which nobody may from inside a scope.</summary>
    public void ChangeInsideScope() => memory.MakeWritable(observedRegion);

    /// <summary>Reads what no device may read.</summary>
    public void ReadSecret(Span<byte> destination) => memory.Read(Places.Secret, destination);

    /// <summary>True when bytes that a device read hold secret memory.</summary>
    public static bool IsSecret(ReadOnlySpan<byte> bytes)
    {
        ulong word = SecretWord;
        return bytes.IndexOf(MemoryMarshal.AsBytes(new ReadOnlySpan<ulong>(in word))) >= 0;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        GuardedBlock[] blocks = [Ram, observed, firmware, lent, switched, lastPage, unreachable, secret];
        foreach (var block in blocks) block.Dispose();
    }

    private void Lend(bool readOnly)
    {
        lent.Allow();
        lentRegion = memory.AddBorrowed(Places.Lent, lent.Start, lent.Bytes, readOnly);
    }

    // Once the removal returns the memory is the host's again, and so every access to it a crash.
    private void TakeBack()
    {
        memory.Remove(lentRegion!);
        lentRegion = null;
        lent.Forbid();
    }

    private void Pass(int index)
    {
        if (passing[index] is { } region) memory.Remove(region);
        passing[index] = passing[index] != null
            ? null
            : memory.AddOwned(Places.Passing + ((ulong)index * Places.PassingDistance), ((ulong)index + 1) * Places.PageBytes);
    }

    private void Harvest()
    {
        memory.HarvestDirty(observedRegion, harvest);
        for (int i = 0; i < marks.Length; i++) marks[i] |= harvest[i];
    }
}
