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
}

/// <summary>
/// Takes connections from their first byte to a proven device, on whichever reactor accepted them; what follows happens at the device's home.
/// Owned by its reactor. Holds one structure a handshake, bounded by <c>maxHandshakes</c>.
/// </summary>
public sealed class Doorman
{
    private struct Handshake
    {
        public bool Greeted;
        public Bytes16 ClientNonce;
        public Bytes16 NodeNonce;
    }

    private readonly IConnections _connections;
    private readonly IDeviceKeys _keys;
    private readonly Action<Span<byte>> _fillNonce;
    private readonly Slab<Handshake> _handshakes;
    private readonly Housekeeping _keeping;

    /// <summary><paramref name="fillNonce"/> fills a span with bytes that no client can guess.</summary>
    public Doorman(IConnections connections, IDeviceKeys keys, Action<Span<byte>> fillNonce, int maxHandshakes, int keepUnusedMs = 10_000)
    {
        _connections = connections;
        _keys = keys;
        _fillNonce = fillNonce;
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

    /// <summary>Starts a handshake: its index, or 0 when there are too many.</summary>
    public uint Begin() => _handshakes.Rent();

    /// <summary>Forgets a handshake: it ended, one way or the other.</summary>
    public void End(uint handshake) => _handshakes.Return(handshake);

    public DoormanResult OnFrame(ulong connection, uint handshake, FrameType type, ReadOnlySpan<byte> payload, out Login login)
    {
        login = default;
        ref var state = ref _handshakes[handshake];
        var error = ConnectionRules.ClientMaySend(state.Greeted ? ConnectionPhase.AwaitAuthenticate : ConnectionPhase.AwaitHello, type);
        if (error == ErrorCode.None) error = type == FrameType.Hello ? OnHello(connection, ref state, payload) : OnAuthenticate(ref state, payload, out login);
        if (error == ErrorCode.None) return type == FrameType.Hello ? DoormanResult.Continue : DoormanResult.Authenticated;
        _connections.WriteError(connection, error, (uint)type);
        return DoormanResult.Close;
    }

    private ErrorCode OnHello(ulong connection, ref Handshake state, ReadOnlySpan<byte> payload)
    {
        if (!HelloFrame.TryParse(payload, out var hello, out var error)) return error;
        hello.ClientNonce.CopyTo(state.ClientNonce);
        _fillNonce(state.NodeNonce);
        state.Greeted = true;
        _connections.Advance(connection, ChallengeFrame.Write(_connections.GetSpan(connection, ChallengeFrame.FrameBytes), state.NodeNonce));
        return ErrorCode.None;
    }

    private ErrorCode OnAuthenticate(ref Handshake state, ReadOnlySpan<byte> payload, out Login login)
    {
        login = default;
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
