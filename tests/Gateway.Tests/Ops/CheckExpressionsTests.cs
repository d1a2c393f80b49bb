using System.Net;
using System.Net.Sockets;
using Gateway.Tests.Repository;
using Xunit;

namespace Gateway.Tests.Ops;

/// <summary>tools/ops/check-expressions.py: what it makes of expressions, and of a Prometheus that is not one. <see cref="BacklogAlertTests"/> has it ask a real one.</summary>
public sealed class CheckExpressionsTests
{
    [Theory]
    [InlineData("up{job=\"gateway\"} == 0", "up {job=\"gateway\"}", "up{job=\"gateway\"}")]
    [InlineData("(a / b) > 0.8", "a / b", "a;b")]
    [InlineData("(a > 10) and (b / c) > 1.2", "a;b / c", "a;b;c")]
    [InlineData("a{q=~\"x|y and z > 1\"} > 5 or a{q=\"h\"} > 60", "a {q=~\"x|y and z > 1\"};a {q=\"h\"}", "a{q=~\"x|y and z > 1\"};a{q=\"h\"}")]
    [InlineData("(a > 100) and on (job, instance) (sum by (job) (a) / b) > 0.05", "a;sum by ( job ) ( a ) / b", "a;a;b")]
    [InlineData("abs(a:b:c) > on (job) (100 + 0.1 * d)", "abs ( a:b:c );100 + 0.1 * d", "a:b:c;d")]
    [InlineData("0 * (a == 0) or a / ((b - c) > 0) or 0 * a - 1", "0 * ( a );a / ( ( b - c ) );0 * a - 1", "a;a;b;c;a")]
    [InlineData("sum(a >= bool 1e3)", "sum ( a )", "a")]
    [InlineData("histogram_quantile(0.99, sum by (le) (rate(x_bucket{r=\"1\"}[5m])))", "histogram_quantile ( 0.99 , sum by ( le ) ( rate ( x_bucket {r=\"1\"} [5m] ) ) )", "x_bucket{r=\"1\"}")]
    public void Comparisons_are_taken_away_and_series_are_found(string expression, string operands, string selectors)
    {
        // The script is a module under another name than an identifier.
        const string Program = """
            import importlib.util, sys
            spec = importlib.util.spec_from_file_location("check", sys.argv[1])
            sys.dont_write_bytecode = True
            check = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(check)
            parts = check.tokens(sys.argv[2])
            print(";".join(check.operands(parts)))
            print(";".join(check.selectors(parts)))
            """;
        var (exit, said) = DebianPackage.Run("python3", "", "-c", Program, Script, expression);
        Assert.True(exit == 0, said);
        Assert.Equal([operands, selectors, ""], said.Split('\n'));
    }

    [Fact]
    public void A_prometheus_that_cannot_be_reached_is_2()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        taken.Stop();
        var (exit, said) = DebianPackage.Run("python3", "", Script, "--prometheus", $"http://127.0.0.1:{port}");
        Assert.Equal(2, exit);
        Assert.StartsWith("check-expressions.py: ", said, StringComparison.Ordinal);
    }

    private static string Script => RepositoryRoot.File("tools", "ops", "check-expressions.py");
}
