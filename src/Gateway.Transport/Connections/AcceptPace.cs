namespace Gateway.Transport.Connections;

/// <summary>
/// How many connections a reactor may accept in its next turn. Each costs those already in a part of the turn, so the number halves after a turn
/// that kept them waiting for longer than the bound, and doubles after one that did not; it never falls below <see cref="Least"/>, or a node that
/// is busy would be closed. Those that are not accepted wait in the kernel, which costs nothing here. Owned by the reactor's thread.
/// </summary>
internal sealed class AcceptPace
{
    private readonly int _most;
    private readonly long _lagBoundUs;

    public AcceptPace(int most, long lagBoundUs)
    {
        _most = most;
        _lagBoundUs = lagBoundUs;
        Allowance = most;
    }

    /// <summary>A sixteenth of the most.</summary>
    public int Least => Math.Max(1, _most / 16);

    /// <summary>Accepts of the next turn.</summary>
    public int Allowance { get; private set; }

    /// <summary>A turn has ended that kept others waiting for <paramref name="lagUs"/>.</summary>
    public void Note(long lagUs) =>
        Allowance = lagUs > _lagBoundUs ? Math.Max(Least, Allowance / 2) : Math.Min(_most, Allowance * 2);
}
