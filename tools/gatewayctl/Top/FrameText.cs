using Spectre.Console;
using Spectre.Console.Rendering;

namespace Gateway.Ctl.Top;

/// <summary>Renders what Spectre draws into lines of text, so that a frame can be written at once. Stateless.</summary>
internal static class FrameText
{
    public static IEnumerable<string> Render(IReadOnlyList<IRenderable> frame, int columns, bool withColours)
    {
        using var text = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(text),
            Ansi = withColours ? AnsiSupport.Yes : AnsiSupport.No,
            ColorSystem = withColours ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
        });
        console.Profile.Width = columns;
        console.Profile.Capabilities.Unicode = true;
        console.Write(new Rows(frame));
        return text.ToString().TrimEnd('\n').Split('\n').Select(line => line.TrimEnd('\r', ' ')).ToList();
    }
}
