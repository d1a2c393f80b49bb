namespace Gateway.Server;

/// <summary>Messages and receipts apart, since only messages are what the clients count. Promise P7.</summary>
public sealed record NodeLedger(LedgerTotals Messages, LedgerTotals Receipts);

/// <summary>
/// What became of every mailbox entry since the log began. Each term is counted where it happens; <see cref="Pending"/> alone is counted
/// by walking the index, which is what makes <see cref="Balanced"/> a check and no tautology.
/// </summary>
/// <param name="Accepted">Entries committed.</param>
/// <param name="Delivered">Acknowledged by the device.</param>
/// <param name="Pending">In the index now.</param>
/// <param name="Rejected">Refused for good by the device.</param>
/// <param name="Expired">Their time ran out.</param>
/// <param name="Discarded">By an operator.</param>
/// <param name="Lost">To a declared repair of the log.</param>
public readonly record struct LedgerTotals(
    long Accepted, long Delivered, long Pending, long Rejected, long Expired, long Discarded, long Lost)
{
    public bool Balanced => Accepted == Delivered + Pending + Rejected + Expired + Discarded + Lost;
}
