using System.Buffers.Binary;
using System.Text;
using Gateway.Protocol;

namespace Gateway.Simulation;

/// <summary>
/// A program on a device that follows "What a client must do": it sends, reads, acknowledges after a while, sends again what was refused in
/// order, and comes back when its connection ends. Its faults are settings of it. Owned by its <see cref="SimulatedRun"/>.
/// </summary>
internal sealed class Installation
{
    private readonly SimulatedRun _run;
    private readonly Chance _chance;
    private readonly string _name;
    private readonly HashSet<ulong> _rejected = [];
    private readonly HashSet<Address> _blocked = [];
    private int _heard;
    private int _messages;
    private int _freshAskedAtWelcome;
    private bool _owesAcknowledgement;
    private bool _owesCredit;
    private long _resendAtMicros;
    private ulong? _truePosition;
    private bool _pretended;

    public Installation(SimulatedRun run, DeviceSlot slot, Chance chance, string name)
    {
        _run = run;
        _chance = chance;
        _name = name;
        Slot = slot;
        Device = run.Net.AddDevice(slot.Address);
        Device.Acknowledges = false;
        Device.MayMissEntries = run.Plan.MessagesExpire;
        Device.TrustsSettled = chance.OneIn(2);
        Device.KeyEpoch = run.Net.CurrentEpoch(slot.Address);
        Device.Rejects = delivered => (IsRejecting && _rejected.Add(delivered.Sequence)) || _rejected.Contains(delivered.Sequence);
        RestoreCredit();
    }

    public DeviceSlot Slot { get; }

    public DeviceModel Device { get; }

    /// <summary>It thinks no more: its connection goes, and it does not come back.</summary>
    public bool IsShut { get; set; }

    public bool IsRejecting { get; set; }

    public bool Acknowledges { get; set; } = true;

    /// <summary>Not before this moment does it try to connect.</summary>
    public long ComesBackAtMicros { get; set; }

    public bool HasRefused { get; private set; }

    /// <summary>Sequences it has rejected.</summary>
    public IReadOnlyCollection<ulong> Rejected => _rejected;

    /// <summary>The error that its next login asks for.</summary>
    public ErrorCode Provokes { get; private set; }

    public Route? Route => Device.Connection?.Route;

    public void RestoreCredit()
    {
        Device.CreditMessages = (uint)_chance.Pick(1, 3, 64, 64);
        Device.CreditBytes = (uint)_chance.Pick(100, 10_000, 1_000_000);
    }

    /// <summary>Grants another credit; while it logs in, as soon as it is welcome, since it may have told the old one.</summary>
    public void Grant(uint messages, uint bytes)
    {
        (Device.CreditMessages, Device.CreditBytes) = (messages, bytes);
        _owesCredit = !Device.IsWelcome;
        if (Device.IsWelcome) Device.GiveCredit(messages, bytes);
    }

    /// <summary>A moment in which the program does something of its own accord. Returns when the next is.</summary>
    public long Think()
    {
        if (IsShut) return 0;
        if (!Device.IsConnected)
        {
            ComeBack();
        }
        else if (Device.IsWelcome)
        {
            if (_run.NowMicros >= _resendAtMicros) SendRefusedAgain();
            if (Acknowledges && _owesAcknowledgement) Acknowledge();
            if (!_run.IsMended) Write();
        }

        return _chance.Spread(_run.Plan.ThinkMicros / 10, _run.Plan.ThinkMicros * 4L);
    }

    /// <summary>Bytes have arrived, or the end of the connection.</summary>
    public void Listen()
    {
        if (IsShut) return;
        Device.Receive();
        for (; _heard < Device.Heard.Count; _heard++) OnHeard(Device.Heard[_heard]);
        if (Device.Connection is { IsOver: true } && ComesBackAtMicros < _run.NowMicros) ComeBackAfter(_chance.Spread(500, _run.Plan.LoadMicros / 8));
    }

    public void Acknowledge()
    {
        _owesAcknowledgement = false;
        if (Device.IsWelcome) Device.Acknowledge();
    }

    public void ComeBackAfter(long micros) => ComesBackAtMicros = _run.NowMicros + micros;

    public void GiveUpOne()
    {
        if (Device.Outbox.Count != 0) Device.Abandon(Device.Outbox.Keys.ElementAt(_chance.Next(Device.Outbox.Count)));
    }

    public void ForgetEverything()
    {
        Device.Forget(position: true);
        (_truePosition, Provokes) = (null, ErrorCode.None);
        _owesAcknowledgement = false;
        HasRefused = false;
        ComeBackAfter(_chance.Spread(100, _run.Plan.LoadMicros / 8));
    }

    /// <summary>Gives up a connection of which nothing is heard.</summary>
    public void TakeForDead(Route route)
    {
        if (Device.Connection != route.Connection) return;
        Device.LetGo();
        ComeBackAfter(_chance.Spread(500, _run.Plan.LoadMicros / 8));
    }

    /// <summary>Its next login claims what it was never sent.</summary>
    public void PretendToHaveProcessed()
    {
        _truePosition ??= Device.Position;
        Device.Position = ulong.MaxValue >> 1;
        Provokes = ErrorCode.ResumeAhead;
    }

    private void ComeBack()
    {
        if (_run.NowMicros < ComesBackAtMicros || !_run.IsReachable(Slot)) return;
        HasRefused = false;
        if (Provokes != ErrorCode.None && _pretended)
        {
            Device.Position = _truePosition!.Value;
            (_truePosition, Provokes) = (null, ErrorCode.None);
        }

        _pretended = Provokes != ErrorCode.None;
        _run.Connect(this, _chance);
    }

    private void Write()
    {
        for (var n = _chance.Next(_chance.OneIn(8) ? 12 : 3); n > 0 && Device.WindowRoom > 0; n--)
        {
            var to = _run.Plan.Devices[_chance.Next(_run.Plan.Devices.Count)];
            var number = _chance.OneIn(9) && LastMessage() is { } read
                ? Device.Enqueue(read.From, ReadBodyOf(read), SendKind.Read, Life())
                : Device.Enqueue(to, BodyOf(), expirySeconds: Life());
            var entry = Device.Outbox[number];
            if (!IsBlocked(entry.To, number)) Device.Transmit(number);
            else HasRefused = true;
        }

        if (_chance.OneIn(12)) Device.Ping((ulong)_messages);
        if (_chance.OneIn(12)) Device.SendEphemeral(_run.Plan.Devices[_chance.Next(_run.Plan.Devices.Count)], EphemeralKind.Typing, "");
        if (_chance.OneIn(25)) Device.GiveCredit(Device.CreditMessages, Device.CreditBytes);
        if (_chance.OneIn(25) && Device.Outbox.Count != 0) Device.Transmit(Device.Outbox.Keys.First());
    }

    private uint Life() => _run.Plan.MessagesExpire ? (uint)_chance.Pick(0, 1, 1, 2, 4) : 0;

    private Delivered? LastMessage() => Device.Inbox.Count == 0 ? null : Device.Inbox[^1];

    private string BodyOf()
    {
        var padding = _chance.OneIn(12) ? _chance.Next(1500) : _chance.Next(30);
        return FormattableString.Invariant($"{_name}.{++_messages}{new string('x', padding)}");
    }

    private static string ReadBodyOf(Delivered read)
    {
        Span<byte> body = stackalloc byte[SendFrame.ReadBodyFixedBytes + 8];
        body.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(body, read.Incarnation);
        BinaryPrimitives.WriteUInt64LittleEndian(body[SendFrame.ReadBodyFixedBytes..], read.Number);
        return Encoding.Latin1.GetString(body);
    }

    /// <summary>Something for this mailbox was refused for now, so what is new has to wait behind it.</summary>
    private bool IsBlocked(Address to, ulong number)
    {
        if (!HasRefused) return false;
        foreach (var (earlier, entry) in Device.Outbox)
        {
            if (earlier < number && entry.To == to && !entry.IsOut) return true;
        }

        return false;
    }

    /// <summary>Mailbox by mailbox, once everything sent there is answered, in rising order.</summary>
    private void SendRefusedAgain()
    {
        if (!HasRefused) return;
        HasRefused = false;
        _blocked.Clear();
        foreach (var entry in Device.Outbox.Values)
        {
            if (entry.IsOut && _blocked.Add(entry.To)) HasRefused = true;
        }

        foreach (var (number, entry) in Device.Outbox)
        {
            if (!entry.IsOut && !_blocked.Contains(entry.To)) Device.Transmit(number);
        }
    }

    private void OnHeard(NodeFrame frame)
    {
        switch (frame)
        {
            case Welcomed:
                _freshAskedAtWelcome = Route!.Session!.FreshAsked;
                Slot.WelcomedInRun = _run.NodeRuns;
                if (_owesCredit) Grant(Device.CreditMessages, Device.CreditBytes);
                break;
            case MailboxFrame:
                if (_chance.OneIn(3) && Acknowledges) Acknowledge();
                else _owesAcknowledgement = true;
                break;
            case Refused refused when !refused.Reason.IsFinal():
                HasRefused = true;
                _resendAtMicros = Math.Max(_resendAtMicros, _run.NowMicros + refused.RetryAfterMs * 1000L);
                break;
            case Refused refused when refused.Reason != RefusalReason.OutcomeUnknown:
                throw new PromiseBrokenException($"P9: {Device} was refused {refused.Number} for good, as {refused.Reason}, and had done nothing wrong.");
            case Failed failed:
                OnFailed(failed);
                break;
        }
    }

    private void OnFailed(Failed failed)
    {
        ComeBackAfter(_chance.Spread(500, _run.Plan.LoadMicros / 8));
        switch (failed.Code)
        {
            case ErrorCode.Kicked or ErrorCode.Overloaded or ErrorCode.IdleTimeout:
                return;
            case ErrorCode.TakenOver when Slot.HasLoggedInElsewhere:
                // Its user comes back to it some time.
                ComeBackAfter(_chance.Spread(_run.Plan.LoadMicros / 50, _run.Plan.LoadMicros));
                return;
            case ErrorCode.IncarnationFenced when _run.Judge.Mailbox(Slot.Address.Value).FreshAsked > _freshAskedAtWelcome:
                Device.Forget();
                HasRefused = false;
                return;
            case ErrorCode.KeyRevoked when Device.KeyEpoch < _run.Net.CurrentEpoch(Slot.Address):
                Device.KeyEpoch = _run.Net.CurrentEpoch(Slot.Address);
                return;
            default:
                if (failed.Code == Route?.Provoked) return;
                throw new PromiseBrokenException($"P9: {Device} was told {failed.Code} and had done nothing wrong.");
        }
    }
}

/// <summary>A mailbox's device: the installations that use it, the latest last, and its way to the node.</summary>
internal sealed class DeviceSlot(Address address)
{
    public Address Address { get; } = address;
    public List<Installation> Installations { get; } = [];
    public Installation Active => Installations[^1];

    /// <summary>It was logged in twice at a time, or a login of it was overtaken by its next.</summary>
    public bool HasLoggedInElsewhere { get; set; }

    /// <summary>Of its next connection nothing will arrive.</summary>
    public bool NextIsDead { get; set; }

    /// <summary>No way to the node until then.</summary>
    public long OfflineUntilMicros { get; set; }

    public long LatencyMicros { get; set; }
    public int PieceBytes { get; set; } = int.MaxValue;

    /// <summary>The last run of the node that welcomed it.</summary>
    public int WelcomedInRun { get; set; }
}
