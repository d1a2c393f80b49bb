using Gateway.Ctl.Messaging;

namespace Gateway.Ctl.Chat;

/// <summary>The chat without a terminal: lines are read from the input, and each thing that happens is a line of the output.</summary>
internal sealed class ChatLog
{
    private readonly Output _output;
    private readonly Conversation _conversation;
    private string _connection = "";

    public ChatLog(Conversation conversation, Output output)
    {
        _output = output;
        _conversation = conversation;
    }

    /// <summary>Shows the history, then sends what the input holds, to its end.</summary>
    public async Task RunAsync(TextReader input, Func<string, Task> send, CancellationToken cancel)
    {
        foreach (var line in _conversation.Newest(int.MaxValue)) Show(line, "history");
        _conversation.Changed += OnChanged;
        while (await input.ReadLineAsync(cancel) is { } line)
        {
            if (line.Length > 0) await send(line);
        }
    }

    private void OnChanged(ChatLine? line)
    {
        if (line is not null)
        {
            Show(line, line.Sent ? line.State.ToString().ToLowerInvariant() : "received");
            return;
        }

        var connection = _conversation.Connection;
        if (Interlocked.Exchange(ref _connection, connection) != connection && connection != Conversation.Ended) _output.Note(connection);
    }

    private void Show(ChatLine line, string what)
    {
        var peer = _conversation.Peer.ToString();
        lock (_output)
        {
            _output.Write(
                new { what, sent = line.Sent, peer, id = line.Id, at = line.At, state = line.State.ToString().ToLowerInvariant(), body = line.Text },
                () => line.Sent ? $"{Checks.Of(line.State),-2} me: {line.Text}" : $"   {peer}: {line.Text}");
            _output.Flush();
        }
    }
}
