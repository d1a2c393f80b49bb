using System.Buffers.Binary;
using Gateway.Messaging.Pools;
using Gateway.Protocol;

namespace Gateway.Messaging;

/// <summary>The cursor: what a connected device is sent of its mailbox, and when.</summary>
public sealed partial class Home
{
    private readonly Slab<DeliveredEntry> _delivered;
    private readonly ElasticQueue<SessionRef> _waitingForPage = new();

    /// <summary>
    /// Cursors stopped in the turn before by unsent output or the bound on delivered entries. What a burst leaves unsent within a turn the kernel
    /// may take whole at its end, and then nothing is drained later that <see cref="OnDrained"/> could tell.
    /// </summary>
    private readonly ElasticQueue<SessionRef> _stopped = new();

    /// <summary>Those that were still stopped then; looked at again after <see cref="RetryIntervalMs"/>.</summary>
    private readonly ElasticQueue<SessionRef> _stillStopped = new();

    private ErrorCode OnCredit(uint index, ref Session s, ReadOnlySpan<byte> payload)
    {
        if (!CreditFrame.TryParse(payload, out var credit, out var error)) return error;
        s.CreditMessages = Math.Min(credit.Messages, _options.MaxCreditMessages);
        s.CreditBytes = Math.Min(credit.Bytes, _options.MaxCreditBytes);
        s.Clear(SessionFlags.CreditSpent);
        Pump(index, ref s);
        return ErrorCode.None;
    }

    /// <summary>The application timeout of a connection: asks a silent device whether it is there, and delivers again what was left unacknowledged for too long.</summary>
    public void OnTimer(ulong connection, uint session)
    {
        ref var s = ref _sessions.OfConnection(session, connection);
        if (SessionTable.IsNone(ref s)) return;
        s.Clear(SessionFlags.TimerSet);
        if (s.DeliveredHead == 0) return;
        if (!Probe(session, ref s, out var probeDue)) return;

        var due = s.ProgressAtMs + RedeliverAfterMs(ref s);
        if (_nowMs >= due)
        {
            Rewind(session, ref s);
            due = _nowMs + RedeliverAfterMs(ref s);
        }

        SetTimer(ref s, Math.Min(due, probeDue));
    }

    /// <summary>An entry of a mailbox of this home is durable: send it on if its device is connected and up to date.</summary>
    private void Offer(in PendingCommit pending)
    {
        var index = _sessions.Find(pending.Mailbox);
        if (index == 0)
        {
            // The first to wait for an absent device raises the event; the rest join it.
            if (_log.State(pending.Mailbox).First != pending.Sequence) return;
            Counters.OfflineEvents++;
            _events.OnOffline(pending.Mailbox);
            return;
        }

        ref var s = ref _sessions.Open(index);
        if (!s.IsOnline)
        {
            if (s.Connection == 0) OfferToAbsent(index, ref s, pending.Sequence); // else not welcomed yet: its first read will find it
            return;
        }

        if (pending.Sequence <= s.Delivered) return; // a page brought it before this turn saw the commit, or it was delivered ahead of it
        if (s.Has(SessionFlags.Reading)) s.Set(SessionFlags.CommittedWhileReading);
        if (pending.HotOffset >= 0 && pending.Sequence > s.Processed && !s.Has(SessionFlags.Behind) && MayDeliver(in s, pending.BodyBytes))
        {
            var record = new LogRecord
            {
                Type = pending.Action == CommitAction.Entry && pending.Kind == 0 ? LogRecordType.Message : LogRecordType.Receipt,
                Sequence = pending.Sequence,
                Previous = pending.Previous,
                Sender = pending.Sender,
                Incarnation = pending.Incarnation,
                Number = pending.Number,
                EnqueuedAt = pending.EnqueuedAt,
                Kind = pending.Kind,
                Reason = pending.Reason,
                Body = _commits.BodyOf(in pending),
            };
            if (Deliver(ref s, in record))
            {
                Counters.DeliveredFromMemory++;
                return;
            }
        }

        s.Set(SessionFlags.Behind);
        Pump(index, ref s);
    }

    /// <summary>The device is gone and its session is not. What it has processed already, shown to it ahead of the commit, is only to be acknowledged.</summary>
    private void OfferToAbsent(uint index, ref Session s, ulong sequence)
    {
        if (sequence > s.Processed) RaiseOffline(ref s);
        if (!s.Has(SessionFlags.Finishing)) return;
        if (s.Has(SessionFlags.Reading)) s.Set(SessionFlags.CommittedWhileReading);
        s.Set(SessionFlags.Behind);
        Pump(index, ref s);
    }

    /// <summary>
    /// Shows a device a double check that was appended and is not durable yet, which saves its user a commit's time. It says what the recipient has
    /// done, which no crash undoes: one that takes the record leaves the message to be acknowledged and told again. A cursor is cumulative, so it may
    /// pass nothing that is not durable: false when something before it was not delivered, and then its commit offers it like any other entry.
    /// </summary>
    private bool TryDeliverAhead(uint recipient, in LogRecord record)
    {
        if (recipient == 0) return false;
        ref var s = ref _sessions.Open(recipient);
        if (!s.IsOnline || s.Has(SessionFlags.Behind | SessionFlags.Reading) || record.Previous > s.Delivered) return false;
        if (!MayDeliver(in s, record.Body.Length) || !Deliver(ref s, in record)) return false;
        Counters.DeliveredAhead++;
        return true;
    }

    /// <summary>Asks the log for what comes after the cursor, if the device may be sent more.</summary>
    private void Pump(uint index, ref Session s)
    {
        const SessionFlags All = SessionFlags.Behind | SessionFlags.Reading | SessionFlags.ReadQueued | SessionFlags.CreditSpent;
        if ((!s.IsOnline && !s.Has(SessionFlags.Finishing)) || (s.Flags & All) != SessionFlags.Behind) return;

        if (IsRecordingExpiry(s.Key)) return;

        // What the device says it has processed leaves the mailbox whatever its credit: it is read to be acknowledged, not to be sent.
        var resumes = s.Delivered < s.Processed;
        if (!resumes && !s.HasCredit(0)) return;
        if (IsStoppedBesidesCredit(in s))
        {
            Stop(index, ref s);
            return;
        }

        var entries = resumes ? _options.PageEntries : (int)Math.Min((uint)_options.PageEntries, s.CreditMessages - s.UnackedMessages);
        if (_log.TryBeginRead(s.Key, s.Delivered, entries, _options.PageBytes, (ulong)s.Epoch << 32 | index))
        {
            s.Set(SessionFlags.Reading);
        }
        else
        {
            s.Set(SessionFlags.ReadQueued);
            _waitingForPage.Enqueue(new SessionRef(index, s.Epoch));
        }
    }

    private void TakePages()
    {
        while (_log.TryTakePage(out var page))
        {
            OnPage(page);
            page.Release();
        }

        for (var n = _waitingForPage.Count; n > 0; n--)
        {
            var reference = _waitingForPage.Dequeue();
            ref var s = ref _sessions.OfEpoch(reference.Index, reference.Epoch);
            if (SessionTable.IsNone(ref s)) continue;
            s.Clear(SessionFlags.ReadQueued);
            Pump(reference.Index, ref s);
            if (s.Has(SessionFlags.ReadQueued)) return; // still none; the others need not ask
        }
    }

    private void OnPage(ILogPage page)
    {
        var index = (uint)page.Token;
        if (index == 0)
        {
            OnExpiredPage((int)(page.Token >> 32), page);
            return;
        }

        ref var s = ref _sessions.OfEpoch(index, (uint)(page.Token >> 32));
        if (SessionTable.IsNone(ref s) || (s.Connection == 0 && !s.Has(SessionFlags.Finishing))) return; // rule 6: read for a session that is no more

        s.Clear(SessionFlags.Reading);
        var committedMeanwhile = s.Has(SessionFlags.CommittedWhileReading);
        s.Clear(SessionFlags.CommittedWhileReading);
        if (s.Has(SessionFlags.DiscardPage))
        {
            s.Clear(SessionFlags.DiscardPage);
            Pump(index, ref s);
            return;
        }

        var entries = 0;
        while (page.TryNext(out var record))
        {
            entries++;
            if (record.Sequence <= s.Delivered) continue;
            if (record.Sequence <= s.OwedThrough || OwesRejectionOf(in s, record.Sequence))
            {
                s.Delivered = record.Sequence; // the device is done with it; it leaves when its receipt is durable
                continue;
            }

            if (record.Sequence <= s.Processed)
            {
                // The device has it from an earlier session: not sent again, but its receipt is owed.
                if (!Note(ref s, in record))
                {
                    Stop(index, ref s);
                    return;
                }

                ListForAcknowledging(index, ref s);
                continue;
            }

            if (s.Connection == 0)
            {
                OnFinished(index, ref s); // the rest is for the next session
                return;
            }

            if (!s.HasCredit(record.Body.Length))
            {
                s.Set(SessionFlags.CreditSpent); // stays behind until credit comes back
                return;
            }

            if (!MayDeliver(in s, record.Body.Length) || !Deliver(ref s, in record))
            {
                Stop(index, ref s);
                return;
            }

            Counters.DeliveredFromLog++;
        }

        var last = _log.State(s.Key).Last;
        // What it has processed may not be durable yet, when it was shown to it ahead of that: its commit offers it.
        var isRead = entries == 0 && !committedMeanwhile;
        if (s.Connection == 0 && ((isRead && last < _commits.OldestSequence) || last <= s.Delivered || s.Delivered >= s.Processed)) OnFinished(index, ref s);
        else if (isRead || last <= s.Delivered) s.Clear(SessionFlags.Behind);
        else Pump(index, ref s);
    }

    private bool MayDeliver(in Session s, int bodyBytes) => s.HasCredit(bodyBytes) && !IsStoppedBesidesCredit(in s);

    private bool IsStoppedBesidesCredit(in Session s) =>
        _delivered.IsFull || (s.Connection != 0 && _connections.UnsentBytes(s.Connection) > _options.MaxUnsentBytes);

    private void Stop(uint index, ref Session s)
    {
        if (s.Has(SessionFlags.Stopped)) return;
        s.Set(SessionFlags.Stopped);
        _stopped.Enqueue(new SessionRef(index, s.Epoch));
    }

    /// <summary>Lets cursors go on that were stopped in the turn before.</summary>
    private void ResumeStopped()
    {
        for (var n = _stopped.Count; n > 0; n--)
        {
            var reference = _stopped.Dequeue();
            ref var s = ref _sessions.OfEpoch(reference.Index, reference.Epoch);
            if (SessionTable.IsNone(ref s)) continue;
            if (IsStoppedBesidesCredit(in s))
            {
                _stillStopped.Enqueue(reference);
                continue;
            }

            s.Clear(SessionFlags.Stopped);
            Pump(reference.Index, ref s);
        }
    }

    private void RetryStopped()
    {
        while (_stillStopped.TryDequeue(out var reference)) _stopped.Enqueue(reference);
    }

    /// <summary>Writes one entry to its device and notes it as delivered. False: the bound on delivered entries is reached.</summary>
    private bool Deliver(ref Session s, in LogRecord record)
    {
        if (!Note(ref s, in record)) return false;
        var flags = DeliverFlags.None;
        if (record.Sequence <= s.HighestDelivered)
        {
            flags = DeliverFlags.Redelivered;
            Counters.Redelivered++;
        }
        else
        {
            s.HighestDelivered = record.Sequence;
        }

        if (record.Type == LogRecordType.Message)
        {
            _connections.Advance(s.Connection, DeliverFrame.Write(
                _connections.GetSpan(s.Connection, DeliverFrame.FrameBytes(record.Body.Length)),
                record.Sequence, record.Previous, new Address(record.Sender), record.Incarnation, record.Number, record.EnqueuedAt, flags, record.Body));
        }
        else
        {
            var numbers = record.Body[SendFrame.ReadBodyFixedBytes..];
            _connections.Advance(s.Connection, ReceiptFrame.Write(
                _connections.GetSpan(s.Connection, ReceiptFrame.FrameBytes(numbers.Length / 8)),
                record.Sequence, record.Previous, new Address(record.Sender), BinaryPrimitives.ReadUInt32LittleEndian(record.Body),
                (ReceiptKind)record.Kind, flags, record.Reason, numbers));
        }

        return true;
    }

    /// <summary>Moves the cursor over an entry and keeps what its receipt will need.</summary>
    private bool Note(ref Session s, in LogRecord record)
    {
        var index = _delivered.Rent();
        if (index == 0) return false;
        _delivered[index] = new DeliveredEntry
        {
            Sequence = record.Sequence,
            Sender = record.Type == LogRecordType.Message ? record.Sender : 0,
            Number = record.Number,
            Incarnation = record.Incarnation,
            BodyBytes = record.Body.Length,
        };
        if (s.DeliveredHead == 0)
        {
            s.DeliveredHead = index;
            s.ProgressAtMs = _nowMs;
            if (s.Connection != 0 && !s.Has(SessionFlags.TimerSet)) SetTimer(ref s, _nowMs + Math.Min(RedeliverAfterMs(ref s), ProbeAfterMs));
        }
        else
        {
            _delivered[s.DeliveredTail].Next = index;
        }

        s.DeliveredTail = index;
        s.Delivered = record.Sequence;
        s.UnackedMessages++;
        s.UnackedBytes += (uint)record.Body.Length;
        return true;
    }

    /// <summary>Unlinks the oldest of the delivered list; the caller returns it to the slab.</summary>
    private uint TakeDelivered(ref Session s)
    {
        var index = s.DeliveredHead;
        ref var entry = ref _delivered[index];
        s.Clear(SessionFlags.CreditSpent);
        s.DeliveredHead = entry.Next;
        if (s.DeliveredHead == 0) s.DeliveredTail = 0;
        s.UnackedMessages--;
        s.UnackedBytes -= (uint)entry.BodyBytes;
        return index;
    }

    /// <summary>Puts the cursor back to what the device has processed; what it was sent since is read from the log and sent again.</summary>
    private void Rewind(uint index, ref Session s)
    {
        if (s.Redeliveries < byte.MaxValue) s.Redeliveries++;
        var kept = 0u;
        var head = s.DeliveredHead;
        // The processed part of the list still waits for its receipts to be asked for; only the rest is forgotten.
        while (head != 0 && _delivered[head].Sequence <= s.Processed)
        {
            kept = head;
            head = _delivered[head].Next;
        }

        while (head != 0)
        {
            ref var entry = ref _delivered[head];
            var next = entry.Next;
            s.UnackedMessages--;
            s.UnackedBytes -= (uint)entry.BodyBytes;
            _delivered.Return(head);
            head = next;
        }

        if (kept == 0) s.DeliveredHead = 0;
        else _delivered[kept].Next = 0;
        s.DeliveredTail = kept;
        s.Delivered = kept == 0 ? s.OwedThrough : _delivered[kept].Sequence;
        s.Clear(SessionFlags.CreditSpent);
        if (s.Has(SessionFlags.Reading)) s.Set(SessionFlags.DiscardPage); // it was asked for by the old cursor
        s.Set(SessionFlags.Behind);
        s.ProgressAtMs = _nowMs;
        Pump(index, ref s);
    }

    private long RedeliverAfterMs(ref Session s) =>
        Math.Min((long)_options.RedeliverAfterMs << Math.Min((int)s.Redeliveries, 16), Math.Max(_options.MaxRedeliverAfterMs, _options.RedeliverAfterMs));

    private void SetTimer(ref Session s, long dueMs)
    {
        s.Set(SessionFlags.TimerSet);
        _connections.SetTimer(s.Connection, dueMs);
    }
}
