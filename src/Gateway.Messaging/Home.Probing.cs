using Gateway.Protocol;

namespace Gateway.Messaging;

/// <summary>
/// Whether a silent device is still there. One that has something to acknowledge is asked soon, on the timer that redelivery has anyway; one that
/// has nothing rarely, when the transport tells of its silence. An answer is any byte. A probe that brings none ends the connection: what was
/// delivered on it stays pending, and the offline event goes out while somebody may still be woken by it. Nothing is remembered of it but a flag.
/// </summary>
public sealed partial class Home
{
    private long ProbeAfterMs => _options.ProbeAfterMs == 0 ? int.MaxValue : _options.ProbeAfterMs;

    /// <summary>
    /// Nothing was heard of the connection for a good part of the idle timeout, which ends it if nothing comes of this either. A client that pings
    /// when it should is never asked.
    /// </summary>
    public void OnQuiet(ulong connection, uint session)
    {
        ref var s = ref _sessions.OfConnection(session, connection);
        // With something to acknowledge its own timer asks, and must find the flag its own.
        if (SessionTable.IsNone(ref s) || !s.IsOnline || s.DeliveredHead != 0) return;
        SendProbe(ref s);
    }

    /// <summary>
    /// Asks a device that was silent for long enough. False: it was asked, has said nothing since, and its session has ended.
    /// <paramref name="dueMs"/> is when to look again.
    /// </summary>
    private bool Probe(uint index, ref Session s, out long dueMs)
    {
        dueMs = long.MaxValue;
        if (_options.ProbeAfterMs == 0) return true;
        // What is unsent goes before a ping, and whether it goes is for the transport to judge.
        var heardAt = _connections.UnsentBytes(s.Connection) != 0 ? _nowMs : _connections.HeardAtMs(s.Connection);
        if (s.Has(SessionFlags.Probed) && heardAt + ProbeAfterMs <= _nowMs)
        {
            Counters.DeadPeers++;
            CloseWith(index, ErrorCode.IdleTimeout, 0);
            return false;
        }

        s.Clear(SessionFlags.Probed);
        dueMs = Math.Max(heardAt, s.ProgressAtMs) + ProbeAfterMs;
        if (dueMs > _nowMs) return true;
        SendProbe(ref s);
        dueMs = _nowMs + ProbeAfterMs;
        return true;
    }

    private void SendProbe(ref Session s)
    {
        Counters.Probes++;
        s.Set(SessionFlags.Probed);
        _connections.WritePing(s.Connection, s.Epoch);
    }
}
