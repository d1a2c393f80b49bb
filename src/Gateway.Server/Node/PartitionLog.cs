using System.Diagnostics.CodeAnalysis;
using Gateway.Mailbox;
using Gateway.Messaging;
using MailboxState = Gateway.Messaging.MailboxState;
using OverdueEntry = (ulong Mailbox, ulong Sequence, bool IsRecorded);

namespace Gateway.Server.Node;

/// <summary>
/// One partition of the mailbox log as messaging asks for it: the same records under the names of the seam. Bound to its partition once
/// the log is open; from then on its home's thread only.
/// </summary>
internal sealed class PartitionLog : IHomeLog
{
    private readonly PageView _page = new();
    private MailboxLog _log = null!;
    private MailboxPartition _partition = null!;

    public void Bind(MailboxLog log, int partition)
    {
        _log = log;
        _partition = log.Partition(partition);
    }

    public MailboxPartition Partition => _partition;

    public ulong Floor => _partition.Floor;

    public uint SteadySeconds => _log.SteadySeconds;

    public long CommittedThrough => _log.CommittedThrough;

    public LogOutcome Outcome => _log.FailureCause is not null ? LogOutcome.Unknown : LogOutcome.Committed;

    public ulong NextSequence() => _partition.NextSequence();

    public LogStatus Append(in LogRecord record, out long position)
    {
        var copy = new MailboxRecord
        {
            Type = ToRecordType(record.Type),
            Mailbox = record.Mailbox,
            Sequence = record.Sequence,
            Previous = record.Previous,
            Sender = record.Sender,
            Incarnation = record.Incarnation,
            Number = record.Number,
            Low = record.Low,
            EnqueuedAt = record.EnqueuedAt,
            ExpiresAt = record.ExpiresAt,
            Kind = record.Kind,
            Reason = record.Reason,
            Body = record.Body,
        };
        return _partition.Append(in copy, out position) switch
        {
            AppendStatus.Ok => LogStatus.Appended,
            AppendStatus.Full => LogStatus.Full,
            AppendStatus.Busy => LogStatus.Busy,
            _ => LogStatus.Failed,
        };
    }

    public void Submit() => _partition.EndBatch();

    public MailboxState State(ulong mailbox)
    {
        var state = _partition.State(mailbox);
        return new MailboxState(state.Entries, state.Bytes, state.First, state.Last);
    }

    public long PendingBytes => _partition.PendingBytes;

    public bool TryBeginRead(ulong mailbox, ulong afterSequence, int maxEntries, int maxBytes, ulong token) =>
        _partition.TryBeginRead(mailbox, afterSequence, maxEntries, maxBytes, token);

    public int ListMailboxes(Span<ulong> into, out bool ended) => _partition.ListMailboxes(into, out ended);

    public bool TryBeginExpiredRead(ulong mailbox, int maxEntries, int maxBytes, ulong token) =>
        _partition.TryBeginExpiredRead(mailbox, maxEntries, maxBytes, token);

    public int FindOverdue(uint nowSeconds, long through, int most, Span<OverdueEntry> into, out bool ended) =>
        _partition.FindOverdue(nowSeconds, through, most, into, out ended);

    public bool TryTakePage([NotNullWhen(true)] out ILogPage? page)
    {
        page = null;
        if (!_partition.TryTakePage(out var taken)) return false;
        _page.Show(taken);
        page = _page;
        return true;
    }

    private static RecordType ToRecordType(LogRecordType type) => type switch
    {
        LogRecordType.Message => RecordType.Message,
        LogRecordType.Receipt => RecordType.Receipt,
        LogRecordType.AckUpTo => RecordType.AckUpTo,
        LogRecordType.Expire => RecordType.Expire,
        LogRecordType.Remove => RecordType.Remove,
        LogRecordType.Window => RecordType.Window,
        LogRecordType.Device => RecordType.Device,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "not a record that messaging writes"),
    };

    /// <summary>The page being read; homes take one at a time, so one view serves them all.</summary>
    private sealed class PageView : ILogPage
    {
        private MailboxPage _shown = null!;

        public ulong Token => _shown.Token;

        public void Show(MailboxPage page) => _shown = page;

        public bool TryNext(out LogRecord record)
        {
            if (!_shown.TryNext(out var entry))
            {
                record = default;
                return false;
            }

            record = new LogRecord
            {
                Type = entry.Type == RecordType.Message ? LogRecordType.Message : LogRecordType.Receipt,
                Mailbox = entry.Mailbox,
                Sequence = entry.Sequence,
                Previous = entry.Previous,
                Sender = entry.Sender,
                Incarnation = entry.Incarnation,
                Number = entry.Number,
                Low = entry.Low,
                EnqueuedAt = entry.EnqueuedAt,
                ExpiresAt = entry.ExpiresAt,
                Kind = entry.Kind,
                Reason = entry.Reason,
                Body = entry.Body,
            };
            return true;
        }

        public void Release() => _shown.Release();
    }
}
