namespace Gateway.Load.Devices;

/// <summary>
/// What one device still has to send, and when. Plain memory within the device; belongs to its fleet's <see cref="SendSchedule"/>, but that
/// the fleet takes <see cref="IsScheduled"/> back from one that came due. Invariant: it is scheduled or backlogged only while it is sending.
/// </summary>
internal struct Sender
{
    /// <summary>Messages still to be sent for the first time; meaningful while sending.</summary>
    public long Quota;

    /// <summary>Open loop: the intended time of its next message, µs; a fraction, so that a rate is kept over hours.</summary>
    public double NextDue;

    /// <summary>Still has messages to send.</summary>
    public bool IsSending;

    /// <summary>In the queue of due times (open loop).</summary>
    public bool IsScheduled;

    /// <summary>Due and not permitted to send (open loop).</summary>
    public bool IsBacklogged;
}
