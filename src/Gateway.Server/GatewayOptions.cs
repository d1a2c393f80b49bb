using System.Net;
using Gateway.Server.Health.Alerts;
using Gateway.Server.Options;
using Gateway.Transport;
using Microsoft.Extensions.Logging;

namespace Gateway.Server;

/// <summary>What "accepted" promises.</summary>
public enum Durability
{
    /// <summary>The record is on stable storage: fdatasync before the answer.</summary>
    Fsync = 0,
    /// <summary>The record is in the page cache: it survives the process, not the machine's power.</summary>
    Os = 1,
}

public enum LogFormat
{
    Text = 0,
    Json = 1,
}

/// <summary>
/// The node's options, checked: every value lies in its range (<see cref="OptionTable"/>) and they agree with each other. Immutable.
/// Sizes are bytes.
/// </summary>
public sealed record GatewayOptions
{
    internal GatewayOptions(OptionValues values)
    {
        Data = values.Get(OptionTable.Data);
        NativeListen = values.Get(OptionTable.NativeListen);
        OperatorListen = values.Get(OptionTable.OperatorListen);
        Reactors = values.Get(OptionTable.Reactors);
        PinReactors = values.Get(OptionTable.PinReactors);
        Io = values.Get(OptionTable.Io);
        ListenBacklog = values.Get(OptionTable.ListenBacklog);
        MaxConnections = values.Get(OptionTable.MaxConnections);
        MaxHandshakes = values.Get(OptionTable.MaxHandshakes);
        LoginRate = values.Get(OptionTable.LoginRate);
        LoginBurst = values.Get(OptionTable.LoginBurst);
        MaxBody = (int)values.Get(OptionTable.MaxBody);
        MaxUnsent = (int)values.Get(OptionTable.MaxUnsent);
        BufferSoft = values.Get(OptionTable.BufferSoft);
        BufferHard = values.Get(OptionTable.BufferHard);
        HandshakeTimeout = values.Get(OptionTable.HandshakeTimeout);
        FrameTimeout = values.Get(OptionTable.FrameTimeout);
        IdleTimeout = values.Get(OptionTable.IdleTimeout);
        PingAfter = values.Get(OptionTable.PingAfter);
        TcpKeepalive = values.Get(OptionTable.TcpKeepalive);
        TcpUserTimeout = values.Get(OptionTable.TcpUserTimeout);
        KeepUnused = values.Get(OptionTable.KeepUnused);
        AcceptedWait = values.Get(OptionTable.AcceptedWait);
        RedeliverAfter = values.Get(OptionTable.RedeliverAfter);
        DefaultExpiry = values.Get(OptionTable.DefaultExpiry);
        MaxClockJump = values.Get(OptionTable.MaxClockJump);
        MaxMailboxMessages = values.Get(OptionTable.MaxMailboxMessages);
        MaxMailboxBytes = values.Get(OptionTable.MaxMailboxBytes);
        MaxPendingBytes = values.Get(OptionTable.MaxPendingBytes);
        Durability = values.Get(OptionTable.Durability);
        CommitDelay = values.Get(OptionTable.CommitDelay);
        CommitProgressTimeout = values.Get(OptionTable.CommitProgressTimeout);
        SegmentSize = values.Get(OptionTable.SegmentSize);
        LogMemory = values.Get(OptionTable.LogMemory);
        LogPage = (int)values.Get(OptionTable.LogPage);
        DrainTime = values.Get(OptionTable.DrainTime);
        ReconnectSpread = values.Get(OptionTable.ReconnectSpread);
        Metrics = values.Get(OptionTable.Metrics);
        LogFormat = values.Get(OptionTable.LogFormat);
        LogLevel = values.Get(OptionTable.Level);
        Alerts = new AlertThresholds(values);
    }

    /// <summary>The embedded defaults, of the table.</summary>
    public static GatewayOptions Default { get; } = new(OptionValues.Defaults);

    /// <summary>As given: relative to the working folder.</summary>
    public string Data { get; init; }

    /// <summary>Port 0 takes a free one.</summary>
    public IPEndPoint NativeListen { get; init; }
    public IPEndPoint OperatorListen { get; init; }

    /// <summary>1 to 64.</summary>
    public int Reactors { get; init; }
    public bool PinReactors { get; init; }

    /// <summary>What reactors drive the kernel with.</summary>
    public IoBackend Io { get; init; }
    public int ListenBacklog { get; init; }

    /// <summary>Of the node, already lowered to what the process may open.</summary>
    public int MaxConnections { get; init; }

    /// <summary>Of the node.</summary>
    public int MaxHandshakes { get; init; }

    /// <summary>Logins a second of the node; every reactor has its share, of the burst too. 0: the node's own measure.</summary>
    public int LoginRate { get; init; }

    /// <summary>Logins of the node that may come at once. 0: the node's own measure.</summary>
    public int LoginBurst { get; init; }
    public int MaxBody { get; init; }

    /// <summary>Of one connection.</summary>
    public int MaxUnsent { get; init; }

    /// <summary>Of the node.</summary>
    public long BufferSoft { get; init; }

    /// <summary>Of the node; not below <see cref="BufferSoft"/>.</summary>
    public long BufferHard { get; init; }
    public TimeSpan HandshakeTimeout { get; init; }
    public TimeSpan FrameTimeout { get; init; }
    public TimeSpan IdleTimeout { get; init; }

    /// <summary>Silence of a device with something to acknowledge after which it is pinged, and after as much again taken for gone; zero: never.</summary>
    public TimeSpan PingAfter { get; init; }

    /// <summary>Zero: the kernel asks no one.</summary>
    public TimeSpan TcpKeepalive { get; init; }

    /// <summary>Zero: the kernel's own.</summary>
    public TimeSpan TcpUserTimeout { get; init; }
    public TimeSpan KeepUnused { get; init; }
    public TimeSpan AcceptedWait { get; init; }
    public TimeSpan RedeliverAfter { get; init; }
    public TimeSpan DefaultExpiry { get; init; }

    /// <summary>A clock further ahead than this of when the node last ran, or of the monotonic clock, suspends expiry.</summary>
    public TimeSpan MaxClockJump { get; init; }

    /// <summary>Of one mailbox, like the one below; receipts count and are never refused.</summary>
    public int MaxMailboxMessages { get; init; }
    public long MaxMailboxBytes { get; init; }

    /// <summary>Of the node; every reactor has its share of it.</summary>
    public long MaxPendingBytes { get; init; }
    public Durability Durability { get; init; }
    public TimeSpan CommitDelay { get; init; }
    public TimeSpan CommitProgressTimeout { get; init; }

    /// <summary>A power of two, at least two pages.</summary>
    public long SegmentSize { get; init; }

    /// <summary>A power of two, at least eight pages.</summary>
    public long LogMemory { get; init; }

    /// <summary>A power of two; twice <see cref="MaxBody"/> fits.</summary>
    public int LogPage { get; init; }
    public TimeSpan DrainTime { get; init; }
    public TimeSpan ReconnectSpread { get; init; }
    public bool Metrics { get; init; }
    public LogFormat LogFormat { get; init; }

    /// <summary>At start; an operator may change it later.</summary>
    public LogLevel LogLevel { get; init; }

    /// <summary>At start; SIGHUP may change them later.</summary>
    public AlertThresholds Alerts { get; init; }
}
