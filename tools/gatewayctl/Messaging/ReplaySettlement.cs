using Gateway.Client;
using Gateway.Protocol;

namespace Gateway.Ctl.Messaging;

/// <summary>
/// Finds out how many lines a replay that was cut short had put into the outbox, before anybody adds another message: each command that
/// opens a device's store does this first. The store keeps the messages and their ids in one transaction, so counting them is exact.
/// </summary>
internal static class ReplaySettlement
{
    private const int PageEntries = 1000;

    /// <summary>Settles the run that a killed replay left, if there is one. Call with the store open and nothing else using it.</summary>
    public static async Task SettleAsync(WorkJournal journal, IMessageStore store)
    {
        if (journal.Unsettled() is not { } run) return;
        var newest = await NewestIdAsync(store);
        long lines = 0;
        await foreach (var _ in SentAsync(store, run.Peer, run.After, newest)) lines++;
        journal.Settle(run.Id, newest, lines);
    }

    public static async Task<long> NewestIdAsync(IMessageStore store)
    {
        var newest = await store.ReadHistoryAsync(null, long.MaxValue, 1);
        return newest.Count == 0 ? 0 : newest[0].Id;
    }

    /// <summary>Messages sent to a peer with ids in (<paramref name="after"/>, <paramref name="through"/>], newest first.</summary>
    public static async IAsyncEnumerable<HistoryEntry> SentAsync(IMessageStore store, Address peer, long after, long through)
    {
        for (var before = through + 1; ;)
        {
            var page = await store.ReadHistoryAsync(peer, before, PageEntries);
            foreach (var entry in page)
            {
                if (entry.Id <= after) yield break;
                if (entry is { Sent: true, Kind: SendKind.Message }) yield return entry;
            }

            if (page.Count < PageEntries) yield break;
            before = page[^1].Id;
        }
    }
}
