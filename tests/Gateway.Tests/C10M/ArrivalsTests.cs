using Gateway.Load.Devices;
using Xunit;

namespace Gateway.Tests.C10M;

/// <summary>What a recipient remembers of its stream.</summary>
public class ArrivalsTests
{
    [Fact]
    public void Each_index_is_new_once_and_in_order_only_after_the_one_before()
    {
        var arrivals = new Arrivals();
        Assert.Equal([Arrival.InOrder, Arrival.InOrder, Arrival.Again, Arrival.Again], Note(ref arrivals, 1, 2, 2, 1));
        Assert.Equal([Arrival.OutOfOrder, Arrival.OutOfOrder, Arrival.OutOfOrder, Arrival.Again, Arrival.InOrder], Note(ref arrivals, 5, 3, 4, 5, 6));
        Assert.Equal(6UL, arrivals.Highest);
    }

    [Theory]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(1000)]
    public void It_remembers_sixty_four_and_forgets_nothing_of_them_over_a_gap(ulong gap)
    {
        var arrivals = new Arrivals();
        Assert.Equal([Arrival.InOrder, Arrival.OutOfOrder], Note(ref arrivals, 1, 1 + gap));
        // Within memory the first is known and the second is not; beyond it both are taken for known.
        Assert.Equal([Arrival.Again, gap < 65 ? Arrival.OutOfOrder : Arrival.Again], Note(ref arrivals, 1, 2));
        Assert.Equal([Arrival.OutOfOrder, Arrival.Again], Note(ref arrivals, gap, gap));
    }

    private static List<Arrival> Note(ref Arrivals arrivals, params ulong[] indexes)
    {
        var found = new List<Arrival>();
        foreach (var index in indexes) found.Add(arrivals.Note(index));
        return found;
    }
}
