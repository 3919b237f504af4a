using Spectre.Console;

namespace Smmu.Fast.Cli;

/// <summary>Where the tool writes.</summary>
/// <param name="Output">Results.</param>
/// <param name="Error">One line when something is wrong.</param>
/// <param name="IsInteractive">True on a terminal: colours and progress; false: plain text.</param>
public sealed record Terminal(TextWriter Output, TextWriter Error, bool IsInteractive)
{
    private const int PlainWidth = 160;   // Redirected output has no width of its own; tables must not be cut.

    /// <summary>The standard streams.</summary>
    public static Terminal OfProcess() => new(Console.Out, Console.Error, !Console.IsOutputRedirected);

    /// <summary>The output as a Spectre console.</summary>
    public IAnsiConsole CreateConsole()
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = IsInteractive ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = IsInteractive ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = IsInteractive ? InteractionSupport.Detect : InteractionSupport.No,
            Out = new AnsiConsoleOutput(Output),
        });
        if (!IsInteractive) console.Profile.Width = PlainWidth;
        return console;
    }

    /// <summary>A table in the terminal's style.</summary>
    public Table CreateTable(string title) => new()
    {
        Border = IsInteractive ? TableBorder.Rounded : TableBorder.Ascii,
        Title = new TableTitle(Markup.Escape(title)),
    };

    /// <summary>A tree in the terminal's style.</summary>
    public Tree CreateTree(string title) => new(Markup.Escape(title))
    {
        Guide = IsInteractive ? TreeGuide.Line : TreeGuide.Ascii,
    };
}
