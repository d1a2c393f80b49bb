using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Gateway.Load.Conduct;
using Gateway.Load.Devices;
using Gateway.Load.Measure;
using Gateway.Transport;

namespace Gateway.Load.Cli;

/// <summary>Options that every command has, and what they stand for once parsed.</summary>
internal sealed class CommonOptions
{
    private static readonly TimeSpan Day = TimeSpan.FromHours(24);

    public Option<string> Target { get; } = new("--target")
    {
        Description = "the node's native endpoint",
        HelpName = "HOST:PORT",
        DefaultValueFactory = _ => "127.0.0.1:5240",
    };

    public Option<LoadProtocol> Protocol { get; } = new("--protocol")
    {
        Description = "what the devices speak; with xmpp and mqtt, --target names such a server",
        HelpName = "native|xmpp|mqtt",
        CustomParser = result => result.Tokens[0].Value switch
        {
            "native" => LoadProtocol.Native,
            "xmpp" => LoadProtocol.Xmpp,
            "mqtt" => LoadProtocol.Mqtt,
            var other => Units.Fail<LoadProtocol>(result, $"--protocol: '{other}' is none of native, xmpp, mqtt"),
        },
    };

    public Option<string> Domain { get; } = new("--domain")
    {
        Description = "xmpp: of the accounts u<address>, whose passwords are their names",
        HelpName = "NAME",
        DefaultValueFactory = _ => "localhost",
    };

    public Option<string> Secret { get; } = new("--secret")
    {
        Description = "the node's secret, from which device keys are derived",
        HelpName = "FILE",
        DefaultValueFactory = _ => Path.Combine("data", "secret"),
    };

    public Option<long> FirstAddress { get; } = Units.Count("--first-address", "the number of the first device's user", 1_000_000, 1, 1L << 49);

    public Option<string?> FirstSource { get; } = new("--first-source")
    {
        Description = "the first source address; loopback targets default to 127.0.1.1, others to the kernel's choice",
        HelpName = "IPV4",
    };

    public Option<long> Seed { get; } = Units.Count("--seed", "of everything that is drawn; drawn itself when absent, and printed", -1, 0, long.MaxValue);
    public Option<long> Threads { get; } = Units.Count("--threads", "reactors in each process", 1, 1, 256);
    public Option<long> Processes { get; } = Units.Count("--processes", "load processes; 0: as many as the descriptors need", 0, 0, 1000);
    public Option<IoBackend> Io { get; } = new("--io")
    {
        Description = "what drives the sockets; auto: io_uring, with which one process holds any number, when they are more than it may open files",
        HelpName = "auto|epoll|uring",
        DefaultValueFactory = _ => IoBackend.Auto,
        CustomParser = result => result.Tokens[0].Value switch
        {
            "auto" => IoBackend.Auto,
            "epoll" => IoBackend.Epoll,
            "uring" => IoBackend.Uring,
            var other => Units.Fail<IoBackend>(result, $"--io: '{other}' is none of auto, epoll, uring"),
        },
    };

    public Option<long> LoginsInFlight { get; } = Units.Count("--logins-in-flight", "logins that one reactor has under way at most; 0: the command's choice", 0, 0, 20_000);
    public Option<TimeSpan> Stall { get; } = Units.Duration("--stall", "a run in which nothing moves for so long has failed", TimeSpan.FromSeconds(30), TimeSpan.FromHours(1));
    public Option<bool> Reconnect { get; } = new("--reconnect") { Description = "establish broken sessions again and send again what is unsettled, instead of counting an error" };
    public Option<long> ServerPid { get; } = Units.Count("--server-pid", "measure this process: CPU a message, memory a connection", 0, 0, int.MaxValue);
    public Option<string?> Json { get; } = new("--json") { Description = "write the result as JSON; - is standard output", HelpName = "FILE" };
    public Option<string?> Html { get; } = new("--html") { Description = "write a report with charts that needs no network", HelpName = "FILE" };
    public Option<bool> Quiet { get; } = new("--quiet") { Description = "no live view and no summary" };

    public Option<string?> Operator { get; } = new("--operator")
    {
        Description = "the node's operator endpoint, to read its gauges now and then",
        HelpName = "HOST:PORT",
    };

    // For the commands that send.

    public Option<MixKind> Mix { get; } = new("--mix")
    {
        Description = "fixed: one size, even gaps; poisson: one size, exponential gaps; chat: log-normal sizes, bursts",
        HelpName = "fixed|poisson|chat",
        DefaultValueFactory = _ => MixKind.Fixed,
        CustomParser = result => result.Tokens[0].Value switch
        {
            "fixed" => MixKind.Fixed,
            "poisson" => MixKind.Poisson,
            "chat" => MixKind.Chat,
            var other => Units.Fail<MixKind>(result, $"--mix: '{other}' is none of fixed, poisson, chat"),
        },
    };

    public Option<long> Size { get; } = Units.Count("--size", "bytes of a message's body", 64, Payload.MinBytes, 512 * 1024);
    public Option<long> AckEvery { get; } = Units.Count("--ack-every", "acknowledge after this many within one read, and at its end", 64, 1, 1024);

    public static TimeSpan LongestRun => Day;

    /// <summary>Logins under way in a storm, unless the user says: as many as a listener's usual backlog, beyond which the kernel drops connects that then come again seconds later.</summary>
    public static int StormLoginsInFlight => 4096;

    /// <summary>For the commands that watch what the node keeps.</summary>
    public void AddOperatorTo(Command command) => command.Options.Add(Operator);

    public void AddTo(Command command, bool sends, bool logsIn = true)
    {
        Option[] all = [Target, FirstSource, Seed, Threads, Processes, Io, LoginsInFlight, Stall, ServerPid, Json, Html, Quiet];
        foreach (var option in all) command.Options.Add(option);
        Option[] devices = logsIn ? [Secret, FirstAddress, Reconnect] : [];
        foreach (var option in devices) command.Options.Add(option);
        if (!sends) return;
        Option[] sending = [Mix, Size, AckEvery];
        foreach (var option in sending) command.Options.Add(option);
    }

    /// <summary>For the commands that can load a foreign server too.</summary>
    public void AddProtocolTo(Command command)
    {
        command.Options.Add(Protocol);
        command.Options.Add(Domain);
        Require(
            command,
            result => result.GetValue(Protocol) != LoadProtocol.Native && result.GetValue(Reconnect) ? "--reconnect: only with --protocol native" : null);
    }

    /// <summary>What options must fulfil together; null: they do. One that is wrong by itself is told as that, and nothing is asked of it here.</summary>
    public static void Require(Command command, Func<CommandResult, string?> wrong) => command.Validators.Add(result =>
    {
        try
        {
            if (wrong(result) is { } error) result.AddError(error);
        }
        catch (InvalidOperationException)
        {
            // The library reads a value that does not parse by throwing; its own error is among the others.
        }
    });

    /// <summary>The settings of a run of this shape; a command adds its own. loginsInFlight: its choice when the user has none.</summary>
    /// <exception cref="LoadException">An option cannot be understood.</exception>
    public LoadSettings SettingsOf(ParseResult parse, Shape shape, LoadEnvironment environment, int loginsInFlight = 512)
    {
        var target = ParseTarget(parse.GetValue(Target)!);
        var seed = parse.GetValue(Seed);
        if (seed < 0) seed = environment.DrawSeed();
        var firstSource = parse.GetValue(FirstSource) ?? (IPAddress.IsLoopback(target.Address) && target.AddressFamily == AddressFamily.InterNetwork ? "127.0.1.1" : null);
        if (firstSource is not null && (!IPAddress.TryParse(firstSource, out var source) || source.AddressFamily != AddressFamily.InterNetwork))
            throw new LoadException(ExitCode.Usage, $"--first-source: '{firstSource}' is no IPv4 address");
        var threads = (int)parse.GetValue(Threads);
        var options = parse.CommandResult.Command.Options;
        var settings = new LoadSettings
        {
            TargetAddress = target.Address.ToString(),
            TargetPort = target.Port,
            SecretPath = options.Contains(Secret) ? Path.GetFullPath(parse.GetValue(Secret)!, environment.Folder) : "",
            ShapeKind = shape.Kind,
            GroupSize = shape.GroupSize,
            Devices = shape.Devices,
            Seed = (ulong)seed,
            Run = (uint)Hash.Of((ulong)seed, 0x2119, (ulong)environment.DrawSeed()),
            FirstAddress = options.Contains(FirstAddress) ? (ulong)parse.GetValue(FirstAddress) : 0,
            FirstSource = firstSource,
            LoginsInFlight = parse.GetValue(LoginsInFlight) is > 0 and var asked ? (int)asked : loginsInFlight,
            Reconnect = options.Contains(Reconnect) && parse.GetValue(Reconnect),
            Threads = threads,
            Processes = ProcessesFor(shape.Devices, (int)parse.GetValue(Processes), parse.GetValue(Io)),
            Io = parse.GetValue(Io),
        };
        if (options.Contains(Protocol)) settings = settings with { Protocol = parse.GetValue(Protocol), Domain = parse.GetValue(Domain)! };
        if (!options.Contains(Mix)) return settings;
        return settings with { Mix = parse.GetValue(Mix), SizeBytes = (int)parse.GetValue(Size), AckEvery = (int)parse.GetValue(AckEvery) };
    }

    public static int CountOf(ParseResult parse, Option<long> option) => (int)parse.GetValue(option);

    /// <exception cref="LoadException">So many do not suffice, or io_uring is not to be had.</exception>
    private static int ProcessesFor(int connections, int asked, IoBackend io)
    {
        var why = io == IoBackend.Epoll ? "" : ReactorGroup.WhyNotUring();
        if (why is null) return Math.Max(1, asked);
        if (io == IoBackend.Uring) throw new LoadException(ExitCode.Usage, $"--io uring: {why}");
        var room = DescriptorLimit.ForConnections();
        var needed = (connections + room - 1) / room;
        if (asked == 0) return Math.Max(1, needed);
        if (asked >= needed) return asked;
        throw new LoadException(
            ExitCode.Usage,
            string.Create(CultureInfo.InvariantCulture, $"--processes: {connections} connections need {needed} processes; each may open {room} (ulimit -Hn)"));
    }

    internal static IPEndPoint ParseTarget(string text, string option = "--target")
    {
        var colon = text.LastIndexOf(':');
        var host = colon < 0 ? "" : text[..colon].Trim('[', ']');
        if (host.Length == 0 || !ushort.TryParse(text[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port == 0)
            throw new LoadException(ExitCode.Usage, $"{option}: '{text}' is not HOST:PORT, as in 127.0.0.1:5240");
        if (IPAddress.TryParse(host, out var address)) return new IPEndPoint(address, port);
        try
        {
            var addresses = Dns.GetHostAddresses(host);
            return new IPEndPoint(Array.Find(addresses, a => a.AddressFamily == AddressFamily.InterNetwork) ?? addresses[0], port);
        }
        catch (SocketException e)
        {
            throw new LoadException(ExitCode.Usage, $"{option}: '{host}' is not known: {e.Message}", e);
        }
    }
}

/// <summary>What a run touches of its process.</summary>
/// <param name="Folder">The working folder: relative paths begin there.</param>
/// <param name="Output">The summary, and JSON to standard output.</param>
/// <param name="Errors">The live view, and what went wrong.</param>
/// <param name="IsTerminal">Whether the live view may rewrite its lines.</param>
/// <param name="Program">C10M's own executable, for further load processes.</param>
/// <param name="Time">The clock of everything.</param>
/// <param name="DrawSeed">A number from 0 on that nobody foresees.</param>
internal sealed record LoadEnvironment(
    string Folder, TextWriter Output, TextWriter Errors, bool IsTerminal, string Program, TimeProvider Time, Func<long> DrawSeed)
{
    public static LoadEnvironment OfThisProcess() => new(
        Directory.GetCurrentDirectory(), Console.Out, Console.Error, !Console.IsErrorRedirected, Path.Combine(AppContext.BaseDirectory, "C10M"), TimeProvider.System, () => Random.Shared.NextInt64());
}
