using Gateway.Client;
using Xunit;

namespace Gateway.Tests.Client;

/// <summary>When acknowledgements leave: at most N entries or T ms behind, at once at half of the credit.</summary>
public class AcknowledgerTests
{
    [Fact]
    public void One_entry_waits_for_its_time_and_no_longer()
    {
        var a = new Acknowledger(every: 10, withinMs: 50, creditMessages: 100, creditBytes: 1000, position: 0);
        a.OnSeen(1, 1, nowMs: 0);
        Assert.Equal(long.MaxValue, a.DueMs);
        a.OnProcessed(1, nowMs: 7);
        Assert.Equal(57, a.DueMs);
        Assert.False(a.TryTake(56, out _));
        Assert.True(a.TryTake(57, out var sequence));
        Assert.Equal(1UL, sequence);
        Assert.False(a.TryTake(1000, out _));
    }

    [Fact]
    public void Many_entries_are_acknowledged_together_and_at_once_when_they_are_N()
    {
        var a = new Acknowledger(every: 3, withinMs: 50, creditMessages: 100, creditBytes: 1000, position: 0);
        for (var i = 1UL; i <= 5; i++) a.OnSeen(i, 1, 0);
        a.OnProcessed(2, 0);
        Assert.False(a.TryTake(0, out _));
        a.OnProcessed(4, 1);
        Assert.True(a.TryTake(1, out var sequence));
        Assert.Equal(4UL, sequence);
    }

    [Theory]
    [InlineData(8, 1000, 10, true)]
    [InlineData(9, 1000, 10, false)]
    [InlineData(100, 80, 10, true)]
    [InlineData(100, 81, 10, false)]
    public void Half_of_the_credit_in_messages_or_bytes_is_acknowledged_at_once(int creditMessages, int creditBytes, int bytes, bool atOnce)
    {
        var a = new Acknowledger(every: 1000, withinMs: 50, creditMessages, creditBytes, position: 0);
        for (var i = 1UL; i <= 4; i++) a.OnSeen(i, bytes, 0);
        a.OnProcessed(4, 0);
        Assert.Equal(atOnce, a.TryTake(0, out _));
    }

    [Fact]
    public void Nothing_is_acknowledged_that_this_session_did_not_deliver()
    {
        var a = new Acknowledger(every: 1, withinMs: 0, creditMessages: 10, creditBytes: 10, position: 9);
        a.OnProcessed(20, 0);
        Assert.False(a.TryTake(0, out _));
        a.OnSeen(12, 0, 0);
        Assert.True(a.TryTake(0, out var sequence));
        Assert.Equal(12UL, sequence);
        a.OnSeen(30, 0, 0);
        Assert.False(a.TryTake(0, out _));
    }

    [Fact]
    public void What_was_processed_in_an_earlier_session_is_acknowledged_when_it_comes_again()
    {
        var a = new Acknowledger(every: 1, withinMs: 0, creditMessages: 10, creditBytes: 10, position: 9);
        a.OnSeen(8, 0, 0);
        Assert.True(a.TryTake(0, out var sequence));
        Assert.Equal(8UL, sequence);
    }

    [Fact]
    public void Repetitions_within_a_session_take_no_memory_and_are_answered_once_a_while()
    {
        var a = new Acknowledger(every: 1, withinMs: 5, creditMessages: 10, creditBytes: 10, position: 0);
        a.OnSeen(1, 0, 0);
        a.OnSeen(2, 0, 0);
        a.OnSeen(1, 0, 0);
        a.OnProcessed(2, 0);
        Assert.True(a.TryTake(0, out var sequence));
        Assert.Equal(2UL, sequence);
        for (var i = 0; i < 100; i++) a.OnSeen(1, 0, 10);
        Assert.True(a.TryTake(15, out sequence));
        Assert.Equal(2UL, sequence);
        Assert.False(a.TryTake(15, out _));
    }

    [Fact]
    public void A_session_that_ends_acknowledges_what_it_can()
    {
        var a = new Acknowledger(every: 100, withinMs: 1000, creditMessages: 1000, creditBytes: 1000, position: 0);
        a.Hurry(0);
        Assert.Equal(long.MaxValue, a.DueMs);
        a.OnSeen(1, 0, 0);
        a.OnProcessed(1, 0);
        a.Hurry(3);
        Assert.True(a.TryTake(3, out _));
    }
}
