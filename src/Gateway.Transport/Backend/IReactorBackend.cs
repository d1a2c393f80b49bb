using System.Net;
using Gateway.Transport.Pools;

namespace Gateway.Transport.Backend;

internal enum CompletionKind : byte
{
    None = 0,
    /// <summary>A listener's accept: Slot is the listener, Result what <see cref="IReactorBackend.Attach"/> takes, or a negated errno.</summary>
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
/// performed. A slot's descriptor is the backend's own: nobody else gives it to the kernel. All on the reactor's thread but
/// <see cref="Wake"/>, and <see cref="IDisposable.Dispose"/>, which comes after that thread has ended and closes whatever is left.
/// </summary>
internal interface IReactorBackend : IDisposable
{
    /// <summary>Takes possession on the reactor's thread, before any other verb.</summary>
    /// <exception cref="IOException">The kernel refuses what the backend needs.</exception>
    void Begin();

    /// <summary>Names what the backend holds of which a burst may leave more than is needed.</summary>
    void AddTo(Housekeeping keeping);

    /// <summary>A turn begins: <paramref name="tick"/> is the reactor's, by which busy connections are told from quiet ones.</summary>
    void BeginTurn(uint tick);

    /// <summary>Takes on a listening socket; returns 0 or a negated errno. Accepting starts with <see cref="SubmitAccept"/>.</summary>
    int AttachListener(uint listener, int descriptor);

    void SubmitAccept(uint listener);

    /// <summary>No Accepted completion follows until the next <see cref="SubmitAccept"/>, but for one already on its way.</summary>
    void CancelAccept(uint listener);

    /// <summary>How many more connections may be accepted, by all listeners together, until this is said again.</summary>
    void AllowAccepts(int room);

    /// <summary>Takes on what an Accepted completion brought, which stands in the slot as its descriptor; returns 0 or a negated errno.</summary>
    int Attach(uint slot);

    /// <summary>Closes what an Accepted completion brought and no slot takes.</summary>
    void Refuse(int accepted);

    /// <summary>Takes on a descriptor of the process, which is the backend's from here on, also when it fails: 0 or a negated errno.</summary>
    int Adopt(uint slot, int descriptor);

    /// <summary>Begins to connect a slot; a Connected completion follows when 0 is returned, none after a negated errno.</summary>
    int Connect(uint slot, IPEndPoint remote, IPAddress? source);

    /// <summary>The peer's address; null when the kernel does not say.</summary>
    IPEndPoint? RemoteEndPoint(uint slot);

    /// <summary>Asks for one Received completion. Submitting again before it came changes nothing.</summary>
    void SubmitReceive(uint slot);

    /// <summary>Takes the receive back; a completion already on its way still comes.</summary>
    void CancelReceive(uint slot);

    /// <summary>
    /// Sends bytes; one submission a slot at a time. Returns how many were taken at once, or a negated errno when the connection is
    /// broken. When fewer than all were taken a Sent completion follows, and the bytes must stay where they are, unchanged, until then, or
    /// until the slot's Closed.
    /// </summary>
    int SubmitSend(uint slot, ReadOnlySpan<byte> pinned);

    /// <summary>Hands what was submitted to the kernel now: what it takes without waiting can be had by <see cref="TryReapSent"/>.</summary>
    void Submit();

    /// <summary>Takes the next Sent completion that <see cref="Submit"/> brought, ahead of all others; or the Closed of a slot whose send was its last operation.</summary>
    bool TryReapSent(out Completion completion);

    /// <summary>Ends our side of the connection after what was sent.</summary>
    void ShutdownSend(uint slot);

    /// <summary>
    /// Gives the connection to another reactor's backend (or to this one) without closing it. What is returned is for the target's
    /// <see cref="Take"/>, and the slot has no connection any more; <paramref name="idle"/> as <see cref="Close"/> returns it. A negated
    /// errno: not yet, ask again (EINPROGRESS: it is under way; ENFILE: the target has no place, and makes one when it is woken), and
    /// completions of a receive or a send under way may still come.
    /// </summary>
    int HandOver(uint slot, IReactorBackend to, out bool idle);

    /// <summary>Takes on what another reactor's <see cref="HandOver"/> returned: 0 or a negated errno.</summary>
    int Take(uint slot, int handed);

    /// <summary>Closes what was handed over to this backend and never taken. After its thread has ended.</summary>
    void Discard(int handed);

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

    /// <summary>Ends another reactor's wait early, by whatever costs the two least. On this reactor's thread.</summary>
    void WakeOther(IReactorBackend other);

    /// <summary>Ends a wait early. Any thread.</summary>
    void Wake();
}
