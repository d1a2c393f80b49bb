using Xunit;

namespace Gateway.Tests.C10M;

/// <summary>The load tool, and the scripted relay that it is pointed at. Both end with their test.</summary>
internal sealed class LoadedRelay : IDisposable
{
    public LoadedRelay(RelayFaults? faults = null, uint idleTimeoutMs = 300_000) => Relay = new FakeRelay(Tool.Secret, faults, idleTimeoutMs);

    public LoadTool Tool { get; } = new();

    public FakeRelay Relay { get; }

    public LoadRun Run(params string[] arguments) => Tool.Run(Relay, arguments);

    /// <summary>Runs it to the end, at which everything must add up.</summary>
    public LoadRun RunCleanly(params string[] arguments)
    {
        var run = Run(arguments);
        Assert.True(run.ExitCode == 0, run.ToString());
        return run;
    }

    /// <summary>The relay's own count: so many messages came, all of them and their receipts went out.</summary>
    public void AssertLedger(long messages)
    {
        var ledger = Relay.Ledger();
        Assert.Equal((messages, messages, 0, 0), (ledger.Accepted, ledger.Delivered, ledger.Pending, ledger.ReceiptsPending));
        Assert.Empty(Relay.Fatal);
    }

    public void Dispose()
    {
        Relay.Dispose();
        Tool.Dispose();
    }
}
