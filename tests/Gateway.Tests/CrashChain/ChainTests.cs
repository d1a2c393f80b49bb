using Gateway.PowerLoss.Chain;
using Xunit;
using Xunit.Abstractions;

namespace Gateway.Tests.CrashChain;

/// <summary>
/// The real node killed in a chain under the load tool; the long chain is
/// <c>dotnet run -c Release --project tests/Gateway.PowerLoss -- chain --kills 50 --messages 5000000</c>.
/// </summary>
public sealed class ChainTests(ITestOutputHelper output) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [OneAndEightReactors]
    public async Task Kills_under_load_and_in_recovery_lose_nothing_and_the_ledger_is_what_the_clients_counted(int reactors)
    {
        var plan = new ChainPlan(Kills: 4, Messages: 120_000, Chunks: 2, reactors, Seed: 7);
        var result = await new ChainRun(plan, _folder.Path, output.WriteLine).RunAsync();
        Assert.Equal(4, result.Kills);
        Assert.True(result.Clients.Accepted >= 120_000);
        Assert.Equal(result.Clients.Accepted, result.Clients.Delivered);
        Assert.Equal(result.Clients.Accepted, result.Ledger.GetProperty("delivered").GetInt64());
        Assert.True(result.Clients.Reconnects > 0);
    }
}
