using System.Text;
using Gateway.Protocol;

namespace Gateway.Simulation;

/// <summary>A message that a device has not heard the last of.</summary>
public sealed record OutboxEntry(Address To, string Body, SendKind Kind, uint ExpirySeconds)
{
    /// <summary>Written on the present connection and not answered since.</summary>
    public bool IsOut { get; internal set; }
}

/// <summary>
/// A device that speaks the protocol in bytes: its outbox and send window, its position in its mailbox, and everything it was ever sent.
/// It checks what the node says against the promises as it reads, and never sends anything a device may not, except through <see cref="Write"/>.
/// What it has received is durable with it at once; what it has acknowledged is <see cref="Position"/>, which it resumes from.
/// </summary>
public sealed partial class DeviceModel
{
    private const int SmallBodyBytes = 1024;

    private static readonly byte[] Nonce = [.. Enumerable.Range(1, Wire.NonceBytes).Select(i => (byte)i)];

    private readonly HomeNet _net;
    private readonly byte[] _key = new byte[DeviceKey.KeyBytes];
    private readonly byte[] _nodeNonce = new byte[Wire.NonceBytes];
    private byte[] _frame = new byte[DeliverFrame.FrameBytes(SmallBodyBytes)];
    private readonly SortedDictionary<ulong, OutboxEntry> _outbox = [];

    internal DeviceModel(HomeNet net, Address address)
    {
        _net = net;
        Address = address;
    }

    public Address Address { get; }

    public uint KeyEpoch { get; set; }

    /// <summary>0 until the node has given one, and again when the device has lost its state.</summary>
    public uint Incarnation { get; private set; }

    /// <summary>The highest sequence acknowledged, ever.</summary>
    public ulong Position { get; set; }

    /// <summary>The highest sequence received, ever.</summary>
    public ulong HighestSeen { get; private set; }

    /// <summary>The number of the next new message.</summary>
    public ulong NextNumber { get; set; } = 1;

    public uint CreditMessages { get; set; } = 256;
    public uint CreditBytes { get; set; } = 1024 * 1024;

    /// <summary>Acknowledges whatever it has read, at the end of every <see cref="Receive"/>.</summary>
    public bool Acknowledges { get; set; } = true;

    /// <summary>False: it leaves what it is sent on the wire.</summary>
    public bool Reads { get; set; } = true;

    /// <summary>False: it reads pings and says nothing, as nobody may.</summary>
    public bool AnswersPings { get; set; } = true;

    /// <summary>Sends again, at the next login, what was not answered.</summary>
    public bool ResendsAtLogin { get; set; } = true;

    /// <summary>Takes what the welcome says is settled for accepted, instead of sending it again.</summary>
    public bool TrustsSettled { get; set; }

    /// <summary>Another installation uses the same mailbox: what this one has not had may have gone to that one.</summary>
    public bool SharesMailbox { get; set; }

    /// <summary>What is sent to it may expire before it has had it.</summary>
    public bool MayMissEntries { get; set; }

    public SimulatedConnection? Connection { get; private set; }

    public bool IsConnected => Connection is { IsOver: false };

    public bool IsWelcome { get; private set; }

    /// <summary>What was sent and neither accepted nor finally refused, by number.</summary>
    public IReadOnlyDictionary<ulong, OutboxEntry> Outbox => _outbox;

    /// <summary>The lowest number it still waits for.</summary>
    public ulong LowestOpen => _outbox.Count != 0 ? _outbox.Keys.First() : NextNumber;

    /// <summary>How many more messages fit its window.</summary>
    public int WindowRoom => (int)(LowestOpen + Wire.WindowSize - NextNumber);

    /// <summary>Opens a connection at a reactor and says hello. The rest of the handshake goes on in <see cref="Receive"/>.</summary>
    public void Connect(int reactor = 0)
    {
        // Two logins that both ask for a fresh incarnation may arrive in either order, and the later fences the earlier.
        if (Incarnation == 0) HangUp();
        Connection = _net.Accept(reactor);
        IsWelcome = false;
        foreach (var entry in _outbox.Values) entry.IsOut = false;
        Write(_frame.AsSpan(0, HelloFrame.Write(_frame, Nonce)));
    }

    /// <summary>Connects and waits until nothing more happens.</summary>
    public void Login(int reactor = 0)
    {
        Connect(reactor);
        _net.Settle();
    }

    public void HangUp() => Connection?.HangUp();

    /// <summary>Takes the connection for dead and forgets it, without a word to the node.</summary>
    public void LetGo()
    {
        Connection = null;
        IsWelcome = false;
    }

    /// <summary>
    /// Starts anew without what it needs to be recognised, its incarnation and its outbox; without its position too with
    /// <paramref name="position"/>. What its old connection still held for it is unread.
    /// </summary>
    public void Forget(bool position = false)
    {
        HangUp();
        Connection = null;
        IsWelcome = false;
        Incarnation = 0;
        NextNumber = 1;
        _outbox.Clear();
        if (position) Position = 0;
    }

    /// <summary>Claims to be in an incarnation that it may never have been given.</summary>
    public void Pretend(uint incarnation) => Incarnation = incarnation;

    /// <summary>Sends a new message, or puts it into the outbox for the next login; returns its number.</summary>
    public ulong Send(Address to, string body, SendKind kind = SendKind.Message, uint expirySeconds = 0)
    {
        var number = Enqueue(to, body, kind, expirySeconds);
        if (IsConnected && IsWelcome) Transmit(number);
        return number;
    }

    /// <summary>Puts a new message into the outbox; returns its number.</summary>
    public ulong Enqueue(Address to, string body, SendKind kind = SendKind.Message, uint expirySeconds = 0)
    {
        var number = NextNumber++;
        _outbox.Add(number, new OutboxEntry(to, body, kind, expirySeconds));
        return number;
    }

    /// <summary>Sends a number of the outbox, for the first time or again.</summary>
    public void Transmit(ulong number)
    {
        var entry = _outbox[number];
        entry.IsOut = true;
        var body = Encoding.Latin1.GetBytes(entry.Body);
        var needed = DeliverFrame.FrameBytes(body.Length);
        if (_frame.Length < needed) _frame = new byte[needed];
        Write(_frame.AsSpan(0, SendFrame.Write(_frame, entry.To, number, LowestOpen, entry.ExpirySeconds, entry.Kind, body)));
    }

    /// <summary>Gives up waiting for a number: the next send moves the window past it if it is the lowest.</summary>
    public void Abandon(ulong number) => _outbox.Remove(number);

    /// <summary>Acknowledges everything up to a sequence, or everything this connection has brought.</summary>
    public void Acknowledge(ulong? sequence = null)
    {
        var upTo = sequence ?? _lastOnConnection;
        if (upTo == 0) return;
        Position = Math.Max(Position, upTo);
        Write(_frame.AsSpan(0, AcknowledgeFrame.Write(_frame, upTo)));
    }

    public void Reject(ulong sequence, ushort reason) => Write(_frame.AsSpan(0, RejectFrame.Write(_frame, sequence, reason)));

    public void GiveCredit(uint messages, uint bytes)
    {
        CreditMessages = messages;
        CreditBytes = bytes;
        Write(_frame.AsSpan(0, CreditFrame.Write(_frame, messages, bytes)));
    }

    public void Ping(ulong token) => Write(_frame.AsSpan(0, PingFrame.Write(_frame, token)));

    public void SendEphemeral(Address to, EphemeralKind kind, string data) =>
        Write(_frame.AsSpan(0, EphemeralFrame.Write(_frame, to, kind, Encoding.Latin1.GetBytes(data))));

    /// <summary>Writes bytes as they are.</summary>
    public void Write(ReadOnlySpan<byte> bytes) => Connection?.Write(bytes);

    public override string ToString() => Address.ToString();
}
