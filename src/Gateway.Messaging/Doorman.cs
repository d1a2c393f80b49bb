using Gateway.Messaging.Pools;
using Gateway.Protocol;

namespace Gateway.Messaging;

/// <summary>What the doorman makes of a frame.</summary>
public enum DoormanResult : byte
{
    Continue,
    /// <summary>The error was written; close.</summary>
    Close,
    /// <summary>The device has proved its key: take the connection to its home.</summary>
    Authenticated,
    /// <summary>More log in than the node takes up: the go-away was written; close.</summary>
    SentAway,
}

/// <summary>
/// Takes connections from their first byte to a proven device, on whichever reactor accepted them; what follows happens at the device's home.
/// Whoever comes when too many log in is sent away before anything of it costs more than its first frame did, and told when to come back.
/// Owned by its reactor. Holds one structure a handshake, bounded by <c>maxHandshakes</c>. Invariant: a handshake holds a login of the bucket
/// from its hello to its authenticate.
/// </summary>
public sealed class Doorman
{
    private struct Handshake
    {
        public bool Greeted;
        public bool HoldsLogin;
        public Bytes16 ClientNonce;
        public Bytes16 NodeNonce;
    }

    private readonly IConnections _connections;
    private readonly IDeviceKeys _keys;
    private readonly Action<Span<byte>> _fillNonce;
    private readonly LoginBucket _logins;
    private readonly Slab<Handshake> _handshakes;
    private readonly Housekeeping _keeping;
    private long _deferred;
    private long _turnedAway;

    /// <summary><paramref name="fillNonce"/> fills a span with bytes that no client can guess; <paramref name="logins"/> is this doorman's alone.</summary>
    public Doorman(IConnections connections, IDeviceKeys keys, Action<Span<byte>> fillNonce, int maxHandshakes, LoginBucket logins, int keepUnusedMs = 10_000)
    {
        _connections = connections;
        _keys = keys;
        _fillNonce = fillNonce;
        _logins = logins;
        _handshakes = new Slab<Handshake>(maxHandshakes);
        _keeping = new Housekeeping(keepUnusedMs);
        _keeping.Add(_handshakes);
    }

    /// <summary>Handshakes under way.</summary>
    public int Count => _handshakes.Count;

    /// <summary>Bytes kept for handshakes.</summary>
    public long HeldBytes => _handshakes.HeldBytes;

    /// <summary>Every so often: what a storm of handshakes took and nobody has needed for <c>keepUnusedMs</c> is given back.</summary>
    public void OnTurn(long nowMs) => _keeping.Run(nowMs);

    /// <summary>Devices sent away because too many logged in. Any thread may read it.</summary>
    public long Deferred => Volatile.Read(ref _deferred);

    /// <summary>Connections refused by <see cref="TurnAway"/>. Any thread may read it.</summary>
    public long TurnedAway => Volatile.Read(ref _turnedAway);

    /// <summary>Starts a handshake: its index, or 0 when there are too many.</summary>
    public uint Begin() => _handshakes.Rent();

    /// <summary>Forgets a handshake: it ended, one way or the other.</summary>
    public void End(uint handshake)
    {
        // Who says hello and no more must not keep devices out that would log in.
        if (_handshakes[handshake].HoldsLogin) _logins.GiveBack();
        _handshakes.Return(handshake);
    }

    /// <summary>Refuses a connection for a reason that passes, and tells it when to come back. The caller closes it.</summary>
    public void TurnAway(ulong connection, ErrorCode reason, long nowMs)
    {
        _turnedAway++;
        _connections.WriteGoAway(connection, reason, _logins.GiveMoment(nowMs));
        _connections.WriteError(connection, reason);
    }

    /// <summary>A frame of a connection whose device is not proven yet, at <paramref name="nowMs"/> of the reactor's clock.</summary>
    public DoormanResult OnFrame(ulong connection, uint handshake, FrameType type, ReadOnlySpan<byte> payload, long nowMs, out Login login)
    {
        login = default;
        ref var state = ref _handshakes[handshake];
        var error = ConnectionRules.ClientMaySend(state.Greeted ? ConnectionPhase.AwaitAuthenticate : ConnectionPhase.AwaitHello, type);
        if (error == ErrorCode.None && type == FrameType.Hello)
        {
            if (HelloFrame.TryParse(payload, out var hello, out error)) return OnHello(connection, ref state, in hello, nowMs);
        }
        else if (error == ErrorCode.None)
        {
            error = OnAuthenticate(ref state, payload, out login);
        }

        if (error == ErrorCode.None) return DoormanResult.Authenticated;
        _connections.WriteError(connection, error, (uint)type);
        return DoormanResult.Close;
    }

    private DoormanResult OnHello(ulong connection, ref Handshake state, scoped in HelloFrame hello, long nowMs)
    {
        if (!_logins.TryTake(nowMs))
        {
            _deferred++;
            _connections.WriteGoAway(connection, ErrorCode.TooManyLogins, _logins.GiveMoment(nowMs));
            return DoormanResult.SentAway;
        }

        hello.ClientNonce.CopyTo(state.ClientNonce);
        _fillNonce(state.NodeNonce);
        state.Greeted = true;
        state.HoldsLogin = true;
        _connections.Advance(connection, ChallengeFrame.Write(_connections.GetSpan(connection, ChallengeFrame.FrameBytes), state.NodeNonce));
        return DoormanResult.Continue;
    }

    private ErrorCode OnAuthenticate(ref Handshake state, ReadOnlySpan<byte> payload, out Login login)
    {
        login = default;
        // From here on it has cost what a login costs, whether it is one or not.
        state.HoldsLogin = false;
        if (!AuthenticateFrame.TryParse(payload, out var frame, out var error)) return error;

        // The proof is judged before the epoch, so that only the holder of an old key learns that it was revoked.
        _keys.Derive(frame.Address, frame.KeyEpoch, login.Key);
        Span<byte> proof = stackalloc byte[Wire.ProofBytes];
        HandshakeProof.OfDevice(login.Key, state.ClientNonce, state.NodeNonce, frame.Proven, proof);
        if (!HandshakeProof.Matches(proof, frame.Proof)) return ErrorCode.AuthenticationFailed;
        var current = _keys.CurrentEpoch(frame.Address);
        if (frame.KeyEpoch < current) return ErrorCode.KeyRevoked;
        if (frame.KeyEpoch > current) return ErrorCode.AuthenticationFailed;

        login.Address = frame.Address.Value;
        login.Resume = frame.Resume;
        login.Incarnation = frame.Incarnation;
        login.CreditMessages = frame.CreditMessages;
        login.CreditBytes = frame.CreditBytes;
        login.KeyEpoch = frame.KeyEpoch;
        login.ClientNonce = state.ClientNonce;
        login.NodeNonce = state.NodeNonce;
        return ErrorCode.None;
    }
}
