using System.Globalization;
using System.Text.Json.Nodes;
using Gateway.Benchmarks.Ladder;
using Gateway.Benchmarks.Reports;
using Gateway.Mailbox.Format;
using Gateway.Protocol;

namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>A real node with long mailboxes: what they cost in memory, and what their draining costs others. The load ends are C10M's.</summary>
internal sealed class BacklogTrial : Trial
{
    private const int FullMailbox = 100_000;
    private const int Draining = 6;
    private const int DrainsPerSecond = 2;
    private const int OthersPerSecond = 5000;
    private const long QueuedBytes = 1_000_000_000;
    private const int WarmMessages = 100_000;
    private const double Mega = 1e6;
    private static readonly string BodySize = PairLoad.BodyBytes.ToString(CultureInfo.InvariantCulture);

    private RungServer? _node;
    private MailboxSettings _settings = null!;
    private int _fullMailbox;
    private CancellationToken _stop;
    private long _nextAddress = 2_000_000;

    public override string Name => "backlog";

    public override string What =>
        "`gateway --reactors 1 --durability fsync --log-memory 8MiB`, warmed up, loaded by C10M with bodies of 200 B; its memory is everything resident or swapped, looked at every 50 ms, at most against before. " +
        "**Drain**: a mailbox takes 100,000 messages and its device then drains it. **Others**: 50 pairs at 5,000 messages/s, open loop, p99 to the double check; alone, and while six mailboxes of 100,000 begin to drain one each half second. " +
        "**Deaf**: a device logged in that never reads, and 1 GB of records for it; then another login of it drains them all, within the same figure.";

    public override int MostRounds => 12;

    public override void Prepare(string folder, MailboxSettings settings)
    {
        _settings = settings;
        _fullMailbox = settings.Sized(FullMailbox, 1000);
        _node = RungServer.StartAsync(
            Rung.All.Single(r => r.Name == "gateway-1"), Path.Combine(folder, "node"), CancellationToken.None,
            "--log-memory", "8MiB", "--idle-timeout", "1h", "--max-mailbox-messages", "10000000", "--max-mailbox-bytes", "4GiB").GetAwaiter().GetResult();
        // Until the log's memory is in use to its last page, and the code is compiled.
        Load("relay", "--pairs", "100", "--window", "16", "--messages", Text(WarmMessages));
        Fill(2, WarmMessages / 2);
    }

    public override void Measure(int round, Readings into, CancellationToken stop)
    {
        _stop = stop;
        Drain(into);
        Others(into);
        if (round == 1) Deaf(into);
    }

    public override void Dispose()
    {
        _node?.DisposeAsync().AsTask().GetAwaiter().GetResult();
        base.Dispose();
    }

    private void Drain(Readings into)
    {
        using var memory = new MemoryWatch(_node!.Id);
        var json = Fill(1, _fullMailbox);
        into.Add("drain_growth_mb", (memory.Most - memory.First) / Mega);
        into.Add("drain_messages_per_s", LoadEnd.Number(json, "messages_per_second"));
    }

    private void Others(Readings into)
    {
        var alone = OthersP99(TimeSpan.Zero);
        var filling = Task.Run(() => Fill(Draining, _fullMailbox, "--wait", LoadEnd.Text(Lead), "--rate", Text(DrainsPerSecond)), _stop);
        while (!filling.IsCompleted && PendingMessages() < (long)Draining * _fullMailbox) Thread.Sleep(100);
        var beside = OthersP99(TimeSpan.FromSeconds((double)Draining / DrainsPerSecond));
        filling.GetAwaiter().GetResult();
        into.Add("others_p99_alone_us", alone);
        into.Add("others_p99_beside_us", beside);
        into.Add("others_p99_ratio", beside / alone);
    }

    private void Deaf(Readings into)
    {
        var messages = (int)(QueuedBytes * _settings.Scale / RecordLayout.LogBytes(RecordLayout.MessageFixedBytes + PairLoad.BodyBytes));
        // C10M's second device, to which its first one sends.
        using var device = new DeafDevice(_node!.Port, _node.SecretPath, new Address(AddressKind.User, (ulong)_nextAddress + 1));
        using var memory = new MemoryWatch(_node.Id);
        var json = Fill(1, messages);
        var grown = memory.Most - memory.First;
        into.Add("deaf_messages", messages);
        into.Add("deaf_growth_mb", grown / Mega);
        into.Add("deaf_growth_beyond_20_b_mb", (grown - 20.0 * messages) / Mega);
        into.Add("deaf_fill_messages_per_s", LoadEnd.Number(json, "fill_messages_per_second"));
        into.Add("deaf_drain_messages_per_s", LoadEnd.Number(json, "messages_per_second"));
    }

    /// <summary>Between the last mailbox's being full and the first device's login: the others' load end starts meanwhile.</summary>
    private TimeSpan Lead => TimeSpan.FromSeconds(0.5) + _settings.Rounds.Warmup;

    private double OthersP99(TimeSpan longer)
    {
        var time = _settings.Rounds.Time + longer;
        var json = Load(
            "relay", "--pairs", "50", "--window", "64", "--size", BodySize, "--rate", Text(OthersPerSecond), "--warmup", LoadEnd.Text(_settings.Rounds.Warmup),
            "--time", LoadEnd.Text(time));
        return LoadEnd.Number(json["latency_us"]!.AsObject(), "p99");
    }

    private JsonObject Fill(int mailboxes, int messages, params string[] more) =>
        Load(["offline", "--mailboxes", Text(mailboxes), "--senders", Text(mailboxes), "--messages", Text(messages), "--size", BodySize, .. more]);

    /// <summary>Each has addresses of its own.</summary>
    private JsonObject Load(params string[] arguments)
    {
        var address = Interlocked.Add(ref _nextAddress, 1000) - 1000;
        var json = LoadEnd.AskAsync(
            "the node",
            [.. arguments, "--target", $"127.0.0.1:{Text(_node!.Port)}", "--secret", _node.SecretPath, "--server-pid", Text(_node.Id), "--first-address", Text(address)], _stop).GetAwaiter().GetResult();
        return LoadEnd.Number(json, "exit_code") == 0 ? json : throw new MeasuringException($"the load {arguments[0]} did not add up: {json["errors_by_kind"]}");
    }

    private long PendingMessages() =>
        (long)_node!.AskAsync("/ops/ledger", _stop).GetAwaiter().GetResult()["pending"]!;

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
