using System.Globalization;
using Gateway.Protocol;
using Gateway.Server.Texts;
using Gateway.Transport;

namespace Gateway.Server.Health.Flight;

/// <summary>Events as a person reads them: time, thread, what, who by pseudonym. Stateless but for the keys.</summary>
internal sealed class FlightText(NodeKeys keys)
{
    /// <summary>The events of all rings since a moment, in order of time.</summary>
    public static IReadOnlyList<(FlightRing Ring, FlightEvent Event)> Gather(IEnumerable<FlightRing> rings, DateTimeOffset since)
    {
        var all = new List<(FlightRing Ring, FlightEvent Event)>();
        var events = new List<FlightEvent>();
        foreach (var ring in rings)
        {
            events.Clear();
            ring.Read(events);
            foreach (var entry in events) all.Add((ring, entry));
        }

        var from = since.ToUnixTimeMilliseconds();
        return [.. all.Where(e => e.Event.UnixMs >= from).OrderBy(e => e.Event.UnixMs)];
    }

    public string Line(FlightRing ring, in FlightEvent e) => string.Create(
        CultureInfo.InvariantCulture, $"{DateTimeOffset.FromUnixTimeMilliseconds(e.UnixMs).UtcDateTime:HH:mm:ss.fff} {ring.Name,-10} {Describe(in e)}");

    public string Describe(in FlightEvent e) => e.Kind switch
    {
        FlightKind.Accepted => $"{Connection(e)} accepted",
        FlightKind.RefusedAtDoor => $"{Connection(e)} refused at the door: {(ErrorCode)e.A}",
        FlightKind.LoggedIn => $"{Device(e)} logged in",
        FlightKind.TakenOver => $"{Device(e)} logged in and took over its own session",
        FlightKind.LoginFailed => $"{Connection(e)} did not prove its device",
        FlightKind.Closed => $"{Connection(e)} closed: {(CloseReason)e.A}{(e.B == 0 ? "" : Invariant($", errno {e.B}"))}",
        FlightKind.TimedOut => $"{Connection(e)} timed out: {(TimeoutKind)e.A}",
        FlightKind.SendsRefused => Invariant($"sends refused: {e.A} for now, {e.B} for good"),
        FlightKind.FramesParked => Invariant($"frames parked for want of credit: {e.A}"),
        FlightKind.BudgetPaused => Invariant($"buffers over their budget: {e.A} connections are not read"),
        FlightKind.BudgetResumed => Invariant($"buffers relaxed: {e.A} connections are not read"),
        FlightKind.SlowTurn => $"a turn took {Figures.Time(e.A / 1e6)}",
        FlightKind.SlowCommit => $"a commit took {Figures.Time(e.A / 1e6)}",
        FlightKind.DrainBegun => "draining",
        FlightKind.More => Invariant($"and {e.A} more of {Words((FlightKind)e.B)}"),
        _ => Invariant($"event {(int)e.Kind}: {e.A}, {e.B}"),
    };

    /// <summary>LoggedIn as logged-in: what the JSON calls a kind.</summary>
    public static string Words(FlightKind kind) => System.Text.Json.JsonNamingPolicy.KebabCaseLower.ConvertName(kind.ToString());

    /// <summary>Whom an event is of, by pseudonym or by the connection's id; null when of nobody.</summary>
    public string? Subject(in FlightEvent e) => e.Subject == 0 ? null : e.Kind is FlightKind.LoggedIn or FlightKind.TakenOver ? Device(e) : Connection(e);

    private string Device(in FlightEvent e) => keys.Pseudonym(new Address(e.Subject));

    private static string Connection(in FlightEvent e)
    {
        var id = ConnectionId.Unpack(e.Subject);
        return Invariant($"connection {id.Slot}.{id.Generation}");
    }

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
