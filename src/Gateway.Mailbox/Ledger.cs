namespace Gateway.Mailbox;

/// <summary>Entries of one kind by what became of them. Accepted = Delivered + pending + Rejected + Expired + Discarded + Lost.</summary>
public readonly record struct LedgerColumn(long Accepted, long Delivered, long Rejected, long Expired, long Discarded, long Lost)
{
    public static LedgerColumn operator +(LedgerColumn a, LedgerColumn b) => new(
        a.Accepted + b.Accepted, a.Delivered + b.Delivered, a.Rejected + b.Rejected, a.Expired + b.Expired, a.Discarded + b.Discarded, a.Lost + b.Lost);

    /// <summary>What must be pending for the column to add up.</summary>
    public long Outstanding => Accepted - Delivered - Rejected - Expired - Discarded - Lost;

    public static LedgerColumn Add(LedgerColumn left, LedgerColumn right) => left + right;
}

/// <summary>One partition's totals since the log was made: a function of the log's records alone, recomputed by every recovery. Messages and receipts apart.</summary>
public readonly record struct Ledger(LedgerColumn Messages, LedgerColumn Receipts)
{
    public static Ledger operator +(Ledger a, Ledger b) => new(a.Messages + b.Messages, a.Receipts + b.Receipts);

    public static Ledger Add(Ledger left, Ledger right) => left + right;
}
