namespace Gateway.Protocol;

/// <summary>
/// How far a connection has come. Both ends go through the same phases, each by what it has itself sent and read.
/// <code>
/// AwaitHello -> AwaitAuthenticate -> AwaitWelcome -> Established -> Closing
///            challenge            authenticate    welcome        error, or a close
/// </code>
/// </summary>
public enum ConnectionPhase : byte
{
    /// <summary>Connected. Ends when the node sends its challenge.</summary>
    AwaitHello,
    /// <summary>Challenged. Ends when the client's authenticate is there.</summary>
    AwaitAuthenticate,
    /// <summary>The node is judging the proof and opening the session. Ends when it sends its welcome.</summary>
    AwaitWelcome,
    Established,
    /// <summary>An error was sent or the close has begun: nothing more is read or sent.</summary>
    Closing,
}

/// <summary>
/// Which frame may come when, and how long it may be: the state machine of PROTOCOL.md, "Connection", as a table. Pure and without
/// state: the phase is the caller's. Each answer is <see cref="ErrorCode.None"/>, <see cref="ErrorCode.UnexpectedFrame"/> for a frame
/// of this version in the wrong place, or <see cref="ErrorCode.UnknownFrameType"/>.
/// </summary>
public static class ConnectionRules
{
    /// <summary>The longest payload of the handshake's frames (a welcome).</summary>
    public const int MaxHandshakePayloadBytes = WelcomeFrame.PayloadBytes;

    private static readonly byte[] Rules = BuildRules();

    /// <summary>May the client send a frame of this type in this phase? Asked by the node.</summary>
    public static ErrorCode ClientMaySend(ConnectionPhase phase, FrameType type) => Judge(phase, type, fromClient: true);

    /// <summary>May the node send a frame of this type in this phase? Asked by the client.</summary>
    public static ErrorCode NodeMaySend(ConnectionPhase phase, FrameType type) => Judge(phase, type, fromClient: false);

    /// <summary>
    /// The longest payload a node reads from a client in this phase: nobody announces 64 KiB before having proved who they are.
    /// </summary>
    public static int MaxClientPayloadBytes(ConnectionPhase phase, int maxBodyBytes) =>
        phase < ConnectionPhase.Established ? MaxHandshakePayloadBytes : Wire.MaxPayloadBytes(maxBodyBytes);

    /// <summary>
    /// The longest payload a client reads from a node in this phase: during the handshake an error with its text; afterwards the longest
    /// that any node may be configured for, since a message stored under a higher limit than today's is still delivered.
    /// </summary>
    public static int MaxNodePayloadBytes(ConnectionPhase phase) => phase < ConnectionPhase.Established
        ? ErrorFrame.FixedBytes + Wire.MaxErrorTextBytes
        : Wire.MaxPayloadBytes(Wire.MaxBodyBytesCeiling);

    /// <summary>True for the types of version 1; the reserved ones (presence, query, result) are not among them.</summary>
    public static bool IsKnown(FrameType type) => Rules[(byte)type] != 0;

    private static ErrorCode Judge(ConnectionPhase phase, FrameType type, bool fromClient)
    {
        var rule = Rules[(byte)type];
        if (rule == 0) return ErrorCode.UnknownFrameType;
        return phase < ConnectionPhase.Closing && (rule & Bit(phase, fromClient)) != 0 ? ErrorCode.None : ErrorCode.UnexpectedFrame;
    }

    /// <summary>One byte a type: the low four bits are the phases in which the client may send it, the high four the node's.</summary>
    private static byte Bit(ConnectionPhase phase, bool fromClient) => (byte)(1 << ((int)phase + (fromClient ? 0 : 4)));

    private static byte[] BuildRules()
    {
        var rules = new byte[256];
        Client(FrameType.Hello, ConnectionPhase.AwaitHello);
        Node(FrameType.Challenge, ConnectionPhase.AwaitHello);
        Client(FrameType.Authenticate, ConnectionPhase.AwaitAuthenticate);
        Node(FrameType.Welcome, ConnectionPhase.AwaitWelcome);

        Client(FrameType.Send, ConnectionPhase.Established);
        Node(FrameType.Accepted, ConnectionPhase.Established);
        Node(FrameType.Refused, ConnectionPhase.Established);
        Node(FrameType.Deliver, ConnectionPhase.Established);
        Client(FrameType.Acknowledge, ConnectionPhase.Established);
        Client(FrameType.Reject, ConnectionPhase.Established);
        Node(FrameType.Receipt, ConnectionPhase.Established);
        Client(FrameType.Ephemeral, ConnectionPhase.Established);
        Node(FrameType.Ephemeral, ConnectionPhase.Established);
        Client(FrameType.Ping, ConnectionPhase.Established);
        Node(FrameType.Ping, ConnectionPhase.Established);
        Client(FrameType.Pong, ConnectionPhase.Established);
        Node(FrameType.Pong, ConnectionPhase.Established);
        Client(FrameType.Credit, ConnectionPhase.Established);

        // A node may give up, or ask to come back later, at any time.
        for (var phase = ConnectionPhase.AwaitHello; phase <= ConnectionPhase.Established; phase++)
        {
            Node(FrameType.GoAway, phase);
            Node(FrameType.Error, phase);
        }

        return rules;

        void Client(FrameType type, ConnectionPhase phase) => rules[(byte)type] |= Bit(phase, fromClient: true);
        void Node(FrameType type, ConnectionPhase phase) => rules[(byte)type] |= Bit(phase, fromClient: false);
    }
}
