namespace Gateway.Transport;

/// <summary>Why a connection ended, as told once by <see cref="IReactorHandler.OnClosed"/>.</summary>
public enum CloseReason : byte
{
    None = 0,
    /// <summary>The peer closed or half-closed; output that was pending then has been handed to the kernel.</summary>
    PeerClosed = 1,
    /// <summary>The peer reset the connection, or it was gone when we wrote (ECONNRESET, EPIPE).</summary>
    Reset = 2,
    /// <summary><see cref="Reactor.Close"/>, and the kernel took all output.</summary>
    Closed = 3,
    /// <summary>Output was still unsent when the linger time had passed; it is lost.</summary>
    Lingered = 4,
    /// <summary><see cref="Reactor.Abort"/>.</summary>
    Aborted = 5,
    /// <summary>The handler left more than <see cref="ReactorGroupOptions.MaxKeptInputBytes"/> unconsumed.</summary>
    InputOverflow = 6,
    /// <summary>Another error of the kernel; the errno says which.</summary>
    Error = 7,
    /// <summary>The group was stopped.</summary>
    Shutdown = 8,
}

/// <summary>Which deadline passed, see <see cref="IReactorHandler.OnTimeout"/>.</summary>
public enum TimeoutKind : byte
{
    /// <summary>Not <see cref="Reactor.MarkEstablished">established</see> within <see cref="ReactorGroupOptions.HandshakeTimeoutMs"/>.</summary>
    Handshake = 1,
    /// <summary>The front byte of the kept input is older than <see cref="ReactorGroupOptions.FrameTimeoutMs"/>.</summary>
    Frame = 2,
    /// <summary>No byte arrived for <see cref="ReactorGroupOptions.IdleTimeoutMs"/>.</summary>
    Idle = 3,
    /// <summary>No byte arrived for <see cref="ReactorGroupOptions.QuietTimeoutMs"/>: once a silence.</summary>
    Quiet = 5,
    /// <summary>The time given to <see cref="Reactor.SetTimer"/>.</summary>
    Application = 4,
}
