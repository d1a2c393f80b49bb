using Gateway.Messaging.Pools;
using Gateway.Protocol;

namespace Gateway.Messaging;

/// <summary>Login, take-over, and the end of a session.</summary>
public sealed partial class Home
{
    private const int AbsentAtOnce = 512;

    /// <summary>Mailboxes in which something waits, a share of them; null once all were told of that have waited since before the start.</summary>
    private ulong[]? _absent = new ulong[AbsentAtOnce];

    /// <summary>Every sequence given out since the start is above it.</summary>
    private ulong _floorAtStart;

    /// <summary>Logins whose fresh incarnation is not durable yet, in the order of the commit queue.</summary>
    private readonly ElasticQueue<Login> _awaitingWelcome = new();

    private uint _epoch;
    private uint _generation = 1;

    /// <summary>
    /// A proven device arrived on a connection of this reactor. Returns its session's index, to be handed back with everything about this
    /// connection; 0: it was refused, the error is written and the connection closing.
    /// </summary>
    public uint OnLogin(ulong connection, in Login login)
    {
        var error = OpenWindow(in login, out var window, out var freshAt);
        if (error != ErrorCode.None)
        {
            Counters.ProtocolErrors++;
            _connections.WriteError(connection, error);
            _connections.Close(connection);
            return 0;
        }

        var index = _sessions.Find(login.Address);
        if (index != 0 && _sessions.Open(index).Connection != 0)
        {
            Counters.TakeOvers++;
            CloseWith(index, ErrorCode.TakenOver, 0, keep: true);
        }

        if (index == 0) index = _sessions.Add(window);
        ref var s = ref _sessions.Open(index);
        ForgetDelivered(ref s);
        s.Connection = connection;
        s.Epoch = ++_epoch;
        s.Flags = (s.Flags & SessionFlags.OfTheMailbox) | SessionFlags.Behind;
        s.Redeliveries = 0;
        s.CreditMessages = Math.Min(login.CreditMessages, _options.MaxCreditMessages);
        s.CreditBytes = Math.Min(login.CreditBytes, _options.MaxCreditBytes);
        s.UnackedMessages = 0;
        s.UnackedBytes = 0;
        s.Delivered = s.OwedThrough;
        // What it has acknowledged stays so, even to a device that has lost its state: a sender may have been told already.
        s.Processed = Math.Max(login.Resume, Math.Max(s.Processed, s.OwedThrough));
        s.HighestDelivered = s.Processed;
        s.ProgressAtMs = _nowMs;
        s.LoggedInAt = UnixSeconds;
        Online++;
        Counters.Logins++;
        if (freshAt != 0)
        {
            s.InFlight = 0;
            ReleaseHeld(ref s);
            _lastPosition = freshAt;
            _awaitingWelcome.Enqueue(login);
            var pending = new PendingCommit { Position = freshAt, Action = CommitAction.Welcome, Mailbox = login.Address, SessionEpoch = s.Epoch };
            _commits.Enqueue(in pending, default, keepHot: false, _nowMs);
        }
        else
        {
            Welcome(index, ref s, in login);
        }

        return index;
    }

    /// <summary>The connection is gone, whoever ended it.</summary>
    public void OnClosed(ulong connection, uint session)
    {
        ref var s = ref _sessions.OfConnection(session, connection);
        if (!SessionTable.IsNone(ref s)) Detach(session, ref s, keep: false);
    }

    /// <summary>Closes the device's session for an operator. False: it has none.</summary>
    public bool Kick(Address device, ErrorCode reason = ErrorCode.Kicked)
    {
        var index = _sessions.Find(device.Value);
        if (index == 0 || _sessions.Open(index).Connection == 0) return false;
        CloseWith(index, reason, 0);
        return true;
    }

    /// <summary>The connection's time ran out (idle, or a frame left unfinished): says so and closes it.</summary>
    public void OnTimeout(ulong connection, uint session, ErrorCode code)
    {
        if (!SessionTable.IsNone(ref _sessions.OfConnection(session, connection))) CloseWith(session, code, 0);
    }

    /// <summary>Adds the connected devices to <paramref name="into"/> until it holds <paramref name="limit"/>.</summary>
    public void ListSessions(ICollection<SessionStatus> into, int limit)
    {
        ArgumentNullException.ThrowIfNull(into);
        for (uint i = 1; i < _sessions.End && into.Count < limit; i++)
        {
            if (_sessions.TryRead(i, out var s) && s.Connection != 0) into.Add(StatusOf(in s));
        }
    }

    /// <summary>The device's session, or null when it is not connected.</summary>
    public SessionStatus? FindSession(Address device)
    {
        var index = _sessions.Find(device.Value);
        return index == 0 || !_sessions.TryRead(index, out var s) || s.Connection == 0 ? null : StatusOf(in s);
    }

    private SessionStatus StatusOf(in Session s) => new(
        new Address(s.Key), s.Connection, s.Epoch, s.LoggedInAt, (int)s.UnackedMessages, _connections.UnsentBytes(s.Connection));

    /// <summary>Tells every device to come back elsewhere or later, each at its own moment within <paramref name="spreadMs"/>.</summary>
    public void SendGoAway(uint spreadMs)
    {
        for (uint i = 1; i < _sessions.End; i++)
        {
            if (_sessions.TryRead(i, out var s) && s.IsOnline) _connections.WriteGoAway(s.Connection, ErrorCode.ShuttingDown, (uint)(HomeMap.Mix(s.Key) % Math.Max(1, spreadMs)));
        }
    }

    /// <summary>Closes every session.</summary>
    public void CloseAll(ErrorCode reason)
    {
        for (uint i = 1; i < _sessions.End; i++)
        {
            if (_sessions.TryRead(i, out var s) && s.Connection != 0) CloseWith(i, reason, 0);
        }
    }

    /// <summary>Takes the generation that every welcome tells; higher after the node was restored from a backup. Only before the first event.</summary>
    public void RestoreGeneration(uint generation) => _generation = generation;

    /// <summary>Takes a window as the log remembers it, and with <paramref name="low"/> 0 that it was forgotten. Only before the first event.</summary>
    public void RestoreWindow(ulong device, uint incarnation, ulong low, ulong settled, uint usedAt)
    {
        if (low == 0)
        {
            if (_windows.Find(device) is var forgotten and not 0 && _windows[forgotten].Incarnation <= incarnation) RemoveWindow(forgotten);
            return;
        }

        ref var window = ref WindowToRestore(device, incarnation);
        if (window.Incarnation != incarnation) return;
        window.UsedAt = Math.Max(window.UsedAt, usedAt);
        var inFlight = 0UL;
        window.Advance(low, ref inFlight);
        // The record may be older than origins already seen; its bits are only ever added.
        if (low <= window.Low) window.Settled |= window.Low - low < 64 ? settled >> (int)(window.Low - low) : 0;
    }

    /// <summary>Takes the origin of a message that the log holds. Only before the first event.</summary>
    public void RestoreOrigin(ulong device, uint incarnation, ulong number, ulong low)
    {
        ref var window = ref WindowToRestore(device, incarnation);
        if (window.Incarnation != incarnation) return;
        var inFlight = 0UL;
        window.Advance(low, ref inFlight);
        window.Settle(number, ref inFlight);
    }

    private ref SendWindow WindowToRestore(ulong device, uint incarnation)
    {
        var index = _windows.Find(device);
        if (index == 0) index = _windows.Add(device);
        ref var window = ref _windows[index];
        if (window.Incarnation >= incarnation) return ref window;
        window.Begin(incarnation);
        window.UsedAt = 0;
        return ref window;
    }

    /// <summary>
    /// Finds or begins the window the device asks for. A fresh one counts only when its record is durable:
    /// <paramref name="freshAt"/> is the position of that record, 0 for a window that was there.
    /// </summary>
    private ErrorCode OpenWindow(in Login login, out uint window, out long freshAt)
    {
        freshAt = 0;
        window = _windows.Find(login.Address);
        if (login.Resume > _log.Floor) return ErrorCode.ResumeAhead;
        if (login.Incarnation != 0)
        {
            if (window == 0 || _windows[window].Incarnation != login.Incarnation) return ErrorCode.IncarnationFenced;
            if (IsOverdue(in _windows[window], _log.SteadySeconds)) return ErrorCode.IncarnationFenced;
            RecordLogin(ref _windows[window]);
            return ErrorCode.None;
        }

        if (_commits.IsFull) return ErrorCode.Overloaded;
        // Above the floor, so that it is above those too whose window was forgotten, and those that were given after the backup this node comes from.
        var incarnation = Math.Max(UnixSeconds, (uint)(_log.Floor / 1_000_000) + 1);
        if (window != 0) incarnation = Math.Max(incarnation, _windows[window].Incarnation + 1);
        var record = new LogRecord { Type = LogRecordType.Window, Mailbox = login.Address, Incarnation = incarnation, Low = 1, EnqueuedAt = _log.SteadySeconds };
        if (_log.Append(in record, out freshAt) != LogStatus.Appended) return ErrorCode.Overloaded;
        if (window == 0) window = _windows.Add(login.Address);
        _windows[window].Begin(incarnation);
        _windows[window].NoteRecorded(freshAt, _options.RecordedShift);
        return ErrorCode.None;
    }

    private void OnIncarnationDurable(in PendingCommit pending)
    {
        var login = _awaitingWelcome.Dequeue();
        var index = _sessions.Find(pending.Mailbox);
        if (index == 0) return;
        ref var s = ref _sessions.OfEpoch(index, pending.SessionEpoch);
        if (!SessionTable.IsNone(ref s) && s.Connection != 0) Welcome(index, ref s, in login);
    }

    private void Welcome(uint index, ref Session s, in Login login)
    {
        ref var window = ref _windows[s.Window];
        var pending = _log.State(s.Key).Entries;
        var frame = new WelcomeFrame
        {
            SessionEpoch = s.Epoch,
            Incarnation = window.Incarnation,
            WindowLow = window.Low,
            WindowSettled = window.Settled,
            NodeTimeMicros = _unixMicros,
            Generation = _generation,
            MaxBodyBytes = (uint)_options.MaxBodyBytes,
            IdleTimeoutMs = _options.IdleTimeoutMs,
            Pending = (uint)Math.Min(pending, uint.MaxValue),
        };
        _connections.Advance(s.Connection, frame.Write(
            _connections.GetSpan(s.Connection, WelcomeFrame.FrameBytes), login.Key, login.ClientNonce, login.NodeNonce));
        s.Set(SessionFlags.Welcomed);
        if (pending == 0) s.Clear(SessionFlags.Behind);
        Pump(index, ref s);
    }

    /// <summary>Writes the error, closes the connection and lets go of it at once (rule 6): what still comes from it is nobody's.</summary>
    private void CloseWith(uint index, ErrorCode code, uint detail, bool keep = false)
    {
        ref var s = ref _sessions.Open(index);
        var connection = s.Connection;
        Detach(index, ref s, keep);
        _connections.WriteError(connection, code, detail);
        _connections.Close(connection);
    }

    /// <summary>
    /// Ends the session's hold on its connection. Delivered entries stay pending in the log; what is owed or in flight is finished without it.
    /// With <paramref name="keep"/> the structure stays for the login that takes over.
    /// </summary>
    private void Detach(uint index, ref Session s, bool keep)
    {
        var waits = SomethingWaits(in s);
        s.Connection = 0;
        s.Epoch = ++_epoch;
        s.Flags &= SessionFlags.OfTheMailbox;
        Online--;
        ForgetDelivered(ref s);
        if (keep) return;
        if (waits) RaiseOffline(ref s);
        if (HasUnfinished(in s)) Finish(index, ref s);
        else ReleaseIfFinished(index, ref s);
    }

    private void ForgetDelivered(ref Session s)
    {
        while (s.DeliveredHead != 0) _delivered.Return(TakeDelivered(ref s));
    }

    /// <summary>The device said that it has processed entries whose receipts were not asked for yet: by a resume position, or in the turn of its end.</summary>
    private bool HasUnfinished(in Session s) =>
        s.Processed > s.OwedThrough && _log.State(s.Key) is { Entries: > 0 } state && state.First <= s.Processed && state.Last > s.OwedThrough;

    /// <summary>
    /// Reads what the device has processed once more, so that it leaves the mailbox now and not at the next login, which may never come. What was
    /// delivered ahead and is not durable yet, its commit brings: until then the session stays.
    /// </summary>
    private void Finish(uint index, ref Session s)
    {
        s.Delivered = s.OwedThrough;
        s.Set(SessionFlags.Behind | SessionFlags.Finishing);
        Pump(index, ref s);
    }

    private void OnFinished(uint index, ref Session s)
    {
        s.Clear(SessionFlags.Behind | SessionFlags.Finishing);
        ReleaseIfFinished(index, ref s);
    }

    /// <summary>
    /// Something durable is in the mailbox that the device is not done with. What is not durable yet is left out: its commit raises the event.
    /// </summary>
    private bool SomethingWaits(in Session s)
    {
        // If the oldest was delivered ahead of its commit, all were.
        if (s.DeliveredHead != 0 && _delivered[s.DeliveredHead].Sequence < _commits.OldestSequence) return true;
        if (!s.Has(SessionFlags.Behind)) return false;
        var state = _log.State(s.Key);
        return state.Last > s.Delivered && state.First < _commits.OldestSequence;
    }

    /// <summary>Raises the offline event, once an absence.</summary>
    private void RaiseOffline(ref Session s)
    {
        if (s.Has(SessionFlags.OfflineRaised)) return;
        s.Set(SessionFlags.OfflineRaised);
        Counters.OfflineEvents++;
        _events.OnOffline(s.Key);
    }

    /// <summary>
    /// After a start nobody is there: of everybody for whom something has waited since before it the event is raised again, a share a step.
    /// </summary>
    private void TellAbsent()
    {
        if (_absent is null) return;
        var found = _log.ListMailboxes(_absent, out var ended);
        foreach (var mailbox in _absent.AsSpan(0, found))
        {
            if (_sessions.Find(mailbox) != 0 || _log.State(mailbox).First > _floorAtStart) continue;
            Counters.OfflineEvents++;
            _events.OnOffline(mailbox);
        }

        if (ended) _absent = null;
    }

    private void ReleaseIfFinished(uint index, ref Session s)
    {
        if (s.Connection != 0 || s.Outstanding != 0 || s.OwedHead != 0 || s.Has(SessionFlags.AckListed | SessionFlags.Finishing)) return;
        ReleaseHeld(ref s);
        _sessions.Remove(index, _log.SteadySeconds);
    }
}
