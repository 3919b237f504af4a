using System.Diagnostics;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Queues;

namespace Smmu.Fast.Iommufd.Submission;

/// <summary>The driver's end of one Command queue, for any number of threads: commands go in, results come back.</summary>
/// <remarks>
/// No call takes a lock or allocates, but for the first of a thread. Commands of one thread (or of one
/// <see cref="CommandProducer"/>) run in the order of its calls; up to 64 of one call run with no others in between. While a
/// submitter is there it alone writes the queue's indexes and acknowledges its errors; other errors of GERROR are to be
/// acknowledged in calls that do not overlap submissions which the SMMU refuses.
/// </remarks>
public sealed unsafe class CommandSubmitter : IDisposable
{
    private const int EntryLog2 = 4;
    private const uint CommandQueueEnable = 1 << 3;
    private const uint IndexMask = 0xf_ffff;

    [ThreadStatic]
    private static CommandProducer? recent;   // Most threads keep to one queue.

    private readonly SubmissionRing<DeviceTarget, RealSteps> ring;
    private readonly ThreadLocal<CommandProducer> producers;
    private bool isDisposed;

    /// <summary>Takes over the Command queue of an SMMU, as its registers describe it: set up, enabled and empty.</summary>
    /// <param name="smmu">The SMMU.</param>
    /// <param name="options">How commands are submitted; the defaults if null.</param>
    /// <exception cref="InvalidOperationException">
    /// The queue is off or not empty, its indexes are not 0, it has an error, or its memory is not one writable region of the
    /// SMMU's <see cref="Memory.GuestMemory"/> that nobody watches.
    /// </exception>
    /// <exception cref="ArgumentException">The options ask for messages, which the SMMU cannot send, or for no sensible time.</exception>
    public CommandSubmitter(SmmuDevice smmu, SubmissionOptions? options = null)
        : this(smmu ?? throw new ArgumentNullException(nameof(smmu)), DeviceTarget.OfCommandQueue(smmu), BaseOf(smmu), options)
    {
    }

    private CommandSubmitter(SmmuDevice smmu, DeviceTarget target, ulong baseRegister, SubmissionOptions? options)
    {
        options ??= new SubmissionOptions();
        bool usesMessages = options.Completion == SyncCompletion.Message;
        if (usesMessages && !smmu.Features.MSI) throw new ArgumentException(
            $"The SMMU sends no MSIs (IDR0.MSI): use {nameof(SyncCompletion)}.{nameof(SyncCompletion.Consumer)}.", nameof(options));
        if (options.Timeout <= TimeSpan.Zero && options.Timeout != Timeout.InfiniteTimeSpan) throw new ArgumentException(
            $"{nameof(SubmissionOptions.Timeout)} must be above zero, or infinite.", nameof(options));

        var layout = new QueueLayout(baseRegister, smmu.Features.CommandQueueLog2, EntryLog2, smmu.Features.OutputAddressBits);
        ulong bytes = (ulong)layout.Entries << EntryLog2;
        if (!smmu.Options.Memory.TryGetHostSpan(layout.Base, write: true, out byte* host, out ulong length) || length < bytes)
            throw new InvalidOperationException(
                $"The queue's memory, {bytes} bytes at 0x{layout.Base:x}, is to lie in one writable region that nobody watches.");

        long ticks = options.Timeout == Timeout.InfiniteTimeSpan ? -1 : (long)(options.Timeout.TotalSeconds * Stopwatch.Frequency);
        ring = new SubmissionRing<DeviceTarget, RealSteps>(
            target, (ulong*)host, layout.Log2Size, ticks, usesMessages ? new PhysicalAddress(layout.Base) : null);
        producers = new ThreadLocal<CommandProducer>(OpenProducer);
    }

    /// <summary>Entries of the queue.</summary>
    public int Capacity => ring.Capacity;

    /// <summary>Makes a source of commands with an order and errors of its own; it needs no disposal.</summary>
    /// <exception cref="ObjectDisposedException">The submitter is disposed.</exception>
    public CommandProducer OpenProducer()
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        return new CommandProducer(this);
    }

    /// <summary>Submits commands for the calling thread.</summary>
    /// <param name="commands">
    /// The commands, in their order; any number. Nobody judges them here: what a guest may not say is to be kept out before.
    /// </param>
    /// <param name="sync">
    /// True to put a CMD_SYNC behind them and wait until the SMMU has consumed it; false to return once the SMMU has been told
    /// of them.
    /// </param>
    /// <returns>
    /// How it went. A command that the SMMU refuses is replaced by a CMD_SYNC, and told to its own producer alone: with the
    /// CMD_SYNC of the same call, or else with the next one of the producer.
    /// </returns>
    /// <exception cref="InvalidOperationException">
    /// The thread is inside a callback of the SMMU that runs commands of this queue, which cannot wait for itself.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The submitter or the SMMU is disposed.</exception>
    public CommandResult Submit(ReadOnlySpan<Command> commands, bool sync = true)
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        var producer = recent;
        if (producer is null || !producer.IsOf(this)) recent = producer = producers.Value!;
        return producer.Submit(commands, sync);
    }

    /// <summary>Lets go of the queue, which stays as it is. No call may be under way.</summary>
    public void Dispose()
    {
        if (isDisposed) return;
        isDisposed = true;
        producers.Dispose();
        ring.Dispose();
    }

    /// <summary>Takes over an Enhanced Command queue that is on and empty, with all indexes and flags 0.</summary>
    internal static CommandSubmitter OfEnhancedQueue(SmmuDevice smmu, uint registers, SubmissionOptions? options) => new(
        smmu,
        DeviceTarget.OfEnhancedQueue(smmu, registers),
        smmu.ReadRegister64(registers + EnhancedCommandQueueOffset.ECMDQ_BASE),
        options);

    internal CommandResult SubmitFor(CommandProducer producer, ReadOnlySpan<Command> commands, bool sync)
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        return ring.Submit(producer, commands, sync);
    }

    private static ulong BaseOf(SmmuDevice smmu)
    {
        uint errors = smmu.ReadRegister32(RegisterOffset.GERROR) ^ smmu.ReadRegister32(RegisterOffset.GERRORN);
        bool isOn = (smmu.ReadRegister32(RegisterOffset.CR0ACK) & CommandQueueEnable) != 0;
        bool isAtStart = ((smmu.ReadRegister32(RegisterOffset.CMDQ_PROD) | smmu.ReadRegister32(RegisterOffset.CMDQ_CONS)) & IndexMask) == 0;
        if (!isOn || !isAtStart || (errors & (uint)GlobalErrors.CMDQ_ERR) != 0) throw new InvalidOperationException(
            "Hand over a Command queue that is enabled (CR0.CMDQEN), whose CMDQ_PROD and CMDQ_CONS are 0, and that has no error.");
        return smmu.ReadRegister64(RegisterOffset.CMDQ_BASE);
    }
}
