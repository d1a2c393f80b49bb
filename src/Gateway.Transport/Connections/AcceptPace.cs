namespace Gateway.Transport.Connections;

/// <summary>
/// How many connections a reactor may accept in its next turn. Each costs those already in a part of the turn, so the number halves after a turn
/// that kept them waiting for longer than the bound, and doubles after one that did not; it never falls below <see cref="Least"/>, or a node that
/// is busy would be closed. And over time no more are accepted than a rate, since also one that is only sent away takes processor from those
/// inside, on whatever core. Those that are not accepted wait in the kernel, which costs nothing here. Owned by the reactor's thread.
/// </summary>
internal sealed class AcceptPace
{
    private const int Thousandths = 1000;

    private readonly int _most;
    private readonly long _lagBoundUs;
    private readonly int _perSecond;
    private int _perTurn;
    // In thousandths of an accept, which a millisecond adds the rate of; below zero when more were under way than were left.
    private long _saved;
    private long _savedAtMs;

    /// <param name="most">Accepts of a turn, and accepts saved up at most.</param>
    /// <param name="lagBoundUs">What a turn may keep others waiting.</param>
    /// <param name="perSecond">Accepts of a second; 0: any.</param>
    public AcceptPace(int most, long lagBoundUs, int perSecond = 0)
    {
        _most = most;
        _lagBoundUs = lagBoundUs;
        _perSecond = perSecond;
        _perTurn = most;
        _saved = (long)most * Thousandths;
    }

    /// <summary>A sixteenth of the most.</summary>
    public int Least => Math.Max(1, _most / 16);

    /// <summary>The rate's share is used up: a little later there is some.</summary>
    public bool IsSpent => _perSecond != 0 && _saved < Thousandths;

    /// <summary>Accepts of the next turn; 0 while the rate's share is used up.</summary>
    public int Allowance(long nowMs)
    {
        if (_perSecond == 0) return _perTurn;
        _saved = Math.Min((long)_most * Thousandths, _saved + (nowMs - _savedAtMs) * _perSecond);
        _savedAtMs = nowMs;
        return (int)Math.Clamp(_saved / Thousandths, 0, _perTurn);
    }

    /// <summary>One was accepted.</summary>
    public void Take()
    {
        if (_perSecond != 0) _saved -= Thousandths;
    }

    /// <summary>A turn has ended that kept others waiting for <paramref name="lagUs"/>.</summary>
    public void Note(long lagUs) =>
        _perTurn = lagUs > _lagBoundUs ? Math.Max(Least, _perTurn / 2) : Math.Min(_most, _perTurn * 2);
}
