using System.Net;
using Gateway.Mailbox;
using Gateway.Mailbox.Inspection;
using Gateway.Server;
using Gateway.Server.Node;
using Gateway.Tests.Mailbox;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Gateway.Tests.Server;

/// <summary>What a start says of the log it recovers, and that nobody is served before it has.</summary>
public sealed class RecoveryTests : IDisposable
{
    private readonly DataFolder _data = new();

    public void Dispose() => _data.Dispose();

    [Fact]
    public async Task Recovery_that_takes_longer_than_two_seconds_tells_how_far_it_is_and_the_node_is_ready_only_after_it()
    {
        Fill(600);
        using var log = new WatchingLog();
        var time = new HastyTime();
        await using var node = new GatewayNode(Options(), new NodeKeys(new byte[32]), log.Factory(), time);
        log.OnLine = line =>
        {
            if (line.Contains("recovering the log", StringComparison.Ordinal)) log.Seen.Add((node.Readiness, node.EndpointLines.Count));
            time.IsHasty = log.Seen.Count < 3;
        };

        await node.StartAsync(CancellationToken.None);

        Assert.InRange(log.Seen.Count, 3, 4);
        foreach (var (readiness, endpoints) in log.Seen)
        {
            Assert.Equal(NodeState.Starting, readiness.State);
            Assert.Matches(@"^recovering the log: 0 of at most 0 MiB \([0-9]+ %\) after [0-9]+ s$", readiness.Reason);
            Assert.Equal(0, endpoints);
        }

        Assert.Equal(NodeReadiness.Ready, node.Readiness);
        Assert.Single(node.EndpointLines);
    }

    [Fact]
    public async Task A_start_after_a_repair_says_so_in_its_log()
    {
        Fill(3);
        var record = MessageAddress();
        DamageAt(record + 80);
        var refused = new GatewayNode(Options(), new NodeKeys(new byte[32]), new WatchingLog().Factory(), TimeProvider.System);
        var refusal = await Assert.ThrowsAsync<NodeStartException>(() => refused.StartAsync(CancellationToken.None));
        await refused.DisposeAsync();
        Assert.Contains($"gatewayctl log verify --data {_data.Path}", refusal.Message, StringComparison.Ordinal);

        using (var stopped = StoppedLog.Open(_data.Path)) stopped.Repair(TimeProvider.System);
        for (var start = 0; start < 2; start++)
        {
            using var log = new WatchingLog();
            await using var node = new GatewayNode(Options(), new NodeKeys(new byte[32]), log.Factory(), TimeProvider.System);
            await node.StartAsync(CancellationToken.None);
            Assert.Contains("the log was repaired with gatewayctl log repair: 1 stretches of 580 bytes in all were given up, 1 messages and 0 receipts are known to be lost with them", log.Text, StringComparison.Ordinal);
        }
    }

    private void Fill(int messages)
    {
        using var log = new MailboxHarness(_data.Path, time: new ManualTime());
        for (var i = 0; i < messages; i++) log.Send(1ul << 60 | 5ul << 10, new string('m', 500 + 4 * (i % 2)));
        log.Commit();
    }

    private long MessageAddress()
    {
        using var log = StoppedLog.Open(_data.Path);
        return log.List(0, 100).First(e => e.Type == RecordType.Message && e.Bytes == 580).Place.Address;
    }

    private void DamageAt(long address)
    {
        using var file = File.Open(_data.Segments[0], FileMode.Open, FileAccess.ReadWrite);
        file.Position = 4096 + address;
        file.WriteByte(0);
    }

    private GatewayOptions Options() => GatewayOptions.Default with
    {
        Data = _data.Path,
        NativeListen = new IPEndPoint(IPAddress.Loopback, 0),
        Reactors = 1,
        PinReactors = false,
        MaxBody = 1024,
        Metrics = false,
    };

    /// <summary>Three seconds pass whenever somebody looks, until enough was told: a log that runs has a watch on its progress.</summary>
    private sealed class HastyTime : TimeProvider
    {
        private long _ticks;

        public bool IsHasty { get; set; } = true;
        public override long TimestampFrequency => TimeSpan.TicksPerSecond;
        public override long GetTimestamp() => IsHasty ? Interlocked.Add(ref _ticks, 3 * TimeSpan.TicksPerSecond) : Volatile.Read(ref _ticks) + Environment.TickCount64 * TimeSpan.TicksPerMillisecond;
    }

    private sealed class WatchingLog : ILoggerProvider, ILogger
    {
        private readonly List<string> _lines = [];

        public Action<string>? OnLine { get; set; }
        public List<(NodeReadiness Readiness, int Endpoints)> Seen { get; } = [];
        public string Text => string.Join('\n', _lines);

        public ILoggerFactory Factory() => LoggerFactory.Create(logging => logging.AddProvider(this));
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (_lines) _lines.Add(formatter(state, exception));
            OnLine?.Invoke(formatter(state, exception));
        }

        public void Dispose()
        {
        }
    }
}
