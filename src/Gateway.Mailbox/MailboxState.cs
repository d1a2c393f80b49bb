namespace Gateway.Mailbox;

/// <summary>
/// What is pending in one mailbox, uncommitted entries included. All 0 when nothing is pending.
/// <see cref="Bytes"/> are bytes of log: each entry's whole record, header and padding included.
/// </summary>
public readonly record struct MailboxState(long Entries, long Bytes, ulong First, ulong Last);

/// <summary>Pending entries of a partition, counted by walking its index. <see cref="Bytes"/> as in <see cref="MailboxState"/>.</summary>
public readonly record struct PendingCount(long Messages, long Receipts, long Bytes, long Mailboxes)
{
    public void Deconstruct(out long messages, out long bytes, out long mailboxes) => (messages, bytes, mailboxes) = (Messages, Bytes, Mailboxes);
}
