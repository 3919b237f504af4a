using System.Globalization;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Scenarios.Recordings;

/// <summary>The engine as a replay target: a device and its memory.</summary>
public sealed class SmmuReplayTarget : IReplayTarget
{
    private readonly ReplayTargetOptions options;
    private readonly GuestMemory memory = new();
    private readonly Dictionary<uint, DmaPort> ports = [];
    private SmmuDevice? device;
    private DmaPort? lastPort;
    private uint lastStream;
    private InterruptLines raised;
    private ReplayStatistics past;

    /// <summary>Makes a target without memory and without a device: the first reset brings it.</summary>
    public SmmuReplayTarget(ReplayTargetOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        this.options = options;
    }

    /// <inheritdoc/>
    public ReplayStatistics Statistics => device is null ? past : past + CountersOf(device);

    private SmmuDevice Device => device
        ?? throw new InvalidOperationException("There is no SMMU yet. Call Reset with its ID registers first.");

    /// <inheritdoc/>
    public void AddMemory(ulong address, ulong sizeBytes) => memory.AddOwned(address, sizeBytes);

    /// <inheritdoc/>
    public bool WriteMemory(ulong address, ReadOnlySpan<byte> bytes) => memory.Write(address, bytes);

    /// <inheritdoc/>
    public bool ReadMemory(ulong address, Span<byte> bytes) => memory.Read(address, bytes);

    /// <inheritdoc/>
    public void Reset(in IdentificationRegisters registers)
    {
        Close();
        device = new SmmuDevice(new SmmuOptions
        {
            Features = SmmuFeatures.FromRaw(
                registers.Idr0, registers.Idr1, registers.Idr2, registers.Idr3, registers.Idr4, registers.Idr5,
                registers.Iidr, registers.Aidr),
            Memory = memory,
            CachesEnabled = options.CachesEnabled,
            TolerateReservedRange = options.TolerateReservedRange,
        });
        device.InterruptRaised += line => raised |= LineOf(line);
    }

    /// <inheritdoc/>
    public void WriteRegister(uint offset, int sizeBytes, ulong value)
    {
        if (sizeBytes == sizeof(ulong)) Device.WriteRegister64(offset, value);
        else Device.WriteRegister32(offset, (uint)value);
    }

    /// <inheritdoc/>
    public ulong ReadRegister(uint offset, int sizeBytes) =>
        sizeBytes == sizeof(ulong) ? Device.ReadRegister64(offset) : Device.ReadRegister32(offset);

    /// <inheritdoc/>
    public TranslationResult Translate(StreamId stream, ulong inputAddress, AccessKind access)
    {
        if (options.OneOff) return Device.Translate(stream, null, inputAddress, access);
        var port = lastPort is not null && lastStream == stream.Value ? lastPort : PortOf(stream);
        return port.Translate(inputAddress, access);
    }

    /// <inheritdoc/>
    public InterruptLines TakeInterrupts()
    {
        var lines = raised;
        raised = InterruptLines.None;
        return lines;
    }

    /// <inheritdoc/>
    public ExplainedTranslation Explain(StreamId stream, SubstreamId? substream, ulong inputAddress, AccessKind access)
    {
        var explanation = Device.Explain(stream, substream, inputAddress, access);
        var result = explanation.Result;
        return new ExplainedTranslation(
            result.Event == EventType.None ? $"{result.Outcome}" : $"{result.Outcome} ({result.Event})",
            result.IsSuccess ? result.Address.Value : null,
            result.LeafSize,
            $"{result.Permissions}",
            [.. explanation.Steps.Where(step => step.Kind != ExplanationKind.Outcome).Select(StepOf)],
            explanation.Event is { } record ? FieldsOf(record) : []);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Close();
        memory.Dispose();
    }

    private void Close()
    {
        foreach (var port in ports.Values) port.Dispose();
        ports.Clear();
        lastPort = null;
        if (device is null) return;
        past += CountersOf(device);
        device.Dispose();
        device = null;
    }

    private DmaPort PortOf(StreamId stream)
    {
        if (!ports.TryGetValue(stream.Value, out var port))
        {
            port = Device.OpenPort(stream);
            ports.Add(stream.Value, port);
        }

        lastStream = stream.Value;
        return lastPort = port;
    }

    private static InterruptLines LineOf(InterruptLine line) => line switch
    {
        InterruptLine.EventQueue => InterruptLines.EventQueue,
        InterruptLine.PageRequestQueue => InterruptLines.PageRequestQueue,
        InterruptLine.CommandSync => InterruptLines.CommandSync,
        InterruptLine.GlobalError => InterruptLines.GlobalError,
        _ => InterruptLines.None,
    };

    private static ReplayStatistics CountersOf(SmmuDevice device)
    {
        var counters = device.GetStatistics();
        return new ReplayStatistics(
            counters.TlbLookups, counters.TlbHits,
            counters.WalkCacheLookups, counters.WalkCacheHits,
            counters.ConfigurationLookups, counters.ConfigurationHits,
            counters.Walks, counters.DescriptorReads,
            counters.EventsRecorded, counters.EventsLost, counters.CommandsConsumed);
    }

    private static ExplainedStep StepOf(ExplanationStep step) => new(
        $"{step.Kind}",
        step.Words.Count == 0 ? null : step.Address,
        step.Words.Count == 1 ? step.Words[0] : null,
        step.Title,
        [.. step.Fields.Select(field => new ExplainedField(field.Name, Hex(field.Value), field.Meaning))],
        [.. step.Children.Select(StepOf)]);

    private static ExplainedField[] FieldsOf(EventRecord record)
    {
        ulong[] words = [record.Word0, record.Word1, record.Word2, record.Word3];
        return
        [
            new ExplainedField("event", $"{record.Type}", ""),
            .. record.Fields.Select(field => new ExplainedField(field.Name, Hex(field.Get(words)), "")),
        ];
    }

    private static string Hex(ulong value) => string.Create(CultureInfo.InvariantCulture, $"0x{value:x}");
}
