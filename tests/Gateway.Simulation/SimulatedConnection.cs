namespace Gateway.Simulation;

/// <summary>
/// A socket seen from both ends. The device writes into <see cref="Input"/>; what the node writes is unsent until a flush, and then on the
/// wire, of which the kernel holds <see cref="KernelRoomBytes"/> that the device has not read. Of a distant one what either end writes travels
/// first, until <see cref="Arrive"/> and <see cref="ArriveAtDevice"/> let it in, in order and in any pieces.
/// </summary>
public sealed class SimulatedConnection
{
    internal SimulatedConnection(ulong id, SimulatedReactor reactor)
    {
        Id = id;
        Reactor = reactor;
        HeardAtMs = reactor.NowMs;
    }

    public ulong Id { get; }

    /// <summary>What the kernel takes before the device reads. Small for a slow reader.</summary>
    public int KernelRoomBytes
    {
        get;
        set
        {
            field = value;
            Reactor.Touch(this);
        }
    } = int.MaxValue;

    /// <summary>Bytes the device has been sent and not read, as far as they have arrived.</summary>
    public ReadOnlySpan<byte> Wire => IsDistant ? Outgoing.Bytes[..ArrivedAtDevice] : Outgoing.Bytes;

    /// <summary>There is a network between device and node.</summary>
    public bool IsDistant { get; internal init; }

    /// <summary>Bytes on their way to the node.</summary>
    public int UpstreamBytes => Upstream.Length;

    /// <summary>Bytes on their way to the device.</summary>
    public int DownstreamBytes => IsDistant ? Outgoing.Length - ArrivedAtDevice : 0;

    /// <summary>The device's end knows that nothing more comes.</summary>
    public bool IsOver => (IsClosed || IsLingering) && DownstreamBytes == 0 && Route is not { IsDead: true };

    public int UnsentBytes => Unsent.Length;

    /// <summary>The node takes no frames from it for now.</summary>
    public bool IsPaused { get; internal set; }

    /// <summary>Nothing more comes from the node once <see cref="Wire"/> is read.</summary>
    public bool IsClosed { get; internal set; }

    /// <summary>The reactor it is at; changes when it moves to its device's home.</summary>
    public SimulatedReactor Reactor { get; internal set; }

    internal ByteQueue Upstream { get; } = new();
    internal int ArrivedAtDevice { get; private set; }
    internal ByteQueue Input { get; } = new();
    internal ByteQueue Unsent { get; } = new();
    internal ByteQueue Outgoing { get; } = new();

    /// <summary>What the network knows of it.</summary>
    internal Route? Route { get; set; }

    internal bool IsClosing { get; set; }

    /// <summary>The node has said its last word and waits for the device's end, so that the word is not lost to a reset.</summary>
    internal bool IsLingering { get; set; }
    internal bool Lags { get; set; }
    internal bool HasEnded { get; set; }
    internal bool HasDrained { get; set; }

    /// <summary>Input that was looked at and is no whole frame.</summary>
    internal int PartialBytes { get; set; }
    internal long TimerDueMs { get; set; }

    /// <summary>When bytes of the device's last reached the node.</summary>
    internal long HeardAtMs { get; private set; }
    internal uint Handshake { get; set; }
    internal bool IsLoggedIn { get; set; }
    internal uint Session { get; set; }

    /// <summary>The device writes.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (IsClosed) return;
        if (IsDistant)
        {
            Upstream.Append(bytes);
            Reactor.OnUpstream(this);
            return;
        }

        Input.Append(bytes);
        HeardAtMs = Reactor.NowMs;
        Reactor.Touch(this);
    }

    /// <summary>Bytes of the device's reach the node's kernel.</summary>
    internal void Arrive(int bytes)
    {
        if (!IsClosed) Input.Append(Upstream.Bytes[..bytes]);
        Upstream.Consume(bytes);
        HeardAtMs = Reactor.NowMs;
        Reactor.Touch(this);
    }

    /// <summary>Bytes of the node's reach the device's kernel.</summary>
    internal void ArriveAtDevice(int bytes) => ArrivedAtDevice += bytes;

    /// <summary>What is on its way in either direction never arrives.</summary>
    internal void LoseTransit()
    {
        Upstream.Clear();
        Outgoing.Truncate(ArrivedAtDevice);
    }

    /// <summary>The device has read that much of the wire; the kernel has room again.</summary>
    public void Read(int bytes)
    {
        Outgoing.Consume(bytes);
        if (IsDistant) ArrivedAtDevice -= bytes;
        Reactor.Touch(this);
    }

    /// <summary>The device hangs up in good order: the node reads what it wrote and, in the same turn, the end behind it.</summary>
    public void HangUpBehindInput()
    {
        HasEnded = true;
        Reactor.Touch(this);
    }

    /// <summary>The device hangs up: what it wrote and the node has not read is lost with it. Of a distant one only the end travels.</summary>
    public void HangUp()
    {
        if (IsDistant) Reactor.OnDeviceLeft(this);
        else Break();
    }

    /// <summary>The node's end of the connection is reset.</summary>
    internal void Break()
    {
        if (!IsClosed) Reactor.OnHungUp(this);
    }
}
