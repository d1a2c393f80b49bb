using Gateway.Messaging;
using Gateway.Simulation;

namespace Gateway.Tests.Messaging;

/// <summary>
/// A log of one home on its stand: what <see cref="HomeLogContract"/> needs of an engine besides <see cref="IHomeLog"/>. An engine that works
/// on its own threads waits inside <see cref="Commit"/> and <see cref="TakePage"/>.
/// </summary>
public abstract class HomeLogBed : IDisposable
{
    public abstract IHomeLog Log { get; }

    public abstract LedgerTotals Messages { get; }

    public abstract LedgerTotals Receipts { get; }

    /// <summary>Returns when everything submitted is durable.</summary>
    public abstract void Commit();

    /// <summary>The next page that was asked for and not yet taken.</summary>
    public abstract ILogPage TakePage();

    /// <summary>Ends this run of the log and begins another, telling <paramref name="recovery"/> what it finds. The old <see cref="Log"/> is dead.</summary>
    public abstract void Reopen(ILogRecovery recovery);

    /// <summary>Dies without warning, right after the last <see cref="Commit"/> came back: what was appended since may be lost.</summary>
    public abstract void Crash(ILogRecovery recovery);

    public virtual void Dispose() => GC.SuppressFinalize(this);
}

/// <summary>What a log streamed when it was opened.</summary>
internal sealed class Recovered : ILogRecovery
{
    public List<(ulong Device, uint Incarnation, ulong Low, ulong Settled, uint UsedAt)> Windows { get; } = [];
    public List<(ulong Device, uint Incarnation, ulong Number, ulong Low)> Origins { get; } = [];
    public List<(ulong Device, uint Epoch)> Devices { get; } = [];

    public void OnWindow(ulong device, uint incarnation, ulong low, ulong settled, uint usedAt) => Windows.Add((device, incarnation, low, settled, usedAt));
    public void OnOrigin(ulong device, uint incarnation, ulong number, ulong low) => Origins.Add((device, incarnation, number, low));
    public void OnDevice(ulong device, uint keyEpoch) => Devices.Add((device, keyEpoch));
}
