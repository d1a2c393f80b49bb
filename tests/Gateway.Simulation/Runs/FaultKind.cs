namespace Gateway.Simulation;

/// <summary>What a run does to the node and to its devices. Those from <see cref="Reset"/> on strike one device, the others the whole node.</summary>
public enum FaultKind
{
    /// <summary>The node dies; what was not committed is lost, or a first part of it is not. It comes back after a while.</summary>
    Crash,
    /// <summary>The log fails for good; the node serves on until its host has noticed, and starts anew.</summary>
    FailStop,
    SlowDisk,
    StalledDisk,
    SlowReads,
    /// <summary>No room for messages.</summary>
    FullDisk,
    /// <summary>No room for receipts.</summary>
    FullReserve,
    /// <summary>No room for acknowledgements and removals.</summary>
    BusyLog,
    NoSequences,
    ClockForward,
    ClockBack,
    SlowLanes,
    /// <summary>One reactor makes no turns.</summary>
    StalledReactor,
    /// <summary>Every device loses its connection and comes back at once.</summary>
    ReconnectStorm,

    Reset,
    /// <summary>The device hangs up in good order.</summary>
    Leave,
    /// <summary>Nothing arrives any more in either direction, and neither end is told.</summary>
    HalfOpen,
    /// <summary>No way to the node for a while; connections break.</summary>
    Offline,
    SlowNetwork,
    /// <summary>Bytes arrive one by one, or nearly.</summary>
    Trickle,
    SlowReader,
    NoCredit,
    NeverAcknowledges,
    Rejects,
    /// <summary>Logs in again without having closed its connection.</summary>
    LogsInTwice,
    /// <summary>Another installation with the same key logs in.</summary>
    SecondInstallation,
    /// <summary>Starts anew without state: a fresh incarnation, position 0.</summary>
    Reinstalled,
    RevokedKey,
    Kick,
    /// <summary>Gives up waiting for a message.</summary>
    GivesUp,
    /// <summary>Says what no device may say.</summary>
    Rogue,
}

/// <summary>What a device is in the middle of, as it can be seen from outside. A device may be in several at once.</summary>
public enum DeviceState
{
    /// <summary>It has no connection.</summary>
    Absent,
    /// <summary>Connected and not yet welcomed.</summary>
    LoggingIn,
    /// <summary>Welcomed, and nothing is under way.</summary>
    Idle,
    /// <summary>It was sent entries that it has not acknowledged.</summary>
    InDeliveryWindow,
    /// <summary>It has acknowledged entries that are still in its mailbox.</summary>
    ReceiptOwed,
    /// <summary>Durable entries wait for its credit.</summary>
    WithoutCredit,
    /// <summary>Its connection is not read, for want of credit between two homes.</summary>
    ParkedForCredit,
    /// <summary>A connection of an older session is still there.</summary>
    TakenOver,
    /// <summary>A message of its own is appended and not durable.</summary>
    CommitInFlight,
    /// <summary>A message of its own was refused for now, and holds back others.</summary>
    RefusedForNow,
    /// <summary>The node is down, or was and has not welcomed the device since.</summary>
    Restarting,
}

/// <summary>One fault of a plan. The operands are raw: whoever inflicts it folds them to what there is.</summary>
public readonly record struct Fault(long AtMicros, FaultKind Kind, int A, int B)
{
    public override string ToString() => FormattableString.Invariant($"{AtMicros / 1000.0,10:0.000} ms {Kind} {A} {B}");
}
