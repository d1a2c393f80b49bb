using Dice = Gateway.Tests.Protocol.Dice;
using Gateway.Protocol;
using Gateway.Simulation;
using Gateway.Tests.Protocol;

namespace Gateway.Tests.Messaging;

/// <summary>
/// A peer that speaks the grammar and damages it: it connects, often logs in, writes bursts of frames until the node has enough of it, and comes
/// again. It knows its key, what the node tells it, and no rule.
/// </summary>
internal sealed class Stranger
{
    /// <summary>What seldom ends a session.</summary>
    private static readonly FrameType[] Harmless =
        [FrameType.Send, FrameType.Ping, FrameType.Pong, FrameType.Ephemeral, FrameType.Credit, FrameType.Ping, FrameType.Pong, FrameType.Ephemeral];

    private readonly HomeNet _net;
    private readonly FrameGrammar _grammar;
    private readonly byte[] _burst = new byte[64 * FrameGrammar.MaxFrameBytes];
    private SimulatedConnection? _connection;
    private SimulatedConnection? _lost;
    private bool _isChallenged;
    private bool _isWelcome;
    private bool _leftUnfinished;

    public Stranger(HomeNet net, Address address, Address[] peers, ulong seed)
    {
        _net = net;
        _grammar = new FrameGrammar(seed, new FrameHints { Self = address, Peers = peers, MaxBodyBytes = 48, Incarnation = 0, Sequence = 0 });
        net.Derive(address, 0, _grammar.Hints.Key);
    }

    public Address Address => _grammar.Hints.Self;

    public long Frames { get; private set; }

    /// <summary>How often the node closed the connection with each code.</summary>
    public Dictionary<ErrorCode, long> Errors { get; } = [];

    private Dice Dice => _grammar.Dice;

    /// <summary>Reads what came, and writes the next piece of its mind.</summary>
    public void Step()
    {
        Read(_lost);
        Read(_connection);
        if (_connection is null || _connection.IsClosed) Knock();
        else if (_isWelcome) Chatter();
        else if (_isChallenged) Authenticate();
    }

    public void HangUp() => _connection?.HangUp();

    /// <summary>Leaves its session open and knocks anew.</summary>
    public void LoseTrack()
    {
        if (_isWelcome) (_lost, _connection) = (_connection, null);
    }

    /// <summary>Lets the host's deadlines pass for it, whichever applies.</summary>
    public void TimeOut()
    {
        if (_connection is null || _connection.IsClosed) return;
        _net.TimeOut(_connection, !_isWelcome ? ErrorCode.HandshakeTimeout : _leftUnfinished ? ErrorCode.FrameTimeout : ErrorCode.IdleTimeout);
    }

    private void Knock()
    {
        _connection = _net.Accept(Dice.Below(_net.Reactors.Count));
        _isChallenged = _isWelcome = _leftUnfinished = false;
        var length = HelloFrame.Write(_burst, _grammar.Hints.ClientNonce);
        if (Dice.OneIn(20)) length = HelloFrame.Write(_burst, _grammar.Hints.ClientNonce, 0, minVersion: 2, maxVersion: (byte)(2 + Dice.Below(3)));
        if (Dice.OneIn(6)) length = _grammar.WriteValid(_burst, Dice.OneIn(2) ? FrameType.Hello : _grammar.AnyType());
        if (Dice.OneIn(6)) _grammar.Mutate(_burst, ref length);
        Write(length, 1);
    }

    private void Authenticate()
    {
        var hints = _grammar.Hints;
        var length = _grammar.WriteValid(_burst, FrameType.Authenticate);
        if (!Dice.OneIn(3))
        {
            var incarnation = Dice.OneIn(8) ? hints.Incarnation + (uint)Dice.Below(3) - 1 : hints.Incarnation;
            var resume = Dice.OneIn(20) ? ulong.MaxValue : hints.Sequence;
            length = AuthenticateFrame.Write(
                _burst, hints.Self, 0, incarnation, resume, (uint)Dice.Below(40), (uint)Dice.Below(4000), hints.Key, hints.ClientNonce, hints.NodeNonce);
        }

        if (Dice.OneIn(10)) _grammar.Mutate(_burst, ref length);
        Write(length, 1);
        _isChallenged = false;
    }

    private void Chatter()
    {
        if (_leftUnfinished && !Dice.OneIn(4)) return; // dawdles
        var length = 0;
        var frames = 1 + Dice.Below(60);
        for (var i = 0; i < frames; i++)
        {
            // Type by type a session would end within a dozen frames: most acknowledge or reject what was never delivered.
            var type = Dice.OneIn(30) ? _grammar.ClientType() : Harmless[Dice.Below(Harmless.Length)];
            var frame = _burst.AsSpan(length);
            var size = _grammar.WriteValid(frame, type);
            if (Dice.OneIn(400)) _grammar.Mutate(frame, ref size);
            length += size;
        }

        _leftUnfinished = Dice.OneIn(10);
        if (_leftUnfinished) length -= 1 + Dice.Below(3);
        Write(length, frames);
    }

    private void Write(int length, int frames)
    {
        _connection!.Write(_burst.AsSpan(0, length));
        Frames += frames;
    }

    private void Read(SimulatedConnection? connection)
    {
        if (connection is null) return;
        var wire = connection.Wire;
        var length = wire.Length;
        while (FrameReader.TryRead(ref wire, Wire.MaxPayloadBytes(Wire.DefaultMaxBodyBytes), out var type, out var payload) == FrameStatus.Frame)
            OnFrame(type, payload);
        connection.Read(length - wire.Length);
    }

    private void OnFrame(FrameType type, ReadOnlySpan<byte> payload)
    {
        var hints = _grammar.Hints;
        switch (type)
        {
            case FrameType.Challenge when ChallengeFrame.TryParse(payload, out var challenge, out _):
                challenge.NodeNonce.CopyTo(hints.NodeNonce);
                _isChallenged = true;
                break;
            case FrameType.Welcome when WelcomeFrame.TryParse(payload, out var welcome, out _):
                hints.Incarnation = welcome.Incarnation;
                hints.WindowLow = welcome.WindowLow;
                _isWelcome = true;
                break;
            case FrameType.Deliver when DeliverFrame.TryParse(payload, out var deliver, out _):
                hints.Sequence = deliver.Sequence;
                break;
            case FrameType.Error when ErrorFrame.TryParse(payload, out var error, out _):
                Errors[error.Code] = Errors.GetValueOrDefault(error.Code) + 1;
                if (error.Code == ErrorCode.IncarnationFenced) hints.Incarnation = 0;
                break;
        }
    }
}
