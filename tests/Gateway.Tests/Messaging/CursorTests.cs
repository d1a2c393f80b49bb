using Gateway.Messaging;
using Gateway.Simulation;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>P4 and P6: the mailbox is the queue, a connection is a cursor over it with credit, and a slow reader costs no buffers.</summary>
public class CursorTests : HomeTests
{
    [Theory]
    [MemberData(nameof(Homes))]
    public void A_slow_reader_stops_its_cursor_grows_no_buffer_and_gets_everything_once_it_reads(int homes)
    {
        var net = Start(homes, new HomeOptions { MaxUnsentBytes = 8 * 1024 });
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Reads = false;
        ben.Connection!.KernelRoomBytes = 4 * 1024;
        for (var i = 0; i < 200; i++)
        {
            anna.Send(ben.Address, $"{i} {new string('x', 1000)}");
            if (i % 20 == 19) net.Settle();
            Assert.InRange(ben.Connection.UnsentBytes, 0, 8 * 1024 + 2 * 1100);
        }

        Assert.Equal(200, anna.Accepted.Count());
        Assert.Equal(200, net.Store.Messages.Pending);
        Assert.InRange(net.HomeOf(ben.Address).DeliveredUnacknowledged, 1, 20);

        ben.Reads = true;
        net.Settle();
        Assert.Equal(200, ben.Inbox.Count);
        Assert.Equal(0, ben.Repeats);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_burst_that_the_kernel_takes_whole_at_the_end_of_its_turn_does_not_stop_the_cursor_for_good(int homes)
    {
        var net = Start(homes, new HomeOptions { MaxUnsentBytes = 8 * 1024 });
        var (anna, ben) = (Anna(net), Ben(net, login: false));
        for (var i = 0; i < 60; i++) anna.Send(ben.Address, new string('x', 1000));
        net.Settle();
        ben.Acknowledges = false; // nothing it says moves the cursor on
        ben.Login();
        Assert.Equal(60, ben.Inbox.Count);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Credit_counts_messages(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net, login: false));
        ben.CreditMessages = 3;
        ben.Acknowledges = false;
        ben.Login();
        for (var i = 0; i < 10; i++) anna.Send(ben.Address, $"{i}");
        net.Settle();
        Assert.Equal(3, ben.Inbox.Count);
        ben.Acknowledge(ben.Inbox[0].Sequence);
        net.Settle();
        Assert.Equal(4, ben.Inbox.Count);
        ben.GiveCredit(5, 1 << 20);
        net.Settle();
        Assert.Equal(6, ben.Inbox.Count);
        ben.GiveCredit(1, 1 << 20);
        ben.Acknowledge(ben.Inbox[4].Sequence);
        net.Settle();
        Assert.Equal(6, ben.Inbox.Count);
        ben.Acknowledges = true;
        ben.Acknowledge();
        net.Settle();
        Assert.Equal(10, ben.Inbox.Count);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Credit_counts_bytes_of_bodies(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net, login: false));
        ben.CreditBytes = 1000;
        ben.Acknowledges = false;
        ben.Login();
        for (var i = 0; i < 10; i++) anna.Send(ben.Address, new string('x', 400));
        net.Settle();
        Assert.Equal(2, ben.Inbox.Count);
        ben.GiveCredit(100, 1200);
        net.Settle();
        Assert.Equal(3, ben.Inbox.Count);
        ben.Acknowledges = true;
        ben.Acknowledge();
        net.Settle();
        Assert.Equal(10, ben.Inbox.Count);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Credit_of_nothing_pauses_delivery_and_all_else_goes_on(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.GiveCredit(0, 1 << 20);
        anna.Send(ben.Address, "waits");
        ben.Send(anna.Address, "goes");
        ben.Ping(7);
        net.Settle();
        Assert.Empty(ben.Inbox);
        Assert.Single(anna.Inbox);
        Assert.Equal(7UL, Assert.Single(ben.Heard.OfType<Ponged>()).Token);
        ben.GiveCredit(10, 1 << 20);
        net.Settle();
        Assert.Single(ben.Inbox);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Credit_above_the_homes_limit_is_cut_to_it(int homes)
    {
        var net = Start(homes, new HomeOptions { MaxCreditMessages = 2, MaxCreditBytes = 100 });
        var (anna, ben) = (Anna(net), Ben(net, login: false));
        ben.CreditMessages = uint.MaxValue;
        ben.CreditBytes = uint.MaxValue;
        ben.Acknowledges = false;
        ben.Login();
        for (var i = 0; i < 5; i++) anna.Send(ben.Address, "x");
        net.Settle();
        Assert.Equal(2, ben.Inbox.Count);
        ben.GiveCredit(uint.MaxValue, uint.MaxValue);
        net.Settle();
        Assert.Equal(2, ben.Inbox.Count);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_body_that_waits_for_credit_is_not_read_again_for_every_message_behind_it(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net, login: false));
        ben.CreditBytes = 1000;
        ben.Acknowledges = false;
        ben.Login();
        for (var i = 0; i < 40; i++)
        {
            anna.Send(ben.Address, new string('x', 900));
            net.Settle();
        }

        Assert.InRange(net.Store.Homes.Sum(log => log.ReadsBegun), 1, 6);
        ben.Acknowledges = true;
        ben.Acknowledge();
        net.Settle();
        Assert.Equal(40, ben.Inbox.Count);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Each_entry_names_the_one_before_it_from_memory_from_the_log_and_across_sessions(int homes)
    {
        // The device model checks the chain at every entry; here it must also be unbroken, not merely never wrong.
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        for (var round = 0; round < 4; round++)
        {
            for (var i = 0; i < 10; i++) anna.Send(ben.Address, $"{round}.{i}");
            net.Settle();
            ben.HangUp();
            for (var i = 0; i < 10; i++) anna.Send(ben.Address, $"{round}.{i}");
            net.Settle();
            ben.Login();
        }

        Assert.Equal(80, ben.Inbox.Count);
        Assert.Equal(0UL, ben.Inbox[0].Previous);
        for (var i = 1; i < 80; i++) Assert.Equal(ben.Inbox[i - 1].Sequence, ben.Inbox[i].Previous);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Messages_committed_while_a_page_is_on_its_way_are_not_missed(int homes)
    {
        for (var waiting = 0; waiting < 3; waiting++)
        {
            for (var during = 1; during < 4; during++)
            {
                var net = Start(homes, seed: waiting * 10 + during);
                var (anna, ben) = (Anna(net), Ben(net, login: false));
                for (var i = 0; i < waiting; i++) anna.Send(ben.Address, $"waiting {i}");
                net.Settle();
                ben.Connect();
                net.Exchange();
                net.Store.CommitAll(); // the fresh incarnation: welcome, and the first page is asked for if anything waits
                net.Exchange();
                for (var i = 0; i < during; i++)
                {
                    anna.Send(ben.Address, $"during {i}");
                    net.Exchange();
                    net.Store.CommitAll();
                    net.Exchange();
                }

                net.Settle();
                Assert.Equal(waiting + during, ben.Inbox.Count);
                Assert.Equal(0, ben.Repeats);
                AssertIdle(net);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void When_all_pages_are_out_cursors_wait_for_one_and_all_are_served(int homes)
    {
        var net = Start(homes);
        net.Store.PagesPerHome = 1;
        var anna = Anna(net);
        var readers = Enumerable.Range(1, 20).Select(i => Device(net, 4, i, login: false)).ToList();
        foreach (var reader in readers) anna.Send(reader.Address, "x");
        net.Settle();
        foreach (var reader in readers) reader.Connect();
        net.Settle();
        Assert.All(readers, r => Assert.Single(r.Inbox));
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void When_the_bound_on_delivered_entries_is_reached_cursors_wait_and_all_are_served(int homes)
    {
        var net = Start(homes, new HomeOptions { MaxDelivered = 5 });
        var anna = Anna(net);
        var readers = Enumerable.Range(1, 4).Select(i => Device(net, 4, i)).ToList();
        foreach (var reader in readers) reader.Acknowledges = false;
        foreach (var reader in readers)
        {
            for (var i = 0; i < 5; i++) anna.Send(reader.Address, "x");
        }

        net.Settle();
        Assert.Equal(5, readers.Sum(r => r.Inbox.Count));
        Assert.Equal(5, net.HomeOf(readers[0].Address).DeliveredUnacknowledged);
        foreach (var reader in readers)
        {
            reader.Acknowledges = true;
            reader.Acknowledge();
        }

        net.Settle();
        Assert.All(readers, r => Assert.Equal(5, r.Inbox.Count));
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void What_is_left_unacknowledged_is_delivered_again_with_the_flag_and_ever_more_rarely(int homes)
    {
        var net = Start(homes, new HomeOptions { RedeliverAfterMs = 10_000, MaxRedeliverAfterMs = 40_000 });
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        anna.Send(ben.Address, "a");
        anna.Send(ben.Address, "b");
        net.Settle();
        var start = net.Clock.NowMs;

        var at = new List<long>();
        while (net.Clock.NowMs < start + 200_000)
        {
            var before = ben.Repeats;
            net.Clock.Advance(900);
            net.Settle();
            if (ben.Repeats != before) at.Add((net.Clock.NowMs - start) / 1000);
        }

        // After 10 s, then 20, 40, 40 ... later than the last; each time both, in order, with the flag.
        int[] expected = [10, 30, 70, 110, 150, 190];
        Assert.Equal(expected.Length, at.Count);
        for (var i = 0; i < expected.Length; i++) Assert.InRange(at[i], expected[i] - 1, expected[i] + 8);
        Assert.Equal(12, ben.Repeats);
        Assert.All(ben.Heard.OfType<Delivered>().Skip(2), d => Assert.True(d.IsRedelivered));
        Assert.All(ben.Heard.OfType<Delivered>().Take(2), d => Assert.False(d.IsRedelivered));

        ben.Acknowledge();
        net.Settle();
        AssertIdle(net);
        var heard = ben.Heard.Count;
        net.Clock.Advance(100_000);
        net.Settle();
        Assert.Equal(heard, ben.Heard.Count);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void An_acknowledgement_puts_the_redelivery_off_and_only_the_rest_comes_again(int homes)
    {
        var net = Start(homes, new HomeOptions { RedeliverAfterMs = 10_000 });
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        for (var i = 0; i < 3; i++) anna.Send(ben.Address, $"{i}");
        net.Settle();
        net.Clock.Advance(8_000);
        ben.Acknowledge(ben.Inbox[0].Sequence);
        net.Settle();
        net.Clock.Advance(8_000);
        net.Settle();
        Assert.Equal(0, ben.Repeats);
        net.Clock.Advance(3_000);
        net.Settle();
        Assert.Equal(["1", "2"], ben.Heard.OfType<Delivered>().Skip(3).Select(d => d.Body));
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_redelivery_while_a_page_is_on_its_way_mixes_nothing_up(int homes)
    {
        var net = Start(homes, new HomeOptions { RedeliverAfterMs = 1_000, PageEntries = 2 });
        var (anna, ben) = (Anna(net), Ben(net, login: false));
        for (var i = 0; i < 6; i++) anna.Send(ben.Address, $"{i}");
        net.Settle();
        ben.Acknowledges = false;
        ben.Connect();
        net.Exchange();
        net.Store.CommitAll();
        net.Exchange();
        net.Store.CompleteReads();
        net.Exchange(); // two delivered, the next page asked for
        Assert.Equal(2, ben.Inbox.Count);
        net.Clock.Advance(1_500);
        net.Exchange(); // back to the first
        net.Settle();
        Assert.Equal(["0", "1", "0", "1", "2", "3", "4", "5"], ben.Heard.OfType<Delivered>().Select(d => d.Body));
        ben.Acknowledge();
        net.Settle();
        AssertIdle(net);
    }
}
