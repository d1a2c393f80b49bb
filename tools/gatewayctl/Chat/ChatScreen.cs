using System.Globalization;
using System.Text;
using Gateway.Ctl.Messaging;

namespace Gateway.Ctl.Chat;

/// <summary>
/// The chat on a terminal: the conversation above, its state below it, the line being typed at the bottom. Everything is drawn anew after
/// each change, in one write, on the alternate screen, so that the shell's own text is back afterwards. <c>_gate</c> keeps drawings apart.
/// </summary>
internal sealed class ChatScreen : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Conversation _conversation;
    private readonly TextWriter _terminal;
    private readonly string _title;
    private readonly StringBuilder _typed = new();
    private bool _open = true;
    private bool _shownTyping;

    public ChatScreen(Conversation conversation, TextWriter terminal, string title)
    {
        _conversation = conversation;
        _terminal = terminal;
        _title = title;
        terminal.Write("\e[?1049h");
        conversation.Changed += OnChanged;
        Draw();
    }

    /// <summary>Reads keys until the person leaves (Ctrl-C, Ctrl-D, Escape); each finished line goes to <paramref name="send"/>.</summary>
    public async Task RunAsync(Func<string, Task> send, TypingNotes typing, CancellationToken cancel)
    {
        // A blocking ReadKey could not be given up when the client ends.
        while (!cancel.IsCancellationRequested)
        {
            if (!Console.KeyAvailable)
            {
                await Task.Delay(20, CancellationToken.None);
                // The other side's typing note runs out without any news.
                if (_shownTyping != _conversation.IsTyping) Draw();
                continue;
            }

            var key = Console.ReadKey(intercept: true);
            if (Leaves(key)) return;
            if (Edit(key) is { } line)
            {
                typing.Stop();
                await send(line);
            }
            else
            {
                typing.OnKey(_typed.Length == 0);
            }

            Draw();
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _open = false;
            _conversation.Changed -= OnChanged;
            _terminal.Write("\e[?1049l");
            _terminal.Flush();
        }
    }

    private static bool Leaves(ConsoleKeyInfo key) =>
        key.Key == ConsoleKey.Escape || (key.Modifiers.HasFlag(ConsoleModifiers.Control) && key.Key is ConsoleKey.C or ConsoleKey.D);

    /// <summary>Applies a key; returns the line when it is finished.</summary>
    private string? Edit(ConsoleKeyInfo key)
    {
        lock (_gate)
        {
            switch (key.Key)
            {
                case ConsoleKey.Enter when _typed.Length > 0:
                    var line = _typed.ToString();
                    _typed.Clear();
                    return line;
                case ConsoleKey.Backspace when _typed.Length > 0:
                    // A character beyond the basic plane is two units.
                    _typed.Length -= _typed.Length > 1 && char.IsLowSurrogate(_typed[^1]) ? 2 : 1;
                    return null;
                case ConsoleKey.U when key.Modifiers.HasFlag(ConsoleModifiers.Control):
                    _typed.Clear();
                    return null;
                default:
                    if (!char.IsControl(key.KeyChar)) _typed.Append(key.KeyChar);
                    return null;
            }
        }
    }

    private void OnChanged(ChatLine? line) => Draw();

    private void Draw()
    {
        lock (_gate)
        {
            if (!_open) return;
            var (width, height) = (Math.Max(Console.WindowWidth, 20), Math.Max(Console.WindowHeight, 4));
            _shownTyping = _conversation.IsTyping;
            var rows = new List<string>();
            foreach (var line in _conversation.Newest(height)) rows.AddRange(Wrap(Format(line), width));
            var screen = new StringBuilder("\e[H\e[2J");
            foreach (var row in rows.TakeLast(height - 2)) screen.Append(row).Append("\r\n");
            var status = $"{_title} · {_conversation.Connection}{(_shownTyping ? $" · {_conversation.Peer} is typing…" : "")}";
            screen.Append(CultureInfo.InvariantCulture, $"\e[{height - 1};1H\e[7m{Cut(status, width).PadRight(width)}\e[0m");
            var typed = _typed.ToString();
            var shown = typed.Length > width - 3 ? typed[^(width - 3)..] : typed;
            screen.Append(CultureInfo.InvariantCulture, $"\e[{height};1H> {shown}");
            _terminal.Write(screen);
            _terminal.Flush();
        }
    }

    internal static string Format(ChatLine line) => string.Create(
        CultureInfo.InvariantCulture, $"{line.At.ToLocalTime():HH:mm} {(line.Sent ? $"{Checks.Of(line.State),-2} me:" : "      ")} {line.Text}");

    private static string Cut(string text, int width) => text.Length <= width ? text : text[..width];

    private static IEnumerable<string> Wrap(string text, int width)
    {
        for (var at = 0; at < text.Length; at += width) yield return text.Substring(at, Math.Min(width, text.Length - at));
    }
}
