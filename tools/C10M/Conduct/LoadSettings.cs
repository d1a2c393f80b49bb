using System.Net;
using System.Text.Json.Serialization;
using Gateway.Load.Devices;
using Gateway.Load.Measure;
using Gateway.Protocol;
using Gateway.Transport;

namespace Gateway.Load.Conduct;

/// <summary>A run's settings as plain data: what the command line says, and what a load process is told. It never holds the secret itself.</summary>
internal sealed record LoadSettings
{
    public LoadProtocol Protocol { get; init; }

    public required string TargetAddress { get; init; }
    public required int TargetPort { get; init; }

    /// <summary>The file with the node's secret; read for the native protocol only.</summary>
    public required string SecretPath { get; init; }

    public required ShapeKind ShapeKind { get; init; }
    public required int GroupSize { get; init; }
    public required int Devices { get; init; }

    public MixKind Mix { get; init; }
    public int SizeBytes { get; init; } = 64;
    public ulong Seed { get; init; }
    public uint Run { get; init; }
    public ulong FirstAddress { get; init; } = 1_000_000;

    /// <summary>XMPP: of the accounts.</summary>
    public string Domain { get; init; } = "localhost";

    /// <summary>The first source address; null: the kernel chooses.</summary>
    public string? FirstSource { get; init; }

    /// <summary>Source addresses are as many as this number of connections needs; 0: as the devices need.</summary>
    public int Sources { get; init; }

    public int Window { get; init; } = 1;
    public bool TracksDoubleChecks { get; init; } = true;
    public int AckEvery { get; init; } = 64;
    public int LoginsInFlight { get; init; } = 512;
    public long StartBelow { get; init; } = long.MaxValue;
    public bool Reconnect { get; init; }
    public bool HeedsGoAway { get; init; }
    public bool OpenLoop { get; init; }
    public int Threads { get; init; } = 1;
    public int Processes { get; init; } = 1;
    public IoBackend Io { get; init; } = IoBackend.Auto;

    /// <summary>Which of the processes this is; all of them share the devices out by <see cref="Shape.Cut"/>.</summary>
    public int Process { get; init; }

    [JsonIgnore]
    public Shape Shape => new(ShapeKind, GroupSize, Devices) { Seed = Seed };

    /// <summary>The devices of this process.</summary>
    [JsonIgnore]
    public Slice Slice => Shape.Cut(new Slice(0, Devices), Process, Processes);

    /// <exception cref="LoadException">The secret cannot be read.</exception>
    public FleetSettings ForFleets(TimeProvider time)
    {
        var mix = new MessageMix(Mix, SizeBytes, Seed);
        return new FleetSettings
        {
            Target = new IPEndPoint(IPAddress.Parse(TargetAddress), TargetPort),
            Secret = ShapeKind == ShapeKind.Echo || Protocol != LoadProtocol.Native ? [] : ReadSecret(SecretPath),
            Shape = Shape,
            Mix = mix,
            Payload = new Payload(Run, Seed, mix.MaxBytes),
            Sources = SourceAddresses.For(FirstSource is null ? null : IPAddress.Parse(FirstSource), Math.Max(Sources, Devices)),
            Time = new MonotonicTime(time),
            Seed = Seed,
            FirstAddress = FirstAddress,
            Domain = Domain,
            Window = Window,
            TracksDoubleChecks = TracksDoubleChecks,
            AckEvery = AckEvery,
            LoginsInFlight = LoginsInFlight,
            StartBelow = StartBelow,
            Reconnect = Reconnect,
            HeedsGoAway = HeedsGoAway,
        };
    }

    private static byte[] ReadSecret(string path)
    {
        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LoadException(ExitCode.Usage, $"{path}: the node's secret cannot be read: {e.Message}; --secret names the file, DATA/secret of the node", e);
        }

        return NodeSecret.TryParse(text, out var secret, out var error) ? secret : throw new LoadException(ExitCode.Usage, $"{path}: {error}");
    }
}
