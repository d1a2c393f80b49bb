using System.Buffers.Binary;
using Gateway.Messaging;
using Gateway.Protocol;

namespace Gateway.Simulation;

/// <summary>What is done to the node and its devices, and in which state it found them.</summary>
public sealed partial class SimulatedRun
{
    private const int MaxInstallations = 4;

    /// <summary>The run of the node in which a revocation is not durable yet.</summary>
    private int _revokingInRun;

    private void Inflict(Fault fault)
    {
        if (IsMended) return;
        History.Note(200 + (int)fault.Kind, (ulong)fault.A, (ulong)fault.B);
        History.Say($"* {fault.Kind}");
        if (fault.Kind >= FaultKind.Reset)
        {
            var slot = _slots[fault.A % _slots.Count];
            var states = StatesOf(slot);
            if (!InflictOn(slot, fault)) return;
            Count(fault.Kind, states);
            return;
        }

        var all = 0;
        foreach (var slot in _slots) all |= StatesOf(slot);
        if (InflictOnNode(fault)) Count(fault.Kind, all);
    }

    private bool InflictOnNode(Fault fault)
    {
        var store = Net.Store;
        var lasts = Lasts(fault, Plan.LoadMicros / 50, Plan.LoadMicros);
        switch (fault.Kind)
        {
            case FaultKind.Crash when _isDown:
                return false;
            case FaultKind.Crash:
                KillNode(Lasts(fault, 1_000, Plan.LoadMicros / 2), tellsDevices: fault.A % 3 != 0);
                return true;
            case FaultKind.FailStop when _isDown || store.Outcome != LogOutcome.Committed:
                return false;
            case FaultKind.FailStop:
                store.Outcome = fault.A % 2 == 0 ? LogOutcome.Unknown : LogOutcome.Fenced;
                // The pages on their way still come; nothing else does.
                In(Lasts(fault, 1_000, 100_000), Happening.FaultEnds, 0, () => KillNode(Lasts(fault, 1_000, Plan.LoadMicros / 2), tellsDevices: true));
                return true;
            case FaultKind.SlowDisk:
                _diskSlowness = 10 + fault.B % 90;
                After(lasts, () => _diskSlowness = 1);
                return true;
            case FaultKind.StalledDisk:
                _diskStalledUntil = NowMicros + lasts;
                return true;
            case FaultKind.SlowReads:
                _readSlowness = 10 + fault.B % 90;
                After(lasts, () => _readSlowness = 1);
                return true;
            case FaultKind.FullDisk:
                store.Admission = fault.A % 2 == 0 ? LogStatus.Full : LogStatus.Busy;
                After(lasts, () => Net.Store.Admission = LogStatus.Appended);
                return true;
            case FaultKind.FullReserve:
                store.ReceiptAdmission = fault.A % 2 == 0 ? LogStatus.Full : LogStatus.Busy;
                After(lasts, () => Net.Store.ReceiptAdmission = LogStatus.Appended);
                return true;
            case FaultKind.BusyLog:
                store.RemovalAdmission = LogStatus.Busy;
                After(lasts, () => Net.Store.RemovalAdmission = LogStatus.Appended);
                return true;
            case FaultKind.NoSequences:
                store.MayReserve = false;
                After(lasts + 1_000_000, () => Net.Store.MayReserve = true);
                return true;
            case FaultKind.ClockForward:
                Net.Clock.StepWall(Lasts(fault, 1, 3_600_000));
                return true;
            case FaultKind.ClockBack:
                Net.Clock.StepWall(-Lasts(fault, 1, 3_600_000));
                return true;
            case FaultKind.SlowLanes:
                _laneSlowness = 10 + fault.B % 90;
                After(lasts, () => _laneSlowness = 1);
                return true;
            case FaultKind.StalledReactor:
                _stalledUntil[fault.A % _stalledUntil.Length] = NowMicros + Lasts(fault, 1_000, Plan.LoadMicros / 2);
                return true;
            case FaultKind.Compaction when _isDown || store.Outcome != LogOutcome.Committed:
                return false;
            case FaultKind.Compaction:
                Compact(store.CommittedThrough - (long)(store.CommittedThrough * (fault.B % 50 / 100.0)));
                return true;
            case FaultKind.ReconnectStorm:
                foreach (var route in _routes.ToList()) Break(route);
                foreach (var slot in _slots) slot.Active.ComeBackAfter(Latency(slot));
                return true;
            default:
                throw new ArgumentOutOfRangeException(nameof(fault), fault.Kind, "not a fault of the node");
        }
    }

    /// <summary>False: it could not be done now.</summary>
    private bool InflictOn(DeviceSlot slot, Fault fault)
    {
        var active = slot.Active;
        var route = active.Device.IsConnected ? active.Route : null;
        var lasts = Lasts(fault, Plan.LoadMicros / 50, Plan.LoadMicros);
        switch (fault.Kind)
        {
            case FaultKind.Reset when route is null:
                slot.OfflineUntilMicros = NowMicros + lasts / 10; // the attempt to connect is what it breaks
                return true;
            case FaultKind.Reset:
                Break(route);
                return true;
            case FaultKind.Leave:
                if (route is not null) Leave(route);
                active.Device.LetGo();
                active.ComeBackAfter(lasts);
                return true;
            case FaultKind.HalfOpen when route is null:
                slot.NextIsDead = true;
                return true;
            case FaultKind.HalfOpen:
                Kill(route);
                return true;
            case FaultKind.Offline:
                slot.OfflineUntilMicros = NowMicros + lasts;
                if (route is not null) Break(route);
                return true;
            case FaultKind.SlowNetwork:
                var latency = slot.LatencyMicros;
                slot.LatencyMicros = 20_000 + fault.B % Math.Max(1, Plan.LoadMicros / 4);
                // It never makes worse what another end, or the mending of everything, has made good.
                After(lasts, () => slot.LatencyMicros = Math.Min(slot.LatencyMicros, latency));
                return true;
            case FaultKind.Trickle:
                slot.PieceBytes = 1 + fault.B % 7;
                After(lasts / 10, () => slot.PieceBytes = int.MaxValue);
                return true;
            case FaultKind.SlowReader:
                active.Device.Reads = false;
                if (route is not null) route.Connection.KernelRoomBytes = fault.B % 1000;
                After(lasts, () => ReadAgain(active));
                return true;
            case FaultKind.NoCredit:
                active.Grant((uint)(fault.B % 2), (uint)(fault.B % 100));
                After(lasts, () => RestoreCredit(active));
                return true;
            case FaultKind.NeverAcknowledges:
                active.Acknowledges = false;
                After(lasts, () => active.Acknowledges = true);
                return true;
            case FaultKind.Rejects:
                active.IsRejecting = true;
                After(lasts / 4, () => active.IsRejecting = false);
                return true;
            case FaultKind.LogsInTwice when !IsReachable(slot):
                return false;
            case FaultKind.LogsInTwice:
                Connect(active, _chance);
                if (fault.B % 2 == 0) Connect(active, _chance);
                return true;
            case FaultKind.SecondInstallation when slot.Installations.Count == MaxInstallations:
                return false;
            case FaultKind.SecondInstallation:
                AddInstallation(slot).ComeBackAfter(1);
                slot.HasLoggedInElsewhere = true;
                return true;
            case FaultKind.Reinstalled:
                active.ForgetEverything();
                return true;
            case FaultKind.RevokedKey:
                return !_isDown && _revokingInRun != NodeRuns && Revoke(slot.Address);
            case FaultKind.Kick:
                return !_isDown && Kick(slot.Address);
            case FaultKind.GivesUp:
                active.GiveUpOne();
                return true;
            case FaultKind.Rogue when route is { Provoked: not ErrorCode.None }:
                return false;
            case FaultKind.Rogue:
                SayWhatNobodyMay(active, fault.B);
                return true;
            default:
                throw new ArgumentOutOfRangeException(nameof(fault), fault.Kind, "not a fault of a device");
        }
    }

    /// <summary>Nothing arrives any more. The device notices that nothing comes, the node's host that nothing came.</summary>
    private void Kill(Route route)
    {
        if (route.IsDead) return;
        route.IsDead = true;
        route.Connection.LoseTransit();
        In(_chance.Spread(Plan.LoadMicros / 100, Plan.LoadMicros), Happening.FaultEnds, 0, () => route.Installation.TakeForDead(route), ofThisNode: false);
        In(_chance.Spread(2_000_000, 20_000_000), Happening.HostTimeout, 0, route);
    }

    private bool Kick(Address device)
    {
        var reactor = Net.ReactorOf(device);
        reactor.Enter();
        reactor.Home.Kick(device);
        Wake(reactor.Index);
        return true;
    }

    /// <summary>As the node's operator does it, one at a time: the epoch is durable, then it counts, then the session ends.</summary>
    private bool Revoke(Address device)
    {
        var reactor = Net.ReactorOf(device);
        var epoch = Net.CurrentEpoch(device) + 1;
        reactor.Enter();
        var taken = reactor.Home.TrySetKeyEpoch(device, epoch, () =>
        {
            _revokingInRun = 0;
            Net.SetKeyEpoch(device, epoch);
            Judge.OnRevoked(device.Value, epoch);
            reactor.Home.Kick(device, ErrorCode.KeyRevoked);
        });
        if (taken) _revokingInRun = NodeRuns;
        Wake(reactor.Index);
        return taken;
    }

    private void ReadAgain(Installation installation)
    {
        installation.Device.Reads = true;
        if (installation.Device.Connection is { IsClosed: false } connection) connection.KernelRoomBytes = int.MaxValue;
        installation.Listen();
    }

    private static void RestoreCredit(Installation installation)
    {
        installation.RestoreCredit();
        installation.Grant(installation.Device.CreditMessages, installation.Device.CreditBytes);
    }

    private static void SayWhatNobodyMay(Installation installation, int which)
    {
        var device = installation.Device;
        if (!device.IsConnected || installation.Route is not { } route)
        {
            installation.PretendToHaveProcessed();
            return;
        }

        // The type of a frame that no version has, and no payload.
        if (!device.IsWelcome || which % 4 == 0)
        {
            Span<byte> frame = stackalloc byte[Wire.HeaderBytes];
            BinaryPrimitives.WriteUInt32LittleEndian(frame, 0x7Fu << 24);
            device.Write(frame);
            route.Provoked = ErrorCode.UnknownFrameType;
            return;
        }

        Span<byte> bytes = stackalloc byte[SendFrame.FrameBytes(0)];
        // Thirty years on, which no clock of a run has come to: the node may have sent more than the device has read.
        var beyond = device.HighestSeen + 1_000_000_000_000_000;
        switch (which % 4)
        {
            case 1:
                device.Write(bytes[..AcknowledgeFrame.Write(bytes, beyond)]);
                route.Provoked = ErrorCode.AcknowledgeAhead;
                break;
            case 2:
                device.Write(bytes[..RejectFrame.Write(bytes, beyond, 1)]);
                route.Provoked = ErrorCode.RejectUnknown;
                break;
            default:
                device.Write(bytes[..SendFrame.Write(bytes, device.Address, device.LowestOpen + Wire.WindowSize, device.LowestOpen, 0, SendKind.Message, default)]);
                route.Provoked = ErrorCode.WindowExceeded;
                break;
        }
    }

    private void After(long micros, Action end) => In(micros, Happening.FaultEnds, 0, end, ofThisNode: false);

    private static long Lasts(Fault fault, long low, long high) => new Chance((ulong)fault.B).Spread(low, high);

    private long Latency(DeviceSlot slot) => 1 + (long)(_chance.Next() % (ulong)slot.LatencyMicros);

    private void Count(FaultKind kind, int states)
    {
        foreach (var state in Enum.GetValues<DeviceState>())
        {
            if ((states >> (int)state & 1) != 0) Coverage.Count(kind, state);
        }
    }

    /// <summary>A bit for each state that the device is in.</summary>
    private int StatesOf(DeviceSlot slot)
    {
        var states = 0;
        var device = slot.Active.Device;
        var mailbox = Judge.Mailbox(slot.Address.Value);
        var session = mailbox.Current?.Route?.Session;
        var isInFlight = false;
        if (!device.IsConnected) Add(DeviceState.Absent);
        else if (!device.IsWelcome) Add(DeviceState.LoggingIn);
        if (_isDown || slot.WelcomedInRun != NodeRuns) Add(DeviceState.Restarting);
        if (session is not null && _routes.Exists(r => r.Session?.Mailbox == mailbox && r.Connection != mailbox.Current && r.Connection.Session != 0)) Add(DeviceState.TakenOver);
        if (mailbox.Current is { IsPaused: true }) Add(DeviceState.ParkedForCredit);
        if (mailbox.Pending.Count != 0 && mailbox.Pending[0].Sequence <= mailbox.Processed) Add(DeviceState.ReceiptOwed);
        if (device.IsWelcome && slot.Active.HasRefused) Add(DeviceState.RefusedForNow);
        if (device.Outbox.Count != 0 && Judge.HasUncommittedOf(slot.Address.Value)) isInFlight = true;
        if (isInFlight) Add(DeviceState.CommitInFlight);
        if (session is not null)
        {
            if (session.Window.Count != 0) Add(DeviceState.InDeliveryWindow);
            if (session.Window.Count >= session.CreditMessages && mailbox.Pending.Exists(e => e.Sequence > session.HighestDelivered && e.Position <= Net.Store.CommittedThrough))
                Add(DeviceState.WithoutCredit);
        }

        if (states == 0 && device.Outbox.Count == 0) Add(DeviceState.Idle);
        return states;

        void Add(DeviceState state) => states |= 1 << (int)state;
    }
}
