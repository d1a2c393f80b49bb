using System.Globalization;

namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>One figure that the design asks for. Immutable. <see cref="All"/> is in the order of the design.</summary>
/// <param name="Number">Of the design's list; 4.4 is of the mailbox under fire.</param>
/// <param name="What">For the reader.</param>
/// <param name="Trial">That measures it.</param>
/// <param name="Figure">Its name there; the median over the rounds counts.</param>
/// <param name="IsFloor">The limit is a least value; otherwise a greatest.</param>
/// <param name="Limit">In the figure's unit.</param>
/// <param name="Format">Of limit and figure.</param>
internal sealed record MailboxBar(string Number, string What, string Trial, string Figure, bool IsFloor, double Limit, string Format)
{
    public static IReadOnlyList<MailboxBar> All { get; } =
    [
        new("1", "store ÷ raw FASTER log, 100 outstanding, fdatasync", "pairs", "store_by_raw_100", true, 0.90, "0.00"),
        new("1", "store ÷ raw FASTER log, 1000 outstanding, fdatasync", "pairs", "store_by_raw_1000", true, 0.70, "0.00"),
        new("1", "store ÷ raw FASTER log, processor only, 1 M mailboxes with one pending each", "processor", "store_by_raw", true, 0.35, "0.00"),
        new("1", "the same, 1 M mailboxes that are empty but for what is on its way", "processor", "empty_store_by_raw", true, 0.35, "0.00"),
        new("2", "one waiter: store ÷ raw pwrite + fdatasync", "one-waiter", "store_by_raw", true, 0.6, "0.00"),
        new("2", "one waiter: store ÷ stock FASTER log", "one-waiter", "store_by_stock", true, 2, "0.00"),
        new("3", "1000 outstanding ÷ stock with 1000 waiters", "waiters", "store_by_stock", true, 3, "0.00"),
        new("4", "bytes the owner's thread allocates an operation, 1000 outstanding", "pairs", "owner_1000_bytes_per_operation", false, 0.25, "0.000"),
        new("4", "bytes that paging allocates a message", "paging", "bytes_per_message", false, 0, "0.000"),
        new("5", "index, bytes a pending message, 100,000 a mailbox", "index", "bytes_per_entry_at_100000", false, 20, "0.0"),
        new("5", "index, bytes a pending message, 10 a mailbox", "index", "bytes_per_entry_at_10", false, 36, "0.0"),
        new("5", "index, bytes a pending message, 2 a mailbox", "index", "bytes_per_entry_at_2", false, 120, "0.0"),
        // Not quite 0: what is left are a few tables' own books, however many mailboxes there were.
        new("5", "index, bytes an emptied mailbox", "index", "bytes_per_emptied_mailbox", false, 1, "0.00"),
        new("6", "recovery, records a second, cold", "recovery", "records_per_s", true, 1e6, "N0"),
        new("6", "recovery of 10 M pending over 1 M mailboxes, cold, seconds", "recovery", "seconds", false, 15, "0.0"),
        new("6", "the same, bytes of index a message", "recovery", "index_bytes_per_message", false, 36, "0.0"),
        new("8", "(log size - 2 segments) ÷ live, at worst", "compaction", "log_by_live_beyond_2_segments", false, 2.2, "0.00"),
        new("8", "bytes written ÷ accepted", "compaction", "written_by_accepted", false, 3, "0.00"),
        new("8", "the same with the zeros that new segments are written with", "compaction", "written_with_zeros_by_accepted", false, 3, "0.00"),
        new("4.4", "node's growth while a mailbox of 100,000 fills and drains, MB", "backlog", "drain_growth_mb", false, 5, "0.00"),
        new("4.4", "others' p99 while mailboxes of 100,000 drain ÷ before", "backlog", "others_p99_ratio", false, 2, "0.00"),
        new("4.4", "node's growth beyond 20 B a message with 1 GB queued for a device that never reads, MB", "backlog", "deaf_growth_beyond_20_b_mb", false, 5, "0.00"),
    ];

    public string LimitText => $"{(IsFloor ? "≥" : "≤")} {Limit.ToString(Format, CultureInfo.InvariantCulture)}";

    public bool IsMetBy(double median) => IsFloor ? median >= Limit : median <= Limit;
}
