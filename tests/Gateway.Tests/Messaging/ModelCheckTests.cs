using System.Globalization;
using Gateway.Simulation;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>
/// Random plans against the promises. More seeds: GATEWAY_MODEL_SEEDS=20000, from another start: GATEWAY_MODEL_FIRST_SEED.
/// </summary>
public class ModelCheckTests
{
    private const int Batches = 10;

    public static TheoryData<int> BatchNumbers => [.. Enumerable.Range(0, Batches)];

    [Theory]
    [MemberData(nameof(BatchNumbers))]
    public void Random_plans_break_no_promise(int batch)
    {
        var seeds = Setting("GATEWAY_MODEL_SEEDS", 300) / Batches;
        var first = Setting("GATEWAY_MODEL_FIRST_SEED", 1) + batch * seeds;
        for (var seed = first; seed < first + seeds; seed++)
        {
            if (ModelCheck.Run(seed) is { } broken) Assert.Fail(broken);
        }
    }

    [Theory]
    [InlineData(723)]
    [InlineData(2442)]
    [InlineData(3835)]
    [InlineData(5150)]
    [InlineData(5608)]
    [InlineData(5981)]
    public void Seeds_that_once_broke_a_promise_keep_it(int seed)
    {
        if (ModelCheck.Run(seed) is { } broken) Assert.Fail(broken);
    }

    private static int Setting(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : otherwise;
}
