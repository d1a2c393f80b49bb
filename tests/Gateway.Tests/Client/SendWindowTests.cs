using Gateway.Client;
using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.Client;

/// <summary>What may be sent when, without a socket: PROTOCOL.md, "Window" and "Order".</summary>
public class SendWindowTests
{
    private static readonly Address Bob = new(AddressKind.User, 42);
    private static readonly Address Carol = new(AddressKind.User, 43);

    [Fact]
    public void A_refusal_without_a_hint_is_retried_after_1_s_doubled_up_to_60_s()
    {
        var window = new SendWindow(1);
        window.Load(Entry(1, Bob));
        var now = 0L;
        foreach (var expected in new long[] { 1, 2, 4, 8, 16, 32, 60, 60 })
        {
            Assert.True(window.TryTake(now, out _));
            Assert.True(window.Refuse(new RefusedFrame(1, RefusalReason.Busy, 0), now, spread: 1));
            Assert.Equal(now + 1000 * expected, window.NextDueMs());
            Assert.False(window.TryTake(window.NextDueMs() - 1, out _));
            now = window.NextDueMs();
        }
    }

    [Fact]
    public void A_new_session_forgets_who_was_held_and_sends_everything_again()
    {
        var window = new SendWindow(1);
        foreach (var number in new ulong[] { 1, 2, 3 }) window.Load(Entry(number, Bob));
        for (var i = 0; i < 3; i++) Assert.True(window.TryTake(0, out _));
        window.Refuse(new RefusedFrame(1, RefusalReason.NodeFull, 10_000), 0, 1);
        Assert.NotNull(window.Settle(2, byNode: true));
        window.Reset();
        Assert.Equal(0, window.InFlight);
        Assert.True(window.TryTake(0, out var first));
        Assert.True(window.TryTake(0, out var second));
        Assert.False(window.TryTake(0, out _));
        Assert.Equal((1UL, 3UL), (first!.Number, second!.Number));
    }

    [Fact]
    public void An_answer_that_nobody_waits_for_changes_nothing()
    {
        var window = new SendWindow(5);
        window.Load(Entry(5, Bob));
        Assert.Null(window.Settle(4, byNode: true));
        Assert.Null(window.Settle(6, byNode: true));
        Assert.False(window.Refuse(new RefusedFrame(5, RefusalReason.Busy, 1), 0, 1));
        Assert.True(window.TryTake(0, out _));
        Assert.NotNull(window.Settle(5, byNode: true));
        Assert.Null(window.Settle(5, byNode: true));
        Assert.Equal(5UL, window.Low);
        window.Close(5);
        window.Close(5);
        Assert.True(window.IsEmpty);
        Assert.Equal(6UL, window.Low);
    }

    [Fact]
    public void After_the_application_gave_one_up_the_next_waits_for_what_is_in_flight()
    {
        var window = new SendWindow(1);
        foreach (var number in new ulong[] { 1, 2, 3 }) window.Load(Entry(number, Bob));
        window.Load(Entry(4, Carol));
        Assert.True(window.TryTake(0, out _));
        Assert.True(window.TryTake(0, out _));
        window.Refuse(new RefusedFrame(1, RefusalReason.MailboxFull, 1), 0, 1);
        Assert.NotNull(window.Settle(1, byNode: false));
        window.Close(1);
        // 2 is about to come back refused. If 3 went now, its low mark would free the recipient and 3 would pass 2.
        Assert.True(window.TryTake(100, out var carols));
        Assert.Equal(Carol, carols!.To);
        Assert.False(window.TryTake(100, out _));
        window.Refuse(new RefusedFrame(2, RefusalReason.HeldForOrder, 0), 100, 1);
        Assert.True(window.TryTake(100, out var next));
        Assert.Equal(2UL, next!.Number);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Whatever_is_refused_or_lost_each_recipient_gets_its_messages_once_and_in_order(int seed)
    {
        for (var round = 0; round < 300; round++) Play(new Random(1000 * seed + round));
    }

    /// <summary>A node that refuses at random and answers late, in any order but for the order in which one recipient's answers are due; and sessions that end.</summary>
    private static void Play(Random random)
    {
        const ulong count = 150;
        var window = new SendWindow(1);
        var settled = new HashSet<ulong>();
        var taken = new List<OutboxEntry>();
        var next = 1UL;
        var nodeLow = 1UL;
        var now = 0L;
        var answers = new List<(ulong Number, RefusedFrame? Refused)>();
        var held = new Dictionary<Address, ulong>();
        for (var step = 0; window.Low <= count; step++)
        {
            Assert.True(step < 200_000, "Nothing moves any more.");
            while (next <= count && next < window.End && random.Next(4) != 0) window.Load(Entry(next, new Address(AddressKind.User, 1 + next * 7919 % 4)) with { Id = (long)next++ });
            switch (random.Next(10))
            {
                case < 4 when window.TryTake(now, out var entry):
                    Assert.InRange(entry!.Number - window.Low, 0UL, 63UL);
                    nodeLow = Math.Max(nodeLow, window.Low);
                    if (settled.Contains(entry.Number))
                    {
                        answers.Add((entry.Number, null));
                    }
                    else if (held.TryGetValue(entry.To, out var holder) && holder >= nodeLow && holder < entry.Number)
                    {
                        answers.Add((entry.Number, new RefusedFrame(entry.Number, RefusalReason.HeldForOrder, 0)));
                    }
                    else if (random.Next(4) == 0)
                    {
                        held[entry.To] = entry.Number;
                        answers.Add((entry.Number, new RefusedFrame(entry.Number, RefusalReason.RateLimited, (uint)random.Next(0, 30))));
                    }
                    else
                    {
                        held.Remove(entry.To);
                        settled.Add(entry.Number);
                        taken.Add(entry);
                        answers.Add((entry.Number, null));
                    }

                    break;
                case < 9 when answers.Count != 0:
                    var at = random.Next(answers.Count);
                    var (number, refused) = answers[at];
                    answers.RemoveAt(at);
                    if (refused is { } frame)
                    {
                        window.Refuse(frame, now, 1);
                    }
                    else if (window.Settle(number, byNode: true) is not null)
                    {
                        window.Close(number);
                    }

                    break;
                case 9 when random.Next(50) == 0:
                    answers.Clear();
                    held.Clear();
                    window.Reset();
                    break;
                default:
                    now += random.Next(1, 500);
                    break;
            }
        }

        Assert.Equal(count, (ulong)taken.Count);
        foreach (var recipient in taken.GroupBy(e => e.To)) Assert.Equal(recipient.OrderBy(e => e.Number), recipient);
    }

    private static OutboxEntry Entry(ulong number, Address to) => new((long)number, number, to, SendKind.Message, 0, default);
}
