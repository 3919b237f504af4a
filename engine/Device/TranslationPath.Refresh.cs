using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Streams;
using Smmu.Fast.Tlbs;

namespace Smmu.Fast.Device;

/// <content>Keeps the states of streams up with registers, configuration and invalidations.</content>
internal sealed unsafe partial class TranslationPath
{
    private const int MostAttempts = 16;

    /// <summary>Makes a state present. One in <see cref="StreamMode.Unknown"/> is good for one access.</summary>
    /// <param name="state">The state.</param>
    /// <param name="statistics">Counters of the calling thread.</param>
    /// <param name="fillDates">Read while it was present.</param>
    /// <returns>False when invalidations come faster than it can follow.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public bool Refresh(ref StreamState state, ref PathStatistics statistics, out InvalidationDates fillDates)
    {
        fillDates = default;
        if (!cachesEnabled) return false;
        ulong control = registers.TranslationControl;   // Once: an access ends as it began, whatever becomes of SMMUEN.
        for (int attempt = 0; attempt < MostAttempts; attempt++)
        {
            // The domain before the device; and both before what they date is looked at.
            ulong ofDomain = Volatile.Read(ref state.Domain->Stamps.Any);
            ulong ofDevice = Volatile.Read(ref device->Any);
            if (ofDevice != state.SeenDevice) Review(ref state, ofDevice, control);
            if (state.Mode == StreamMode.Unknown)
            {
                if (Configure(ref state, control, ref statistics)) continue;
                state.SeenDevice = 0;
                return true;
            }

            if (ofDomain != state.SeenDomain) CatchUp(ref state, ofDomain);
            if (state.Mode == StreamMode.Translate && !state.HasContexts)
            {
                BringToLife(ref state);
                continue;
            }

            fillDates = new InvalidationDates(&state.Domain->Stamps, device);
            if (!state.IsPresent()) continue;
            if (registers.TranslationControl != control) state.SeenDevice = 0;   // Good for this access alone.
            return true;
        }

        return false;
    }

    // The common case: translations of its domain were invalidated, and nothing else has changed.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryCatchUp(ref StreamState state)
    {
        ulong ofDomain = Volatile.Read(ref state.Domain->Stamps.Any);   // Before the stamp of the device.
        if (!state.HasContexts || state.IsBusy || Volatile.Read(ref device->Any) != state.SeenDevice) return false;
        CatchUp(ref state, ofDomain);
        return state.HasContexts;
    }

    /// <summary>Makes a state for one access that keeps nothing and asks no cache.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private StreamState ConfigureOnce(in StreamState asked, ref PathStatistics statistics)
    {
        var state = NewState(asked.Id, asked.Substream, asked.IsOfTranslated);
        state.Control = registers.TranslationControl;
        if (state.Control >> 32 == 0)
        {
            state.Mode = StreamMode.DeviceOff;
            return state;
        }

        statistics.ConfigurationReads++;
        Read(ref state);
        Classify(ref state);
        return state;
    }

    // Something that concerns all streams, or this one's configuration: is what is known still so?
    private void Review(ref StreamState state, ulong ofDevice, ulong control)
    {
        state.SeenDevice = ofDevice;
        if (state.Mode == StreamMode.Unknown) return;
        if (state.Control != control
            || (state.Mode != StreamMode.DeviceOff && state.ConfigurationDate != dates.Of(state.Id)))
        {
            Forget(ref state);
        }
        else if (state.HasContexts && !AreContextsAlive(in state))
        {
            ForgetContexts(ref state);
        }
    }

    // Asks the configuration; false when the answer must not be kept.
    private bool Configure(ref StreamState state, ulong control, ref PathStatistics statistics)
    {
        state.Domain = caches.Domains.None;
        state.SeenDomain = Volatile.Read(ref state.Domain->Stamps.Any);
        state.Control = control;
        if (control >> 32 == 0)
        {
            state.Mode = StreamMode.DeviceOff;
            return true;
        }

        ulong date = dates.Of(state.Id);
        state.ConfigurationDate = date;
        bool isKnown = state.IsOfTranslated
            ? configuration.TryFindTranslated(state.Id, date, out state.Stream)
            : configuration.TryFind(state.Id, state.Substream, date, out state.Stream);
        if (!isKnown)
        {
            statistics.ConfigurationReads++;
            Read(ref state);
            if (state.IsOfTranslated) configuration.FillTranslated(state.Id, date, in state.Stream);
            else configuration.Fill(state.Id, state.Substream, date, in state.Stream);
        }

        if (state.Stream.Event != EventType.None) return false;   // Mending the tables has to be enough (CACHE-03).
        Classify(ref state);
        if (state.Mode != StreamMode.Translate) return true;
        state.Domain = caches.Domains.Of(in state.Stream.Regime);
        state.SeenDomain = Volatile.Read(ref state.Domain->Stamps.Any);
        state.HasContexts = false;
        return true;
    }

    private void Read(ref StreamState state)
    {
        var trace = default(NoStreamTrace);
        var controls = registers.StreamControls;
        state.IsBusy = true;
        try
        {
            if (state.IsOfTranslated)
            {
                StreamResolver.ResolveTranslated(memory, controls, features, state.Id, ref trace, out state.Stream);
            }
            else
            {
                StreamResolver.Resolve(memory, controls, features, state.Id, state.Substream, ref trace, out state.Stream);
            }
        }
        finally
        {
            state.IsBusy = false;
        }
    }

    private static void Classify(ref StreamState state)
    {
        state.Mode = state.Stream.Disposition switch
        {
            StreamDisposition.Translate => StreamMode.Translate,
            StreamDisposition.Bypass => StreamMode.Bypass,
            StreamDisposition.Abort when state.Stream.Event == EventType.None => StreamMode.Abort,
            _ => StreamMode.Unknown,
        };
        ref readonly var regime = ref state.Stream.Regime;
        state.HasPermissionOverrides = regime.Overrides.Privilege >= 2 || regime.Overrides.Instruction >= 2;
        ulong top = ulong.MaxValue << AddressRange.Bits;
        state.LowerTop = regime.Stage1Enabled && regime.Stage1.Range0.TopByteIgnored ? 0 : top;
        state.UpperTop = regime.Stage1.Range1.TopByteIgnored ? 0 : top;
        state.Leaf = LeafKind.None;
        state.CombinedOf = 0;
        state.PermissionsOf = 0;
        for (int i = 0; i < 32; i++) state.Attributes[i] = 0;
        state.IsUpperLikeLower = !(regime.Stage1Enabled && regime.HasTwoRanges);
    }

    private void CatchUp(ref StreamState state, ulong ofDomain)
    {
        ulong behind = ofDomain - state.SeenDomain;
        bool mustClear = behind >= TlbDomain.JournalLength;
        ref readonly var regime = ref state.Stream.Regime;
        for (ulong number = state.SeenDomain + 1; number <= ofDomain && !mustClear; number++)
        {
            if (!state.Domain->TryCopy(number, out var record)) mustClear = true;
            else if (record.ByAddress && record.ByIntermediateAddress != regime.Stage1Enabled)
            {
                state.Kept.Remove(record.First, record.Last);
            }
        }

        if (mustClear) state.Kept.Clear();
        state.SeenDomain = ofDomain;
        ulong deaths = Volatile.Read(ref state.Domain->Stamps.Deaths);
        if (!state.HasContexts || state.SeenDeaths == deaths) return;
        state.SeenDeaths = deaths;
        if (!AreContextsAlive(in state)) ForgetContexts(ref state);
    }

    private void BringToLife(ref StreamState state)
    {
        gate.Enter();
        state.SeenDeaths = state.Domain->Stamps.Deaths;
        caches.Resolve(in state.Stream.Regime, out state.Own, out state.Global, out state.Intermediate);
        state.OwnNumber = state.Own->Number;
        state.TableNumber = ControlBuild.Breaks(Breakage.TablesKept) ? NumberForLife(state.Own) : state.OwnNumber;
        state.GlobalNumber = state.Global == null ? 0 : state.Global->Number;
        state.IntermediateNumber = state.Intermediate == null ? 0 : state.Intermediate->Number;
        state.Beginning = device->Translations;
        gate.Exit();
        state.HasContexts = true;
        state.IsDirect = !state.HasPermissionOverrides;
    }

    // For the control build: a number that no invalidation takes away.
    private static uint NumberForLife(TlbContext* context) => (uint)(context->Tag * 0x9e37_79b9_7f4a_7c15UL >> 32) | 1;

    private bool AreContextsAlive(in StreamState state) =>
        state.Beginning == Volatile.Read(ref device->Translations)
        && state.Own->IsAlive(state.OwnNumber, in *device)
        && (state.Global == null || state.Global->IsAlive(state.GlobalNumber, in *device))
        && (state.Intermediate == null || state.Intermediate->IsAlive(state.IntermediateNumber, in *device));

    private static void ForgetContexts(ref StreamState state)
    {
        state.Kept.Clear();
        state.HasContexts = false;
        state.IsDirect = false;
        state.Leaf = LeafKind.None;
        state.Favoured = default;
        state.FavouredOwnSize = 0;
        state.FavouredGlobalSize = 0;
        state.Table = default;
        state.Stage2Table = default;
    }

    private static void Forget(ref StreamState state)
    {
        ForgetContexts(ref state);
        state.Mode = StreamMode.Unknown;
    }
}
