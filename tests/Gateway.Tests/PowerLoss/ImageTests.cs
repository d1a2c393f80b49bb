using Gateway.PowerLoss.Disk;
using Gateway.PowerLoss.Images;
using Xunit;
using Xunit.Abstractions;

namespace Gateway.Tests.PowerLoss;

/// <summary>
/// P1 on a disk that loses power: whatever subset of what was not synced is lost or torn, what was promised is there. The long sweep is
/// <c>dotnet run -c Release --project tests/Gateway.PowerLoss -- --images 10000</c>.
/// </summary>
public class ImageTests(ITestOutputHelper output)
{
    /// <summary>Of both facts; another one each day would find more, and a test that falls on some days is nobody's.</summary>
    private const int Seed = 20_261_122;

    [Fact]
    public void Whatever_a_power_loss_leaves_the_log_recovers_all_that_was_promised()
    {
        var tally = new CrashTally();
        var (broken, seeds) = Campaign.Run(images: 600, Seed, jobs: 1, Lie.None, tally, keep: Path.GetTempPath());
        Assert.Null(broken?.Message);
        output.WriteLine($"{tally.Images} images of {seeds} seeds from {Seed}, {tally.Lives} lives, {tally.Events} recorded events, {tally.Damaged} damaged images refused");
        Assert.True(tally.Images >= 600 && tally.Records > 10_000 && tally.Damaged > 20);
    }

    /// <summary>What the device is for: each of these would lose messages, and is noticed. SkipClear takes thousands of images: by command.</summary>
    [Theory]
    [InlineData(Lie.SkipOneSync)]
    [InlineData(Lie.SkipFolderSync)]
    [InlineData(Lie.SkipNewSegmentSync)]
    [InlineData(Lie.SkipSuperblockSync)]
    [InlineData(Lie.OneSuperblockSlot)]
    [InlineData(Lie.SkipMakeDurable)]
    [InlineData(Lie.SkipRewrite)]
    [InlineData(Lie.TellFirst)]
    [InlineData(Lie.NoMarks)]
    [InlineData(Lie.CarryNothing)]
    internal void What_is_left_out_on_the_way_to_the_disk_is_noticed(Lie lie)
    {
        var tally = new CrashTally();
        var (broken, _) = Campaign.Run(images: 10_000, Seed, jobs: 1, lie, tally, keep: null);
        Assert.True(broken is not null, $"{lie} survived {tally.Images} images");
        output.WriteLine($"{lie}: after {tally.Images} images: {broken.Message}");
    }
}
