using Gateway.Messaging;
using Gateway.Protocol;

namespace Gateway.Simulation;

/// <summary>
/// A node and its devices taken through a plan, held to the promises after every step and once more when everything has come to rest.
/// The same seed and plan give the same run. Broken promises come as <see cref="PromiseBrokenException"/>.
/// </summary>
public sealed class ModelRun
{
    /// <summary>A home's own time until it tries again what found no room.</summary>
    private const int RetryMs = 50;

    private static readonly ErrorCode[] Innocent = [ErrorCode.TakenOver, ErrorCode.Kicked, ErrorCode.Overloaded];

    private readonly HomeNet _net;
    private readonly Dictionary<DeviceModel, int> _heard = [];
    private readonly Dictionary<DeviceModel, HashSet<(uint Incarnation, ulong Number)>> _accepted = [];
    /// <summary>Double checks that were shown ahead of their commit, which a crash then took from the log.</summary>
    private readonly HashSet<(DeviceModel Device, ulong Sequence)> _lostAhead = [];
    private LogWatch _watch;
    private bool _hasCrashed;

    public ModelRun(int seed)
    {
        var random = new Random(seed);
        _net = new HomeNet(new HomeNetOptions
        {
            Seed = seed,
            Homes = Pick(random, 1, 2, 3, 8),
            ReplySlots = Pick(random, 1, 2, 5, 64),
            Notices = 4,
            Home = new HomeOptions
            {
                PageEntries = Pick(random, 1, 3, 64),
                PageBytes = Pick(random, 64, 1024, 65_536),
                HotBytes = Pick(random, 64, 1024, 65_536),
                MaxUncommitted = Pick(random, 8, 1024),
                MaxDelivered = Pick(random, 24, 1024),
                MaxUnsentBytes = Pick(random, 512, 65_536),
            },
        });
        _net.Store.PagesPerHome = Pick(random, 1, 2, 8);
        _watch = new LogWatch(_net.Store);
        var devices = random.Next(2, 7);
        for (var i = 1; i <= devices; i++)
        {
            var device = _net.AddDevice(new Address(AddressKind.User, (ulong)(15_550_000 + i)));
            device.CreditMessages = (uint)Pick(random, 1, 3, 64);
            device.CreditBytes = (uint)Pick(random, 100, 10_000, 1_000_000);
            device.Rejects = delivered => delivered.Body.StartsWith('!');
            _heard.Add(device, 0);
            _accepted.Add(device, []);
        }
    }

    /// <summary>The end of what everybody saw: for a person who looks for the fault.</summary>
    public IEnumerable<string> Describe()
    {
        yield return $"{_net.Options}";
        foreach (var device in _net.Devices)
        {
            yield return $"{device} incarnation {device.Incarnation} position {device.Position} outbox {string.Join(",", device.Outbox.Keys)} heard:";
            foreach (var frame in device.Heard.TakeLast(12)) yield return $"  {frame}";
        }

        foreach (var line in _net.Store.Describe(Math.Max(1, _net.Store.Appended - 40))) yield return line;
    }

    /// <summary>Messages that were stored, delivered and receipted in the end.</summary>
    public long Messages { get; private set; }

    public void Execute(IReadOnlyList<PlanStep> plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        foreach (var step in plan)
        {
            Take(step);
            Check();
        }

        Rest();
        CheckAtRest();
    }

    private static int Pick(Random random, params int[] values) => values[random.Next(values.Length)];

    private void Take(PlanStep step)
    {
        var device = _net.Devices[step.A % _net.Devices.Count];
        switch (step.Kind)
        {
            case PlanStepKind.Turn:
                _net.Reactors[step.A % _net.Reactors.Count].Turn();
                break;
            case PlanStepKind.Deliver:
                _net.TryDeliverOne();
                break;
            case PlanStepKind.Receive:
                device.Receive();
                break;
            case PlanStepKind.Commit:
                _net.Store.CommitAll();
                break;
            case PlanStepKind.CommitSome:
                var uncommitted = _net.Store.Appended - _net.Store.CommittedThrough;
                _net.Store.CommitThrough(_net.Store.CommittedThrough + step.A % (uncommitted + 1));
                break;
            case PlanStepKind.CompleteRead:
                var log = _net.Store.Homes[step.A % _net.Store.Homes.Count];
                if (log.ReadsUnderWay != 0) log.CompleteRead(step.B % log.ReadsUnderWay);
                break;
            case PlanStepKind.PassTime:
                _net.Clock.Advance(step.A % 100);
                break;
            case PlanStepKind.LongTime:
                _net.Clock.Advance(step.A % 100_000);
                break;
            case PlanStepKind.StepWall:
                _net.Clock.StepWall(step.A % 20_000 - 10_000);
                break;
            case PlanStepKind.Send when device.WindowRoom > 0:
                var to = _net.Devices[step.B % _net.Devices.Count];
                device.Send(to.Address, (step.B % 37 == 0 ? "!" : "") + new string('x', step.B % 5 == 0 ? step.B % 1500 : step.B % 20));
                break;
            case PlanStepKind.Resend when device.IsWelcome:
                Resend(device, step.B);
                break;
            case PlanStepKind.Connect:
                device.Connect(step.B % _net.Reactors.Count);
                break;
            case PlanStepKind.HangUp when step.B % 4 == 0:
                device.Connection?.HangUpBehindInput();
                break;
            case PlanStepKind.HangUp:
                device.HangUp();
                break;
            case PlanStepKind.LoseState:
                device.HangUp();
                device.Forget();
                break;
            case PlanStepKind.GiveUp when device.Outbox.Count != 0:
                device.Abandon(device.Outbox.Keys.ElementAt(step.B % device.Outbox.Count));
                break;
            case PlanStepKind.Credit when device.IsWelcome:
                device.GiveCredit((uint)(step.B % 8), (uint)(step.B % 3000));
                break;
            case PlanStepKind.StopReading when device.Connection is { } connection:
                device.Reads = false;
                connection.KernelRoomBytes = step.B % 1000;
                break;
            case PlanStepKind.StartReading:
                device.Reads = true;
                if (device.Connection is { } lagging) lagging.KernelRoomBytes = int.MaxValue;
                break;
            case PlanStepKind.StopAcknowledging:
                device.Acknowledges = false;
                break;
            case PlanStepKind.StartAcknowledging:
                device.Acknowledges = true;
                if (device.IsWelcome) device.Acknowledge();
                break;
            case PlanStepKind.FillLog:
                _net.Store.Admission = LogStatus.Full;
                break;
            case PlanStepKind.FillReceipts:
                _net.Store.ReceiptAdmission = LogStatus.Full;
                break;
            case PlanStepKind.FillRemovals:
                _net.Store.RemovalAdmission = LogStatus.Busy;
                break;
            case PlanStepKind.WithholdSequences:
                _net.Store.MayReserve = false;
                break;
            case PlanStepKind.FreeLog:
                FreeLog();
                break;
            case PlanStepKind.Kick:
                _net.HomeOf(device.Address).Kick(device.Address);
                break;
            case PlanStepKind.Crash:
                Crash(step);
                break;
        }
    }

    /// <summary>Sends one number a second time, or all that were refused, in order: a device that skipped one would break the order itself.</summary>
    private static void Resend(DeviceModel device, int which)
    {
        var refused = device.Outbox.Where(o => !o.Value.IsOut).Select(o => o.Key).ToList();
        if (refused.Count == 0 && device.Outbox.Count != 0) refused.Add(device.Outbox.Keys.ElementAt(which % device.Outbox.Count));
        foreach (var number in refused) device.Transmit(number);
    }

    private void FreeLog()
    {
        _net.Store.Admission = LogStatus.Appended;
        _net.Store.ReceiptAdmission = LogStatus.Appended;
        _net.Store.RemovalAdmission = LogStatus.Appended;
        _net.Store.MayReserve = true;
    }

    private void Crash(PlanStep step)
    {
        var uncommitted = (int)(_net.Store.Appended - _net.Store.CommittedThrough);
        var ahead = _net.Devices.SelectMany(d => d.Receipts, (device, r) => (device, r.Sequence)).Where(r => _watch.DurableEntry(r.device.Address.Value, r.Sequence) is null).ToHashSet();
        _net.Crash(step.A % (uncommitted + 1), homes: step.B % 4 == 0 ? 1 + step.B % 8 : null);
        _hasCrashed = true;
        _watch = new LogWatch(_net.Store);
        _watch.Read();
        foreach (var device in _net.Devices)
        {
            foreach (var (incarnation, number) in _accepted[device]) RequireAccepted(device, incarnation, number);
            foreach (var delivered in device.Inbox) RequireDurable(device, delivered.Sequence);
            foreach (var receipt in device.Receipts)
            {
                if (ahead.Contains((device, receipt.Sequence)) && _watch.DurableEntry(device.Address.Value, receipt.Sequence) is null) _lostAhead.Add((device, receipt.Sequence));
                else RequireDurable(device, receipt.Sequence);
            }
        }
    }

    /// <summary>What must hold at every instant.</summary>
    private void Check()
    {
        _watch.Read();
        foreach (var device in _net.Devices)
        {
            for (var i = _heard[device]; i < device.Heard.Count; i++) Check(device, device.Heard[i]);
            _heard[device] = device.Heard.Count;
        }

        foreach (var reactor in _net.Reactors)
        {
            Require(reactor.Home.Uncommitted <= _net.Options.Home.MaxUncommitted + 1, "P8: more is uncommitted than may be");
            Require(reactor.Home.DeliveredUnacknowledged <= _net.Options.Home.MaxDelivered, "P8: more is delivered than may be");
            foreach (var connection in reactor.Connections)
                Require(connection.UnsentBytes <= _net.Options.Home.MaxUnsentBytes + 16 * 1024, "P6: unsent output grows");
        }
    }

    private void Check(DeviceModel device, NodeFrame frame)
    {
        switch (frame)
        {
            case Accepted accepted:
                RequireAccepted(device, device.Incarnation, accepted.Number);
                _accepted[device].Add((device.Incarnation, accepted.Number));
                break;
            case Delivered delivered:
                var record = RequireDurable(device, delivered.Sequence);
                Require(
                    record.Type == LogRecordType.Message && record.Sender == delivered.From.Value && record.Incarnation == delivered.Incarnation
                        && record.Number == delivered.Number && record.BodyBytes == delivered.Body.Length,
                    $"P3: {device} was sent {delivered.Sequence} otherwise than it was stored");
                break;
            case Receipted receipted:
                Require((_watch.DoubleCheck(device.Address.Value, receipted.Sequence) ?? RequireDurable(device, receipted.Sequence)).Type == LogRecordType.Receipt, $"P3: {device} was sent a receipt that is none");
                break;
            case Failed failed:
                Require(Innocent.Contains(failed.Code), $"P9: {device} was told {failed.Code} and had done nothing wrong");
                break;
        }
    }

    private void RequireAccepted(DeviceModel device, uint incarnation, ulong number) =>
        Require(_watch.IsAccepted(device.Address.Value, incarnation, number), $"P1: number {number} ({incarnation}) of {device} was accepted and is not durable");

    private StoredRecord RequireDurable(DeviceModel device, ulong sequence) =>
        _watch.DurableEntry(device.Address.Value, sequence) ?? throw new PromiseBrokenException($"P3: {device} was sent {sequence}, which is not durable.");

    /// <summary>Everybody leaves, and everybody comes back, behaves, and waits until there is nothing left to do.</summary>
    private void Rest()
    {
        FreeLog();
        // What devices have done with leaves without them.
        foreach (var device in _net.Devices) device.HangUp();
        _net.Settle();
        _net.Clock.Advance(RetryMs);
        _net.Settle();
        Check();
        foreach (var reactor in _net.Reactors)
        {
            Require(reactor.Home.Sessions == reactor.Home.Online, $"home {reactor.Index} keeps {reactor.Home.Sessions} sessions for {reactor.Home.Online} devices when all have left");
            Require(reactor.Home.ReceiptsOwed == 0, $"home {reactor.Index} owes {reactor.Home.ReceiptsOwed} receipts when all have left");
        }

        foreach (var device in _net.Devices)
        {
            device.Acknowledges = true;
            device.Reads = true;
            device.CreditMessages = 64;
            device.CreditBytes = 100_000;
            // A fresh connection: whatever the old one had wrong, lagging or unacknowledged is over.
            device.Connect();
        }

        for (var round = 0; round < 100; round++)
        {
            _net.Settle();
            Check();
            foreach (var device in _net.Devices)
            {
                if (!device.IsConnected) device.Connect();
                else Resend(device);
            }

            if (_net.Devices.All(d => d.IsWelcome && d.Outbox.Count == 0)) break;
        }

        _net.Settle();
        Check();
    }

    private static void Resend(DeviceModel device)
    {
        if (!device.IsWelcome) return;
        foreach (var (number, entry) in device.Outbox.ToList())
        {
            if (!entry.IsOut) device.Transmit(number);
        }
    }

    private void CheckAtRest()
    {
        foreach (var device in _net.Devices)
        {
            Require(device.IsWelcome, $"{device} cannot log in");
            Require(device.Outbox.Count == 0, $"{device} waits for {string.Join(", ", device.Outbox.Keys)} for ever");
        }

        CheckEntries();
        CheckReceipts();
        CheckLedger();
        foreach (var reactor in _net.Reactors)
        {
            var home = reactor.Home;
            Require(home.Sessions == home.Online, $"home {reactor.Index} keeps {home.Sessions} sessions for {home.Online} devices");
            Require(
                (home.Uncommitted, home.DeliveredUnacknowledged, home.ReceiptsOwed) == (0, 0, 0),
                $"home {reactor.Index} is left with {home.Uncommitted} uncommitted, {home.DeliveredUnacknowledged} delivered, {home.ReceiptsOwed} owed");
        }

        Require(_net.Store.Homes.All(log => log.PagesOut == 0), "a page was not given back");
        Require(_net.Links.Lanes.All(lane => lane.Reserved == 0), "a reply slot was not given back");
    }

    /// <summary>Everything stored has reached its device once, and nothing else has.</summary>
    private void CheckEntries()
    {
        var entries = _watch.Entries.ToLookup(r => r.Mailbox);
        foreach (var device in _net.Devices)
        {
            var stored = entries[device.Address.Value].Select(r => r.Sequence).Order().ToList();
            var seen = device.Inbox.Select(d => d.Sequence).Concat(StoredReceipts(device)).Order().ToList();
            Require(stored.SequenceEqual(seen), $"P3, P5: {device} has seen {seen.Count} entries of {stored.Count}: not {string.Join(", ", stored.Except(seen))}");
        }
    }

    /// <summary>The receipts a device has, less those that a crash took from the log after they were shown.</summary>
    private IEnumerable<ulong> StoredReceipts(DeviceModel device) => device.Receipts.Select(r => r.Sequence).Where(s => !_lostAhead.Contains((device, s)));

    /// <summary>P2: each message's sender was told what became of it.</summary>
    private void CheckReceipts()
    {
        var told = new HashSet<(ulong Sender, uint Incarnation, ulong Number, ReceiptKind Kind)>();
        foreach (var device in _net.Devices)
        {
            foreach (var receipt in device.Receipts)
            {
                // What a crash took is told once more: the message cannot have left before that.
                if (_lostAhead.Contains((device, receipt.Sequence))) continue;
                foreach (var number in receipt.Numbers) told.Add((device.Address.Value, receipt.Incarnation, number, receipt.Kind));
            }
        }

        foreach (var device in _net.Devices)
        {
            foreach (var d in device.Inbox)
            {
                var delivered = told.Contains((d.From.Value, d.Incarnation, d.Number, ReceiptKind.Delivered));
                var rejected = told.Contains((d.From.Value, d.Incarnation, d.Number, ReceiptKind.Rejected));
                Require(delivered || rejected, $"P2: {d.From} never heard what became of its number {d.Number}");
                Require(!rejected || d.Body.StartsWith('!'), $"P2: {d.From} was told that its number {d.Number} was rejected, and it was not");
                // Only a crash between a rejection's receipt and its removal may have told both.
                Require(!(delivered && rejected) || _hasCrashed, $"P2: {d.From} was told both of its number {d.Number}");
            }
        }
    }

    /// <summary>P7: the log's totals are the devices' own counts.</summary>
    private void CheckLedger()
    {
        var (messages, receipts) = (_net.Store.Messages, _net.Store.Receipts);
        Messages = messages.Accepted;
        Require(messages.Balances && messages.Pending == 0, $"P7: messages {messages}");
        Require(receipts.Balances && receipts.Pending == 0, $"P7: receipts {receipts}");
        Require(messages.Accepted == _net.Devices.Sum(d => (long)d.Inbox.Count), $"P7: accepted {messages.Accepted} messages, devices have {_net.Devices.Sum(d => d.Inbox.Count)}");
        var stored = _net.Devices.Sum(d => StoredReceipts(d).LongCount());
        Require(receipts.Accepted == stored, $"P7: accepted {receipts.Accepted} receipts, devices have {stored}");
        Require(messages.Rejected <= _net.Devices.Sum(d => d.Inbox.Count(i => i.Body.StartsWith('!'))), $"P7: messages {messages}");
        Require((receipts.Rejected, receipts.Expired, receipts.Discarded, receipts.Lost) == (0, 0, 0, 0), $"P7: receipts {receipts}");
    }

    private static void Require(bool holds, string what)
    {
        if (!holds) throw new PromiseBrokenException(what + ".");
    }
}
