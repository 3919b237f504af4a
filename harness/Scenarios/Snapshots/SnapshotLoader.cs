using Smmu.Fast.Scenarios.Recordings;

namespace Smmu.Fast.Scenarios.Snapshots;

/// <summary>Puts a target into the state of a snapshot, as a driver would: bases and configuration, then enables.</summary>
public static class SnapshotLoader
{
    private const uint CommandQueueEnable = 1 << 3;
    private const uint EventQueueEnable = 1 << 2;
    private const uint BypassAttributeUpdate = 1u << 31;
    private const uint QueueIndexMask = 0x000f_ffff;

    /// <summary>Loads the memory and the registers.</summary>
    /// <param name="snapshot">The state.</param>
    /// <param name="target">A target without memory and before its first reset.</param>
    /// <exception cref="RecordingException">The snapshot names more memory than a replay gives.</exception>
    public static void Load(Snapshot snapshot, IReplayTarget target)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        ArgumentNullException.ThrowIfNull(target);
        LoadMemory(snapshot, target);
        target.Reset(snapshot.Identification);
        LoadRegisters(snapshot, target);
    }

    private static void LoadMemory(Snapshot snapshot, IReplayTarget target)
    {
        var extents = new MemoryExtents(snapshot.Name);
        foreach (var page in snapshot.Pages) extents.AddIfPossible(page.Address, (ulong)page.Bytes.Length);
        var events = new QueueLayout(snapshot.Register64(RegisterOffsets.EventQueueBase), 32);
        extents.AddIfPossible(events.Base, events.SizeBytes);
        foreach (var region in extents.ToRegions()) target.AddMemory(region.Address, region.SizeBytes);
        foreach (var page in snapshot.Pages) target.WriteMemory(page.Address, page.Bytes);
    }

    private static void LoadRegisters(Snapshot snapshot, IReplayTarget target)
    {
        Write(RegisterOffsets.Control1);
        Write(RegisterOffsets.Control2);
        uint bypass = snapshot.Register(RegisterOffsets.GlobalBypassAttribute);
        if (bypass != 0) target.WriteRegister(RegisterOffsets.GlobalBypassAttribute, 4, bypass | BypassAttributeUpdate);
        Write64(RegisterOffsets.StreamTableBase);
        Write(RegisterOffsets.StreamTableBaseConfiguration);

        // Commands that were waiting are not part of a snapshot: both indexes start where the SMMU had got to.
        Write64(RegisterOffsets.CommandQueueBase);
        uint consumer = snapshot.Register(RegisterOffsets.CommandQueueConsumer) & QueueIndexMask;
        target.WriteRegister(RegisterOffsets.CommandQueueConsumer, 4, consumer);
        target.WriteRegister(RegisterOffsets.CommandQueueProducer, 4, consumer);

        Write64(RegisterOffsets.EventQueueBase);
        Write(RegisterOffsets.EventQueueProducer);
        Write(RegisterOffsets.EventQueueConsumer);
        Write(RegisterOffsets.GlobalErrorAcknowledge);
        Write(RegisterOffsets.InterruptControl);

        // The queues before the translation, in the order a driver uses (IHI 0070, 6.3.9).
        uint control = snapshot.Register(RegisterOffsets.Control0);
        target.WriteRegister(RegisterOffsets.Control0, 4, control & (CommandQueueEnable | EventQueueEnable));
        target.WriteRegister(RegisterOffsets.Control0, 4, control);

        void Write(uint offset) => target.WriteRegister(offset, 4, snapshot.Register(offset));
        void Write64(uint offset) => target.WriteRegister(offset, 8, snapshot.Register64(offset));
    }
}
