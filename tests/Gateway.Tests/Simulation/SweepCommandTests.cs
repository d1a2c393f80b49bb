using Gateway.Simulation;
using Xunit;

namespace Gateway.Tests.Simulation;

public class SweepCommandTests
{
    [Fact]
    public void One_seed_tells_its_figures_and_with_verbose_its_history()
    {
        var (status, output, _) = Run("--seed", "5");
        Assert.Equal(0, status);
        var line = Assert.Single(output.TrimEnd().Split('\n'));
        Assert.Matches("^seed 5: [0-9]+ events, [0-9]+ messages, history [0-9a-f]{16}: every promise kept$", line);

        var (again, history, _) = Run("--seed", "5", "--verbose");
        Assert.Equal(0, again);
        Assert.EndsWith(line, history.TrimEnd(), StringComparison.Ordinal);
        Assert.Contains("Welcome incarnation", history, StringComparison.Ordinal);
    }

    [Fact]
    public void A_sweep_too_short_to_meet_everything_says_what_it_did_not_meet()
    {
        var (status, output, _) = Run("--seeds", "3", "--first", "100", "--threads", "1");
        Assert.Equal(3, status);
        Assert.Contains("3 of 3 seeds", output, StringComparison.Ordinal);
        Assert.Contains("seeds 100 to 102: ", output, StringComparison.Ordinal);
        Assert.Contains("empty: ", output, StringComparison.Ordinal);
        Assert.All(Enum.GetNames<FaultKind>(), name => Assert.Contains($"\n{name} ", output, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData]
    [InlineData("--seeds")]
    [InlineData("--seeds", "many")]
    [InlineData("--seeds", "0")]
    [InlineData("--seed", "1", "--loud")]
    public void Called_wrongly_it_says_how_it_is_called(params string[] arguments)
    {
        var (status, output, error) = Run(arguments);
        Assert.Equal(2, status);
        Assert.Empty(output);
        Assert.Contains("--seeds N", error, StringComparison.Ordinal);
    }

    private static (int Status, string Output, string Error) Run(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        return (SweepCommand.Run(arguments, output, error), output.ToString(), error.ToString());
    }
}
