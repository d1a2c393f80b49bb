using System.Globalization;
using System.Text.Json;

namespace Gateway.PowerLoss.Chain;

/// <summary>One chunk of load: a C10M of its own, with devices of its own, that reconnects when the node is gone and checks every message.</summary>
internal sealed class ChainLoad : IAsyncDisposable
{
    private const int Pairs = 100;
    private const int Mailboxes = 100;
    private const int Senders = 25;

    private readonly BuiltProgram _program;
    private readonly string _json;
    private readonly bool _isOffline;
    private readonly long _messages;
    private bool _beginnersPresent;
    private bool _ownersPresent;

    private ChainLoad(BuiltProgram program, string json, bool isOffline, long messages) =>
        (_program, _json, _isOffline, _messages) = (program, json, isOffline, messages);

    public string Kind => _isOffline ? "offline" : "relay";
    public bool HasEnded => _program.HasExited;

    /// <summary>Begins a chunk of about so many messages: to devices that are there, or to mailboxes whose owners come when all is sent.</summary>
    public static ChainLoad Start(ChainNode node, string json, bool isOffline, long messages, int chunk, int seed)
    {
        var each = Math.Max(1, messages / Mailboxes);
        string[] shape = isOffline
            ? ["offline", "--mailboxes", $"{Mailboxes}", "--messages", Text(each), "--senders", $"{Senders}"]
            : ["relay", "--pairs", $"{Pairs}", "--window", "64", "--messages", Text(messages), "--mix", "chat"];
        var program = BuiltProgram.Start("tools/C10M", "C10M",
        [
            .. shape, "--target", node.Endpoint, "--secret", node.SecretPath, "--first-address", Text(1_000_000L + chunk * 10_000L), "--seed", Text(seed),
            "--reconnect", "--stall", "120s", "--json", json, "--quiet",
        ]);
        return new ChainLoad(program, json, isOffline, isOffline ? each * Mailboxes : messages);
    }

    /// <summary>
    /// Whether every device that has begun to log in has been there once: until then a lost connection is the load's error, after it, it
    /// comes back.
    /// </summary>
    /// <param name="counters">The node's, now.</param>
    /// <param name="before">The node's, when the chunk began.</param>
    public bool HasAllBeenPresent(ChainCounters counters, ChainCounters before)
    {
        // An offline chunk's owners log in when all is sent.
        var drains = _isOffline && counters.Accepted - before.Accepted >= _messages;
        ref var present = ref drains ? ref _ownersPresent : ref _beginnersPresent;
        present |= counters.Sessions >= (drains ? Senders + Mailboxes : _isOffline ? Senders : 2 * Pairs);
        return present;
    }

    /// <summary>Its end, and the counts that must add up.</summary>
    public async Task<ChainCounts> EndAsync()
    {
        await _program.Ended;
        if (!File.Exists(_json)) throw new ChainBrokenException($"The load ended with {_program.ExitCode} and no counts:\n{_program.Said}");
        using var document = JsonDocument.Parse(await File.ReadAllTextAsync(_json));
        var root = document.RootElement;
        var counts = new ChainCounts(
            Of("accepted"), Of("delivered"), Of("lost"), Of("duplicates"), Of("out_of_order"), Of("strays"), Of("redelivered"), Of("resent"), Of("reconnects"));
        if (_program.ExitCode != 0 || counts.Accepted != _messages || counts.Delivered != _messages || counts.Lost + counts.Duplicates + counts.OutOfOrder + counts.Strays != 0)
            throw new ChainBrokenException($"The clients of this chunk of {_messages} do not add up (exit code {_program.ExitCode}): {root.GetRawText()}\n{_program.Said}");
        return counts;

        long Of(string name) => root.GetProperty(name).GetInt64();
    }

    public ValueTask DisposeAsync() => _program.DisposeAsync();

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}

/// <summary>What the clients counted.</summary>
internal readonly record struct ChainCounts(
    long Accepted, long Delivered, long Lost, long Duplicates, long OutOfOrder, long Strays, long Redelivered, long Resent, long Reconnects)
{
    public static ChainCounts operator +(ChainCounts a, ChainCounts b) => new(
        a.Accepted + b.Accepted, a.Delivered + b.Delivered, a.Lost + b.Lost, a.Duplicates + b.Duplicates, a.OutOfOrder + b.OutOfOrder, a.Strays + b.Strays,
        a.Redelivered + b.Redelivered, a.Resent + b.Resent, a.Reconnects + b.Reconnects);
}
