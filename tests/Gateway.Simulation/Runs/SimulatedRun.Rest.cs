using Gateway.Messaging;
using Gateway.Protocol;
using static Gateway.Simulation.Promise;

namespace Gateway.Simulation;

/// <summary>The end: everything is mended, nothing new is sent, and what was begun must come to its end.</summary>
public sealed partial class SimulatedRun
{
    private const int LookAroundMicros = 20_000;

    private void Mend()
    {
        IsMended = true;
        History.Say("* everything is mended");
        (_diskSlowness, _readSlowness, _laneSlowness, _diskStalledUntil) = (1, 1, 1, 0);
        Array.Clear(_stalledUntil);
        if (Net.ExpirySuspended.Count != 0)
        {
            Net.ResumeExpiry();
            Judge.OnExpiryResumed();
        }

        var store = Net.Store;
        (store.Admission, store.ReceiptAdmission, store.RemovalAdmission, store.MayReserve) = (LogStatus.Appended, LogStatus.Appended, LogStatus.Appended, true);
        foreach (var slot in _slots)
        {
            slot.LatencyMicros = Math.Min(slot.LatencyMicros, 2_000);
            slot.PieceBytes = int.MaxValue;
            slot.OfflineUntilMicros = 0;
            slot.NextIsDead = false;
            foreach (var installation in slot.Installations) Mend(installation);
        }

        In(LookAroundMicros, Happening.LookAround, ofThisNode: false);
    }

    /// <summary>
    /// Of several installations of a device one stays. Half of those that are connected begin a fresh session; the others go on with what they
    /// have, so that a session that has got stuck is not mended by a login.
    /// </summary>
    private void Mend(Installation installation)
    {
        installation.IsShut = installation != installation.Slot.Active;
        installation.Acknowledges = true;
        installation.IsRejecting = false;
        installation.ComeBackAfter(1);
        if (!installation.IsShut && installation.Device.IsConnected && _chance.OneIn(2))
        {
            installation.Grant(64, 100_000);
            ReadAgain(installation);
            return;
        }

        if (installation.Route is { } route) Leave(route);
        installation.Device.LetGo();
        installation.Device.Reads = true;
        (installation.Device.CreditMessages, installation.Device.CreditBytes) = (64, 100_000);
    }

    private void LookAround()
    {
        if (!IsAtRest())
        {
            In(LookAroundMicros, Happening.LookAround, ofThisNode: false);
            return;
        }

        _isDone = true;
        Judge.ReadLog();
        Judge.RequireBalance();
        RequireEntries();
        RequireReceipts();
        RequireLedger();
        RequireNothingLeft();
    }

    private bool IsAtRest() =>
        !_isDown && Net.Store.Outcome == LogOutcome.Committed && Net.Store.CommittedThrough == Net.Store.Appended && Net.Links.IsEmpty
        && _slots.TrueForAll(s => s.Active.Device.IsWelcome && s.Active.Device.Outbox.Count == 0 && Judge.Mailbox(s.Address.Value).Pending.Count == 0)
        && Net.Reactors.All(r => r.Home is { Uncommitted: 0, DeliveredUnacknowledged: 0, ReceiptsOwed: 0 } home && home.Sessions == home.Online)
        && Net.Reactors.Sum(r => r.Home.Online) == _slots.Count && Net.Store.Homes.All(log => log.PagesOut == 0);

    private string DescribeUnrest()
    {
        var what = new List<string>();
        foreach (var slot in _slots)
        {
            var device = slot.Active.Device;
            if (!device.IsWelcome) what.Add($"{slot.Address} cannot log in");
            if (device.Outbox.Count != 0) what.Add($"{slot.Address} waits for {string.Join(", ", device.Outbox.Keys)}");
            var pending = Judge.Mailbox(slot.Address.Value).Pending;
            if (pending.Count != 0) what.Add($"{slot.Address} has {pending.Count} entries from {pending[0].Sequence} on");
        }

        foreach (var reactor in Net.Reactors)
        {
            var home = reactor.Home;
            if ((home.Uncommitted, home.DeliveredUnacknowledged, home.ReceiptsOwed, home.Sessions - home.Online) == (0, 0, 0, 0)) continue;
            what.Add($"home {reactor.Index} has {home.Uncommitted} uncommitted, {home.DeliveredUnacknowledged} delivered, {home.ReceiptsOwed} owed, "
                + $"{home.Sessions} sessions for {home.Online} devices");
        }

        if (Net.Store.Homes.Any(log => log.PagesOut != 0)) what.Add("pages are out");
        if (!Net.Links.IsEmpty) what.Add("lanes are not empty");
        return string.Join("; ", what);
    }

    /// <summary>P3, P5: everything stored has reached its device, nothing else has, and each body once.</summary>
    private void RequireEntries()
    {
        var entries = Judge.Entries.ToLookup(r => r.Mailbox);
        foreach (var slot in _slots)
        {
            var stored = entries[slot.Address.Value].Select(r => r.Sequence).Order().ToList();
            var seen = new SortedSet<ulong>();
            foreach (var installation in slot.Installations)
            {
                foreach (var delivered in installation.Device.Inbox) seen.Add(delivered.Sequence);
                foreach (var receipt in installation.Device.Receipts)
                {
                    if (!Judge.IsLostAhead(slot.Address.Value, receipt.Sequence)) seen.Add(receipt.Sequence);
                }

                var bodies = installation.Device.Inbox.Select(d => d.Body).ToHashSet();
                Require(bodies.Count == installation.Device.Inbox.Count, $"P5: {slot.Address} was brought a message twice under two sequences");
            }

            var expired = Judge.Mailbox(slot.Address.Value).Expired.Keys;
            Require(
                stored.SequenceEqual(seen.Union(expired).Order()),
                $"P3: {slot.Address} has seen {seen.Count} entries of {stored.Count}: not {string.Join(", ", stored.Except(seen).Except(expired))}");
        }
    }

    /// <summary>P2: what became of each message was told to its sender, and only what became of it.</summary>
    private void RequireReceipts()
    {
        var told = new HashSet<(Origin Origin, ReceiptKind Kind)>();
        foreach (var slot in _slots)
        {
            foreach (var receipt in slot.Installations.SelectMany(i => i.Device.Receipts))
            {
                // What a crash took is told once more: the message cannot have left before that.
                if (Judge.IsLostAhead(slot.Address.Value, receipt.Sequence)) continue;
                foreach (var number in receipt.Numbers) told.Add((new Origin(slot.Address.Value, receipt.Incarnation, number), receipt.Kind));
            }
        }

        foreach (var delivered in _slots.SelectMany(s => s.Installations).SelectMany(i => i.Device.Inbox))
        {
            var origin = new Origin(delivered.From.Value, delivered.Incarnation, delivered.Number);
            var isDelivered = told.Contains((origin, ReceiptKind.Delivered));
            var isRejected = told.Contains((origin, ReceiptKind.Rejected));
            var isExpired = told.Contains((origin, ReceiptKind.Expired));
            Require(isDelivered || isRejected || isExpired, $"P2: the sender of {origin} never heard what became of it");
            // Only a crash between a rejection's receipt, or a delivery's, and its removal may have told two.
            Require(
                !((isDelivered && isRejected) || (isDelivered && isExpired) || (isRejected && isExpired)) || NodeRuns > 1,
                $"P2: the sender of {origin} was told two of delivered ({isDelivered}), rejected ({isRejected}) and expired ({isExpired})");
        }

        foreach (var (entry, mailbox) in _slots.SelectMany(s => Judge.Mailbox(s.Address.Value).Expired.Values, (s, entry) => (entry, s.Address)))
        {
            var origin = new Origin(entry.Sender, entry.Incarnation, entry.Number);
            Require(entry.IsReceipt || told.Contains((origin, ReceiptKind.Expired)), $"Rule 10: {origin} to {mailbox} has expired, and its sender never heard of it");
        }
    }

    /// <summary>P7: the log's totals are the devices' own counts.</summary>
    private void RequireLedger()
    {
        var (messages, receipts) = (Net.Store.Messages, Net.Store.Receipts);
        var (inboxes, told, expiredMessages, expiredReceipts) = (0L, 0L, 0L, 0L);
        foreach (var slot in _slots)
        {
            var gone = Judge.Mailbox(slot.Address.Value).Expired;
            inboxes += slot.Installations.SelectMany(i => i.Device.Inbox).Select(d => d.Sequence).Union(gone.Where(e => !e.Value.IsReceipt).Select(e => e.Key)).LongCount();
            told += slot.Installations.SelectMany(i => i.Device.Receipts).Select(r => r.Sequence).Where(s => !Judge.IsLostAhead(slot.Address.Value, s)).Union(gone.Where(e => e.Value.IsReceipt).Select(e => e.Key)).LongCount();
            expiredMessages += gone.LongCount(e => !e.Value.IsReceipt);
            expiredReceipts += gone.LongCount(e => e.Value.IsReceipt);
        }

        Require(messages.Accepted == inboxes, $"P7: {messages.Accepted} messages were accepted; devices have, or expiry took, {inboxes}");
        Require(receipts.Accepted == told, $"P7: {receipts.Accepted} receipts were accepted; devices have, or expiry took, {told}");
        Require((messages.Pending, messages.Expired, messages.Discarded, messages.Lost) == (0, expiredMessages, 0, 0), $"P7: messages {messages}");
        Require((receipts.Pending, receipts.Expired, receipts.Discarded, receipts.Lost) == (0, expiredReceipts, 0, 0), $"P7: receipts {receipts}");
        var rejected = _slots.Sum(s => s.Installations.SelectMany(i => i.Rejected).Distinct().LongCount());
        Require(messages.Rejected + receipts.Rejected <= rejected, $"P7: devices have rejected {rejected}; messages {messages}, receipts {receipts}");
        var accepted = _slots.Sum(s => s.Installations.Sum(i => (long)i.Device.Accepted.Distinct().Count()));
        Require(accepted <= messages.Accepted + Judge.ReadReceipts, $"P7: devices were told of {accepted} accepted; messages {messages}");
    }

    private void RequireNothingLeft()
    {
        Require(Net.Links.Lanes.All(lane => lane.Reserved == 0), "A reply slot was not given back");
    }
}
