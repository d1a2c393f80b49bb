namespace Gateway.Simulation;

/// <summary>
/// What became of the entries a home accepted (P7), of messages or of receipts. A function of the log's records.
/// Invariant: <c>Accepted = Delivered + Pending + Rejected + Expired + Discarded + Lost</c>.
/// </summary>
public readonly record struct LedgerTotals(long Accepted, long Delivered, long Pending, long Rejected, long Expired, long Discarded, long Lost)
{
    public bool Balances => Accepted == Delivered + Pending + Rejected + Expired + Discarded + Lost;

    public static LedgerTotals operator +(LedgerTotals a, LedgerTotals b) => a.Add(b);

    public LedgerTotals Add(LedgerTotals other) => new(
        Accepted + other.Accepted, Delivered + other.Delivered, Pending + other.Pending, Rejected + other.Rejected,
        Expired + other.Expired, Discarded + other.Discarded, Lost + other.Lost);
}
