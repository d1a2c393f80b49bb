namespace Gateway.Server.Health;

/// <summary>
/// Events a second over a window that has no edge: what happened t seconds ago weighs e^(-t / window). Ticks may come at any distance; within one the
/// events count as evenly spread. A young window is not too low: its weights are made to add up to one, so after the first tick it tells that tick's rate.
/// </summary>
internal struct DecayingRate(double windowSeconds)
{
    private double _weighted;
    private double _weight;

    public readonly double PerSecond => _weight == 0 ? 0 : _weighted / _weight;

    /// <param name="events">Since the last tick.</param>
    /// <param name="elapsedSeconds">Since then; nothing happens unless it is positive.</param>
    public void Note(double events, double elapsedSeconds)
    {
        if (elapsedSeconds <= 0) return;
        var kept = Math.Exp(-elapsedSeconds / windowSeconds);
        _weighted = _weighted * kept + events / elapsedSeconds * (1 - kept);
        _weight = _weight * kept + (1 - kept);
    }
}
