using System.Buffers.Binary;
using Gateway.Protocol;
using OverdueEntry = (ulong Mailbox, ulong Sequence, bool IsRecorded);

namespace Gateway.Messaging;

/// <summary>
/// Expiry (rule 10). A sweep finds entries whose life is over. What no device may have been sent is recorded as expired; from then on it is
/// not delivered and not acknowledged. When that is durable its sender is told, and when that is durable too the entry goes. Until the first of these
/// nothing is read from the mailbox: a device that was sent what lies behind the entry would acknowledge it too, if a kill took the record back.
/// Whatever a kill cuts short here is found by the next sweep and done again.
/// </summary>
public sealed partial class Home
{
    /// <summary>A sweep goes on this often, by this many entries: a quarter of a million a second, for a few parts in a thousand of the home's time.</summary>
    private const int SweepEveryMs = 16;
    private const int LookedAtPerSweep = 4096;

    /// <summary>One sweep over everything begins this long after the one before began, at the earliest.</summary>
    private const int SweepAgainAfterMs = 1000;

    private const int OverduePerSweep = 256;

    /// <summary>Mailboxes whose expired entries' senders are told at one time.</summary>
    private const int MaxTellings = 64;

    /// <summary>Tells a receipt that a <see cref="Telling"/> waits for from those that sessions owe.</summary>
    private const uint ExpiredBit = 1u << 31;

    private readonly ExpiryClock _expiryClock;
    private readonly Telling?[] _tellings = new Telling?[MaxTellings];
    private int _activeTellings;
    private readonly OverdueEntry[] _overdue = new OverdueEntry[OverduePerSweep];
    private long _sweptAtMs;
    private long _sweepBeganAtMs;
    private bool _sweepEnded;

    /// <summary>Everything up to here was released: before that an entry may still be on its way from memory to its device.</summary>
    private long _releasedThrough;

    private enum TellingState : byte
    {
        Idle = 0,
        /// <summary>Records say that entries have expired, and are not all durable.</summary>
        Recording,
        /// <summary>A page is to be asked for.</summary>
        Wanted,
        /// <summary>It is on its way.</summary>
        Reading,
        /// <summary>Senders are asked to take their receipts, as far as there is credit to their homes; some may be durable already.</summary>
        Telling,
        /// <summary>Everybody was told; the entries go, as far as the log has room.</summary>
        Removing,
    }

    /// <summary>An expired entry whose sender is told; Sender 0: nobody is to be.</summary>
    private readonly record struct ExpiredEntry(ulong Sequence, ulong Sender, ulong Number, uint Incarnation);

    /// <summary>One mailbox's expired entries, a page of them at a time, on their way out.</summary>
    private sealed class Telling(int capacity)
    {
        public TellingState State;
        public ulong Mailbox;

        /// <summary>The last record's position.</summary>
        public long RecordedAt;

        public readonly ExpiredEntry[] Entries = new ExpiredEntry[capacity];
        public int Count;

        /// <summary>Receipts asked for that are not durable yet.</summary>
        public int Outstanding;

        public int Removed;
    }

    /// <summary>No entry expires until <see cref="ResumeExpiry"/>: the wall clock cannot be trusted.</summary>
    public bool IsExpirySuspended => _expiryClock.IsSuspended;

    /// <summary>At the start, before any time is set: when the node ran last (seconds since 1970, 0: never), and whether expiry was suspended then.</summary>
    public void RestoreClock(uint lastKnownSeconds, bool isSuspended) => _expiryClock.Restore(lastKnownSeconds, isSuspended);

    /// <summary>An operator says that the wall clock is right.</summary>
    public void ResumeExpiry() => _expiryClock.Resume();

    /// <summary>Once a turn.</summary>
    private void Expire()
    {
        if (_nowMs - _sweptAtMs < SweepEveryMs) return;
        _sweptAtMs = _nowMs;
        if (!_sweepEnded || _nowMs - _sweepBeganAtMs >= SweepAgainAfterMs) Sweep();
    }

    private void Sweep()
    {
        if (_sweepEnded) _sweepBeganAtMs = _nowMs;
        var found = _log.FindOverdue(_expiryClock.NowSeconds, _releasedThrough, LookedAtPerSweep, _overdue, out _sweepEnded);
        foreach (var (mailbox, sequence, isRecorded) in _overdue.AsSpan(0, found))
        {
            if (!isRecorded && MayHaveBeenSent(mailbox, sequence)) continue;
            var telling = TellingOf(mailbox) ?? BeginTelling(mailbox);
            if (telling is null) return;
            if (!isRecorded && telling.State == TellingState.Recording) RecordExpiry(telling, sequence);
        }
    }

    /// <summary>
    /// Whether the entry is in a live session's delivery window, or its device is done with it: has acknowledged it, which is never above what was
    /// delivered, or has rejected it, if only in an earlier session.
    /// </summary>
    private bool MayHaveBeenSent(ulong mailbox, ulong sequence)
    {
        var session = _sessions.Find(mailbox);
        return session != 0 && _sessions.TryRead(session, out var s) && (sequence <= s.HighestDelivered || OwesRejectionOf(in s, sequence));
    }

    private void RecordExpiry(Telling telling, ulong sequence)
    {
        if (!TryCarry(new LogRecord { Type = LogRecordType.Expire, Mailbox = telling.Mailbox, Sequence = sequence })) return; // a later sweep finds it again
        telling.RecordedAt = _lastPosition;
        Counters.Expired++;
        var session = _sessions.Find(telling.Mailbox);
        if (session == 0) return;
        ref var s = ref _sessions.Open(session);
        if (s.Has(SessionFlags.Reading)) s.Set(SessionFlags.DiscardPage); // it may hold the entry
    }

    /// <summary>What is under way of a mailbox's expired entries, or null.</summary>
    private Telling? TellingOf(ulong mailbox)
    {
        if (_activeTellings == 0) return null;
        foreach (var telling in _tellings)
        {
            if (telling is { State: not TellingState.Idle } && telling.Mailbox == mailbox) return telling;
        }

        return null;
    }

    /// <summary>Null: enough others are under way; a later sweep finds the mailbox again.</summary>
    private Telling? BeginTelling(ulong mailbox)
    {
        for (var i = 0; i < _tellings.Length; i++)
        {
            var telling = _tellings[i] ??= new Telling(_options.PageEntries);
            if (telling.State != TellingState.Idle) continue;
            _activeTellings++;
            (telling.Mailbox, telling.State, telling.RecordedAt) = (mailbox, TellingState.Recording, 0);
            return telling;
        }

        return null;
    }

    private void EndTelling(Telling telling)
    {
        telling.State = TellingState.Idle;
        _activeTellings--;
    }

    /// <summary>Whether it is not certain yet which entries of the mailbox have expired: nothing behind them may be sent.</summary>
    private bool IsRecordingExpiry(ulong mailbox) => TellingOf(mailbox) is { State: TellingState.Recording };

    /// <summary>Those whose records have become durable go on.</summary>
    private void ReleaseTellings(long through)
    {
        for (var i = 0; _activeTellings != 0 && i < _tellings.Length; i++)
        {
            if (_tellings[i] is not { State: TellingState.Recording } telling || telling.RecordedAt > through) continue;
            telling.State = TellingState.Wanted;
            var session = _sessions.Find(telling.Mailbox);
            if (session != 0) Pump(session, ref _sessions.Open(session));
            GoOn(i, telling);
        }
    }

    private void RetryTellings()
    {
        for (var i = 0; i < _tellings.Length; i++)
        {
            if (_tellings[i] is { } telling) GoOn(i, telling);
        }
    }

    private void GoOn(int index, Telling telling)
    {
        if (telling.State == TellingState.Wanted
            && _log.TryBeginExpiredRead(telling.Mailbox, telling.Entries.Length, _options.PageBytes, (ulong)index << 32)) telling.State = TellingState.Reading;
        if (telling.State == TellingState.Telling && AskForReceipts(index, telling) && telling.Outstanding == 0) telling.State = TellingState.Removing;
        if (telling.State == TellingState.Removing && Remove(telling)) Finish(index, telling);
    }

    /// <summary>The page of a telling; its token names no session.</summary>
    private void OnExpiredPage(int index, ILogPage page)
    {
        var telling = _tellings[index]!;
        (telling.Count, telling.Removed) = (0, 0);
        while (page.TryNext(out var record))
        {
            // A receipt earns no receipt, also when it expires.
            var sender = record.Type == LogRecordType.Message ? record.Sender : 0;
            telling.Entries[telling.Count++] = new ExpiredEntry(record.Sequence, sender, record.Number, record.Incarnation);
        }

        if (telling.Count == 0)
        {
            EndTelling(telling);
            return;
        }

        telling.State = TellingState.Telling;
        GoOn(index, telling);
    }

    /// <summary>Asks for the receipts, one a sender. False: there is no credit to some sender's home.</summary>
    private bool AskForReceipts(int index, Telling telling)
    {
        Span<byte> body = stackalloc byte[SendFrame.ReadBodyFixedBytes + 8 * Wire.MaxReceiptNumbers];
        var entries = telling.Entries.AsSpan(0, telling.Count);
        for (var i = 0; i < entries.Length; i++)
        {
            if (entries[i].Sender == 0) continue;
            var (sender, incarnation) = (entries[i].Sender, entries[i].Incarnation);
            WriteReceiptBody(body, incarnation);
            var length = SendFrame.ReadBodyFixedBytes;
            for (var j = i; j < entries.Length && length < body.Length; j++)
            {
                if (entries[j].Sender != sender || entries[j].Incarnation != incarnation) continue;
                BinaryPrimitives.WriteUInt64LittleEndian(body[length..], entries[j].Number);
                length += 8;
            }

            if (!AskForReceipt(ExpiredBit | (uint)index, telling.Mailbox, sender, ReceiptKind.Expired, 0, body[..length])) return false;
            telling.Outstanding++;
            var left = (length - SendFrame.ReadBodyFixedBytes) / 8;
            for (var j = i; left > 0; j++)
            {
                if (entries[j].Sender != sender || entries[j].Incarnation != incarnation) continue;
                entries[j] = entries[j] with { Sender = 0 };
                left--;
            }
        }

        return true;
    }

    private void OnExpiredReceiptDurable(int index)
    {
        var telling = _tellings[index]!;
        telling.Outstanding--;
        GoOn(index, telling);
    }

    /// <summary>Takes the entries out of their mailbox. False: the log has no room for all of it now.</summary>
    private bool Remove(Telling telling)
    {
        for (; telling.Removed < telling.Count; telling.Removed++)
        {
            var record = new LogRecord
            {
                Type = LogRecordType.Remove,
                Mailbox = telling.Mailbox,
                Sequence = telling.Entries[telling.Removed].Sequence,
                Kind = (byte)RemoveReason.Expired,
            };
            if (!TryCarry(in record)) return false;
        }

        return true;
    }

    private void Finish(int index, Telling telling)
    {
        // What emptied its mailbox may let the device's session rest.
        var session = _sessions.Find(telling.Mailbox);
        if (session != 0) _sessions.Open(session);
        if (_log.State(telling.Mailbox).Entries == 0)
        {
            EndTelling(telling);
            return;
        }

        telling.State = TellingState.Wanted; // there may be more than a page had room for
        GoOn(index, telling);
    }
}
