using Gateway.Mailbox.Index;
using OverdueEntry = (ulong Mailbox, ulong Sequence, bool IsRecorded);

namespace Gateway.Mailbox;

/// <summary>Expiry's part: which entries' lives are over, and reading those whose end is recorded (<see cref="RecordType.Expire"/>).</summary>
public sealed partial class MailboxPartition
{
    private SweepPosition _sweep;

    /// <summary>
    /// Goes on with a sweep over everything pending, by about <paramref name="most"/> entries (a nanosecond each), and lists those whose records
    /// end at or before the position <paramref name="through"/> and whose life, from <c>EnqueuedAt</c> to <c>ExpiresAt</c> but counted from their
    /// sequence, is over at <paramref name="nowSeconds"/> (since 1970; 0: at none); an odd life is over up to a quarter late. An entry whose end is recorded is listed
    /// too, at least one of each mailbox that has any. <paramref name="ended"/>: the next call begins a new sweep. No life is longer than about
    /// twelve years; those are endless.
    /// </summary>
    public int FindOverdue(uint nowSeconds, long through, int most, Span<OverdueEntry> into, out bool ended)
    {
        CheckThread();
        return _index.FindOverdue(ref _sweep, nowSeconds, through, most, into, out ended);
    }

    /// <summary>As <see cref="TryBeginRead"/>, of the entries whose expiry is recorded, from the first one on.</summary>
    public bool TryBeginExpiredRead(ulong mailbox, int maxEntries, int maxBytes, ulong token)
    {
        CheckThread();
        return BeginRead(mailbox, 0, maxEntries, maxBytes, token, expired: true);
    }
}
