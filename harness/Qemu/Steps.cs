using System.Globalization;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Qemu;

/// <summary>One thing that happens in a case, on both sides alike.</summary>
public abstract record Step
{
    /// <summary>The step as a line of a script.</summary>
    public abstract override string ToString();

    internal static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}

/// <summary>Software stores a word.</summary>
/// <param name="Address">Physical address, a multiple of 8.</param>
/// <param name="Value">What.</param>
/// <param name="Meaning">What it is, for readers of the script.</param>
public sealed record StoreStep(ulong Address, ulong Value, string Meaning) : Step
{
    /// <inheritdoc/>
    public override string ToString() => Text($"store 0x{Address:x} = 0x{Value:x16}   # {Meaning}");
}

/// <summary>Software writes a register.</summary>
/// <param name="Offset">Bytes from the base of Page 0.</param>
/// <param name="Value">What.</param>
/// <param name="IsWide">True for 64 bits.</param>
/// <param name="Meaning">Its name.</param>
public sealed record RegisterStep(uint Offset, ulong Value, bool IsWide, string Meaning) : Step
{
    /// <inheritdoc/>
    public override string ToString() => Text($"register 0x{Offset:x} = 0x{Value:x}   # {Meaning}{(IsWide ? ", 64 bits" : "")}");
}

/// <summary>Software puts commands into the queue and publishes them with one write of CMDQ_PROD.</summary>
/// <param name="Commands">The commands.</param>
public sealed record CommandsStep(IReadOnlyList<Command> Commands) : Step
{
    /// <inheritdoc/>
    public override string ToString() => string.Join(
        Environment.NewLine,
        Commands.Select(command => Text($"command 0x{command.Word0:x16} 0x{command.Word1:x16}   # {command}")));
}

/// <summary>While the Command queue is stopped, software replaces the command at fault with a CMD_SYNC and goes on.</summary>
public sealed record RecoverStep : Step
{
    /// <inheritdoc/>
    public override string ToString() => "recover   # replace refused commands by CMD_SYNC, acknowledge CMDQ_ERR";
}

/// <summary>A device makes an access of 4 bytes.</summary>
/// <param name="Device">Index of the device.</param>
/// <param name="Iova">Where, a multiple of 4.</param>
/// <param name="IsWrite">True for a write.</param>
public sealed record AccessStep(int Device, ulong Iova, bool IsWrite) : Step
{
    /// <summary>The StreamID of the device.</summary>
    public StreamId Stream => MachineMap.Streams[Device];

    /// <inheritdoc/>
    public override string ToString() => Text($"{(IsWrite ? "write" : "read")} stream 0x{Stream.Value:x} at 0x{Iova:x}");
}

/// <summary>Steps that make sense together only, such as a new descriptor and its invalidation.</summary>
/// <param name="Title">What they do.</param>
/// <param name="Parts">The steps.</param>
public sealed record ChangeStep(string Title, IReadOnlyList<Step> Parts) : Step
{
    /// <inheritdoc/>
    public override string ToString() => string.Join(
        Environment.NewLine + "  ",
        Parts.Select(part => part.ToString().ReplaceLineEndings(Environment.NewLine + "  ")).Prepend($"# {Title}"));
}

/// <summary>A case: what software sets up, and what devices and software then do.</summary>
/// <param name="Seed">Of the run.</param>
/// <param name="Index">Of the case in the run; seed and index make the case.</param>
/// <param name="IsTwoLevel">True when the Stream table has two levels at some time.</param>
/// <param name="KeepsEvents">True when software lets the Event queue fill up.</param>
/// <param name="Steps">In their order.</param>
public sealed record QemuCase(int Seed, long Index, bool IsTwoLevel, bool KeepsEvents, IReadOnlyList<Step> Steps)
{
    /// <summary>The case as a script to read.</summary>
    public override string ToString() => string.Join(
        Environment.NewLine,
        Steps.Select(step => step.ToString()).Prepend(Title));

    private string Title => Step.Text($"# case {Index} of seed {Seed}")
        + (IsTwoLevel ? ", two-level Stream table" : "")
        + (KeepsEvents ? ", events are kept" : "");
}
