using System.Diagnostics;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Tables;

namespace Smmu.Fast.Iommufd.Driver;

/// <summary>Takes an SMMU from whatever state it is in to translation with an empty Stream table, by its registers.</summary>
internal static class SmmuBringUp
{
    private const uint WriteBackInnerShareable = 0xd75;   // CR1: tables and queues.
    private const ulong AllocateHint = 1UL << 62;

    /// <summary>Checks that this driver can do with what the SMMU is.</summary>
    /// <exception cref="ArgumentException">It lacks something, or its tables and queues lie at preset addresses.</exception>
    public static void ThrowIfUnfit(SmmuFeatures features)
    {
        string? reason = features switch
        {
            { S1P: false, S2P: false } => "It has neither stage.",
            { TTF: not (2 or 3) } => "It does not walk AArch64 tables (IDR0.TTF).",
            { TTENDIAN: not (0 or 2) } => "It does not walk little-endian tables (IDR0.TTENDIAN).",
            { COHACC: false } => "Its walks are not coherent with those who write tables (IDR0.COHACC).",
            { TABLES_PRESET: true } or { QUEUES_PRESET: true } => "Its tables or queues lie at preset addresses (IDR1).",
            { GRAN4K: false, GRAN16K: false, GRAN64K: false } => "It has no translation granule (IDR5).",
            _ => null,
        };
        if (reason is not null) throw new ArgumentException($"This driver cannot drive the SMMU: {reason}", nameof(features));
    }

    /// <summary>Turns everything off; traffic aborts until translation is on.</summary>
    public static void Quiesce(SmmuDevice smmu)
    {
        WaitUntil(smmu, RegisterOffset.GBPA, Update, 0);
        smmu.WriteRegister32(RegisterOffset.GBPA, new GlobalBypassAttributes { ABORT = true, SHCFG = 1, Update = true }.Value);
        WaitUntil(smmu, RegisterOffset.GBPA, Update, 0);
        SetControls(smmu, default);
        SetInterrupts(smmu, InterruptEnables.None);
    }

    /// <summary>Hands the Stream table and the queues over, and switches the queues on.</summary>
    public static void SetUp(SmmuDevice smmu, StreamTableWriter streams, ulong commandQueue, int commandLog2, ulong eventQueue, int eventLog2)
    {
        smmu.WriteRegister32(RegisterOffset.CR1, WriteBackInnerShareable);
        smmu.WriteRegister32(RegisterOffset.CR2, new ControlRegister2 { PTM = true, RECINVSID = true }.Value);
        smmu.WriteRegister64(RegisterOffset.STRTAB_BASE, streams.Base.Value);
        smmu.WriteRegister32(RegisterOffset.STRTAB_BASE_CFG, streams.Configuration.Value);
        smmu.WriteRegister64(RegisterOffset.CMDQ_BASE, AllocateHint | commandQueue | (uint)commandLog2);
        smmu.WriteRegister32(RegisterOffset.CMDQ_PROD, 0);
        smmu.WriteRegister32(RegisterOffset.CMDQ_CONS, 0);
        smmu.WriteRegister64(RegisterOffset.EVENTQ_BASE, AllocateHint | eventQueue | (uint)eventLog2);
        smmu.WriteRegister32(RegisterOffset.EVENTQ_PROD, 0);
        smmu.WriteRegister32(RegisterOffset.EVENTQ_CONS, 0);
        uint errors = smmu.ReadRegister32(RegisterOffset.GERROR);
        smmu.WriteRegister32(RegisterOffset.GERRORN, errors);
        SetControls(smmu, new ControlRegister0 { CMDQEN = true });
    }

    /// <summary>Switches events, their interrupt and translation on, once nothing old is cached.</summary>
    public static void Start(SmmuDevice smmu)
    {
        var controls = new ControlRegister0 { CMDQEN = true, EVENTQEN = true, ATSCHK = smmu.Features.ATS };
        SetControls(smmu, controls);
        SetInterrupts(smmu, InterruptEnables.EVENTQ_IRQEN | InterruptEnables.GERROR_IRQEN);
        SetControls(smmu, controls with { SMMUEN = true });
    }

    /// <summary>Writes CR0 and waits until it is in effect.</summary>
    public static void SetControls(SmmuDevice smmu, ControlRegister0 controls)
    {
        smmu.WriteRegister32(RegisterOffset.CR0, controls.Value);
        WaitUntil(smmu, RegisterOffset.CR0ACK, uint.MaxValue, controls.Value);
    }

    private static uint Update => new GlobalBypassAttributes { Update = true }.Value;

    private static void SetInterrupts(SmmuDevice smmu, InterruptEnables enables)
    {
        smmu.WriteRegister32(RegisterOffset.IRQ_CTRL, (uint)enables);
        WaitUntil(smmu, RegisterOffset.IRQ_CTRLACK, uint.MaxValue, (uint)enables);
    }

    private static void WaitUntil(SmmuDevice smmu, uint offset, uint mask, uint value)
    {
        const int Seconds = 10;
        long start = Stopwatch.GetTimestamp();
        var spin = new SpinWait();
        while ((smmu.ReadRegister32(offset) & mask) != value)
        {
            if (Stopwatch.GetElapsedTime(start).TotalSeconds > Seconds) throw new TimeoutException(
                $"The SMMU did not take the value of register 0x{offset:x} in {Seconds} s: end the accesses that are under way.");
            spin.SpinOnce();
        }
    }
}
