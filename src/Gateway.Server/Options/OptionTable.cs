using System.Globalization;
using System.Net;
using Gateway.Protocol;
using Gateway.Transport;
using Microsoft.Extensions.Logging;

namespace Gateway.Server.Options;

/// <summary>
/// Every option of the node: the one place that states names, kinds, defaults, ranges and help. Parsing, <c>--help</c>, <c>check-config</c>
/// and <see cref="GatewayOptions"/> follow it. A new option is a row here, an entry in <see cref="All"/>'s order and a property there.
/// </summary>
public static class OptionTable
{
    private static readonly int Cores = Environment.ProcessorCount;

    public static readonly Option<string> Config = OptionKinds.Path(
        "config", "gateway.json", "file of options; the default is read only where it exists");

    public static readonly Option<string> Data = OptionKinds.Path("data", "./data", "folder of the log, the secret and everything durable");

    public static readonly Option<IPEndPoint> NativeListen = OptionKinds.Endpoint("native-listen", "127.0.0.1:5240", "native TCP; port 0 takes a free one");

    public static readonly Option<IPEndPoint> OperatorListen = OptionKinds.Endpoint(
        "operator-listen", "127.0.0.1:5249", "operator HTTP; port 0 takes a free one");

    public static readonly Option<int> Reactors = OptionKinds.Count(
        "reactors", Math.Min(Cores, 8).ToString(CultureInfo.InvariantCulture), 1, 64, "threads that own connections and mailboxes; by default one a core, at most 8");

    public static readonly Option<bool> PinReactors = OptionKinds.Switch("pin-reactors", "on", "bind each reactor to its core");

    public static readonly Option<IoBackend> Io = OptionKinds.Choice(
        "io", "auto", "epoll, io_uring, or auto: io_uring when more connections are asked for than the process may open files",
        ("auto", IoBackend.Auto), ("epoll", IoBackend.Epoll), ("uring", IoBackend.Uring));

    public static readonly Option<int> ListenBacklog = OptionKinds.Count(
        "listen-backlog", "4096", 1, 65535, "connections the kernel holds before they are accepted, a reactor");

    public static readonly Option<int> MaxConnections = OptionKinds.Count(
        "max-connections", "1000000", 1, 16_000_000, "open connections, which rings and tables are sized for; without io_uring lowered to what the process may open");

    public static readonly Option<int> MaxHandshakes = OptionKinds.Count(
        "max-handshakes", "16384", 1, 1_000_000, "connections not yet authenticated; beyond it accepting waits");

    public static readonly Option<int> LoginRate = OptionKinds.Count(
        "login-rate", "0", 0, 10_000_000,
        "logins taken up in a second, shared out among reactors; others are sent away with a moment to come back; 0: 2000 a reactor");

    public static readonly Option<int> LoginBurst = OptionKinds.Count(
        "login-burst", "0", 0, 10_000_000, "logins taken up at once after a rest, shared out likewise; 0: 500 a reactor");

    public static readonly Option<long> MaxBody = OptionKinds.Size(
        "max-body", OptionKinds.FormatSize(Wire.DefaultMaxBodyBytes), OptionKinds.FormatSize(Wire.MaxBodyBytesFloor),
        OptionKinds.FormatSize(Wire.MaxBodyBytesCeiling), "the largest message body");

    public static readonly Option<TimeSpan> HandshakeTimeout = OptionKinds.Duration(
        "handshake-timeout", "10s", "100ms", "10m", "from accept to welcome");

    public static readonly Option<TimeSpan> FrameTimeout = OptionKinds.Duration(
        "frame-timeout", "30s", "100ms", "1h", "from a frame's first byte to its last");

    public static readonly Option<TimeSpan> IdleTimeout = OptionKinds.Duration(
        "idle-timeout", "5m", "1s", "7d", "without a byte from the device; announced in welcome");

    public static readonly Option<TimeSpan> PingAfter = OptionKinds.Duration(
        "ping-after", "20s", "0ms", "1h", "silence of a device with something to acknowledge until it is pinged, and again until it is taken for gone; 0ms: never");

    public static readonly Option<TimeSpan> TcpKeepalive = OptionKinds.Duration(
        "tcp-keepalive", "3m", "0ms", "9h", "silence until the kernel asks whether the peer is there; costs nothing while it is longer than clients take to ping; 0ms: never");

    public static readonly Option<TimeSpan> TcpUserTimeout = OptionKinds.Duration(
        "tcp-user-timeout", "1m", "0ms", "24h", "until a connection ends whose peer confirms or takes nothing of what was sent; 0ms: the kernel's own time");

    public static readonly Option<TimeSpan> KeepUnused = OptionKinds.Duration(
        "keep-unused", "10s", "1ms", "1h", "until memory that a burst took and nobody has needed since is given back, or up to twice that");

    public static readonly Option<TimeSpan> RedeliverAfter = OptionKinds.Duration(
        "redeliver-after", "30s", "100ms", "1h", "until what a connected device has not acknowledged is delivered again");

    public static readonly Option<TimeSpan> AcceptedWait = OptionKinds.Duration(
        "accepted-wait", "4ms", "0ms", "1s", "while a reactor has much to do: for how long an accepted may wait for a receipt or a message to go out with; 0ms: it never waits");

    public static readonly Option<TimeSpan> DefaultExpiry = OptionKinds.Duration(
        "default-expiry", "30d", "1s", "3650d", "life of a pending message whose sender names none");

    public static readonly Option<TimeSpan> MaxClockJump = OptionKinds.Duration(
        "max-clock-jump", "7d", "1m", "3650d", "by which the clock may be ahead of when the node last ran before nothing expires until an operator agrees");

    public static readonly Option<int> MaxMailboxMessages = OptionKinds.Count(
        "max-mailbox-messages", "100000", 1, 100_000_000, "pending in one mailbox; beyond it senders are refused for now");

    public static readonly Option<long> MaxMailboxBytes = OptionKinds.Size(
        "max-mailbox-bytes", "256MiB", "64KiB", "64GiB", "the same in bytes of log; one message always fits");

    public static readonly Option<long> MaxPendingBytes = OptionKinds.Size(
        "max-pending-bytes", "1024GiB", "1MiB", "1024GiB", "pending in all mailboxes together, each reactor's share apart; the disk is the other limit");

    public static readonly Option<long> MaxUnsent = OptionKinds.Size(
        "max-unsent", "256KiB", "16KiB", "64MiB", "output waiting for one connection; beyond it that connection is not read");

    public static readonly Option<long> BufferSoft = OptionKinds.Size(
        "buffer-soft", "512MiB", "1MiB", "1024GiB", "bytes buffered for all connections at which the largest holders pause");

    public static readonly Option<long> BufferHard = OptionKinds.Size(
        "buffer-hard", "1GiB", "1MiB", "1024GiB", "bytes buffered for all connections at which whoever adds to them pauses and new connections are refused");

    public static readonly Option<Durability> Durability = OptionKinds.Choice(
        "durability", "fsync", "fsync: accepted means on disk; os: accepted means in the page cache, a power loss takes it back",
        ("fsync", Server.Durability.Fsync), ("os", Server.Durability.Os));

    public static readonly Option<TimeSpan> CommitDelay = OptionKinds.Duration(
        "commit-delay", "1ms", "0ms", "10ms", "while many messages are on their way: for how long at most a commit that could follow the last one at once waits for a reactor to hand over what it appends next; 0ms: not at all");

    public static readonly Option<TimeSpan> CommitProgressTimeout = OptionKinds.Duration(
        "commit-progress-timeout", "30s", "1s", "10m", "without commit progress the node fails stop");

    public static readonly Option<long> SegmentSize = OptionKinds.Size(
        "segment-size", "64MiB", "1MiB", "1GiB", "of a file of a log that is new; unless given, 512MiB where max-connections asks for 250000 and more", powerOfTwo: true);

    /// <summary>Connections; a node that is asked for as many, and gets them, has segments of <see cref="SegmentBytesOfMany"/> by default.</summary>
    internal const int ManyConnections = 250_000;

    internal const long SegmentBytesOfMany = 512L << 20;

    public static readonly Option<long> LogMemory = OptionKinds.Size(
        "log-memory", "128MiB", "1MiB", "64GiB", "of the log's tail", powerOfTwo: true);

    public static readonly Option<long> LogPage = OptionKinds.Size(
        "log-page", "1MiB", "64KiB", "1MiB", "of the log; a record fits one", powerOfTwo: true);

    public static readonly Option<TimeSpan> DrainTime = OptionKinds.Duration(
        "drain-time", "10s", "0ms", "1h", "from SIGTERM until what is still open is closed");

    public static readonly Option<TimeSpan> ReconnectSpread = OptionKinds.Duration(
        "reconnect-spread", "30s", "0ms", "1h", "over which go-away spreads the reconnects");

    public static readonly Option<bool> Metrics = OptionKinds.Switch(
        "metrics", "on", "queues and instruments are measured and shown under /metrics; off, they cost nothing");

    public static readonly Option<LogFormat> LogFormat = OptionKinds.Choice(
        "log-format", "text", "of the log on stderr", ("text", Server.LogFormat.Text), ("json", Server.LogFormat.Json));

    public static readonly Option<LogLevel> Level = new()
    {
        Name = "log-level",
        Placeholder = LogLevels.Placeholder,
        Help = "the least that is logged",
        DefaultText = "information",
        ChangeableAtRunTime = true,
        Parser = LogLevels.TryParse,
        Formatter = LogLevels.Format,
    };

    /// <summary>In the order of <c>--help</c>.</summary>
    public static IReadOnlyList<Option> All { get; } =
    [
        Config, Data, NativeListen, OperatorListen,
        Reactors, PinReactors, Io, ListenBacklog, MaxConnections, MaxHandshakes, LoginRate, LoginBurst, MaxBody, MaxUnsent, BufferSoft, BufferHard,
        HandshakeTimeout, FrameTimeout, IdleTimeout, PingAfter, TcpKeepalive, TcpUserTimeout, KeepUnused,
        AcceptedWait, RedeliverAfter, DefaultExpiry, MaxClockJump, MaxMailboxMessages, MaxMailboxBytes, MaxPendingBytes,
        Durability, CommitDelay, CommitProgressTimeout, SegmentSize, LogMemory, LogPage,
        DrainTime, ReconnectSpread, Metrics, LogFormat, Level,
        .. AlertTable.All,
    ];

    /// <summary>The option of this name, or null.</summary>
    public static Option? Find(string name) => All.FirstOrDefault(o => o.Name == name);
}
