using System.Runtime.InteropServices;
using Gateway.Mailbox.Compaction;
using Gateway.Mailbox.Format;

namespace Gateway.Mailbox;

/// <summary>
/// Compaction's part on the owner's thread. Only the owner can tell whether an entry is still where the compactor found it; checked elsewhere
/// a move could follow the entry's acknowledgement and bring it back to life.
/// </summary>
public sealed partial class MailboxPartition
{
    private readonly CompactionTask _task = new();
    private CompactionTask? _asked;
    private Commit.WakeSignal? _compactor;

    /// <summary>Any thread: <see cref="Compact"/> or <see cref="PeekCarried"/> has something.</summary>
    public bool HasCompaction => Volatile.Read(ref _asked) is not null;

    /// <summary>
    /// Moves live entries of the log's oldest segment to its end, at most about <paramref name="maxBytes"/> of them. Call it once a turn while
    /// <see cref="HasCompaction"/>; devices come by <see cref="PeekCarried"/>.
    /// </summary>
    /// <returns>Whether there is more to do at once; otherwise nothing is, or a commit or room in the log is waited for.</returns>
    public bool Compact(int maxBytes)
    {
        CheckThread();
        if (Volatile.Read(ref _asked) is not { } task) return false;
        for (; task.Next < task.Candidates.Count; task.Next++)
        {
            if (maxBytes <= 0) return true;
            if (!TryMove(task, ref CollectionsMarshal.AsSpan(task.Candidates)[task.Next], ref maxBytes)) return false;
        }

        if (task.Devices.Count > 0) return true;
        EndBatch();
        // Not before: a page holds committed entries only, and a mailbox must not look empty meanwhile.
        if (_watermark.Through < task.MovedThrough) return false;
        foreach (ref readonly var candidate in CollectionsMarshal.AsSpan(task.Candidates)) Relocate(task, in candidate);
        FinishTask(task);
        return false;
    }

    /// <summary>The devices to be recorded again, often very many: take some of them each turn. The same ones until <see cref="Carried"/>.</summary>
    /// <param name="through">Where the part of the log ends that is to go: a record that lies behind this stays.</param>
    public ReadOnlySpan<CarriedDevice> PeekCarried(out long through)
    {
        CheckThread();
        through = 0;
        if (Volatile.Read(ref _asked) is not { Devices.Count: > 0 } task) return default;
        through = task.DevicesThrough;
        return CollectionsMarshal.AsSpan(task.Devices)[task.Next..];
    }

    /// <summary>The records of so many of the devices last peeked at, from the first on, are appended.</summary>
    public void Carried(int count)
    {
        CheckThread();
        if (count == 0) return;
        var task = Volatile.Read(ref _asked)!;
        task.Next += count;
        if (task.Next == task.Devices.Count) FinishTask(task);
    }

    /// <summary>Compactor's thread, as the one below: the task to fill, which nobody else has now.</summary>
    internal CompactionTask Task => _task;

    internal void Ask(Commit.WakeSignal compactor)
    {
        _compactor = compactor;
        Volatile.Write(ref _asked, _task);
    }

    private bool TryMove(CompactionTask task, ref Candidate candidate, ref int maxBytes)
    {
        if (!IsLive(task, in candidate, out var record, out var hasExpired)) return true;
        if (_watermark.IsFrozen || _admission.Check(RecordType.Moved, _log.TailAddress, _watermark.Through) != AppendStatus.Ok) return false;
        if (!TryEnqueueMoved(record, hasExpired, out var address, out var bytes)) return false;
        _lastPosition = task.MovedThrough = address + bytes;
        _appended = true;
        candidate.MovedTo = address;
        maxBytes -= bytes;
        return true;
    }

    private void Relocate(CompactionTask task, in Candidate candidate)
    {
        if (candidate.MovedTo == 0 || !IsLive(task, in candidate, out var record, out _)) return;
        _index.Relocate(RecordLayout.U64(record, RecordLayout.MailboxOffset), RecordLayout.U64(record, RecordLayout.SequenceOffset), candidate.MovedTo);
    }

    /// <summary>Whether the entry is pending and its record still this one.</summary>
    private bool IsLive(CompactionTask task, in Candidate candidate, out ReadOnlySpan<byte> record, out bool hasExpired)
    {
        record = task.Page.AsSpan(candidate.Offset, candidate.Length);
        var mailbox = RecordLayout.U64(record, RecordLayout.MailboxOffset);
        var sequence = RecordLayout.U64(record, RecordLayout.SequenceOffset);
        var isPending = _index.TryGet(mailbox, sequence, out var entry);
        hasExpired = entry.HasExpired;
        return isPending && entry.Address == candidate.Address;
    }

    private unsafe bool TryEnqueueMoved(ReadOnlySpan<byte> record, bool hasExpired, out long address, out int bytes)
    {
        // SAFETY: the fixed part lies on this stack and the body is pinned until FASTER has copied both.
        var head = stackalloc byte[RecordLayout.MessageFixedBytes];
        var fixedPart = new Span<byte>(head, RecordLayout.MessageFixedBytes);
        record[..RecordLayout.MessageFixedBytes].CopyTo(fixedPart);
        var rest = record[RecordLayout.MessageFixedBytes..];
        RecordLayout.MakeMoved(fixedPart, rest, hasExpired);
        fixed (byte* body = rest)
        {
            bytes = RecordLayout.LogBytes(record.Length);
            return _log.TryEnqueue(new EnqueuedRecord(head, RecordLayout.MessageFixedBytes, body, rest.Length), out address);
        }
    }

    private void FinishTask(CompactionTask task)
    {
        EndBatch();
        Volatile.Write(ref _asked, null);
        task.Finish(_pages.Asked);
        _compactor!.Set();
    }
}
