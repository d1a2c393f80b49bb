namespace Gateway.Transport.Backend;

internal enum CompletionKind : byte
{
    None = 0,
    /// <summary>A listener's accept: Slot is the listener, Result a descriptor or a negated errno.</summary>
    Accepted = 1,
    /// <summary>Result is 0 or a negated errno.</summary>
    Connected = 2,
    /// <summary>Result is the bytes received, 0 at the peer's end, or a negated errno. The receive is used up.</summary>
    Received = 3,
    /// <summary>Output that was not taken at submission: Result is the bytes taken since (0: there is room again) or a negated errno.</summary>
    Sent = 4,
    /// <summary>The connection broke while no receive was submitted: Result is a negated errno.</summary>
    Broken = 5,
    /// <summary>The last operation after <see cref="IReactorBackend.Close"/> ended; the slot may be reused.</summary>
    Closed = 6,
}

/// <summary>One outcome. <see cref="Bytes"/> is valid until the next reap. Slot and generation name the connection it was submitted for.</summary>
internal readonly ref struct Completion
{
    public required CompletionKind Kind { get; init; }

    public required ConnectionId Id { get; init; }

    public required int Result { get; init; }

    public ReadOnlySpan<byte> Bytes { get; init; }
}

/// <summary>
/// The kernel's side of a reactor as three batch verbs: operations are submitted (now or with the next wait, as the backend likes), one
/// wait collects, and completions are reaped one by one. Completions carry the generation they were submitted under; the reactor drops
/// stale ones. A backend over readiness (epoll) performs operations when they are reaped; one over completions (io_uring) has them
/// performed. All on the reactor's thread but <see cref="Wake"/>.
/// </summary>
internal interface IReactorBackend : IDisposable
{
    /// <summary>Takes on a listening socket; returns 0 or a negated errno. Accepting starts with <see cref="SubmitAccept"/>.</summary>
    int AttachListener(uint listener, int descriptor);

    void SubmitAccept(uint listener);

    /// <summary>No Accepted completion follows until the next <see cref="SubmitAccept"/>, but for one already on its way.</summary>
    void CancelAccept(uint listener);

    /// <summary>Takes on a slot's descriptor; returns 0 or a negated errno. For a slot in state Connecting a Connected completion follows.</summary>
    int Attach(uint slot);

    /// <summary>Asks for one Received completion. Submitting again before it came changes nothing.</summary>
    void SubmitReceive(uint slot);

    /// <summary>Takes the receive back; a completion already on its way still comes.</summary>
    void CancelReceive(uint slot);

    /// <summary>
    /// Sends bytes; one submission a slot at a time. Returns how many were taken at once, or a negated errno when the connection is
    /// broken. When fewer than all were taken a Sent completion follows, and the bytes must stay where they are, unchanged, until then.
    /// </summary>
    int SubmitSend(uint slot, ReadOnlySpan<byte> pinned);

    /// <summary>Ends our side of the connection after what was sent.</summary>
    void ShutdownSend(uint slot);

    /// <summary>Gives the descriptor up without closing it and returns it; nothing is in flight afterwards.</summary>
    int Detach(uint slot);

    /// <summary>
    /// Closes the slot's descriptor; <paramref name="reset"/> drops unsent data and resets the connection. True when nothing is in flight
    /// and the slot may be reused; otherwise a Closed completion follows.
    /// </summary>
    bool Close(uint slot, bool reset);

    /// <summary>Submits what is pending and waits until there is something to reap, at most <paramref name="timeoutMs"/>.</summary>
    void Wait(int timeoutMs);

    /// <summary>Whether the last wait found something to reap.</summary>
    bool HasWork { get; }

    /// <summary>Takes the next outcome of the last wait; false when there is none left.</summary>
    bool TryReap(out Completion completion);

    /// <summary>Ends a wait early. Any thread.</summary>
    void Wake();
}
